"""A cohort with the paper's exact counts and images of a few voxels: for the tables and figures of the conversion.

Its CTs are noise with a bright box, good for nothing but being counted; `write_phantom_cohort` makes thoraces.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_amt import paper
from nnunet_amt.base.files import atomic_path, write_csv
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.phantom.cohort import MANIFEST_COLUMNS

# The paper gives the sum only; the shares are ours.
EXCLUSIONS = {"poor CT image quality": 63, "incomplete CT": 51, "missing clinical data": 33}

_SHAPE = (4, 8, 8)  # z, y, x
_SPACING = (0.7, 0.7, 5.0)  # x, y, z in mm
_SIZES = {"training": paper.TRAINING_CASES, "tuning": paper.TUNING_CASES, "external": paper.EXTERNAL_CASES}
_FIRST_NUMBER = {"training": 0, "tuning": 1000, "external": 2000, "excluded": 3000}


def write_counts_cohort(folder: Path, *, seed: int = 0, progress: Progress = silent) -> Path:
    """Write a manifest of 858 cases and 711 images and masks of 8 x 8 x 4 voxels, in seconds.

    As in the paper are: identified, excluded and included cases; cases and institutions of each split;
    diagnoses of each split; medians and ranges of age of each split; both sexes; manufacturers of the external
    test set. Training and tuning share two institutions, so that 13 + 4 + 121 are 136. External institutions give
    one or two cases, the others more, so that a split drawn by size holds out the same institutions.

    Parameters
    ----------
    folder
        Where to write; made where missing.
    seed
        Of the noise, and of who has which age, sex and diagnosis.
    progress
        Called after every case.

    Returns
    -------
    Path
        ``manifest.csv`` in `folder`.
    """
    rng = np.random.default_rng([seed, 858])
    included = [row for split in _SIZES for row in _included_rows(split, rng)]
    _fill(included, "sex", paper.SEXES, rng)
    for number, row in enumerate(included):
        _write_case(folder, row, np.random.default_rng([seed, number]))
        progress(number + 1, len(included), "making phantoms")
    path = folder / "manifest.csv"
    write_csv(path, MANIFEST_COLUMNS, [*included, *_excluded_rows()])
    return path


def _included_rows(split: str, rng: np.random.Generator) -> list[dict[str, str]]:
    rows = []
    for number, institution in enumerate(_institutions(split)):
        case_id = f"{split}_{number + 1:05d}"
        rows.append(
            {
                "case_id": case_id,
                "patient_id": f"patient_{_FIRST_NUMBER[split] + number + 1:05d}",
                "institution": institution,
                "image": f"images/{case_id}.nii.gz",
                "mask": f"masks/{case_id}.nii.gz",
                "split": split,
                "slice_thickness_mm": f"{_SPACING[2]:g}",
            }
        )
    column = list(_SIZES).index(split)
    _fill(rows, "histology", {name: counts[column] for name, counts in paper.DIAGNOSES.items()}, rng)
    if split == "external":
        _fill(rows, "manufacturer", paper.MANUFACTURERS, rng)
    for row, age in zip(rows, rng.permutation(_ages(split)), strict=True):
        row["age"] = str(age)
    return rows


def _institutions(split: str) -> list[str]:
    """Give the institution of each case of a split, spread evenly."""
    own = {
        "training": [f"development hospital {number}" for number in range(1, 14)],
        # two of training's, and two more
        "tuning": [f"development hospital {number}" for number in range(12, 16)],
        "external": [f"outside hospital {number}" for number in range(1, paper.EXTERNAL_INSTITUTIONS + 1)],
    }[split]
    return [own[number % len(own)] for number in range(_SIZES[split])]


def _ages(split: str) -> list[int]:
    """Give ages with the published median and range: half evenly below the median, half above."""
    median, low, high = paper.AGES[split]
    half, odd = divmod(_SIZES[split], 2)
    below = np.linspace(low, math.floor(median), half).round()
    above = np.linspace(math.ceil(median), high, half).round()
    return [int(age) for age in [*below, *[median] * odd, *above]]


def _fill(rows: list[dict[str, str]], column: str, counts: Mapping[str, int], rng: np.random.Generator) -> None:
    values = [value for value, number in counts.items() for _ in range(number)]
    for row, value in zip(rows, rng.permutation(np.array(values, dtype=object)), strict=True):
        row[column] = str(value)


def _excluded_rows() -> Iterator[dict[str, str]]:
    reasons = [reason for reason, number in EXCLUSIONS.items() for _ in range(number)]
    for number, reason in enumerate(reasons, start=1):
        yield {
            "case_id": f"excluded_{number:05d}",
            "patient_id": f"patient_{_FIRST_NUMBER['excluded'] + number:05d}",
            "exclusion_reason": reason,
        }


def _write_case(folder: Path, row: Mapping[str, str], rng: np.random.Generator) -> None:
    mask = np.zeros(_SHAPE, np.uint8)
    mask[1:3, 2:6, 3:7] = 1
    image = rng.normal(-800, 60, _SHAPE).round().astype(np.int16)
    image[mask == 1] = rng.normal(40, 15, int(mask.sum())).round()
    _write_image(folder / row["image"], image)
    _write_image(folder / row["mask"], mask)


def _write_image(path: Path, voxels: NDArray[np.int16] | NDArray[np.uint8]) -> None:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(voxels)  # (z, y, x) to SimpleITK's (x, y, z)
    image.SetSpacing(_SPACING)
    with atomic_path(path) as partial:
        sitk.WriteImage(image, str(partial), useCompression=True)
