"""Files are whole or not there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest

from nnunet_amt.base import files
from nnunet_amt.errors import BadInputError, DiskFullError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "case.nii.gz"
    with files.atomic_path(target) as partial:
        partial.write_text("content")
        assert not target.exists()
        assert partial.name.endswith("case.nii.gz")  # writers choose the format by the ending
    assert names(target.parent) == ["case.nii.gz"]
    assert target.read_text() == "content"


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), files.atomic_path(target) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_full_disk_is_one_line(tmp_path: Path) -> None:
    message = r"a\.txt: the disk is full; free some space and run"
    with pytest.raises(DiskFullError, match=message), files.atomic_path(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert names(tmp_path) == []


def test_full_disk_that_a_library_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.save raises a RuntimeError about positions in a file."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(10, 10, 0))
    with pytest.raises(DiskFullError), files.atomic_path(tmp_path / "a.pth"):
        raise RuntimeError("[enforce fail] unexpected pos 704 vs 598")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(10, 0, 10**9))
    with pytest.raises(RuntimeError, match="something else"), files.atomic_path(tmp_path / "a.pth"):
        raise RuntimeError("something else")


def test_too_little_space_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(10, 9, 1_000_000_000))
    files.require_free_space(tmp_path / "not" / "there", 1_000_000_000, "the cohort")
    with pytest.raises(DiskFullError, match=r"the cohort needs about 2\.0 GB, the disk has 1\.0 GB free"):
        files.require_free_space(tmp_path / "not" / "there", 2_000_000_000, "the cohort")


def test_json_refuses_nan(tmp_path: Path) -> None:
    """NaN is not JSON; what is undefined must be null."""
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"dice": float("nan")})
    assert names(tmp_path) == []


def test_csv_has_empty_cells_for_none_and_for_what_a_row_lacks(tmp_path: Path) -> None:
    files.write_csv(tmp_path / "t.csv", ("a", "b"), [{"a": 1, "b": None}, {"b": "x, y"}])
    assert (tmp_path / "t.csv").read_bytes() == b'a,b\n1,\n,"x, y"\n'


def test_what_lies_below_is_listed_with_what_cannot_be_followed(tmp_path: Path) -> None:
    """A linked folder is listed and not entered: it may lead in a circle."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("content")
    (tmp_path / "a" / "circle").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "nothing").symlink_to("not there")
    found = {str(path.relative_to(tmp_path)): files.why_unreadable(path) for path in files.files_below(tmp_path)}
    assert list(found) == ["a/b/file", "a/circle", "nothing"]
    assert found["a/b/file"] is None
    assert str(found["a/circle"]).startswith("is a linked folder, which is not followed; give")
    assert str(found["nothing"]).startswith("is a link to nothing; fetch")


def test_a_folder_that_may_not_be_entered_hides_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, **_: object) -> None:  # the administrator may enter any folder, so chmod is no test
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    assert files.why_unreadable(tmp_path / "a") == "cannot be read (Permission denied); check its permissions"


def test_why_a_path_is_no_file_with_content(tmp_path: Path) -> None:
    (tmp_path / "annex").write_text("/annex/objects/MD5E-s9--0.nii.gz\n")
    (tmp_path / "lfs").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    (tmp_path / "link").symlink_to("annex")
    for name in ("annex", "lfs", "link"):
        assert str(files.why_unreadable(tmp_path / name)).startswith("is a pointer in place of the file; fetch")
    assert files.why_unreadable(tmp_path) == "is a folder where a file should be; rename or remove it"
    assert files.why_unreadable(tmp_path / "none") == "does not exist"
    (tmp_path / "long").write_text("/annex/objects/" + 40_000 * "x")
    (tmp_path / "empty").touch()
    for name in ("long", "empty"):
        assert files.why_unreadable(tmp_path / name) is None


def left_by(process: int, name: str, machine: str | None = None) -> str:
    return f".partial-{process}-{machine or files.machine_mark()}-{name}"


