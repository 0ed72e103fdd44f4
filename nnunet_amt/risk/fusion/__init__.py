"""What a mediastinal lesion is, from CT, circulating tumour cells and clinical data together (the DMFN)."""
