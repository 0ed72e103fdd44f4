"""The paper's radiomics: 1743 features of a tumour, and five learners on the few that are selected inside the folds."""
