"""New patients in the opened folder: what was given, the command that segments it, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nnunet_amt.app.jobs import Job, JobStore
from nnunet_amt.base.files import read_record, write_json
from nnunet_amt.clinic.case_results import CASES_FILE, LESIONS_FILE, PAGE, results_in
from nnunet_amt.dataset_conversion.pairing.find_pairs import NEW_PATIENT_FILE
from nnunet_amt.errors import AMTError, BadInputError
from nnunet_amt.models.plans import BEST_CHECKPOINT, FINAL_CHECKPOINT
from nnunet_amt.study.settings import StudyFolders, read_settings

FOLDER = "new_patients"
KINDS = ("seg", "rtstruct", "sc")
JOB_KIND = "segment"
_SENT, _RESULTS = "patient", "results"  # series without a folder of their own are called by the first
_ID = re.compile(r"\d{8}-\d{6}(-\d+)?")


@dataclass(frozen=True)
class PatientRun:
    """A segmentation of new patients that was asked for.

    Attributes
    ----------
    id
        Name of its folder: when it was asked for.
    folder
        Where what was sent, and the results, are.
    created
        In ISO 8601.
    given
        Names of the files that were sent, or the path that was pointed to, below the opened folder.
    study
        Name of the study whose model is taken.
    """

    id: str
    folder: Path
    created: str
    given: tuple[str, ...]
    study: str

    @property
    def results(self) -> Path:
        """The folder with the page, the tables and a folder a case."""
        return self.folder / _RESULTS

    @property
    def sent(self) -> Path:
        """The folder of the files that were sent."""
        return self.folder / _SENT

    @property
    def page(self) -> Path | None:
        """The page of the results; None before it is written."""
        page = self.results / PAGE
        return page if page.is_file() else None

    def cases(self) -> dict[str, Mapping[str, Any]]:
        """Read the results, by case."""
        return dict(results_in(self.results)) if self.results.is_dir() else {}

    def files(self) -> tuple[Path, ...]:
        """List what may be saved: the tables, and of each case what its result names, if it is there."""
        named = [self.results / name for name in (LESIONS_FILE, CASES_FILE)]
        named += [self.results / case_id / name for case_id, one in self.cases().items() for name in one["files"]]
        here = self.results.resolve()
        return tuple(path for path in named if path.is_file() and path.resolve().is_relative_to(here))

    def job(self, store: JobStore) -> Job | None:
        """Find the job that makes the results."""
        mine = (job for job in store.jobs() if job.kind == JOB_KIND and str(self.results) in job.command)
        return max(mine, key=lambda job: int(job.id), default=None)


def usable_studies(studies: Sequence[Path]) -> list[str]:
    """Name the studies that have a trained model."""
    return [study.name for study in studies if _has_model(study)]


def _has_model(study: Path) -> bool:
    try:
        fold = StudyFolders.of(study, read_settings(study)).fold_folder
    except AMTError:
        return False
    return any((fold / name).is_file() for name in (BEST_CHECKPOINT, FINAL_CHECKPOINT))


def new_folder(parent: Path, moment: datetime) -> Path:
    """Make a folder that is called by a moment, and a number where there is one of this second already."""
    name, number = f"{moment:%Y%m%d-%H%M%S}", 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1


def new_run(opened: Path, *, given: Sequence[str], study: str) -> PatientRun:
    """Make the folder of a run."""
    moment = datetime.now().astimezone()
    folder = new_folder(opened / FOLDER, moment)
    run = PatientRun(folder.name, folder, moment.isoformat(timespec="seconds"), tuple(given), study)
    write_json(folder / NEW_PATIENT_FILE, {"created": run.created, "given": list(run.given), "study": run.study})
    return run


def runs_in(opened: Path) -> list[PatientRun]:
    """List the runs, the newest first."""
    folders = sorted((path.parent for path in (opened / FOLDER).glob(f"*/{NEW_PATIENT_FILE}")), reverse=True)
    return [run for folder in folders if (run := _read(folder)) is not None]


def run_of(opened: Path, id_: str) -> PatientRun:
    """Read a run.

    Raises
    ------
    BadInputError
        If there is none of this name.
    """
    run = _read(opened / FOLDER / id_) if _ID.fullmatch(id_) else None
    if run is None:
        raise BadInputError(f"new patient {id_}: there is none of this name; choose one of the list")
    return run


def _read(folder: Path) -> PatientRun | None:
    record = read_record(folder / NEW_PATIENT_FILE)
    given = record.get("given")
    if not _ID.fullmatch(folder.name) or not isinstance(given, list) or not record.get("created"):
        return None
    return PatientRun(folder.name, folder, str(record["created"]), tuple(map(str, given)), str(record.get("study", "")))


def segment_command(run: PatientRun, inputs: Sequence[Path], *, opened: Path, kinds: Sequence[str]) -> tuple[str, ...]:
    """Write the command line that segments what was given with the model of the run's study."""
    study = opened / run.study
    settings = read_settings(study)
    objects = [word for kind in kinds for word in ("--as", kind)]
    return (
        *("nnunet_amt", "segment", *map(str, inputs), "-o", str(run.results), "--model", str(study)),
        *("--fold", settings.train.fold, "--device", settings.study.device, *objects),
    )
