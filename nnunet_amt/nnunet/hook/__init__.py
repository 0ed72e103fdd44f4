"""The folder that nnU-Net's trainer search (``nnUNet_extTrainer``) is pointed at.

nnU-Net imports every module under that folder and forgets it again, so it must hold nothing but re-exports:
the classes themselves stay in `nnunet_amt.trainers`, imported once, and can be pickled.
"""
