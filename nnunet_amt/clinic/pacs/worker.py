"""What works on received series: one process with the model in memory, which takes one job after the other.

The process holds the lock of the folder's worker as long as it lives, however it ends. So whoever gets the lock knows
that jobs which still run in the ledger are nobody's, and lets them wait again.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import IO, Any

from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.clinic.case_objects import ObjectOptions
from nnunet_amt.clinic.model_source import opened_model, trained_on
from nnunet_amt.clinic.new_cases import NewCase
from nnunet_amt.clinic.pacs.folders import ReceiveFolders
from nnunet_amt.clinic.pacs.ledger import Job, Ledger
from nnunet_amt.clinic.pacs.worker_settings import LOG_LINE, WorkerSettings
from nnunet_amt.clinic.segment_case import CaseRun, SegmentOptions, run_network
from nnunet_amt.clinic.source_series import ct_series_in
from nnunet_amt.errors import AMTError, DiskFullError, ImageReadError
from nnunet_amt.evaluation.operating_points.point_file import read_point
from nnunet_amt.images.dicom.series import DicomSeries
from nnunet_amt.images.image_file import ReadingOptions
from nnunet_amt.models.folder import trainer_of
from nnunet_amt.nnunet.environment import require_device
from nnunet_amt.nnunet.loaded_model import LoadedModel, load_model

LOG = logging.getLogger("nnunet_amt.clinic.pacs.worker")  # by its name also where it is run as a program
_IDLE_SECONDS = 0.5
_OBJECTS = ".dcm"
_DISK_SECONDS = 60.0


@dataclass(frozen=True)
class Segmenter:
    """A model in memory, and what is made with it."""

    run: CaseRun
    model: Callable[[], LoadedModel] = field(repr=False)

    def results_of(self, job: Job, folders: ReceiveFolders) -> list[str]:
        """Segment a job's slices; gives the DICOM objects, relative to the folder of results.

        Run again after a kill, it takes what was whole already.

        Raises
        ------
        ImageReadError
            If the CT cannot be segmented, or no object can be made of it; it will be the same next time.
        """
        case = NewCase(job.name, folders.work, _series_of(job, folders, self.run.options.reading))
        run = replace(self.run, revision=job.revision)
        result = run.finished(case)
        if result is None:
            ct = run_network(run.read(case, self.model), self.model)
            result = run.write(case, ct, self.model)
        _sync(folders.results / case.case_id)
        objects = [f"{case.case_id}/{name}" for name in result["files"] if name.endswith(_OBJECTS)]
        if not objects:
            raise ImageReadError(result["note"] or "no DICOM object can be made of it")
        return objects


def run_worker(settings: WorkerSettings, *, told: Callable[[dict[str, Any]], None], ended: threading.Event) -> None:
    """Load the model and work until told to end.

    Parameters
    ----------
    told
        Is given ``{"ready": hash of the model}`` once.
    ended
        Looked at between jobs.
    """
    folders = ReceiveFolders(Path(settings.folder))
    with _alone(folders.worker_lock), _segmenter(settings, folders) as segmenter:
        ledger = Ledger(folders.root)
        ledger.take_back_running()
        told({"ready": segmenter.run.model_sha256})
        while not ended.is_set():
            job = ledger.take_job()
            if job is None:
                ended.wait(_IDLE_SECONDS)
            else:
                work_on(job, ledger, segmenter, folders, backoff_seconds=settings.backoff_seconds)


def work_on(
    job: Job, ledger: Ledger, segmenter: Segmenter, folders: ReceiveFolders, *, backoff_seconds: Sequence[float]
) -> None:
    """Do one job, and enter what became of it: nothing that a study does wrong stops those after it."""
    begun = time.monotonic()
    try:
        results = segmenter.results_of(job, folders)
    except DiskFullError:
        _wait_for_room(job, ledger)
    except ImageReadError as error:
        ledger.refuse(job, _without_place(error, job))
        LOG.warning("study %s is refused: %s", job.study_mark, _without_place(error, job))
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            _wait_for_room(job, ledger)
            return
        reason = _without_place(error, job) if isinstance(error, AMTError) else f"failed with {type(error).__name__}"
        aside = ledger.failed(job, reason, backoff_seconds=backoff_seconds)
        LOG.warning("study %s %s: %s", job.study_mark, "is set aside" if aside else "is tried again later", reason)
        LOG.debug("study %s failed", job.study_mark, exc_info=True)
    else:
        ledger.segmented(job, results)
        LOG.info("study %s is segmented, %.1f s", job.study_mark, time.monotonic() - begun)
    shutil.rmtree(folders.work_of(job), ignore_errors=True)


def _wait_for_room(job: Job, ledger: Ledger) -> None:
    ledger.put_off(job, "the disk is full; free some space", seconds=_DISK_SECONDS)
    LOG.warning("study %s waits: the disk is full", job.study_mark)


@contextmanager
def _segmenter(settings: WorkerSettings, folders: ReceiveFolders) -> Iterator[Segmenter]:
    with opened_model(
        settings.model, fold=settings.fold, trainer=settings.trainer, checkpoint=settings.checkpoint
    ) as weights:
        digest = file_sha256(weights) or ""
        point = None
        if settings.operating_point is not None:
            point = read_point(weights, settings.operating_point, sha256=digest).point
        trainer = trainer_of(weights.parents[1])
        device = require_device(settings.device)
        loaded = cache(lambda: load_model(weights, device=device))
        loaded()
        run = CaseRun(folders.results, digest, trainer, _options(settings), point, trained_on=trained_on(weights))
        yield Segmenter(run, loaded)


def _options(settings: WorkerSettings) -> SegmentOptions:
    """Say what is written: also of a CT without a lesion something comes back, a page that says so."""
    return SegmentOptions(ObjectOptions(kinds=settings.kinds, empty="sc"), settings.reading)


def _series_of(job: Job, folders: ReceiveFolders, reading: ReadingOptions) -> DicomSeries:
    """Lay a job's own slices out in a folder, as links: later ones of the series are not among them."""
    folder = folders.work_of(job)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in job.files:
        os.link(folders.objects / file, folder / Path(file).name)
    found = [one for one in ct_series_in(folder, options=reading) if isinstance(one, (DicomSeries, ImageReadError))]
    for one in found:
        if isinstance(one, DicomSeries):
            return one
    raise found[0] if found and isinstance(found[0], ImageReadError) else ImageReadError("holds no CT series")


def _sync(folder: Path) -> None:
    """Write a result through: the ledger, which is, must not name files that a crash of the machine takes."""
    for path in [*folder.iterdir(), folder, folder.parent]:
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other worker of the folder lives, and keep others waiting in the block."""
    with lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _without_place(error: BaseException, job: Job) -> str:
    return str(error).removeprefix(f"{job.name}: ")


def main(read: IO[str] | None = None) -> None:
    """Run as a process: settings come as a line, and the end of the lines is the end of who wrote it, so of us."""
    from nnunet_amt.base.processes import keep_current_folder_out

    keep_current_folder_out()
    lines = read or sys.stdin
    line = lines.readline()
    if not line:
        return  # who started us is gone already
    settings = WorkerSettings.from_json(line)
    logging.basicConfig(level=logging.WARNING, format=LOG_LINE, stream=sys.stderr)
    logging.getLogger("nnunet_amt.clinic.pacs").setLevel(logging.INFO)
    ended = threading.Event()

    def end_with_parent() -> None:
        lines.read()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        run_worker(settings, told=_tell, ended=ended)
    except BrokenPipeError:
        return
    except AMTError as error:
        _tell({"error": str(error), "exit_code": error.exit_code})
        raise SystemExit(error.exit_code) from None


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
