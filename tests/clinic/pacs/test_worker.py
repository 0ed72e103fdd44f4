"""What the worker makes of a job: objects of its own slices, the same again, and no study in the way of another."""

from __future__ import annotations

import errno
import importlib.util
import sys
import threading
from pathlib import Path

import pydicom
import pytest

from nnunet_amt.clinic.case_objects import ObjectOptions
from nnunet_amt.clinic.pacs import worker
from nnunet_amt.clinic.pacs.folders import ReceiveFolders
from nnunet_amt.clinic.pacs.ledger import Job, Ledger
from nnunet_amt.clinic.pacs.receive_status import read_status
from nnunet_amt.clinic.pacs.worker import Segmenter, run_worker, work_on
from nnunet_amt.clinic.pacs.worker_settings import WorkerSettings
from nnunet_amt.clinic.segment_case import CaseRun, SegmentOptions
from nnunet_amt.errors import DiskFullError
from tests.clinic.pacs.quick_worker import QuickModel, quick_weights
from tests.clinic.pacs.stand_ins import write_study
from tests.clinic.pacs.test_ledger import arrive, make_job

BACKOFF = (0.0, 0.0)


class Failing(QuickModel):
    def logits(self, values: object) -> object:  # type: ignore[override]
        raise RuntimeError("of the patient Planted^Name")


@pytest.fixture
def folders(tmp_path: Path) -> ReceiveFolders:
    return ReceiveFolders(tmp_path / "received")


@pytest.fixture
def ledger(folders: ReceiveFolders) -> Ledger:
    return Ledger(folders.root)


def segmenter(folders: ReceiveFolders, model: object = None) -> Segmenter:
    options = SegmentOptions(ObjectOptions(kinds=("seg", "sc"), empty="sc"))
    return Segmenter(CaseRun(folders.results, "ab" * 32, "nnUNetTrainerAMT", options), lambda: model or QuickModel())  # type: ignore[arg-type,return-value]


def receive(folders: ReceiveFolders, ledger: Ledger, files: list[Path], series: str = "1.5") -> Job:
    """Put files into the folder of objects and the ledger as one series, and take its job."""
    start = len(ledger.files())
    arrive(ledger, *range(start, start + len(files)), series=series)
    for number, file in enumerate(files, start):
        place = folders.objects / f"s/{series}.{number}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())
    make_job(ledger)
    job = ledger.take_job()
    assert job is not None
    return job


def read(folders: ReceiveFolders, name: str) -> pydicom.Dataset:
    return pydicom.dcmread(folders.results / name)


def test_a_study_becomes_objects(folders: ReceiveFolders, ledger: Ledger, tmp_path: Path) -> None:
    job = receive(folders, ledger, write_study(tmp_path, "one"))
    work_on(job, ledger, segmenter(folders), folders, backoff_seconds=BACKOFF)
    back = ledger.job_to_return()
    assert back is not None and back.results == (f"{job.name}/seg.dcm", f"{job.name}/sc_01.dcm")
    seg = read(folders, back.results[0])
    assert seg.SeriesDescription == "AMT segments (research only)"
    assert int((seg.pixel_array > 0).sum()) == 24
    assert not folders.work_of(job).exists()


def test_a_repetition_gives_the_same_objects(folders: ReceiveFolders, ledger: Ledger, tmp_path: Path) -> None:
    """Also when all of it is made anew: UIDs follow from slices, model and mask, and so does each byte."""
    job = receive(folders, ledger, write_study(tmp_path, "one"))
    first = {name: (folders.results / name).read_bytes() for name in segmenter(folders).results_of(job, folders)}
    assert segmenter(folders, Failing()).results_of(job, folders) == list(first)  # it is whole: no network is run
    folders.results.rename(folders.root / "lost")
    again = segmenter(folders).results_of(job, folders)
    assert {name: (folders.results / name).read_bytes() for name in again} == first


def test_late_slices_make_other_objects_that_say_so(folders: ReceiveFolders, ledger: Ledger, tmp_path: Path) -> None:
    files = write_study(tmp_path, "one")
    objects = []
    for part in (files[:7], files[7:]):
        job = receive(folders, ledger, part)
        work_on(job, ledger, segmenter(folders), folders, backoff_seconds=BACKOFF)
        back = ledger.job_to_return()
        assert back is not None
        ledger.returned(back)
        objects.append([read(folders, name) for name in back.results])
    uids = [{one.SOPInstanceUID for one in some} | {one.SeriesInstanceUID for one in some} for some in objects]
    assert not uids[0] & uids[1]
    assert [one.SeriesDescription for one in objects[1]] == [
        "AMT segments (research only) revision 2", "AMT overview (research only) revision 2",
    ]  # fmt: skip


