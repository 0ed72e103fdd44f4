"""A study as large as the paper's external test set, of images as large and noisy as CTs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from nnunet_amt import paper
from nnunet_amt.base.files import write_csv, write_json
from nnunet_amt.evaluation import evaluate
from nnunet_amt.evaluation.failures import analyse_failures

_SHAPE = (60, 256, 256)  # (z, y, x)
_SPACING = (1.4, 1.4, 5.0)  # mm, (x, y, z)
_NOISE_HU = 20.0
_DIFFERENT_IMAGES = 4  # the others are links to them: pictures are made of every case all the same


def make_large_study(folder: Path) -> Path:
    """Write 164 cases with predictions that are a little off, one in four with a false positive, and evaluate them."""
    dataset = folder / "nnUNet_raw" / "Dataset711_Large"
    random = np.random.default_rng(711)
    cases = [f"AMT_{number:04d}" for number in range(paper.EXTERNAL_CASES)]
    _write_images(dataset / "imagesTs", cases, random)
    for number, case in enumerate(cases):
        reference = _ellipsoid(random.uniform((25, 100, 100), (35, 150, 150)), random.uniform(8, 50))
        prediction = ndimage.shift(reference.astype(np.uint8), (0, 2, 3), order=0)
        if number % 4 == 0:
            prediction[10:13, 30:40, 40:50] = 1
        _write(dataset / "labelsTs" / f"{case}.nii.gz", reference.astype(np.uint8))
        _write(folder / "predictions" / f"{case}.nii.gz", prediction)
    write_json(dataset / "dataset.json", _description(dataset.name))
    rows = [
        {"case_id": case, "institution": f"I{number % 121:03d}", "split": "external"}
        for number, case in enumerate(cases)
    ]
    write_csv(dataset / "cohort.csv", ("case_id", "institution", "split"), rows)
    evaluate(folder / "predictions", dataset / "labelsTs", folder / "evaluation", cohort=dataset / "cohort.csv", jobs=2)
    analyse_failures(
        folder / "predictions",
        dataset / "labelsTs",
        folder / "evaluation_failures",
        images=dataset / "imagesTs",
        jobs=2,
    )
    return folder


def _write_images(folder: Path, cases: list[str], random: np.random.Generator) -> None:
    for number, case in enumerate(cases):
        path = folder / f"{case}_0000.nii.gz"
        if number >= _DIFFERENT_IMAGES:
            path.hardlink_to(folder / f"{cases[number % _DIFFERENT_IMAGES]}_0000.nii.gz")
            continue
        body = np.where(_ellipsoid((30, 128, 128), 160, thickness=200), 40.0, -1000.0)
        _write(path, (body + random.normal(0, _NOISE_HU, _SHAPE)).round().astype(np.int16))


def _ellipsoid(centre: object, radius_mm: float, thickness: float = 1.0) -> np.ndarray:
    """A ball in mm around a centre (z, y, x) in voxels; `thickness` makes it longer along z."""
    middle = np.asarray(centre, float).reshape(3, 1, 1, 1)
    mm = np.array(_SPACING[::-1]).reshape(3, 1, 1, 1) / np.array((thickness, 1.0, 1.0)).reshape(3, 1, 1, 1)
    inside: np.ndarray = (((np.indices(_SHAPE) - middle) * mm) ** 2).sum(axis=0) < radius_mm**2
    return inside


def _write(path: Path, voxels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(_SPACING)
    sitk.WriteImage(image, str(path), useCompression=True)


def _description(name: str) -> dict[str, object]:
    labels = {"background": 0, "tumour": 1}
    return {"name": name, "channel_names": {"0": "CT"}, "labels": labels, "numTraining": 0, "file_ending": ".nii.gz"}
