"""Keys that would bring everything are refused, and values, which tell of patients, are never repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.clinic.pacs.wanted import Query, fits, is_harmless_uid, queries_of
from nnunet_amt.errors import BadInputError


def test_every_way_of_asking(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text("1.2.3   # first\n\nAccessionNumber = 77\n# nothing\n")
    found = queries_of(
        studies=["1.2.4"], accessions=["78"], keys=["PatientID=9", "SeriesDescription=chest*"], listed=listed
    )
    assert found == [
        Query({"StudyInstanceUID": "1.2.4"}),
        Query({"AccessionNumber": "78"}),
        Query({"PatientID": "9"}, {"SeriesDescription": "chest*"}),
        Query({"StudyInstanceUID": "1.2.3"}),
        Query({"AccessionNumber": "77"}),
    ]


@pytest.mark.parametrize(
    "keys",
    [
        *(["PatientID=*"], ["PatientName=??"], ["StudyDate=-"], ["SeriesDescription=secret"], ["PatientID="]),
        *(["PatientID"], ["Modality=secret"], ["Secret=1"], ["PatientID=se\\cret"], ["PatientID=se\ncret"]),
        *(["PatientID=secret", "PatientID=secret2"], ["StudyInstanceUID=secret"], ["StudyInstanceUID=1.2\\1.3"]),
    ],
)
def test_what_may_not_be_asked(keys: list[str]) -> None:
    with pytest.raises(BadInputError) as caught:
        queries_of(keys=keys)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("date", ["2026-01-01", "2026", "01.02.2026", "20260101-2026"])
def test_a_date_is_as_dicom_writes_it(date: str) -> None:
    """An archive finds nothing on another one, and says no more."""
    with pytest.raises(BadInputError, match="StudyDate is a date as 20260101"):
        queries_of(keys=[f"StudyDate={date}"])
    for sound in ("20260101", "20260101-", "-20260131", "20260101-20260131"):
        assert queries_of(keys=[f"StudyDate={sound}"]) == [Query({"StudyDate": sound})]


def test_a_list_is_named_by_its_line(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text("1.2.3\nplanted-name\n")
    with pytest.raises(BadInputError, match="line 2") as caught:
        queries_of(listed=listed)
    assert "planted" not in str(caught.value)
    listed.write_text("# nothing\n")
    with pytest.raises(BadInputError, match="holds nothing"):
        queries_of(listed=listed)
    with pytest.raises(BadInputError, match="give one"):
        queries_of()


@pytest.mark.parametrize(
    ("key", "asked", "answered", "expected"),
    [
        ("PatientID", "P1", "P1", True),
        ("PatientID", "P1", "P12", False),
        ("PatientID", "P?", "P1", True),
        ("PatientID", "P[1]", "P1", False),
        ("PatientName", "yamada^taro", "YAMADA^TARO^^=山田^太郎", True),
        ("StudyInstanceUID", "1.2", "1.2", True),
        ("StudyInstanceUID", "1.2", "1.20", False),
        ("StudyDate", "20260101-20260131", "20260131", True),
        ("StudyDate", "20260101-20260131", "20260201", False),
        ("StudyDate", "-20260131", "20260131", True),
        ("StudyDate", "20260101-", "20251231", False),
        ("StudyDate", "20260101-", "", False),
        ("StudyTime", "0800-0900", "090059", True),
    ],
)
def test_an_answer_is_held_against_the_question(key: str, asked: str, answered: str, expected: bool) -> None:
    assert fits(key, asked, answered) is expected


@pytest.mark.parametrize(("uid", "expected"), [("1.2.840", True), ("..", False), ("1/2", False), ("1..2", False)])
def test_uids_in_addresses(uid: str, expected: bool) -> None:
    assert is_harmless_uid(uid) is expected
