"""All runs, one a core at a time; what is done is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import sleep

import benchmarks
from benchmarks.learning.arms import Run, Study
from nnunet_amt.base.progress import Progress
from nnunet_amt.errors import WorkFailedError

__all__ = ["run_all"]

_LOOK_EVERY = 1.0  # seconds


def run_all(study: Study, study_file: Path, workers: int, progress: Progress) -> None:
    """Run what is missing, `workers` at a time, each pinned to a core of its own.

    Raises
    ------
    WorkFailedError
        If a run fails: which, and where its log is.
    """
    runs = list(study.runs())
    waiting = [run for run in runs if not (study.folder(run) / "run.json").is_file()]
    free = sorted(os.sched_getaffinity(0))[:workers]
    running: dict[subprocess.Popen[bytes], tuple[Run, int]] = {}
    try:
        while waiting or running:
            while waiting and free:
                run, core = waiting.pop(0), free.pop(0)
                running[_start(study, study_file, run, core)] = (run, core)
            progress(len(runs) - len(waiting) - len(running), len(runs), "runs")
            sleep(_LOOK_EVERY)
            for process in [process for process in running if process.poll() is not None]:
                run, core = running.pop(process)
                free.append(core)
                if process.returncode:
                    raise WorkFailedError(f"{run.name}: failed; see {study.folder(run) / 'log.txt'}")
    finally:
        for process in running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a run that is not done is begun anew
            process.wait()
    progress(len(runs), len(runs), "runs")


def _start(study: Study, study_file: Path, run: Run, core: int) -> subprocess.Popen[bytes]:
    folder = study.folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    checkout = str(Path(benchmarks.__file__).resolve().parents[1])
    search = [checkout, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "nnUNet_n_proc_DA": "0", "nnUNet_compile": "f"}
    pin = one_thread if study.device == "cpu" else {}
    words = [sys.executable, "-m", "benchmarks.learning.one_run"]
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            # the supervisor ends the run when its input closes, as it does when this process is killed
            [sys.executable, "-m", "nnunet_amt.base.processes", *words, str(study_file), run.arm, str(run.seed),
             str(run.budget)],
            stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **pin, "PYTHONPATH": os.pathsep.join(dict.fromkeys(search))},
        )  # fmt: skip
    if study.device == "cpu":
        os.sched_setaffinity(process.pid, {core})
    return process
