"""Small lesions drawn in memory: malignant ones are bright and have high levels, cysts are dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from nnunet_amt.risk.fusion.fusion_settings import FusionSettings
from nnunet_amt.risk.fusion.lesion_case import LesionCase, LesionCohort, LesionSplit
from nnunet_amt.risk.fusion.lesion_crop import LesionCrop

CLASSES = ("cyst", "thymoma", "lymphoma")
PIXELS = 32
SETTINGS = FusionSettings(models=("plain-cnn",), seeds=(0, 1), epochs=3, patience=3, batch_size=8, pixels=PIXELS)


class Dropping(nn.Module):
    """A quick stand-in for the DMFN: it draws dropout, and looks at images and levels."""

    def __init__(self, classes: int = len(CLASSES)) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Dropout(0.2), nn.Linear(3 * PIXELS**2 + 2, classes))

    def forward(self, images: torch.Tensor, ctc: torch.Tensor, clinical: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layers(torch.cat((images.flatten(1), ctc), dim=1))
        return result


def lesion(number: int, split: LesionSplit = "training", *, lesion_class: str | None = None) -> LesionCase:
    """The numbers go round the classes; levels are 10, 14 and 18."""
    place = number % 3 if lesion_class is None else CLASSES.index(lesion_class)
    return LesionCase(
        case_id=f"AMT_{number:03d}",
        patient=f"patient_{number}",
        institution=f"centre_{number % 2}",
        split=split,
        diagnosis=CLASSES[place],
        malignant=place > 0,
        lesion_class=CLASSES[place],
        image=Path("image.nii.gz"),
        mask=Path("mask.nii.gz"),
        ctc_level=10.0 + 4 * place + 0.1 * (number % 5),
        location=("anterior", "middle", "posterior")[(number // 3) % 3],
        age=40.0 + number % 30,
        sex="FM"[number % 2],
        manufacturer=None,
        clinical={},
    )


def cohort_of(training: int = 12, tuning: int = 6, external: int = 6) -> LesionCohort:
    splits: list[LesionSplit] = [*["training"] * training, *["tuning"] * tuning, *["external"] * external]  # type: ignore[list-item]
    return LesionCohort(tuple(lesion(number, split) for number, split in enumerate(splits)), {}, CLASSES)


def crops_of(cases: Sequence[LesionCase], *, pixels: int = PIXELS) -> dict[str, LesionCrop]:
    return {case.case_id: crop_of(case, pixels=pixels) for case in cases}


def crop_of(case: LesionCase, *, pixels: int = PIXELS) -> LesionCrop:
    """A disc, .2 brighter for each class, in noise."""
    generator = np.random.default_rng(int(case.case_id[-3:]))
    y, x = np.mgrid[:pixels, :pixels] - (pixels - 1) / 2
    mask = (y**2 + x**2 <= (pixels / 3) ** 2).astype(np.float32)
    level = 0.2 + 0.2 * CLASSES.index(str(case.lesion_class))

    def plane() -> np.ndarray:
        image = np.clip(mask * level + generator.normal(0.2, 0.02, mask.shape), 0, 1).astype(np.float32)
        return np.stack((image, mask, image))

    return LesionCrop(case.case_id, plane(), plane())


def without_levels(cohort: LesionCohort, *splits: LesionSplit) -> LesionCohort:
    cases = [replace(case, ctc_level=None) if case.split in splits else case for case in cohort.cases]
    return replace(cohort, cases=tuple(cases))
