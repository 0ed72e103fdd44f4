"""The record of what readers say: every status on paper, who may say what, and that nothing once said is lost."""

from __future__ import annotations

import csv
import multiprocessing
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.cohort.reviews import (
    COLUMNS,
    MaskChange,
    MaskDifference,
    Review,
    ReviewRefusedError,
    Status,
    add_review,
    case_state,
    checked_initials,
    known_to,
    new_review,
    read_reviews,
    state_known_to,
)
from nnunet_amt.errors import ManifestError

NEW, OLD = "new mask", "old mask"
CHANGE = MaskChange("masks/c1_r1.nii.gz", MaskDifference(2 / 3, (12.0, 6.0), (2, 1), 5.25))


def said(words: str, *, mask: str = NEW, note: str = "", case_id: str = "c1") -> Review:
    """Give a row of ``"annotator AB right"``."""
    role, initials, verdict = words.split()
    return new_review(
        case_id,
        role=role,
        initials=initials,
        verdict=verdict,
        note=note or ("too large" * (verdict == "wrong")),
        mask=mask,
    )


def record(path: Path, *words: str) -> None:
    for one in words:
        add_review(path, said(one))


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ((), "not_looked_at"),
        (("annotator AA right",), "annotated"),
        (("annotator AA wrong",), "wrong"),
        (("reviewer BB right",), "reviewed_once"),
        (("annotator AA right", "reviewer BB right"), "reviewed_once"),
        (("annotator AA right", "reviewer BB wrong"), "wrong"),
        (("annotator AA right", "reviewer BB right", "reviewer CC right"), "agreed"),
        (("annotator AA right", "reviewer BB right", "reviewer CC wrong"), "disagreement"),
        (("annotator AA right", "reviewer BB wrong", "reviewer CC wrong"), "wrong"),
        (("reviewer BB right", "reviewer CC wrong", "reviewer CC right"), "agreed"),
        (("reviewer BB right", "reviewer CC right", "annotator AA wrong"), "wrong"),
    ],
)
def test_the_status_follows_from_what_was_said_last(words: Sequence[str], status: Status) -> None:
    assert case_state([said(one) for one in words], NEW).status == status


def test_what_was_said_of_another_mask_counts_no_longer_and_again_when_that_is_back() -> None:
    rows = [said("annotator AA right", mask=OLD), said("reviewer BB right", mask=OLD)]
    assert case_state(rows, NEW).status == "out_of_date"
    assert case_state(rows, None).status == "out_of_date"
    assert case_state([*rows, said("annotator BB right", mask=NEW)], NEW).status == "annotated"
    assert case_state([*rows, said("annotator BB right", mask=NEW)], OLD).status == "reviewed_once"


@pytest.mark.parametrize(
    ("before", "words", "reason"),
    [
        (("annotator AA right",), "reviewer AA right", "annotator_reviews"),
        (("reviewer BB right",), "annotator BB right", "reviewer_annotates"),
        (("reviewer BB right",), "reviewer BB right", "reviewed_already"),
        (("reviewer BB right", "reviewer CC right"), "reviewer DD right", "two_reviewers"),
    ],
)
def test_the_three_readers_are_three_persons(tmp_path: Path, before: Sequence[str], words: str, reason: str) -> None:
    path = tmp_path / "reviews.csv"
    record(path, *before)
    content = path.read_bytes()
    with pytest.raises(ReviewRefusedError) as refused:
        add_review(path, said(words))
    assert refused.value.reason == reason
    assert path.read_bytes() == content
    add_review(path, said(words, case_id="c2"))  # of another case that may be


def test_who_mends_a_mask_is_its_annotator_whoever_reviewed_the_old_one(tmp_path: Path) -> None:
    """With three persons in all, the two others can still review the new mask."""
    path = tmp_path / "reviews.csv"
    add_review(path, said("annotator AA right", mask=OLD))
    add_review(path, said("reviewer BB wrong", mask=OLD))
    mended = new_review("c1", role="annotator", initials="BB", verdict="right", note="", mask=NEW, change=CHANGE)
    add_review(path, mended)
    record(path, "reviewer AA right", "reviewer CC right")
    assert case_state(read_reviews(path), NEW).status == "agreed"
    with pytest.raises(ReviewRefusedError, match="BB is the annotator"):
        record(path, "reviewer BB right")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"initials": "A"}, "initials"),
        ({"initials": "ABCDE"}, "initials"),
        ({"initials": "A1"}, "initials"),
        ({"initials": "=A"}, "initials"),
        ({"role": "judge"}, "role"),
        ({"verdict": "perhaps"}, "verdict"),
        ({"note": "x" * 501}, "note"),
        ({"note": "a\x07b"}, "note"),
        ({"verdict": "wrong"}, "why"),
    ],
)
def test_what_is_no_word_of_a_reader_is_refused(change: dict[str, Any], reason: str) -> None:
    usual: dict[str, Any] = {"role": "reviewer", "initials": "BB", "verdict": "right", "note": "", "mask": NEW}
    with pytest.raises(ReviewRefusedError) as refused:
        new_review("c1", **{**usual, **change})
    assert refused.value.reason == reason


def test_initials_are_written_in_one_way() -> None:
    assert [checked_initials(text) for text in (" ab ", "ＡＢ", "田中", "äöü")] == ["AB", "AB", "田中", "ÄÖÜ"]


