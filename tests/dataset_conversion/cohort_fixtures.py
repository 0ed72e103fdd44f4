"""A small cohort of NIfTI files, sound or with one defect."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

__all__ = ["COLUMNS", "SPACING", "make_ct", "make_mask", "write_cohort", "write_image", "write_manifest"]

COLUMNS = ("case_id", "patient_id", "institution", "image", "mask", "split")
SPACING = (0.8, 0.7, 5.0)  # x, y, z in mm
ORIGIN = (-12.5, 3.25, 40.0)
SPLITS = ("training", "tuning", "external", "training")


def make_ct(number: int) -> NDArray[np.int16]:
    """Give a CT (z, y, x) that no other number gives."""
    return np.random.default_rng(number).integers(-1000, 1500, (4, 9, 11)).astype(np.int16)


def make_mask() -> NDArray[np.uint8]:
    """Give a mask (z, y, x) of 2 x 3 x 4 = 24 voxels."""
    mask = np.zeros((4, 9, 11), np.uint8)
    mask[1:3, 2:5, 3:7] = 1
    return mask


def write_image(path: Path, array: NDArray, **changes: tuple[float, ...]) -> Path:
    """Write an array (z, y, x); `changes` may give spacing, origin and direction, (x, y, z)."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(changes.get("spacing", SPACING))
    image.SetOrigin(changes.get("origin", ORIGIN))
    image.SetDirection(changes.get("direction", (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def write_manifest(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    """Write rows under the columns that any of them has."""
    columns = dict.fromkeys([*COLUMNS, *(column for row in rows for column in row)])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_cohort(folder: Path, cells: Mapping[int, Mapping[str, str]] | None = None) -> Path:
    """Write four cases c0 to c3, two for training and one for each other split, and their manifest.

    Parameters
    ----------
    folder
        Where to; images are in ``ct``, masks in ``masks``.
    cells
        Cells to replace, by number of the case.
    """
    rows = []
    for number, split in enumerate(SPLITS):
        write_image(folder / "ct" / f"{number}.nii.gz", make_ct(number))
        write_image(folder / "masks" / f"{number}.nii.gz", make_mask())
        row = {
            "case_id": f"c{number}",
            "patient_id": f"Patient-{number}",
            "institution": "East" if split == "external" else "North",
            "image": f"ct/{number}.nii.gz",
            "mask": f"masks/{number}.nii.gz",
            "split": split,
        }
        rows.append(row | dict((cells or {}).get(number, {})))
    return write_manifest(folder / "manifest.csv", rows)
