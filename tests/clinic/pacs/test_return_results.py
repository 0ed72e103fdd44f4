"""A result goes back until all of it is acknowledged; an archive that is away is no study's fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nnunet_amt.clinic.pacs.folders import ReceiveFolders
from nnunet_amt.clinic.pacs.ledger import Ledger
from nnunet_amt.clinic.pacs.receive_status import SeriesStatus, read_status
from nnunet_amt.clinic.pacs.return_results import ReturnResults
from nnunet_amt.errors import WorkFailedError
from tests.clinic.pacs.stand_ins import SentObjects
from tests.clinic.pacs.test_ledger import arrive, make_job, take


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def segmented(ledger: Ledger, series: str = "1.5") -> None:
    arrive(ledger, 1, series=series)
    make_job(ledger)
    ledger.segmented(take(ledger), [f"{series}/seg.dcm", f"{series}/sc_01.dcm"])


def returning(ledger: Ledger, send: Callable[[Sequence[Path]], SentObjects]) -> ReturnResults:
    return ReturnResults(ledger, ReceiveFolders(ledger.path.parent), send, (0.0, 0.0))


def states(ledger: Ledger) -> list[SeriesStatus]:
    return read_status(ledger.path.parent)[::-1]


def test_what_is_acknowledged_is_returned_once(ledger: Ledger) -> None:
    sent: list[Path] = []

    def send(paths: Sequence[Path]) -> SentObjects:
        sent.extend(paths)
        return SentObjects(())

    segmented(ledger)
    results = returning(ledger, send)
    assert (results.return_next(), results.return_next()) == (True, None)
    assert sent == [ledger.path.parent / "results" / "1.5" / name for name in ("seg.dcm", "sc_01.dcm")]
    assert states(ledger)[0].returned is not None


def test_an_object_that_is_not_taken_sets_aside_and_nothing_waits_for_it(ledger: Ledger) -> None:
    """The first study's SEG is refused three times; the second's goes back between."""

    def send(paths: Sequence[Path]) -> SentObjects:
        return SentObjects(((paths[0], "status 0x0122"),) if "1.5" in str(paths[0]) else ())

    segmented(ledger)
    segmented(ledger, "1.6")
    results = returning(ledger, send)
    while results.return_next() is not None:
        pass
    bad, good = states(ledger)
    assert (good.state, bad.state) == ("returned", "set_aside")
    assert bad.reason == "the archive did not take 1 of 2 objects: status 0x0122"


def test_an_archive_that_is_away_counts_against_nobody(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    def away(_: Sequence[Path]) -> SentObjects:
        raise WorkFailedError("PACS@127.0.0.1:104: no association")

    segmented(ledger)
    results = returning(ledger, away)
    assert [results.return_next(unreachable=number) for number in range(6)] == [False] * 6
    assert states(ledger)[0].state == "waiting" and states(ledger)[0].reason == (
        "cannot be returned now: PACS@127.0.0.1:104: no association"
    )
    assert "PACS@127.0.0.1:104: no association" in caplog.text
    assert returning(ledger, lambda _: SentObjects(())).return_next() is True
    assert states(ledger)[0].state == "returned"


def return_all(results: ReturnResults, *, times: int) -> list[bool | None]:
    """Return so often, counting how often the archive took nothing as the receiver does."""
    answers, unreachable = list[bool | None](), 0
    for _ in range(times):
        answers.append(results.return_next(unreachable=unreachable))
        unreachable = unreachable + 1 if answers[-1] is False else 0
    return answers


def test_an_archive_that_refuses_all_sets_nothing_aside(ledger: Ledger) -> None:
    """Out of resources for twelve tries of three studies; then each goes back, without a word from anybody."""
    for series in ("1.5", "1.6", "1.7"):
        segmented(ledger, series)

    def refuse(paths: Sequence[Path]) -> SentObjects:
        return SentObjects(tuple((path, "refused: out of resources (0xA700)") for path in paths))

    assert return_all(returning(ledger, refuse), times=12) == [False] * 12
    assert [one.state for one in states(ledger)] == ["waiting"] * 3
    assert states(ledger)[1].reason == (
        "cannot be returned now: the archive did not take 2 of 2 objects: refused: out of resources (0xA700)"
    )
    assert return_all(returning(ledger, lambda _: SentObjects(())), times=4) == [True, True, True, None]
    assert [one.state for one in states(ledger)] == ["returned"] * 3


def test_a_study_of_which_nothing_is_taken_is_set_aside_where_others_are(ledger: Ledger) -> None:
    """It counts when the archive has just taken another: at the start, after the second, and after the third."""

    def send(paths: Sequence[Path]) -> SentObjects:
        return SentObjects(tuple((path, "status 0xC000") for path in paths if "1.5" in str(path)))

    segmented(ledger)
    segmented(ledger, "1.6")
    results = returning(ledger, send)
    assert return_all(results, times=5) == [False, True, False, False, False]
    assert [one.state for one in states(ledger)] == ["waiting", "returned"]
    segmented(ledger, "1.7")
    assert return_all(results, times=3) == [True, False, None]
    assert [one.state for one in states(ledger)] == ["set_aside", "returned", "returned"]


def test_pauses_grow_to_the_last(ledger: Ledger) -> None:
    results = ReturnResults(ledger, ReceiveFolders(ledger.path.parent), lambda _: SentObjects(()), (1.0, 5.0, 25.0))
    assert [results.pause(number) for number in range(5)] == [1.0, 5.0, 25.0, 25.0, 25.0]


def test_what_goes_wrong_otherwise_names_no_value(ledger: Ledger) -> None:
    def fail(_: Sequence[Path]) -> SentObjects:
        raise ValueError("Planted^Name")

    segmented(ledger)
    returning(ledger, fail).return_next()
    assert states(ledger)[0].reason == "failed with ValueError (failed 1 of 3 times)"
