"""The paper's network, augmentation, sampling and selection as a trainer of nnU-Net."""
