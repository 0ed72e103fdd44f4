"""The cases of a study for the viewer, with the false positives that a reader is asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from nnunet_amt.evaluation.measure.case import count_masks, evaluate_counts
from nnunet_amt.evaluation.measure.lesions import label_components
from nnunet_amt.evaluation.results.read_results import EvaluatedCase, read_decisions
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.triage import candidates
from nnunet_amt.images.foreground import MaskBox
from nnunet_amt.images.geometry import Geometry, array_to_lps, lps_array_axes, lps_geometry
from nnunet_amt.images.mask_file import read_foreground, read_geometry
from nnunet_amt.images.probability_file import probability_file, read_probabilities
from nnunet_amt.pictures import CaseCrop, Voxel
from nnunet_amt.report.viewer.dial import Dial, dial_steps
from nnunet_amt.study import Study, study_crop
from nnunet_amt.study.study import label_map_in

# (x, y, z) as shares of the crop's edges; x to the left, y to posterior, z to the head
Point = tuple[float, float, float]
Decisions = Mapping[tuple[str, int], str]

_MM3_PER_CM3 = 1000.0
_MM_PER_CM = 10.0


@dataclass(frozen=True)
class FalsePositive:
    """A predicted lesion without a partner at IoU 0.1, which a reader is asked about.

    Attributes
    ----------
    lesion
        Its number in ``lesions.csv``, from 1.
    voxels, volume_cm3, diameter_mm
        Its size; the diameter is the largest in space.
    overlaps
        Whether it shares voxels with the reference.
    where
        A point inside it, near its middle.
    decision
        What a reader decided in an earlier triage.
    """

    lesion: int
    voxels: int
    volume_cm3: float
    diameter_mm: float
    overlaps: bool
    where: Point
    decision: str = "undecided"


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """The voxels of a case, the candidates in them, and what other thresholds would find."""

    crop: CaseCrop
    false_positives: tuple[FalsePositive, ...] = ()
    dial: Dial | None = None  # where probabilities were kept

    def voxel_at(self, where: Point) -> Voxel:
        """Give the voxel (z, y, x) of the crop that a point lies in."""
        z, y, x = (int(share * size) for share, size in zip(where[::-1], self.crop.reference.shape, strict=True))
        return z, y, x


@dataclass(frozen=True)
class ViewerCase:
    """A case before its voxels are read; `words` stand beside its name, `load` is called once."""

    case_id: str
    words: str
    load: Callable[[], LoadedCase]


def viewer_cases(
    study: Study, *, cases: Iterable[EvaluatedCase], settings: EvaluationSettings
) -> tuple[ViewerCase, ...]:
    """Make cases of the study's evaluation ready to be looked at, in their order.

    No voxel is read yet; `ViewerCase.load` raises `BadInputError` where a case's files are not those evaluated.

    Raises
    ------
    BadInputError
        If the evaluation's ``lesions.csv`` cannot be read.
    """
    decisions = read_decisions(study.evaluation.path)
    return tuple(
        ViewerCase(case.case_id, _words(case), partial(_load, study, case, settings, decisions)) for case in cases
    )


def false_positives(
    crop: CaseCrop, reference: Path, prediction: Path | None, *, settings: EvaluationSettings
) -> tuple[FalsePositive, ...]:
    """Find the predicted lesions of a case that have no partner at IoU 0.1.

    They are separated and numbered on the files as they are, by the code of the evaluation, and only then found in
    the crop: on turned axes lesions may come in another order.

    Parameters
    ----------
    reference, prediction
        Label maps of the case, on one grid; None for an empty prediction.

    Raises
    ------
    ImageReadError, LabelValueError
        If a file is damaged, or a mask holds other values than 0 and that of tumour.
    """
    if prediction is None:
        return ()
    predicted = read_foreground(prediction, case_id=crop.case_id, foreground=settings.foreground)
    referenced = read_foreground(reference, case_id=crop.case_id, foreground=settings.foreground)
    counts = count_masks(crop.case_id, predicted, referenced, settings=settings)
    # in the order of `count_masks`, without those that are too small to count
    lesions = [
        lesion
        for lesion in label_components(predicted, connectivity=settings.connectivity)
        if np.count_nonzero(lesion.mask) >= settings.minimum_predicted_voxels
    ]
    geometry = read_geometry(prediction)
    return tuple(
        FalsePositive(
            lesion=number,
            voxels=int(counts.prediction_voxels[number - 1]),
            volume_cm3=float(counts.prediction_voxels[number - 1]) * counts.voxel_volume_mm3 / _MM3_PER_CM3,
            diameter_mm=float(counts.prediction_maximum_diameters_mm[number - 1]),
            overlaps=bool(counts.intersections[:, number - 1].any()),
            where=_place(lesions[number - 1], geometry, crop),
        )
        for number in candidates(evaluate_counts(counts, settings=settings))
    )


def _place(lesion: MaskBox, geometry: Geometry, crop: CaseCrop) -> Point:
    """Give the lesion's voxel that is nearest to its middle, as shares of the crop."""
    voxels = np.argwhere(lesion.mask)
    spacing = np.array(geometry.spacing[::-1])
    distances = np.linalg.norm((voxels - voxels.mean(axis=0)) * spacing, axis=1)
    index: Sequence[int] = (voxels[distances.argmin()] + lesion.lower).tolist()  # (z, y, x) of the file
    order, flips = lps_array_axes(geometry)
    turned = [index[axis] for axis in order]
    turned = [crop.whole[i] - 1 - at if i in flips else at for i, at in enumerate(turned)]
    z, y, x = ((at - low + 0.5) / size for at, low, size in zip(turned, crop.lower, crop.reference.shape, strict=True))
    return x, y, z


def _load(study: Study, case: EvaluatedCase, settings: EvaluationSettings, decisions: Decisions) -> LoadedCase:
    crop = study_crop(study, case, foreground=settings.foreground)
    reference = label_map_in(study.evaluation.references, case.case_id)
    prediction = label_map_in(study.evaluation.predictions, case.case_id)
    found = () if reference is None else false_positives(crop, reference, prediction, settings=settings)
    return LoadedCase(
        crop,
        tuple(replace(one, decision=decisions.get((case.case_id, one.lesion), one.decision)) for one in found),
        None if prediction is None else _dial(crop, prediction, settings),
    )


def _dial(crop: CaseCrop, prediction: Path, settings: EvaluationSettings) -> Dial | None:
    """Read the probabilities that were kept beside a prediction; None without any."""
    path = probability_file(prediction.parent, crop.case_id)
    if not path.is_file():
        return None
    geometry = read_geometry(prediction)
    levels = array_to_lps(read_probabilities(path, geometry), geometry)
    z, y, x = (slice(low, low + size) for low, size in zip(crop.lower, crop.reference.shape, strict=True))
    return Dial(
        levels[z, y, x],
        dial_steps(
            levels, spacing=lps_geometry(geometry).spacing, connectivity=settings.connectivity,
            minimum_voxels=settings.minimum_predicted_voxels,
        ),
    )  # fmt: skip


def _words(case: EvaluatedCase) -> str:
    dice = "Dice undefined" if case.dice is None else f"Dice {case.dice:.2f}"
    return f"{dice}, no lesion" if case.size_mm is None else f"{dice}, {case.size_mm / _MM_PER_CM:.1f} cm"
