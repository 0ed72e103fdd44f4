"""What the probabilities of lesions are worth, with and without circulating tumour cells: tables and figures."""
