"""The table is a cohort's only description: no change may get lost, or hit another row than the one looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.app.case_table import (
    ChangedSinceError,
    add_rows,
    backup_of,
    change_row,
    counts_by_institution,
    read_case_table,
    remove_row,
    replace_table,
    undo,
)
from nnunet_amt.errors import BadInputError, ManifestError

TEXT = """case_id,patient_id,institution,image,mask,age,remarks
c1,p1,North,c1.nii.gz,m1.nii.gz,200,"first
second"

c2,p2,South,c2.nii.gz,,61,
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "study" / "manifest.csv"
    path.parent.mkdir()
    path.write_text(TEXT)
    return path


def change(path: Path, line: int, **cells: str) -> None:
    change_row(path, line, cells, digest=read_case_table(path).digest, opened=path.parents[1])


def test_all_problems_stand_in_their_rows(manifest: Path) -> None:
    table = read_case_table(manifest)
    assert [(problem.line, problem.column) for problem in table.problems] == [(2, "age"), (5, "mask")]
    assert table.shown_columns == ("case_id", "patient_id", "institution", "image", "mask", "age")
    assert table.hidden_columns == 1  # remarks may name people


def test_a_cell_is_changed_and_all_else_stays(manifest: Path) -> None:
    change(manifest, 2, age=" 62 ")
    table = read_case_table(manifest)
    assert table.cell(2, "age") == "62"
    assert table.cell(2, "remarks") == "first\nsecond"
    assert table.cell(4, "institution") == "South"  # the blank line went
    assert backup_of(manifest).read_text() == TEXT


def test_a_column_that_is_not_there_is_added_when_it_gets_a_text(manifest: Path) -> None:
    change(manifest, 5, sex="", no_tumour="yes")
    table = read_case_table(manifest)
    assert table.header[-1] == "no_tumour"
    assert [(problem.line, problem.column) for problem in table.problems] == [(2, "age")]


def test_another_state_of_the_table_is_not_changed(manifest: Path) -> None:
    digest = read_case_table(manifest).digest
    manifest.write_text(TEXT.replace("c1,", "c0,"))
    with pytest.raises(ChangedSinceError, match="was changed since this page was loaded"):
        change_row(manifest, 2, {"age": "62"}, digest=digest, opened=manifest.parents[1])
    assert manifest.read_text().splitlines()[1].startswith("c0,")


@pytest.mark.parametrize("path", ["../../secret.nii.gz", "/etc/passwd", "link/a.nii.gz", "a\0b"])
def test_files_outside_the_opened_folder_are_refused(manifest: Path, path: str) -> None:
    (manifest.parent / "link").symlink_to("/etc")
    with pytest.raises(BadInputError, match="column 'mask'"):
        change(manifest, 2, mask=path)
    if "\0" not in path:
        text = f"case_id,patient_id,institution,image,mask\nc1,p1,North,i,{path}\n"
        with pytest.raises(BadInputError, match="line 2, column 'mask': lies outside the opened folder"):
            digest = read_case_table(manifest).digest
            replace_table(manifest, text.encode(), digest=digest, opened=manifest.parents[1])
    assert manifest.read_text() == TEXT


def test_a_file_beside_the_study_may_be_named(manifest: Path) -> None:
    change(manifest, 2, image="../images/c1.nii.gz")
    assert read_case_table(manifest).cell(2, "image") == "../images/c1.nii.gz"


@pytest.mark.parametrize(("column", "text"), [("remarks", "x"), ("nothing", "x"), ("age", "6\n1"), ("age", "9" * 3000)])
def test_what_is_no_cell_of_ours_is_refused(manifest: Path, column: str, text: str) -> None:
    with pytest.raises(BadInputError, match=f"column '{column}'"):
        change(manifest, 2, **{column: text})


def test_a_table_from_elsewhere_replaces_this_one_and_can_be_taken_back(manifest: Path) -> None:
    new = "case_id;patient_id;institution;image;mask\nx;p;Nörd;i;m\n".encode("cp1252")
    replace_table(manifest, new, digest=read_case_table(manifest).digest, opened=manifest.parents[1])
    assert read_case_table(manifest).cell(2, "institution") == "Nörd"
    undo(manifest, digest=read_case_table(manifest).digest)
    assert manifest.read_text() == TEXT
    undo(manifest, digest=read_case_table(manifest).digest)
    assert read_case_table(manifest).cell(2, "institution") == "Nörd"


@pytest.mark.parametrize("content", [b"PK\x03\x04", b'"a', b"case_id,mask\n", b"", b"\xff\xfea"])
def test_what_is_no_table_does_not_replace_one(manifest: Path, content: bytes) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.csv"):
        replace_table(manifest, content, digest=read_case_table(manifest).digest, opened=manifest.parents[1])
    assert manifest.read_text() == TEXT
    with pytest.raises(BadInputError, match="nothing to take back"):
        undo(manifest, digest=read_case_table(manifest).digest)


def test_rows_are_added_and_removed(manifest: Path) -> None:
    new = {"case_id": "=c3", "patient_id": "p3", "institution": "North", "image": "i", "mask": "m", "sex": "F"}
    add_rows(manifest, [new], digest=read_case_table(manifest).digest)
    assert "'=c3" in manifest.read_text()  # no spreadsheet runs it
    table = read_case_table(manifest)
    assert (table.cell(5, "case_id"), table.cell(5, "sex"), table.cell(4, "sex")) == ("=c3", "F", "")
    remove_row(manifest, 5, digest=table.digest)
    assert len(read_case_table(manifest).rows) == 2


def test_institutions_are_counted_by_split(manifest: Path) -> None:
    manifest.write_text(
        "case_id,patient_id,institution,image,mask,split,exclusion_reason\n"
        "a,a,North,i,m,Training,\nb,b,North,i,m,tuning,\nc,c,South,i,m,,\nd,d,South,,,,no CT\n"
    )
    counts = counts_by_institution(read_case_table(manifest))
    assert {name: dict(count) for name, count in counts.items()} == {
        "North": {"training": 1, "tuning": 1},
        "South": {"": 1},
    }


def test_a_header_that_is_out_of_order_is_told_and_no_row_changed(manifest: Path) -> None:
    manifest.write_text("case_id,patient,institution,image\nc1,p1,North,i\n")
    table = read_case_table(manifest)
    assert [problem.column for problem in table.header_problems] == ["patient_id", "mask", "patient"]
    with pytest.raises(BadInputError, match="its columns are not in order"):
        change(manifest, 2, image="j")


def test_a_missing_table_is_told(tmp_path: Path) -> None:
    assert "cannot be read" in read_case_table(tmp_path / "manifest.csv").broken
