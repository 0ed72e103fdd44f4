"""The cases of a raw dataset, and whether they are what planning needs.

A converted dataset is; this finds what has happened to it since, or what was put there by hand.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nnunet_amt.errors import BadInputError, GeometryMismatchError, ImageReadError, LabelValueError
from nnunet_amt.images.geometry import Geometry, geometry_difference
from nnunet_amt.images.image_file import read_image

_IMAGE_ENDING, _LABEL_ENDING = "_0000.nii.gz", ".nii.gz"
_AGAIN = "convert the cohort again"


@dataclass(frozen=True)
class RawCase:
    """The two files of a case."""

    case_id: str
    image: Path
    label: Path


@dataclass(frozen=True)
class RawCases:
    """The cases of a dataset.

    Attributes
    ----------
    training
        Training and tuning cases, which nnU-Net keeps together.
    external
        The external test set.
    labels
        Values that a label file may hold.
    """

    training: tuple[RawCase, ...]
    external: tuple[RawCase, ...]
    labels: frozenset[int]


def list_cases(dataset: Path) -> RawCases:
    """List the cases of a raw dataset and check that its description, its split and its files tell the same.

    Raises
    ------
    BadInputError
        If a file is missing, cannot be understood, or names other cases than there are.
    """
    description = _read_json(dataset / "dataset.json")
    splits = _read_json(dataset / "splits_final.json")
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


def check_case(case: RawCase, labels: frozenset[int], may_be_empty: bool = False) -> tuple[float, float]:
    """Read the image and the label of a case in full.

    Parameters
    ----------
    case
        The case.
    labels
        Values that the label may hold.
    may_be_empty
        Whether a label without tumour will do.

    Returns
    -------
    tuple of float
        Lowest and highest value of the image, in HU.

    Raises
    ------
    ImageReadError, GeometryMismatchError, LabelValueError
        The case and what is wrong with it.
    """
    image, label = (_read(case, path) for path in (case.image, case.label))
    difference = geometry_difference(Geometry.of(image), Geometry.of(label))
    if difference:
        raise GeometryMismatchError(f"case {case.case_id}: image and label differ: {difference}; convert it again")
    values = set(np.unique(sitk.GetArrayViewFromImage(label)).tolist())
    if not values <= labels:
        shown = ", ".join(f"{value:g}" for value in sorted(values - labels)[:3])
        raise LabelValueError(
            f"case {case.case_id}: {case.label.name} holds {shown}; allowed are {sorted(labels)}; convert it again"
        )
    if 1 not in values and not may_be_empty:
        raise LabelValueError(f"case {case.case_id}: {case.label.name} holds no tumour; convert it again")
    extremes = sitk.MinimumMaximumImageFilter()
    extremes.Execute(image)
    return extremes.GetMinimum(), extremes.GetMaximum()


def _cases_of(dataset: Path, subset: str) -> tuple[RawCase, ...]:
    images = {
        path.name.removesuffix(_IMAGE_ENDING): path for path in (dataset / f"images{subset}").glob(f"*{_IMAGE_ENDING}")
    }
    labels = {
        path.name.removesuffix(_LABEL_ENDING): path for path in (dataset / f"labels{subset}").glob(f"*{_LABEL_ENDING}")
    }
    alone = sorted(images.keys() ^ labels.keys())
    if alone:
        raise BadInputError(
            f"{dataset}: case {alone[0]!r} has no {'label' if alone[0] in images else 'image'} in "
            f"{'labels' if alone[0] in images else 'images'}{subset}; {_AGAIN}"
        )
    return tuple(RawCase(case, images[case], labels[case]) for case in sorted(images))


def _read(case: RawCase, path: Path) -> sitk.Image:
    try:
        return read_image(path)
    except ImageReadError as error:
        raise ImageReadError(f"case {case.case_id}: {path} is damaged or no image; convert it again") from error


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInputError(f"{path}: missing; finish the conversion with: nnunet_amt convert") from error
    except ValueError as error:
        raise BadInputError(f"{path}: is no JSON; {_AGAIN}") from error
