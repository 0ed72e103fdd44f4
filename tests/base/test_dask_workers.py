"""Conversion on a cluster: a scheduler and workers on the loopback, as separate processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nnunet_amt.base.progress import silent
from nnunet_amt.base.workers import open_workers
from nnunet_amt.dataset_conversion import ConversionSettings, ConversionSummary, convert
from nnunet_amt.errors import BadInputError, MissingExtraError
from tests.dataset_conversion.cohort_fixtures import write_cohort
from tests.dataset_conversion.test_manifest2nnunet import results, run

pytest.importorskip("distributed", reason="the extra [dask] is not installed")

# Loaded by each worker: the first that writes the mask of c1 says who it is and waits to be killed.
WAIT_IN_C1 = """
import os, time
from pathlib import Path
from nnunet_amt.dataset_conversion import convert_case as module
from nnunet_amt.images.nifti import write_nifti

def wait_in_c1(path, array, geometry):
    mark = Path({mark!r})
    if path.name == "c1.nii.gz" and not mark.exists():
        path.with_name(f".partial-{{os.getpid()}}-0badcafe-{{path.name}}").write_bytes(b"half")
        mark.write_text(str(os.getpid()))
        time.sleep(600)
    write_nifti(path, array, geometry=geometry)

module.write_nifti = wait_in_c1
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "DASK_DISTRIBUTED__DASHBOARD__LINK": "",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], pattern: str) -> str:
    """Read what a process says until it says this, then go on reading so that its pipe never fills."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(pattern, line):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found.group(1) if found.groups() else line
    raise AssertionError(f"{process.args!r} ended without saying {pattern!r}")


@pytest.fixture
def scheduler() -> Iterator[str]:
    """HOST:PORT of a scheduler."""
    process = start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    yield wait_for(process, r"Scheduler at:\s+tcp://(\S+)")
    process.kill()
    process.wait()


@pytest.fixture
def start_worker(scheduler: str) -> Iterator[Callable[..., None]]:
    workers: list[subprocess.Popen[str]] = []

    def one_more(*arguments: str) -> None:
        process = start(
            "dask_worker", f"tcp://{scheduler}", "--no-nanny", "--nthreads", "1", "--no-dashboard", *arguments
        )
        workers.append(process)
        wait_for(process, "Registered to")

    yield one_more
    for process in workers:
        process.kill()
        process.wait()


def run_on(scheduler: str, folder: Path, raw: str = "raw") -> ConversionSummary:
    settings = ConversionSettings(keep_case_ids=True)
    return convert(
        folder / "manifest.csv", folder / raw, dataset_id=711, settings=settings, executor=f"dask://{scheduler}"
    )


@pytest.mark.slow
def test_a_worker_killed_in_a_case_loses_and_doubles_nothing(
    tmp_path: Path, scheduler: str, start_worker: Callable[..., None]
) -> None:
    write_cohort(tmp_path)
    whole = results(run(tmp_path, raw="whole").dataset_folder)
    mark, preload = tmp_path / "mark", tmp_path / "wait_in_c1.py"
    preload.write_text(WAIT_IN_C1.format(mark=str(mark)))
    for _ in range(2):
        start_worker("--preload", str(preload))

    def kill_who_waits() -> None:
        while not (mark.exists() and mark.read_text()):
            time.sleep(0.02)
        os.kill(int(mark.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill_who_waits, daemon=True)
    killer.start()
    summary = run_on(scheduler, tmp_path)
    killer.join(timeout=10)
    assert mark.exists()
    assert (summary.converted, summary.refused) == (4, ())
    assert results(summary.dataset_folder) == whole
    assert run_on(scheduler, tmp_path).already_done == 4


@pytest.mark.slow
def test_a_bad_case_is_named_as_it_is_without_a_cluster(
    tmp_path: Path, scheduler: str, start_worker: Callable[..., None]
) -> None:
    start_worker()
    write_cohort(tmp_path, {1: {"image": "bad.nii.gz"}})
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    texts = []
    for executor in (None, f"dask://{scheduler}"):
        with pytest.raises(Exception, match="the file is damaged") as error:
            convert(tmp_path / "manifest.csv", tmp_path / "raw", dataset_id=711, executor=executor)
        texts.append(str(error.value))
    assert texts[0] == texts[1]


@pytest.mark.slow
def test_paths_relative_to_our_folder_are_found_by_workers_in_another(
    tmp_path: Path, scheduler: str, start_worker: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_worker()
    write_cohort(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run_on(scheduler, Path()).converted == 4
    assert (tmp_path / "raw" / "Dataset711_AMT" / "dataset.json").is_file()


def test_a_scheduler_without_workers_is_named(scheduler: str) -> None:
    with pytest.raises(BadInputError, match="the scheduler has no worker; start some"):
        open_workers(jobs=1, executor=f"dask://{scheduler}", progress=silent)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnunet_amt.base.workers._SECONDS_TO_ANSWER", 0.5)
    with pytest.raises(BadInputError, match="no scheduler answers; start one with: dask scheduler"):
        open_workers(jobs=1, executor="dask://127.0.0.1:9", progress=silent)


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[dask\]'"):
        open_workers(jobs=1, executor="dask://127.0.0.1:9", progress=silent)
