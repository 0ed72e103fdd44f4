"""Studies whose predictions are known to be wrong in known ways: no network is trained for them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from nnunet_amt.dataset_conversion import convert
from nnunet_amt.evaluation import evaluate
from nnunet_amt.evaluation.failures import analyse_failures
from nnunet_amt.images.mask_file import read_geometry
from nnunet_amt.images.probability_file import probability_file, write_probabilities
from nnunet_amt.nnunet.environment import folders_below
from nnunet_amt.phantom import CohortDesign, write_phantom_cohort

# External cases in the order of their ids: how the prediction departs from the reference.
DEPARTURES = ("missed", "oversegmented", "undersegmented", "false positive", "good", "good", "good", "good")


def make_small_study(folder: Path) -> Path:
    """Convert a phantom cohort, invent the predictions of its eight external cases, evaluate them."""
    design = CohortDesign(
        training=3,
        tuning=2,
        external=len(DEPARTURES),
        excluded=1,
        development_institutions=2,
        external_institutions=4,
        in_plane_pixels=64,
    )
    manifest = write_phantom_cohort(folder / "phantom_cohort", design=design, jobs=os.cpu_count() or 1)
    dataset = convert(
        manifest, Path(folders_below(folder)["nnUNet_raw"]), dataset_id=711, dataset_name="AMTPhantom"
    ).dataset_folder
    references = sorted((dataset / "labelsTs").glob("*.nii.gz"))
    for name, departures in (("predictions", DEPARTURES), ("baseline/default/predictions", DEPARTURES[::-1])):
        _invent_predictions(references, folder / name, departures)
    _invent_probabilities(folder / "predictions" / references[-1].name)
    cohort = dataset / "cohort.csv"
    evaluate(folder / "predictions", dataset / "labelsTs", folder / "evaluation", cohort=cohort)
    evaluate(
        folder / "baseline/default/predictions",
        dataset / "labelsTs",
        folder / "baseline/default/evaluation",
        cohort=cohort,
    )
    analyse_failures(
        folder / "predictions", dataset / "labelsTs", folder / "evaluation_failures", images=dataset / "imagesTs"
    )
    return folder


def _invent_predictions(references: Sequence[Path], folder: Path, departures: Sequence[str]) -> None:
    folder.mkdir(parents=True)
    for path, departure in zip(references, departures, strict=True):
        reference = sitk.ReadImage(str(path))
        prediction = sitk.GetImageFromArray(depart(sitk.GetArrayFromImage(reference), departure))
        prediction.CopyInformation(reference)
        sitk.WriteImage(prediction, str(folder / path.name))


def _invent_probabilities(path: Path) -> None:
    """Keep probabilities of one case: 0.9 where it is predicted, 0.4 in a shell round it."""
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(path))) > 0
    levels = np.where(mask, 230, np.where(ndimage.binary_dilation(mask, iterations=2), 102, 0)).astype(np.uint8)
    write_probabilities(
        probability_file(path.parent, path.name.removesuffix(".nii.gz")), levels, geometry=read_geometry(path)
    )


def depart(reference: np.ndarray, departure: str) -> np.ndarray:
    """Give a wrong copy of a mask (z, y, x)."""
    mask = reference > 0
    if departure == "missed":
        mask = np.zeros_like(mask)
    elif departure == "oversegmented":
        mask = ndimage.binary_dilation(mask, iterations=3)
    elif departure == "undersegmented":
        mask = mask & (np.arange(mask.shape[2]) < np.median(np.nonzero(mask)[2]))
    elif departure == "false positive":
        mask = mask.copy()
        mask[2:5, 4:9, 4:9] = True  # far from the mediastinum, 75 voxels
    return mask.astype(np.uint8)