def test_a_row_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Also a note that a spreadsheet would run, and the measures of a change."""
    path = tmp_path / "reviews.csv"
    rows = [
        said("reviewer BB wrong", note='=1+1, "left";  lung\nand aorta'),
        new_review("c1", role="annotator", initials="AA", verdict="right", note="", mask=NEW, change=CHANGE),
    ]
    for row in rows:
        add_review(path, row)
    first, second = read_reviews(path)
    assert first == rows[0]
    assert first.note == '=1+1, "left"; lung and aorta'
    assert second.change == MaskChange("masks/c1_r1.nii.gz", MaskDifference(0.6667, (12.0, 6.0), (2, 1), 5.25))
    assert second.change is not None
    assert second.change.difference.volume_difference_cm3 == -6.0
    with path.open(newline="") as file:
        lines = list(csv.reader(file))
    assert tuple(lines[0]) == COLUMNS
    assert lines[1][COLUMNS.index("note")].startswith("'=")


def test_rows_before_stay_as_they_are_to_the_byte(tmp_path: Path) -> None:
    """Also where somebody's editor has left out the last line's end."""
    path = tmp_path / "reviews.csv"
    record(path, "annotator AA right")
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    before = path.read_bytes()
    record(path, "reviewer BB right")
    assert path.read_bytes().startswith(before + b"\n")
    assert [review.initials for review in read_reviews(path)] == ["AA", "BB"]


@pytest.mark.parametrize(
    "content",
    [b"case_id;role\nc1;reviewer\n", b"\xff\xfe\x00", ",".join(COLUMNS).encode() + b"\nc1,judge,BB,right,,x,y\n"],
)
def test_a_record_that_is_none_is_not_added_to(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "reviews.csv"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=r"reviews\.csv"):
        record(path, "reviewer BB right")
    assert path.read_bytes() == content


def _add_cases(path: Path, start: int, count: int) -> None:
    for number in range(start, start + count):
        add_review(path, said("reviewer BB right", case_id=f"c{number}"))


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    """Two threads of this process, as two tabs have, and two other processes, as two servers have."""
    path = tmp_path / "reviews.csv"
    context = multiprocessing.get_context("spawn")
    writers: list[threading.Thread | multiprocessing.context.SpawnProcess] = [
        *(threading.Thread(target=_add_cases, args=(path, start, 25)) for start in (0, 25)),
        *(context.Process(target=_add_cases, args=(path, start, 25)) for start in (50, 75)),
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert sorted(int(review.case_id[1:]) for review in read_reviews(path)) == list(range(100))


@pytest.mark.parametrize(
    ("words", "needing"),
    [
        ((), {"annotator AA", "reviewer BB", "reviewer CC"}),
        (("annotator AA right",), {"reviewer BB", "reviewer CC"}),
        (("annotator AA right", "reviewer BB right"), {"reviewer CC"}),
        (("annotator AA right", "reviewer BB wrong"), {"annotator AA"}),
        (("annotator AA right", "reviewer BB right", "reviewer CC right"), set()),
        (("annotator AA right", "reviewer BB right", "reviewer CC wrong"), {"annotator AA"}),
    ],
)
def test_who_is_still_needed(words: Sequence[str], needing: set[str]) -> None:
    state = case_state([said(one) for one in words], NEW)
    readers = ("annotator AA", "annotator ZZ", "reviewer AA", "reviewer BB", "reviewer CC")
    found = {reader for reader in readers if state.needs(reader.split()[1], reader.split()[0])}
    strangers = {"annotator ZZ", "reviewer AA"} if not words else set()  # so far anybody may be either
    assert found == needing | strangers


@pytest.mark.parametrize(
    ("words", "initials", "known", "status"),
    [
        (["reviewer BB wrong"], "CC", [], "being_reviewed"),
        (["reviewer BB wrong"], "", [], "being_reviewed"),
        (["reviewer BB wrong"], "BB", [0], "wrong"),
        (["annotator AA right", "reviewer BB wrong"], "CC", [0], "being_reviewed"),
        (["annotator AA right", "reviewer BB wrong"], "AA", [0, 1], "wrong"),
        (["annotator AA right", "reviewer BB wrong", "reviewer CC right"], "DD", [0, 1, 2], "disagreement"),
        (["annotator AA right"], "CC", [0], "annotated"),
    ],
)
def test_what_a_reviewer_said_is_known_to_another_once_that_one_has_said_it(
    words: Sequence[str], initials: str, known: Sequence[int], status: Status
) -> None:
    reviews = [said(one) for one in words]
    assert list(known_to(reviews, NEW, initials)) == [reviews[number] for number in known]
    assert state_known_to(reviews, NEW, initials).status == status


def test_what_was_said_of_the_mask_before_is_a_secret_too() -> None:
    """BB has reviewed the old mask; of the new one AA is the annotator, and CC has not said anything."""
    reviews = [said("reviewer BB wrong", mask=OLD), said("annotator AA right", mask=NEW)]
    assert known_to(reviews, NEW, "CC") == (reviews[1],)
    assert known_to(reviews, NEW, "BB") == tuple(reviews)
    assert known_to(reviews, None, "CC") == (reviews[1],)
