"""The table of a reader study: what is understood, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.errors import ManifestError
from nnunet_amt.risk.reading.reader_file import WITH, WITHOUT, read_readers, write_readers
from nnunet_amt.statistics.reader_table import Reading

HEAD = "reader,level,condition,case,rating\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "readers.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_words_and_numbers_are_understood(tmp_path: Path) -> None:
    table = read_readers(
        write(tmp_path, f"{HEAD}R1,junior,without,a,no\nR1,junior,With AI,a,High\nR2,senior,with,a,0\n")
    )
    assert table.rows == (
        Reading("R1", WITHOUT, "a", 0.0),
        Reading("R1", WITH, "a", 1.0),
        Reading("R2", WITH, "a", 0.0),
    )
    assert table.levels == {"R1": "junior", "R2": "senior"}
    assert table.of_level("senior") == ("R2",)
    assert not table.graded


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    table = read_readers(write(tmp_path, f"{HEAD}R1,junior,without,a,2.5\nR1,junior,with,a,4\n"))
    write_readers(tmp_path / "again.csv", table)
    assert read_readers(tmp_path / "again.csv") == table
    assert table.graded


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("R1,junior,without,a,maybe\n", r"line 2, column 'rating': is 'maybe'; write a number"),
        ("R1,junior,without,a,nan\n", r"line 2, column 'rating': is 'nan'"),
        ("R1,junior,later,a,1\n", r"line 2, column 'condition': is 'later'; write without or with"),
        ("R1,,without,a,1\n", r"line 2, column 'level': is empty; fill it in"),
        ("R1,junior,without,a,1\nR1,junior,unaided,a,0\n", r"line 3: reader R1 has rated case a without AI on line 2"),
        ("R1,junior,without,a,1\nR1,senior,with,a,0\n", r"line 3, column 'level': is 'senior', reader R1 was 'junior'"),
        ("", "has no readings"),
    ],
)
def test_each_kind_of_bad_row_is_refused_in_one_line(tmp_path: Path, rows: str, complaint: str) -> None:
    with pytest.raises(ManifestError, match=complaint) as refused:
        read_readers(write(tmp_path, HEAD + rows))
    assert "\n" not in str(refused.value)


def test_a_missing_column_or_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="has no column 'rating'"):
        read_readers(write(tmp_path, "reader,level,condition,case\nR1,junior,without,a\n"))
    with pytest.raises(ManifestError, match="cannot be read"):
        read_readers(tmp_path / "none.csv")
