"""The list of external institutions is written by hand: a name that fits none would hold out too little, silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.cohort import assign_splits, audit_splits, read_institutions
from nnunet_amt.errors import BadInputError, ManifestError, SplitLeakageError
from tests.cohort.cases import cohort_of, make_case


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "external.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_names_are_read_line_by_line(tmp_path: Path) -> None:
    """A byte order mark, Windows line ends, a blank line, quotation marks of a spreadsheet, spaces."""
    listed = read_institutions(write(tmp_path, '\ufeffEast\r\n\r\n"West, Main"\r\n  Süd  \r\n'))
    assert listed.lines == {"East": 1, "West, Main": 3, "Süd": 4}


def test_listed_institutions_are_external_and_no_other_is(tmp_path: Path) -> None:
    """C is the largest: without the list it would be the last to be held out."""
    listed = read_institutions(write(tmp_path, "C\nA\n"))
    cases = assign_splits(cohort_of({"A": 1, "B": 4, "C": 9, "D": 3}), external_institutions=listed)
    assert {case.institution for case in cases if case.split == "external"} == {"A", "C"}
    # 62 of 547 of the other 7 are 0.8: one case tunes
    assert [row.cases for row in audit_splits(cases).splits] == [6, 1, 10]


def test_a_listed_institution_that_shares_a_patient_is_a_leak(tmp_path: Path) -> None:
    cases = [make_case("a", "A", "p"), make_case("b", "B", "p"), *cohort_of({"B": 5})]
    with pytest.raises(SplitLeakageError, match=r"case 'a' .*and case 'b' .*are of one patient"):
        audit_splits(assign_splits(cases, external_institutions=read_institutions(write(tmp_path, "A"))))


BAD_LISTS = {
    "empty": ("\n \n", "external.txt: names no institution; write one name a line"),
    "twice": ("East\nWest\neast\n", "external.txt line 3: line 1 has the same institution; remove one"),
    "encoding": ("Süd".encode("latin-1"), "external.txt: is not in UTF-8; save it as plain text in UTF-8"),
    "spreadsheet": (b"PK\x03\x04\x14\x00", "external.txt: is no text file; save it as plain text in UTF-8"),
}


@pytest.mark.parametrize(("content", "message"), BAD_LISTS.values(), ids=BAD_LISTS.keys())
def test_a_bad_list_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(ManifestError) as error:
        read_institutions(write(tmp_path, content))
    assert str(error.value).startswith(message)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"^nowhere\.txt: cannot be read \(No such file or directory\)"):
        read_institutions(tmp_path / "nowhere.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("North\neast", "external.txt line 2: no included case is of institution 'east'; did you mean 'East'?"),
        (
            "Mars\nVenus",
            "external.txt line 1: no included case is of institution 'Mars'; "
            "write it as in the manifest, or remove the line (and 1 more)",
        ),
        (
            "North\nEast",
            "external.txt: lists every institution of the cohort, none is left for training and tuning; remove one",
        ),
    ],
)
def test_a_list_that_does_not_fit_the_cohort_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ManifestError) as error:
        listed = read_institutions(write(tmp_path, content))
        assign_splits(cohort_of({"North": 3, "East": 2}), external_institutions=listed)
    assert str(error.value) == message


def test_two_ways_to_ask_for_a_split_contradict_each_other(tmp_path: Path) -> None:
    listed = read_institutions(write(tmp_path, "A"))
    with pytest.raises(BadInputError, match="contradict each other; give one of them"):
        assign_splits(cohort_of({"A": 2, "B": 3}), external_cases=2, external_institutions=listed)
    with pytest.raises(BadInputError, match="gives the split already"):
        assign_splits([make_case("a", "A", split="training")], external_institutions=listed)
