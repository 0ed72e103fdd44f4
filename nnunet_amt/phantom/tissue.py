"""What tumours are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnunet_amt.phantom.patient import Patient


@dataclass(frozen=True)
class Tissue:
    """What a tumour is made of.

    Attributes
    ----------
    hu
        HU of the solid part; of the fluid in a cyst.
    mottle
        Amplitude in HU of slow irregularities.
    necrosis
        Share, 0 to 1, of the inside that is necrotic or cystic, near 18 HU.
    fat
        Share, 0 to 1, that is fat.
    calcified
        Whether there is a coarse calcification.
    cyst
        Whether it is fluid in a wall.
    """

    hu: float
    mottle: float
    necrosis: float = 0.0
    fat: float = 0.0
    calcified: bool = False
    cyst: bool = False


def draw_tissue(histology: str, patient: Patient, rng: np.random.Generator) -> Tissue:
    """Draw the densities that are usual for a diagnosis in this patient's phase of contrast medium."""
    strength = patient.contrast.strength
    if histology == "thymic cyst":
        return Tissue(hu=rng.uniform(2.0, 25.0), mottle=1.0, cyst=True)
    if histology == "teratoma":
        return Tissue(rng.uniform(25, 45) + 15 * strength, 6.0, necrosis=0.3, fat=0.35, calcified=True)
    if histology == "lymphoma":
        return Tissue(rng.uniform(38, 48) + rng.uniform(15, 30) * strength, 4.0, necrosis=rng.choice([0.0, 0.12]))
    if histology == "thymoma":
        return Tissue(rng.uniform(40, 52) + rng.uniform(15, 42) * strength, 4.0, necrosis=rng.choice([0.0, 0.0, 0.15]))
    hu = rng.uniform(40, 50) + rng.uniform(20, 45) * strength
    return Tissue(hu, 9.0, necrosis=rng.uniform(0.1, 0.35), calcified=bool(rng.random() < 0.2))


def isodense_tissue(patient: Patient, rng: np.random.Generator) -> Tissue:
    """Draw a tissue as dense as the patient's heart muscle, and almost as even."""
    return Tissue(patient.contrast.myocardium + rng.uniform(-6.0, 6.0), 1.5)