def test_what_a_killed_run_left_goes_with_the_next_file(tmp_path: Path) -> None:
    """Of a process that is gone; not of one that runs, of another machine's, or somebody else's file."""
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    number = int(gone.stdout)
    kept = {left_by(os.getppid(), "a"), left_by(number, "a", "01234567"), ".partial-", ".partial-x", "a.txt"}
    (tmp_path / left_by(number, "folder")).mkdir()
    for name in (*kept, left_by(number, "a.txt"), f"{left_by(number, 'folder')}/page.html"):
        (tmp_path / name).touch()
    files.write_text(tmp_path / "a.txt", "new")
    assert set(names(tmp_path)) == kept


def test_of_other_machines_and_other_names_the_age_tells(tmp_path: Path) -> None:
    """In a folder where runs of several machines write: an hour is enough for any of them."""
    here, there = left_by(os.getppid(), "a"), left_by(os.getppid(), "a", "01234567")
    for name in (here, there, ".partial-old"):
        (tmp_path / name).touch()
    files.remove_leftovers(tmp_path.iterdir(), old_seconds=3600)
    assert set(names(tmp_path)) == {here, there, ".partial-old"}
    for name in (here, there, ".partial-old"):
        os.utime(tmp_path / name, (0, 0))
    files.remove_leftovers(tmp_path.iterdir(), old_seconds=3600)
    assert names(tmp_path) == [here]
    files.remove_leftovers(tmp_path.iterdir(), nobody_writes=True)
    assert names(tmp_path) == []


def test_what_another_process_of_our_number_left_goes(tmp_path: Path) -> None:
    """In a container every run has the same; what is younger than this process, it writes itself."""
    for name, written in (("before", 0.0), ("now", time.time() + 60)):
        (tmp_path / left_by(os.getpid(), name)).touch()
        os.utime(tmp_path / left_by(os.getpid(), name), (written, written))
    files.remove_leftovers(tmp_path.iterdir())
    assert names(tmp_path) == [left_by(os.getpid(), "now")]


def test_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    with files.files_together(tmp_path) as folder:
        (folder / "b").write_text("b")
        files.write_text(folder / "a", "a")
        assert [name for name in names(tmp_path) if not name.startswith(".")] == []
    assert names(tmp_path) == ["a", "b"]
    with pytest.raises(ValueError, match="half"), files.files_together(tmp_path) as folder:
        (folder / "a").write_text("new")
        raise ValueError("half")
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "a").read_text() == "a"


def test_files_together_on_a_full_disk_name_the_folder(tmp_path: Path) -> None:
    """What is half-written is gone when the line is read."""
    with pytest.raises(DiskFullError) as raised, files.files_together(tmp_path) as folder:
        raise DiskFullError(f"{folder / 'page.html'}: the disk is full")
    assert str(raised.value).startswith(f"{tmp_path}: the disk is full; free some space")
    assert names(tmp_path) == []


def test_rows_of_another_length_or_column_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    for text, said in (
        ("case_id,a\nx\n", "row 1: has 1 cells, the header has 2"),
        ("case_id,a\nx,1,2\n", "row 1: has 3 cells"),
        ("case_id,a,a\nx,y,z\n", "a column stands there twice"),
        ("case_id\nx\n", "has no column 'a'"),
        ('case_id,a\n"x,1\n', "cannot be read"),
        ("", "has no column 'case_id'"),
    ):
        path.write_text(text)
        with pytest.raises(BadInputError) as raised:
            files.read_rows(path, "a")
        assert said in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_record_keeps_the_time_of_a_file(tmp_path: Path) -> None:
    """In nanoseconds since 1970 it has 19 digits; a record that is not read means that all work is done again."""
    record = {"time": tmp_path.stat().st_mtime_ns}
    assert len(str(record["time"])) == 19
    files.write_json(tmp_path / "record.json", record)
    assert files.read_record(tmp_path / "record.json") == record
