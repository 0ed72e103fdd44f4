"""The cases of a raw dataset: whether they are what planning needs, their fingerprint and their intensity range.

A converted dataset is; this finds what has happened to it since, or what was put there by hand.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from nnunet_amt.base.files import read_record, read_rows, write_json
from nnunet_amt.base.json_file import NUMBER, misfit, read_json
from nnunet_amt.base.processes import pools_of_threads
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError, GeometryMismatchError, ImageReadError, LabelValueError
from nnunet_amt.images.geometry import Geometry, axis_code, geometry_difference
from nnunet_amt.images.image_file import FLOOR_HU, read_image
from nnunet_amt.images.mediastinum import DARKER_THAN_FAT_HU, Box, MediastinalRegion, find_lungs
from nnunet_amt.models.plans import SPLITS
from nnunet_amt.nnunet.patches import fingerprint_progress, pools_that_end_with_parent, quiet_nnunet

logger = logging.getLogger(__name__)

# Beside nnU-Net's dataset_fingerprint.json: the raw files that both were taken of.
FINGERPRINT_RECORD = "nnunet_amt_fingerprint.json"

_IMAGE_ENDING, _LABEL_ENDING = "_0000.nii.gz", ".nii.gz"
_AGAIN = "convert the cohort again"


@dataclass(frozen=True)
class RawCase:
    """The two files of a case."""

    case_id: str
    image: Path
    label: Path
    no_tumour: bool = False  # by the cohort file; the label must be empty then


@dataclass(frozen=True)
class RawCases:
    """The cases of a dataset, and the values that a label file may hold."""

    training: tuple[RawCase, ...]  # and tuning: nnU-Net keeps them together
    external: tuple[RawCase, ...]
    labels: frozenset[int]


def list_cases(dataset: Path) -> RawCases:
    """List the cases of a raw dataset, whose description, split and files must tell the same."""
    description = _read_json(dataset / "dataset.json")
    if description.get("numTraining") == 0:
        raise BadInputError(
            f"{dataset.name}: is a test set alone (convert --test-only), there is nothing to train on; predict its "
            "imagesTs with a model"
        )
    splits = _read_json(dataset / "splits_final.json", SPLITS)
    try:
        labels = frozenset(int(value) for value in description["labels"].values())
        number, ending = int(description["numTraining"]), description["file_ending"]
        named = {case for split in splits for part in ("train", "val") for case in split[part]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInputError(
            f"{dataset}: dataset.json or splits_final.json lacks what it must hold; {_AGAIN}"
        ) from error
    if ending != _LABEL_ENDING:
        raise BadInputError(f"{dataset}: file_ending {ending!r} of dataset.json must be {_LABEL_ENDING!r}; {_AGAIN}")
    training, external = (_cases_of(dataset, subset) for subset in ("Tr", "Ts"))
    found = {case.case_id for case in training}
    if found != named:
        strange = sorted(found ^ named)
        raise BadInputError(
            f"{dataset}: splits_final.json and the files disagree about {len(strange)} cases, the first is "
            f"{strange[0]!r}; {_AGAIN}"
        )
    if len(found) != number:
        raise BadInputError(f"{dataset}: dataset.json says {number} training cases, there are {len(found)}; {_AGAIN}")
    return RawCases(training, external, labels)


def check_case(case: RawCase, labels: frozenset[int], *, may_be_empty: bool = False) -> tuple[float, float]:
    """Read the image and the label of a case in full; give the lowest and highest value of the image, in HU.

    `labels` are the values that the label may hold; `may_be_empty` says that a label without tumour will do.

    Raises
    ------
    ImageReadError, GeometryMismatchError, LabelValueError
        The case and what is wrong with it.
    """
    try:
        path = case.image
        image = read_image(path)
        path = case.label
        label = read_image(path)
    except ImageReadError as error:
        raise ImageReadError(f"case {case.case_id}: {path} is damaged or no image; convert it again") from error
    difference = geometry_difference(Geometry.of(image), Geometry.of(label))
    if difference:
        raise GeometryMismatchError(f"case {case.case_id}: image and label differ: {difference}; convert it again")
    if (axes := axis_code(Geometry.of(image))) != "LPS":  # what is predicted is brought to LPS
        raise GeometryMismatchError(
            f"case {case.case_id}: {case.image.name} has axes that run {axes}, must be LPS; convert it again"
        )
    values = set(np.unique(sitk.GetArrayViewFromImage(label)).tolist())
    if not values <= labels:
        shown = ", ".join(f"{value:g}" for value in sorted(values - labels)[:3])
        raise LabelValueError(
            f"case {case.case_id}: {case.label.name} holds {shown}; allowed are {sorted(labels)}; convert it again"
        )
    if 1 in values and case.no_tumour:
        raise LabelValueError(
            f"case {case.case_id}: {case.label.name} holds a tumour, though no_tumour in cohort.csv is yes; "
            "convert it again"
        )
    if 1 not in values and not (may_be_empty or case.no_tumour):
        raise LabelValueError(f"case {case.case_id}: {case.label.name} holds no tumour; convert it again")
    extremes = sitk.MinimumMaximumImageFilter()
    extremes.Execute(image)
    low, high = extremes.GetMinimum(), extremes.GetMaximum()
    if low < FLOOR_HU:  # what is predicted is raised to it
        raise ImageReadError(
            f"case {case.case_id}: {case.image.name} holds {low:g} HU, must be {FLOOR_HU} or more; convert it again"
        )
    return low, high


@dataclass(frozen=True)
class IntensityRange:
    """Lowest and highest intensity of the training and tuning images, in HU."""

    minimum: float
    maximum: float


def fingerprint(folder: Path, *, dataset_id: int, cases: RawCases, jobs: int, progress: Progress) -> IntensityRange:
    """Take nnU-Net's fingerprint and the intensity range, or keep those there are if the raw files are the same.

    `folder` is the dataset's in nnUNet_preprocessed; `progress` is told of every image read.
    """
    from nnunetv2.experiment_planning.dataset_fingerprint import fingerprint_extractor
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprint_dataset

    record_file = folder / FINGERPRINT_RECORD
    state = raw_files_state(cases)
    record = read_record(record_file)
    whole = misfit(record, {"raw_files_sha256": str, "minimum": NUMBER, "maximum": NUMBER}) is None
    if whole and record["raw_files_sha256"] == state and read_record(folder / "dataset_fingerprint.json"):
        logger.info("the raw images are those of the last run, their fingerprint is kept")
        return IntensityRange(record["minimum"], record["maximum"])
    record_file.unlink(missing_ok=True)
    intensities = intensity_range(cases, jobs=jobs, progress=progress)
    # a worker process imports torch, which takes longer than reading small images
    pools = pools_of_threads if jobs == 1 else pools_that_end_with_parent
    with (
        quiet_nnunet(),
        pools(fingerprint_extractor),
        fingerprint_progress(len(cases.training), progress),
    ):
        extract_fingerprint_dataset(dataset_id, num_processes=jobs, clean=True, verbose=False)
    write_json(record_file, {"raw_files_sha256": state, **vars(intensities)})
    return intensities


def raw_files_state(cases: RawCases) -> str:
    """Digest of names, sizes and times of the training and tuning files: another one, and the fingerprint is old."""
    stats = [
        (file.name, file.stat().st_size, file.stat().st_mtime_ns)
        for case in cases.training
        for file in (case.image, case.label)
    ]
    return hashlib.sha256(json.dumps(stats).encode()).hexdigest()


def intensity_range(cases: RawCases, *, jobs: int = 1, progress: Progress = silent) -> IntensityRange:
    """Lowest and highest value over the whole training and tuning images ("Data pre-processing").

    Every image and label is read and checked on the way; the first that is not what it must be is named.
    """
    minimum, maximum = np.inf, -np.inf
    with ThreadPoolExecutor(jobs) as pool:
        ranges = pool.map(partial(check_case, labels=cases.labels), cases.training)
        for done, (low, high) in enumerate(ranges, start=1):
            minimum, maximum = min(minimum, low), max(maximum, high)
            progress(done, len(cases.training), "intensities")
    if minimum >= maximum:
        raise BadInputError(f"all {len(cases.training)} images hold the one value {minimum:g}; these are not CTs")
    return IntensityRange(minimum, maximum)


def mediastinal_region(cases: RawCases, *, jobs: int = 1, progress: Progress = silent) -> MediastinalRegion | None:
    """Learn where tumours lie between the lungs, from the training and tuning cases that have one.

    None where no lungs are seen in any, as in crops of the tumour.
    """
    with_tumour = [case for case in cases.training if not case.no_tumour]
    found = []
    with ThreadPoolExecutor(jobs) as pool:
        for done, one in enumerate(pool.map(_lungs_and_tumours, with_tumour), start=1):
            found += [one] if one is not None else []
            progress(done, len(with_tumour), "where tumours lie")
    if len(found) < len(with_tumour):
        logger.warning(
            "no lungs were found in %d of %d cases; where tumours lie is learnt from the others",
            len(with_tumour) - len(found), len(with_tumour),
        )  # fmt: skip
    return MediastinalRegion.round_all(found)


def _lungs_and_tumours(case: RawCase) -> tuple[Box, Box, Sequence[float]] | None:
    image, label = (read_image(path) for path in (case.image, case.label))
    spacing = Geometry.of(image).spacing[::-1]  # (z, y, x)
    lungs = find_lungs(sitk.GetArrayViewFromImage(image) < DARKER_THAN_FAT_HU, spacing)
    tumour = sitk.GetArrayViewFromImage(label) == 1
    if lungs is None or not tumour.any():
        return None
    z, y, x = (np.flatnonzero(tumour.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3))
    box = tuple(slice(int(places[0]), int(places[-1]) + 1) for places in (z, y, x))
    return lungs, (box[0], box[1], box[2]), spacing


def _cases_of(dataset: Path, subset: str) -> tuple[RawCase, ...]:
    images, labels = (
        {path.name.removesuffix(ending): path for path in (dataset / f"{kind}{subset}").glob(f"*{ending}")}
        for kind, ending in (("images", _IMAGE_ENDING), ("labels", _LABEL_ENDING))
    )
    alone = sorted(images.keys() ^ labels.keys())
    if alone:
        lacks, kind = ("label", "labels") if alone[0] in images else ("image", "images")
        raise BadInputError(f"{dataset}: case {alone[0]!r} has no {lacks} in {kind}{subset}; {_AGAIN}")
    without = _without_tumour(dataset / "cohort.csv")
    return tuple(RawCase(case, images[case], labels[case], case in without) for case in sorted(images))


def _without_tumour(cohort: Path) -> frozenset[str]:
    """Give the cases of which the cohort file, if there is one, says that they have no tumour."""
    rows = read_rows(cohort) if cohort.is_file() else []
    return frozenset(row["case_id"] for row in rows if row.get("no_tumour") == "yes")


def _read_json(path: Path, form: Any = dict) -> Any:
    if not path.is_file():
        raise BadInputError(f"{path}: missing; finish the conversion with: nnunet_amt convert")
    return read_json(path, form=form, advice=_AGAIN)
