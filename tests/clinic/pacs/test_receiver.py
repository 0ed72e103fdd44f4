"""A PACS sends, the result comes back, exactly once: the whole receiver as a program, also when it is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nnunet_amt.clinic.pacs.folders import ReceiveFolders
from nnunet_amt.clinic.pacs.ledger import Ledger
from nnunet_amt.clinic.pacs.object_store import ObjectStore
from nnunet_amt.clinic.pacs.receive_status import read_status
from nnunet_amt.clinic.pacs.receiver import remove_old
from tests.app.stand_ins import wait_for
from tests.clinic.pacs.killed_receiver import ReceiverProgram, kept_files, send_under_kills
from tests.clinic.pacs.stand_ins import Archive, archive, store_all, write_study
from tests.clinic.pacs.test_object_store import keep, open_store
from tests.images.dicom.dicom_fixtures import series_uid

KILLS = int(os.environ.get("RECEIVER_KILLS", "10"))


@pytest.fixture
def running() -> Iterator[Archive]:
    with archive() as one:
        yield one


@pytest.fixture
def program(tmp_path: Path, running: Archive) -> Iterator[ReceiverProgram]:
    one = ReceiverProgram(tmp_path / "program", running.address)
    yield one
    if one.process is not None and one.process.poll() is None:
        one.end()


def require_once(running: Archive, names: list[str], revisions: int = 1) -> None:
    """Check that of each series there is one SEG a revision, and that no UID ever came with other bytes."""
    assert all(len(contents) == 1 for contents in running.contents.values())
    assert {name: len(running.of_series(series_uid(name))) for name in names} == dict.fromkeys(names, revisions)


@pytest.mark.slow
def test_studies_come_back_and_a_study_cut_in_two_makes_a_revision(
    program: ReceiverProgram, running: Archive, tmp_path: Path
) -> None:
    """The archive knows nothing of the CTs: half of a series, then more than the quiet time, then the rest."""
    files = {name: write_study(tmp_path, name) for name in ("whole", "cut")}
    program.start()
    store_all(program.port, files["whole"])
    store_all(program.port, files["cut"][3:])
    found = program.wait_until("returned", 2)
    assert all(one.asked == "the archive does not know the series" for one in found)
    store_all(program.port, files["cut"][:3])
    program.wait_until("returned", 2)
    require_once(running, ["whole"])
    require_once(running, ["cut"], revisions=2)
    described = sorted(one.SeriesDescription for one in running.of_series(series_uid("cut")))
    assert described == ["AMT segments (research only)", "AMT segments (research only) revision 2"]
    log = (program.folder / "log").read_text()
    assert "planted" not in log and series_uid("cut") not in log
    assert program.end() == 128 + 15


@pytest.mark.slow
def test_half_a_study_is_waited_for_where_the_archive_counts(
    program: ReceiverProgram, running: Archive, tmp_path: Path
) -> None:
    """The same cut, and an archive that has all eight images: one result."""
    files = write_study(tmp_path, "cut")
    running.counts[series_uid("cut")] = 8
    program.start()
    store_all(program.port, files[3:])
    found = program.wait_until("received", 1)
    while not found[0].reason:
        found = program.wait_until("received", 1)
    assert found[0].reason == "the archive counts 8 images, 5 came"
    store_all(program.port, files[:3])
    program.wait_until("returned", 1)
    require_once(running, ["cut"])


@pytest.mark.slow
def test_killed_at_random_moments_nothing_is_lost_or_doubled(
    program: ReceiverProgram, running: Archive, tmp_path: Path
) -> None:
    """Receiver and worker are killed by kill -9, each object is sent until it is acknowledged: one result a study."""
    names = [f"study{number}" for number in range(max(4, KILLS // 5))]
    files = {name: write_study(tmp_path, name) for name in names}
    running.counts.update({series_uid(name): 8 for name in names})
    program.slow_seconds = 1.0
    killed = send_under_kills(program, files, kills=KILLS, seed=20)
    program.wait_until("returned", len(names), seconds=600)
    assert sum(killed.values()) == KILLS and min(killed.values()) > 0
    assert len(kept_files(program)) == 8 * len(names)
    require_once(running, names)


@pytest.mark.slow
def test_an_archive_that_refuses_for_a_while_sets_nothing_aside(
    program: ReceiverProgram, running: Archive, tmp_path: Path
) -> None:
    """Three studies, an archive out of resources until each was sent more often than a study may fail."""
    files = {name: write_study(tmp_path, name) for name in ("one", "two", "three")}
    running.refuses = 0xA700
    program.start()
    for some in files.values():
        store_all(program.port, some)
    program.wait_until("waiting", 3)
    wait_for(lambda: (program.folder / "log").read_text().count("cannot be returned now") >= 9, seconds=120)
    assert {one.state for one in program.status()} == {"waiting"}
    running.refuses = 0
    program.wait_until("returned", 3)
    require_once(running, list(files))


def test_old_pixels_go_and_the_ledger_stays(tmp_path: Path) -> None:
    """A series that is done and a day old goes, one that waits stays; what is sent again is known."""
    store = open_store(tmp_path)
    keep(store)
    ledger, folders = store.ledger, ReceiveFolders(tmp_path)
    assert remove_old(ledger, store, folders, days=1) == 0
    (series,) = ledger.series_to_look_at()
    ledger.make_job(series, asked="")
    assert remove_old(ledger, store, folders, days=-1) == 0  # it waits to be segmented
    job = ledger.take_job()
    assert job is not None
    result = folders.results / job.name / "seg.dcm"
    result.parent.mkdir(parents=True)
    result.touch()
    ledger.segmented(job, [f"{job.name}/seg.dcm"])
    ledger.returned(job)
    assert remove_old(ledger, store, folders, days=-1) == 1
    assert not list(store.folder.iterdir()) and not result.exists()
    (one,) = read_status(tmp_path)
    assert (one.state, one.pixels_removed, one.objects) == ("returned", True, 1)
    assert keep(store) is False
    assert ObjectStore(store.folder, Ledger(tmp_path), keep_free_bytes=0, quiet_seconds=0).tidy() == []
