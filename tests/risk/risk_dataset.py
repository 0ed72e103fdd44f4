"""A raw dataset of tiny thymic tumours, made of rows."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_amt.risk.cases import RiskCase
from tests.conftest import write_image

__all__ = ["SPACING", "box_mask", "risk_case", "write_risk_dataset"]

SPACING = (2.0, 2.0, 5.0)  # x, y, z in mm
COLUMNS = ("case_id", "patient", "institution", "split", "age", "sex", "histology", "manufacturer")
# Both classes in both splits.
ROWS = (
    {"case_id": "low", "who_type": "AB"},
    {"case_id": "high", "who_type": "B2", "split": "tuning"},
    {"case_id": "low_external", "who_type": "A", "split": "external"},
    {"case_id": "high_external", "who_type": "B3", "split": "external"},
)


def box_mask(*, width: int = 6, shape: tuple[int, int, int] = (6, 16, 16)) -> np.ndarray:
    """Give a mask (z, y, x) of slices 1 to 3, all alike, `width` voxels along x and 4 along y."""
    mask = np.zeros(shape, np.uint8)
    mask[1:4, 5:9, 4 : 4 + width] = 1
    return mask


def write_risk_dataset(
    folder: Path,
    rows: Sequence[Mapping[str, str]] = ROWS,
    *,
    masks: Mapping[str, np.ndarray] | None = None,
    columns: Sequence[str] = ("who_type",),
    spacing: tuple[float, float, float] = SPACING,
    **geometry: tuple[float, ...],
) -> Path:
    """Write cohort.csv with further columns, and a CT of 0 HU with a tumour of 40 HU a row; `masks` by case."""
    folder.mkdir(parents=True, exist_ok=True)
    full = []
    for number, row in enumerate(rows):
        cells = {"patient": f"patient-{number:04d}", "institution": "institution-0001", "split": "training", **row}
        full.append(cells)
        mask = (masks or {}).get(row["case_id"], box_mask())
        subset = "Ts" if cells["split"] == "external" else "Tr"
        image = np.where(mask > 0, 40, 0).astype(np.int16)
        write_image(folder / f"images{subset}" / f"{row['case_id']}_0000.nii.gz", image, spacing, **geometry)
        write_image(folder / f"labels{subset}" / f"{row['case_id']}.nii.gz", mask, spacing, **geometry)
    with (folder / "cohort.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *columns], restval="")
        writer.writeheader()
        writer.writerows(full)
    return folder


def risk_case(case_id: str, image: Path, mask: Path, **changes: Any) -> RiskCase:
    """Give a case of HRT in training with these files."""
    values: dict[str, Any] = {
        "case_id": case_id,
        "patient": f"patient of {case_id}",
        "institution": "one",
        "split": "training",
        "who_type": "B2",
        "high": True,
        "image": image,
        "mask": mask,
        "mask_2": None,
        "diameter_cm": 3.0,
        "findings": {},
        "clinical": {},
    }
    unknown: dict[str, Any] = dict.fromkeys(("age", "sex", "manufacturer"))
    return RiskCase(**unknown | values | changes)
