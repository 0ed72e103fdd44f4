"""Does it learn: the paper's recipe and default nnU-Net on a harder phantom cohort, for the same compute time."""
