"""Anterior mediastinal tumours on chest CT: an nnU-Net v2 plugin, from the cohort to the lesion FROC."""

__version__ = "0.1.0"

__all__ = ["__version__"]
