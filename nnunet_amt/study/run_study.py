"""A whole study: from the manifest to the page, every stage that is not done."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from nnunet_amt.base.files import require_folder
from nnunet_amt.base.processes import usable_cores
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.models.plans import DEFAULT_TRAINER
from nnunet_amt.nnunet.environment import folders_below, require_known_trainer
from nnunet_amt.study.settings import (
    SETTINGS_FILE,
    StudyFolders,
    StudySettings,
    manifest_path,
    read_settings,
    write_settings,
)
from nnunet_amt.study.stage import Stage, StageState, stage_states, stale_reason
from nnunet_amt.study.stages import other_model_stages, study_stages

OnStage = Callable[[int, int, Stage, bool], None]


@dataclass(frozen=True)
class StudyResult:
    """What a run of a study did: what was worth saying of every stage that ran, and the names of those skipped."""

    folders: StudyFolders
    ran: dict[str, str]
    skipped: tuple[str, ...]


def open_study(
    folder: Path, *, manifest: Path | None = None, changes: dict[str, dict[str, object]] | None = None
) -> StudySettings:
    """Read the settings of a study; of a new one write them.

    Parameters
    ----------
    folder
        The study, made if `manifest` is given.
    manifest
        The cohort's table; None for a study that is there already.
    changes
        Section to name to value: what goes before ``study.toml``. A new study writes it down; for one that is there it
        holds for this run.

    Raises
    ------
    BadInputError
        If there is no study and no manifest, the study is of another manifest, or a setting cannot be used.
    """
    changes = changes or {}
    if manifest is not None and not manifest.is_file():
        raise BadInputError(f"{manifest}: no such file; give the manifest of the cohort, a CSV with a row a case")
    if manifest is None or (folder / SETTINGS_FILE).exists():
        require_folder(folder, "give the folder of a study, or a manifest and -o FOLDER to begin one")
        settings = read_settings(folder)
        known = manifest_path(folder, settings)
        if manifest is not None and not (known.exists() and manifest.samefile(known)):
            raise BadInputError(
                f"{folder / SETTINGS_FILE}: is of another manifest ({settings.study.manifest}); give another folder, "
                "or change the line in the file"
            )
        return _with_known_trainer(settings.changed(changes))
    named = os.path.relpath(manifest.resolve(), folder.resolve())
    changes = {**changes, "study": {**changes.get("study", {}), "manifest": named}}
    settings = _with_known_trainer(StudySettings().changed(changes))
    folder.mkdir(parents=True, exist_ok=True)
    write_settings(folder, settings)
    return settings


def _with_known_trainer(settings: StudySettings) -> StudySettings:
    """Refuse a trainer now that the training would not find after hours of conversion."""
    trainer = settings.train.trainer
    require_known_trainer(trainer)
    if not trainer.startswith(DEFAULT_TRAINER):
        raise BadInputError(
            f"--trainer {trainer}: a study is trained by one of ours, {DEFAULT_TRAINER} or {DEFAULT_TRAINER}_5epochs, "
            "_20epochs, ...; a trainer from elsewhere is for: nnunet_amt train"
        )
    return settings


def set_training_aside(folder: Path, settings: StudySettings) -> Path | None:
    """Put the training that the settings ask for out of the way, so that the next run begins it anew; nothing is lost.

    Returns
    -------
    Path or None
        Where it is kept, beside its place; None if there is none.
    """
    fold_folder = StudyFolders.of(folder, settings).fold_folder
    if not fold_folder.is_dir():
        return None
    kept = fold_folder.with_name(f"kept_{datetime.now().astimezone():%Y%m%d-%H%M%S}_{fold_folder.name}")
    if kept.exists():
        raise BadInputError(f"{kept.name}: is there already; wait a second, and begin anew again")
    return fold_folder.rename(kept)


def study_status(folder: Path, settings: StudySettings) -> tuple[StageState, ...]:
    """Tell of every stage of a study whether it is done, and why not."""
    stages = study_stages(folder, settings, device=settings.study.device, jobs=settings.study.jobs or 1)
    return stage_states(stages)


def run_study(
    folder: Path, settings: StudySettings, *, progress: Progress = silent, on_stage: OnStage | None = None
) -> StudyResult:
    """Run every stage that is not done, in order; run again, it goes on where it stopped.

    nnU-Net's three folder variables are set to folders of the study, for this process.

    Parameters
    ----------
    on_stage
        Told at every stage its number from 1, the number of stages, the stage, and whether it is skipped.

    Raises
    ------
    AMTError
        Whatever a stage raises; what the stages before it did stays.
    """
    return _run(folder, settings, study_stages, progress, on_stage)


def evaluate_other_model(
    folder: Path,
    settings: StudySettings,
    trainer: str,
    *,
    progress: Progress = silent,
    on_stage: OnStage | None = None,
) -> StudyResult:
    """Predict and evaluate the external cases by another trained model of a study, see `other_model_stages`.

    The parameters, and what is raised, are those of `run_study`.

    Raises
    ------
    BadInputError
        If the study has no model of this trainer, or it is the study's own.
    """
    if trainer == settings.train.trainer:
        raise BadInputError(f"--other-model {trainer}: is the study's own; its results are those of the study")
    changed = _with_known_trainer(settings.changed({"train": {"trainer": trainer}}))
    if not StudyFolders.of(folder, changed).fold_folder.is_dir():
        raise BadInputError(
            f"--other-model {trainer}: no model of it was trained in {folder}; train it: "
            f"{shlex.join(['nnunet_amt', 'study', str(folder), '--trainer', trainer])}"
        )
    return _run(folder, settings, partial(other_model_stages, trainer=trainer), progress, on_stage)


def _run(
    folder: Path,
    settings: StudySettings,
    list_stages: Callable[..., tuple[Stage, ...]],
    progress: Progress,
    on_stage: OnStage | None,
) -> StudyResult:
    """Run those of some stages that are not done."""
    from nnunet_amt.nnunet.environment import require_device

    os.environ.update(folders_below(folder))
    device = require_device(settings.study.device)
    stages = list_stages(folder, settings, device=device, jobs=settings.study.jobs or usable_cores())
    ran: dict[str, str] = {}
    skipped: list[str] = []
    with the_only_run(folder):
        for number, stage in enumerate(stages, start=1):
            skip = stale_reason(stage, stages) is None and not stage.looks_itself
            if on_stage is not None:
                on_stage(number, len(stages), stage, skip)
            if skip:
                skipped.append(stage.name)
                continue
            ran[stage.name] = stage.run(progress)
    return StudyResult(StudyFolders.of(folder, settings), ran, tuple(skipped))


@contextmanager
def the_only_run(folder: Path, *, patience_seconds: float = 5.0) -> Iterator[None]:
    """Keep other runs of a study out: two trainings in one folder would write over each other's checkpoints.

    Raises
    ------
    WorkFailedError
        If another process runs the study, and does not end within the patience.
    """
    until = time.monotonic() + patience_seconds
    with (folder / SETTINGS_FILE).open("rb") as file:
        while not _taken(file):
            if time.monotonic() >= until:
                raise WorkFailedError(
                    f"{folder}: another process runs this study now; wait until it has ended, or end it"
                )
            time.sleep(0.2)
        yield


def is_running(folder: Path) -> bool:
    """Tell whether a process runs a study now, on this machine or one that shares its drive."""
    with (folder / SETTINGS_FILE).open("rb") as file:
        return not _taken(file)


def _taken(file: BinaryIO) -> bool:
    """Take the lock of a study's settings, until the file is closed; False if another has it."""
    import fcntl  # not on Windows, where the rest of this file runs

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # of another kind: some network drives have no locks
        return not isinstance(error, BlockingIOError)
    return True
