"""Who lies in the scanner: size, fat, heart and contrast medium, drawn within the range of adults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Sex = Literal["F", "M"]
ContrastPhase = Literal["any", "native", "venous", "arterial", "delayed"]
# Strength, and HU above unenhanced blood in arteries, pulmonary arteries and veins, each lowest and highest
_Ranges = tuple[float, float]
_PHASES: dict[str, tuple[_Ranges, _Ranges, _Ranges, _Ranges]] = {
    "native": ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
    "venous": ((0.45, 1.0), (60.0, 180.0), (60.0, 180.0), (60.0, 180.0)),
    "arterial": ((0.35, 0.6), (210.0, 320.0), (130.0, 260.0), (20.0, 330.0)),
    "delayed": ((0.4, 0.6), (45.0, 70.0), (45.0, 70.0), (50.0, 75.0)),
}


@dataclass(frozen=True)
class Contrast:
    """HU of what takes up contrast medium.

    Attributes
    ----------
    strength
        0 for a native scan, 1 for a strong bolus.
    arteries, pulmonary, veins
        Blood in the aorta and left heart, in the pulmonary arteries and right heart, and in the veins.
    myocardium, muscle, liver, spleen, thyroid
        Tissue.
    """

    strength: float
    arteries: float
    pulmonary: float
    veins: float
    myocardium: float
    muscle: float
    liver: float
    spleen: float
    thyroid: float


@dataclass(frozen=True)
class Patient:
    """One body; all lengths below are multiples of, or additions to, the standard thorax.

    Attributes
    ----------
    age
        Years.
    sex
        "F" or "M".
    scale
        (x, y, z) size of the thorax against the standard one.
    fat
        Thickness of the subcutaneous fat in mm, at the side.
    heart
        Size of the heart against the standard one.
    muscle
        Thickness of the muscles against the standard ones.
    diaphragm
        Height of the diaphragm above the standard one in mm.
    contrast
        HU of blood and tissue.
    """

    age: int
    sex: Sex
    scale: tuple[float, float, float]
    fat: float
    heart: float
    muscle: float
    diaphragm: float
    contrast: Contrast


def draw_patient(rng: np.random.Generator, age: int, sex: Sex, phase: ContrastPhase = "any") -> Patient:
    """Draw a body for a person of this age (years) and sex."""
    stature = rng.normal(1.0 if sex == "M" else 0.92, 0.035)
    fat = float(np.clip(rng.gamma(6.0, 2.0 if sex == "M" else 2.5), 5.0, 28.0))
    broad = float(np.clip(rng.normal(stature, 0.03), 0.84, 1.1))
    deep = float(np.clip(rng.normal(stature + 0.001 * (age - 55), 0.04), 0.82, 1.12))
    tall = float(np.clip(rng.normal(stature, 0.02), 0.88, 1.06))
    return Patient(
        age=age,
        sex=sex,
        scale=(broad, deep, tall),
        fat=fat,
        heart=float(np.clip(rng.normal(0.97 + 0.0015 * (age - 55), 0.06), 0.84, 1.12)),
        muscle=float(np.clip(rng.normal(1.05 if sex == "M" else 0.85, 0.12) - 0.003 * (age - 55), 0.6, 1.35)),
        diaphragm=float(np.clip(rng.normal(1.0, 5.0), -6.0, 12.0)),
        contrast=_draw_contrast(rng, phase),
    )


def _draw_contrast(rng: np.random.Generator, phase: ContrastPhase) -> Contrast:
    if phase == "any":
        strength = gain = 0.0 if rng.random() < 0.3 else float(rng.uniform(0.45, 1.0))
        arterial, pulmonary, venous = (120.0, 190.0), (100.0, 190.0), (90.0, 210.0)
    else:
        strengths, arterial, pulmonary, venous = _PHASES[phase]
        strength, gain = float(rng.uniform(*strengths)), 1.0
    blood = float(rng.uniform(36.0, 48.0))
    arteries = blood + gain * rng.uniform(*arterial)
    return Contrast(
        strength=strength,
        arteries=float(arteries),
        pulmonary=float(blood + gain * rng.uniform(*pulmonary)),
        veins=float(blood + gain * rng.uniform(*venous)),
        myocardium=float(blood + 5.0 + strength * rng.uniform(45.0, 65.0)),
        muscle=float(rng.uniform(48.0, 58.0) + 8.0 * strength),
        liver=float(rng.uniform(48.0, 64.0) + strength * rng.uniform(30.0, 55.0)),
        spleen=float(rng.uniform(44.0, 52.0) + strength * rng.uniform(50.0, 75.0)),
        thyroid=float(rng.uniform(90.0, 115.0) + 40.0 * strength),
    )
