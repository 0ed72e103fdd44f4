"""The records of a study's parts: folders, and what ran in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


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
