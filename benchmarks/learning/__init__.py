"""Does it learn: the fast recipe, the paper's and default nnU-Net on harder phantoms, for the same compute time."""
