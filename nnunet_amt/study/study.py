"""A study's parts: its folders, the files of its cases, and the run records that these lead to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnunet_amt.base.run_record import input_path, newest_run, read_runs
from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.evaluation.measure.label_maps import LABEL_MAP_ENDINGS
from nnunet_amt.pictures.case_crop import CaseCrop, read_case_crop

if TYPE_CHECKING:
    from nnunet_amt.evaluation.results.read_results import EvaluatedCase


class StudyRun(NamedTuple):
    """A run record and where it stands.

    Attributes
    ----------
    path
        Folder of the record relative to the study, POSIX, ``.`` for the study itself; of a folder elsewhere its own
        name alone, because the folders above it may name a person.
    run
        As `nnunet_amt.base.run_record` writes it.
    """

    path: str
    run: dict[str, Any]


@dataclass(frozen=True)
class EvaluationFolder:
    """Results of ``nnunet_amt evaluate``, and what they were made from; None where that is not found.

    Attributes
    ----------
    path
        Folder of ``summary.json`` and ``cases.csv``.
    predictions, references
        Folders of label maps.
    cohort
        The cohort file.
    """

    path: Path
    predictions: Path | None
    references: Path | None
    cohort: Path | None


@dataclass(frozen=True)
class Study:
    """Where the parts of a study are; None where one is missing.

    Attributes
    ----------
    folder
        The study.
    dataset
        Raw dataset of the evaluated cases, with ``dataset.json``, and from our conversion ``audit.json``,
        ``cohort.csv``, ``flow.svg`` and the tables of patients.
    evaluation
        The evaluation that is reported.
    evaluations
        All that were found, that one too.
    images
        Folder of the evaluated cases' CTs, ``<case id>_0000.nii.gz``.
    failures
        Folder of ``failures.json``, of the same predictions.
    comparison
        Folder of ``comparison.json``.
    records
        What ran, in the order of time.
    """

    folder: Path
    dataset: Path | None
    evaluation: EvaluationFolder
    evaluations: tuple[EvaluationFolder, ...]
    images: Path | None
    failures: Path | None
    comparison: Path | None
    records: tuple[StudyRun, ...]


def read_from(folder: Path, stage: str, name: str) -> Path | None:
    """Find what the newest run of a stage read under that name; None if it is not recorded, or not there any more."""
    run = newest_run(folder, stage)
    return None if run is None else input_path(folder, run, name)


def gather_runs(study: Path, folders: Iterable[Path]) -> tuple[StudyRun, ...]:
    """Read the records of folders and, again and again, those beside or around what their runs have read.

    Parameters
    ----------
    study
        That paths are named from.
    folders
        To begin with.

    Returns
    -------
    tuple of StudyRun
        By the time at which they started.
    """
    pending, seen, runs = list(folders), set(), []
    while pending:
        folder = pending.pop()
        place = Path(os.path.realpath(folder))
        if place in seen:
            continue
        seen.add(place)
        for run in read_runs(folder):
            runs.append(StudyRun(_path_shown(study, place), run))
            for name in run["inputs"]:
                pending += _around(input_path(folder, run, name))
    return tuple(sorted(runs, key=lambda found: found.run["started"]))


def label_map_in(folder: Path | None, case_id: str) -> Path | None:
    """Find the label map of a case; for a CT the case id ends with its channel, ``_0000``."""
    if folder is None:
        return None
    return next((path for ending in LABEL_MAP_ENDINGS if (path := folder / f"{case_id}{ending}").is_file()), None)


def study_crop(
    study: Study, case: EvaluatedCase, *, foreground: int = 1, margin_mm: float = 20.0, minimum_mm: float = 0.0
) -> CaseCrop:
    """Read the crop of a case of the study's evaluation; see `read_case_crop`.

    The voxels of both masks are counted and compared with ``cases.csv``, so that no picture is of other masks than
    those that were evaluated. A CT that is not there is left out; a prediction may be missing where the evaluation
    counted none.

    Raises
    ------
    BadInputError
        If the label maps are not known or hold other voxels; its subclasses as of `read_case_crop`.
    """
    evaluation = study.evaluation
    reference = label_map_in(evaluation.references, case.case_id)
    prediction = label_map_in(evaluation.predictions, case.case_id)
    if reference is None or (prediction is None and case.tp + case.fp > 0):
        which = "reference" if reference is None else "prediction"
        folder = evaluation.references if reference is None else evaluation.predictions
        where = "its folder is not known" if folder is None else f"it is not in {folder.name}"
        raise UnmatchedCasesError(
            f"{evaluation.path}: case {case.case_id}: no {which} for a picture, {where}; "
            "put the label maps where they were, or run nnunet_amt evaluate again"
        )
    image = label_map_in(study.images, f"{case.case_id}_0000")
    crop = read_case_crop(
        image,
        reference,
        prediction,
        case_id=case.case_id,
        margin_mm=margin_mm,
        minimum_mm=minimum_mm,
        foreground=foreground,
    )
    both = int(np.count_nonzero(crop.reference & crop.prediction))
    found = (both, int(np.count_nonzero(crop.prediction)) - both, int(np.count_nonzero(crop.reference)) - both)
    if found != (case.tp, case.fp, case.fn):
        counts = "TP {} FP {} FN {}"
        raise BadInputError(
            f"{evaluation.path}: case {case.case_id}: the label maps are others than those evaluated "
            f"({counts.format(*found)} voxels, not {counts.format(case.tp, case.fp, case.fn)}); "
            "run nnunet_amt evaluate again"
        )
    return crop


def _around(read: Path | None) -> Iterator[Path]:
    """Give the folders that may tell how a file or folder was made."""
    if read is None:
        return
    yield read if read.is_dir() else read.parent
    yield read.parent  # the dataset of its labels
    if read.is_dir():
        yield from sorted(read.glob("fold_*"))  # the trainings of a model


def _path_shown(study: Path, place: Path) -> str:
    home = Path(os.path.realpath(study))
    if place.is_relative_to(home):
        return place.relative_to(home).as_posix()
    return "/".join(place.parts[-2:]) if place.name.startswith("fold_") else place.name
