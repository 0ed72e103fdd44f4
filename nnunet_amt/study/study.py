"""A study's parts, and the run records of its folders and of those elsewhere that these lead to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from nnunet_amt.base.run_record import input_path, read_runs


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


def newest_run(folder: Path, stage: str) -> dict[str, Any] | None:
    """Give the newest run of a stage in a folder's record; None without one."""
    runs = [run for run in read_runs(folder) if run["stage"] == stage]
    return runs[-1] if runs else None


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