def test_a_study_that_fails_is_set_aside(folders: ReceiveFolders, ledger: Ledger, tmp_path: Path) -> None:
    """Its reason holds nothing of what the error said: that may be of the patient."""
    job: Job | None = receive(folders, ledger, write_study(tmp_path, "one"))
    for _ in range(3):
        assert job is not None
        work_on(job, ledger, segmenter(folders, Failing()), folders, backoff_seconds=BACKOFF)
        job = ledger.take_job()
    assert job is None
    (one,) = read_status(folders.root)
    assert (one.state, one.reason) == ("set_aside", "failed with RuntimeError")


def test_a_ct_that_is_not_in_hu_is_refused_at_once(folders: ReceiveFolders, ledger: Ledger, tmp_path: Path) -> None:
    files = write_study(tmp_path, "one")
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.RescaleIntercept = 3000
        dataset.save_as(file)
    work_on(receive(folders, ledger, files), ledger, segmenter(folders), folders, backoff_seconds=BACKOFF)
    (one,) = read_status(folders.root)
    assert one.state == "refused" and "above 800" in one.reason


def test_a_ct_without_a_lesion_gets_a_page_that_says_so(
    folders: ReceiveFolders, ledger: Ledger, tmp_path: Path
) -> None:
    files = write_study(tmp_path, "one")
    for file in files:
        dataset = pydicom.dcmread(file)
        pixels = dataset.pixel_array.copy()
        pixels[pixels > 1024] -= 100
        if file == files[0]:
            pixels[0, 0] = 1024 + 1  # a speck: a CT of which many voxels have the highest value would be refused
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(file)
    job = receive(folders, ledger, files)
    assert segmenter(folders).results_of(job, folders) == [f"{job.name}/sc_01.dcm"]


@pytest.mark.parametrize("error", [DiskFullError("x: the disk is full"), OSError(errno.ENOSPC, "No space left")])
def test_a_full_disk_is_not_the_studys_fault(
    folders: ReceiveFolders, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: object) -> list[str]:
        raise error

    job = receive(folders, ledger, write_study(tmp_path, "one"))
    monkeypatch.setattr(Segmenter, "results_of", full)
    for _ in range(5):
        work_on(job, ledger, segmenter(folders), folders, backoff_seconds=BACKOFF)
    (one,) = read_status(folders.root)
    assert (one.state, one.reason) == ("waiting", "the disk is full; free some space")


def test_a_worker_takes_back_what_a_dead_one_had(
    folders: ReceiveFolders, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job runs in the ledger, and nobody holds the lock: the next worker does it."""
    receive(folders, ledger, write_study(tmp_path, "one"))
    (tmp_path / "model").mkdir()
    weights = tmp_path / "model" / "nnUNetTrainerAMT__plans__3d" / "fold_0" / "weights"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    monkeypatch.setattr(worker, "opened_model", quick_weights)
    monkeypatch.setattr(worker, "load_model", lambda *_, **__: QuickModel())
    told: list[dict[str, object]] = []
    ended, segmented = threading.Event(), Ledger.segmented

    def segmented_and_ended(ledger: Ledger, job: Job, results: list[str]) -> None:
        segmented(ledger, job, results)
        ended.set()

    monkeypatch.setattr(Ledger, "segmented", segmented_and_ended)
    settings = WorkerSettings(str(folders.root), str(tmp_path / "model"), device="cpu")
    assert WorkerSettings.from_json(settings.as_json()) == settings
    run_worker(settings, told=told.append, ended=ended)
    assert list(told[0]) == ["ready"]
    assert ledger.job_to_return() is not None


def test_what_it_logs_is_heard_where_it_is_run_as_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has another name there, whose logger would keep all but warnings to itself."""
    spec = importlib.util.spec_from_file_location("program", worker.__file__)
    assert spec is not None and spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, program)
    spec.loader.exec_module(program)
    assert program.LOG.name == worker.__name__
