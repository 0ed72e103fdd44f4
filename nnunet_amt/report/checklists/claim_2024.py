"""CLAIM, the checklist for artificial intelligence in medical imaging, in its 2024 update: 44 items.

Numbers and headings are those of the published table; what an item asks for is said in our own words.
"""

from __future__ import annotations

from nnunet_amt.report.checklists import author_answers as by_authors
from nnunet_amt.report.checklists import data_answers as data
from nnunet_amt.report.checklists import discussion_answers as discussion
from nnunet_amt.report.checklists import evaluation_answers as evaluation
from nnunet_amt.report.checklists import model_answers as model
from nnunet_amt.report.checklists import partition_answers as partition
from nnunet_amt.report.checklists import reference_answers as reference
from nnunet_amt.report.checklists import result_answers as result
from nnunet_amt.report.checklists import training_answers as training
from nnunet_amt.report.checklists.item import ChecklistItem as Item

CLAIM_2024_TITLE = "CLAIM 2024"
CLAIM_2024_CITATION = (
    "Tejani AS, Klontzas ME, Gatti AA, Mongan JT, Moy L, Park SH, Kahn CE Jr. Checklist for Artificial Intelligence "
    "in Medical Imaging (CLAIM): 2024 Update. Radiology: Artificial Intelligence 2024;6(4):e240300. "
    "doi:10.1148/ryai.240300"
)
CLAIM_2024_NOTE = "What an item asks for is in our words; the published checklist has its own."

_TITLE, _INTRODUCTION = "Title and abstract", "Introduction"
_DESIGN, _DATA, _REFERENCE = "Methods: study design", "Methods: data", "Methods: reference standard"
_PARTITIONS, _TESTING, _MODEL = "Methods: data partitions", "Methods: testing data", "Methods: model"
_TRAINING, _EVALUATION = "Methods: training", "Methods: evaluation"
_RESULTS_DATA, _RESULTS_MODEL = "Results: data", "Results: model performance"
_DISCUSSION, _OTHER = "Discussion", "Other information"


CLAIM_2024: tuple[Item, ...] = (
    Item("1", _TITLE, "Is it recognisable as work on AI, and by which kind of technique?", by_authors.title),
    Item("2", _TITLE, "An abstract that sums up design, methods, results and conclusions.", by_authors.abstract),
    Item(
        "3",
        _INTRODUCTION,
        "The scientific or clinical question, and what the AI is meant to do in it.",
        by_authors.background,
    ),
    Item("4", _INTRODUCTION, "Aims, and hypotheses if there were any.", by_authors.hypotheses),
    Item("5", _DESIGN, "Were the data collected looking back or looking ahead?", by_authors.design),
    Item("6", _DESIGN, "What the study is for: a new model, feasibility, non-inferiority or else.", by_authors.goal),
    Item("7", _DATA, "Where the data come from, and how well they fit the intended use.", data.sources),
    Item("8", _DATA, "Who could be included, and who was left out.", data.eligibility),
    Item("9", _DATA, "What was done to the images before the model saw them.", model.preprocessing),
    Item("10", _DATA, "Which parts of the images were used, such as slices or crops.", model.subsets),
    Item("11", _DATA, "How identities were removed.", data.deidentification),
    Item("12", _DATA, "What became of missing data.", data.missing_data),
    Item("13", _DATA, "How the images were acquired.", data.acquisition),
    Item("14", _REFERENCE, "How the reference standard is defined and made.", reference.definition),
    Item("15", _REFERENCE, "Why this reference standard.", reference.rationale),
    Item("16", _REFERENCE, "Who made the annotations, and with what experience.", reference.annotators),
    Item(
        "17",
        _REFERENCE,
        "How the test set was annotated, with which tools and instructions.",
        reference.test_annotation,
    ),
    Item("18", _REFERENCE, "How far annotators agree with each other and with themselves.", reference.variability),
    Item("19", _PARTITIONS, "How cases came into training, tuning and test set, and how many.", partition.assignment),
    Item(
        "20", _PARTITIONS, "At which level the sets share nothing: image, patient, institution.", partition.disjointness
    ),
    Item("21", _TESTING, "How many test cases were meant to be there, and why.", partition.sample_size),
    Item("22", _MODEL, "The model in full: input, layers, output.", model.description),
    Item("23", _MODEL, "Programs, versions and hardware.", model.software),
    Item("24", _MODEL, "What the first weights were.", training.initialisation),
    Item("25", _TRAINING, "How it was trained: augmentation, loss, optimiser, stopping.", training.training),
    Item("26", _TRAINING, "By which rule the final model was chosen.", training.selection),
    Item("27", _TRAINING, "Whether several models were combined, and how.", model.ensembling),
    Item("28", _EVALUATION, "Which metrics measure performance.", evaluation.metrics),
    Item("29", _EVALUATION, "How uncertainty and significance are measured.", evaluation.statistics),
    Item("30", _EVALUATION, "How robust the results are against other assumptions.", evaluation.robustness),
    Item(
        "31",
        _EVALUATION,
        "How the model's answers are explained, and whether that was checked.",
        evaluation.explainability,
    ),
    Item("32", _EVALUATION, "Results on internal data.", result.internal_test),
    Item("33", _EVALUATION, "Results on data from elsewhere.", result.external_test),
    Item("34", _EVALUATION, "Registration, for a clinical trial.", by_authors.trial_registration),
    Item("35", _RESULTS_DATA, "How many were included and excluded, in a flow diagram.", partition.flow),
    Item("36", _RESULTS_DATA, "Who the patients of each set are.", partition.characteristics),
    Item("37", _RESULTS_MODEL, "The metrics of performance, with their uncertainty.", result.segmentation),
    Item("38", _RESULTS_MODEL, "Diagnostic performance, with its precision.", result.detection),
    Item("39", _RESULTS_MODEL, "What went wrong in the cases that went wrong.", result.failure_analysis),
    Item("40", _DISCUSSION, "The limits of the study.", discussion.limitations),
    Item("41", _DISCUSSION, "What follows for practice, and the intended use.", discussion.implications),
    Item("42", _OTHER, "Where the protocol or further technical details can be read.", by_authors.protocol),
    Item("43", _OTHER, "Where software, trained model and data can be had.", by_authors.availability),
    Item("44", _OTHER, "Who paid, and what part the payers had.", by_authors.funding),
)
