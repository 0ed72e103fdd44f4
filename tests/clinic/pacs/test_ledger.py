"""Series and jobs step by step: what late slices, failures and killed workers do to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nnunet_amt.clinic.pacs.incoming_object import IncomingObject
from nnunet_amt.clinic.pacs.ledger import MOST_KILLS, Job, Ledger
from nnunet_amt.clinic.pacs.receive_status import SeriesStatus, read_status
from nnunet_amt.errors import BadInputError


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def arrive(ledger: Ledger, *numbers: int, series: str = "1.5", quiet: float = 0.0) -> None:
    for number in numbers:
        found = IncomingObject("1.2", f"{series}.{number}", "1.4", series)
        ledger.add_object(found, sha256=f"{number}", size=1, file=f"s/{series}.{number}", sender="PACS",
                          quiet_seconds=quiet)  # fmt: skip


def make_job(ledger: Ledger) -> int | None:
    (series,) = ledger.series_to_look_at()
    return ledger.make_job(series, asked="")


def take(ledger: Ledger) -> Job:
    job = ledger.take_job()
    assert job is not None
    return job


def status(ledger: Ledger) -> SeriesStatus:
    (one,) = read_status(ledger.path.parent)
    return one


def test_the_way_of_a_series(ledger: Ledger) -> None:
    arrive(ledger, 1, 2)
    assert status(ledger).state == "received"
    assert make_job(ledger) == 1
    assert status(ledger).state == "waiting"
    job = take(ledger)
    assert job.files == ("s/1.5.1", "s/1.5.2")
    assert (status(ledger).state, ledger.take_job()) == ("running", None)
    ledger.segmented(job, ["a/seg.dcm"])
    back = ledger.job_to_return()
    assert back is not None and back.results == ("a/seg.dcm",)
    ledger.returned(back)
    assert (status(ledger).state, ledger.job_to_return(), ledger.series_to_look_at()) == ("returned", None, [])


def test_nothing_is_looked_at_before_its_quiet_time(ledger: Ledger) -> None:
    arrive(ledger, 1, quiet=100)
    assert ledger.series_to_look_at() == []


def test_the_time_in_which_nobody_listened_is_not_quiet(ledger: Ledger) -> None:
    """After a restart the sender gets its quiet time to go on, and half of a series is not taken for the whole."""
    arrive(ledger, 1)
    ledger.listens_again(quiet_seconds=100)
    assert ledger.series_to_look_at() == []


def test_late_slices_make_another_revision(ledger: Ledger) -> None:
    """One that nobody has begun is dropped; a result of fewer slices than have come is held back, then superseded."""
    arrive(ledger, 1, 2)
    make_job(ledger)
    arrive(ledger, 3)
    assert ledger.take_job() is None
    assert make_job(ledger) == 2
    job = take(ledger)
    assert (job.revision, len(job.files)) == (2, 3)
    arrive(ledger, 4)
    ledger.segmented(job, ["a/seg.dcm"])
    assert ledger.job_to_return() is None
    assert make_job(ledger) == 3
    assert ledger.job_to_return() is None
    last = take(ledger)
    assert (last.revision, len(last.files)) == (3, 4)


def test_what_was_returned_stays_beside_the_revision_of_late_slices(ledger: Ledger) -> None:
    arrive(ledger, 1)
    make_job(ledger)
    job = take(ledger)
    ledger.segmented(job, ["a/seg.dcm"])
    ledger.returned(job)
    arrive(ledger, 2)
    make_job(ledger)
    assert take(ledger).revision == 2
    states = ledger._rows("SELECT revision, state FROM jobs ORDER BY revision")
    assert states == [(1, "returned"), (2, "running")]


def test_slices_that_come_while_one_looks_are_not_passed_over(ledger: Ledger) -> None:
    arrive(ledger, 1)
    (series,) = ledger.series_to_look_at()
    arrive(ledger, 2)
    assert ledger.make_job(series, asked="") is None
    ledger.series_not_ready(series, reason="slices are missing", look_again_seconds=100)
    assert [one.objects for one in ledger.series_to_look_at()] == [2]


def test_a_third_failure_sets_a_study_aside_and_nothing_else_waits(ledger: Ledger) -> None:
    arrive(ledger, 1)
    make_job(ledger)
    for last in (False, False, True):
        assert ledger.failed(take(ledger), "the network failed", backoff_seconds=(0.0, 0.0)) is last
    assert ledger.take_job() is None
    assert (status(ledger).state, status(ledger).reason) == ("set_aside", "the network failed")
    arrive(ledger, 1, series="1.6")
    make_job(ledger)
    assert take(ledger).series_uid == "1.6"
    assert ledger.again(ledger.mark("1.4")) == 1
    assert take(ledger).attempts == 0
    with pytest.raises(BadInputError, match="no job of such a study"):
        ledger.again("0000000000")


def test_all_that_were_set_aside_are_taken_again(ledger: Ledger) -> None:
    """Four studies: two that failed, one that failed and whose pixels are removed, one that was refused."""
    for series in ("1.5", "1.6", "1.7", "1.8"):
        arrive(ledger, 1, series=series)
        make_job(ledger)
        job = take(ledger)
        if series == "1.8":
            ledger.refuse(job, "is no CT")
        ledger.failed(replace(job, attempts=2), "status 0xA700", backoff_seconds=(0.0,))
    ledger.removed("1.7")
    assert ledger.again_all() == 2
    assert [take(ledger).series_uid for _ in range(2)] == ["1.5", "1.6"]
    assert ledger.take_job() is None
    with pytest.raises(BadInputError, match="--again all: no job was set aside"):
        ledger.again_all()


def test_a_failure_is_tried_again_after_its_pause(ledger: Ledger) -> None:
    arrive(ledger, 1)
    make_job(ledger)
    ledger.failed(take(ledger), "x", backoff_seconds=(100.0, 100.0))
    assert ledger.take_job() is None
    assert (status(ledger).state, status(ledger).reason) == ("waiting", "x (failed 1 of 3 times)")


def test_a_failed_return_is_only_returned_again(ledger: Ledger) -> None:
    """The result is there: it is not made a second time, also after it was set aside."""
    arrive(ledger, 1)
    make_job(ledger)
    ledger.segmented(take(ledger), ["a/seg.dcm"])
    for _ in range(3):
        job = ledger.job_to_return()
        assert job is not None
        ledger.failed(job, "status 0xA700", backoff_seconds=(0.0,))
    assert (ledger.job_to_return(), ledger.take_job()) == (None, None)
    ledger.again(ledger.mark("1.4"))
    assert ledger.job_to_return() is not None


def test_a_killed_workers_job_is_taken_again_but_not_for_ever(ledger: Ledger) -> None:
    arrive(ledger, 1)
    make_job(ledger)
    for _ in range(MOST_KILLS - 1):
        take(ledger)
        assert ledger.take_back_running() == 1
    assert take(ledger).attempts == 0
    ledger.take_back_running()
    assert (ledger.take_job(), status(ledger).state) == (None, "set_aside")


def test_a_job_that_kills_its_worker_goes_behind_the_others(ledger: Ledger) -> None:
    for series in ("1.5", "1.6"):
        arrive(ledger, 1, series=series)
        make_job(ledger)
    assert take(ledger).series_uid == "1.5"
    ledger.take_back_running()
    assert [take(ledger).series_uid, take(ledger).series_uid] == ["1.6", "1.5"]


def test_marks_are_not_to_be_computed_from_uids(tmp_path: Path) -> None:
    """Each ledger has a salt of its own, which stays."""
    one = Ledger(tmp_path / "one")
    assert one.mark("1.2") == Ledger(tmp_path / "one").mark("1.2") != Ledger(tmp_path / "two").mark("1.2")


def test_a_folder_without_a_ledger_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="give the folder that a receiver was started with"):
        read_status(tmp_path)
    (tmp_path / "ledger.sqlite").write_text("nothing of the kind, and long enough to be looked at")
    with pytest.raises(BadInputError, match="cannot be read"):
        read_status(tmp_path)
