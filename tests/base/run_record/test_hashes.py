"""Fingerprints, checked against published and hand-made ones."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from nnunet_amt.base.run_record.hashes import (
    RunInput,
    describe_input,
    file_sha256,
    folder_sha256,
    names_and_sizes_sha256,
)

# FIPS 180-2, appendix B.1
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_file_has_the_hash_that_the_standard_prints(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_sha256(tmp_path / "abc") == ABC
    assert file_sha256(tmp_path / "absent") is None


def test_file_of_several_blocks_is_hashed_whole(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # 1.28 MB, more than one block
    (tmp_path / "long").write_bytes(content)
    assert file_sha256(tmp_path / "long") == hashlib.sha256(content).hexdigest()


def test_label_maps_of_a_folder_count_and_nothing_beside_them(tmp_path: Path) -> None:
    """A folder of predictions also holds JSON, probabilities, half-written files and our own record."""
    for name in ("b.nii.gz", "a.nii.gz"):
        (tmp_path / name).write_bytes(b"abc")
    lines = f"{ABC}  a.nii.gz\n{ABC}  b.nii.gz\n"
    assert folder_sha256(tmp_path) == (_sha256(lines), 2)
    for name in ("plans.json", "a.npz", ".partial-1-c.nii.gz", "nnunet_amt_runs.json", "nnunet_amt_runs_part0of2.json"):
        (tmp_path / name).write_bytes(b"other")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c.nii.gz").write_bytes(b"abc")
    assert folder_sha256(tmp_path) == (_sha256(lines), 2)
    (tmp_path / "b.nii.gz").write_bytes(b"abd")
    assert folder_sha256(tmp_path)[0] != _sha256(lines)


def test_folder_without_label_maps_is_hashed_by_all_or_by_the_named_files(tmp_path: Path) -> None:
    for name in ("cases.csv", "summary.json"):
        (tmp_path / name).write_bytes(b"abc")
    assert folder_sha256(tmp_path) == (_sha256(f"{ABC}  cases.csv\n{ABC}  summary.json\n"), 2)
    assert folder_sha256(tmp_path, ("cases.csv", "absent.csv")) == (_sha256(f"{ABC}  cases.csv\n"), 1)


def test_images_are_known_by_name_and_size(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "b").write_bytes(b"12345")
    (tmp_path / "below" / "a").write_bytes(b"12")
    (tmp_path / ".conversion").mkdir()
    (tmp_path / ".conversion" / "hidden.json").write_bytes(b"{}")
    expected = _sha256("5  b\n2  below/a\n"), 2
    assert names_and_sizes_sha256(tmp_path) == expected
    (tmp_path / "b").write_bytes(b"54321")  # as the docstring says: not noticed
    assert names_and_sizes_sha256(tmp_path) == expected
    (tmp_path / "b").write_bytes(b"123456")
    assert names_and_sizes_sha256(tmp_path) != expected
    assert names_and_sizes_sha256(tmp_path / "absent") == (None, 0)


def test_entry_tells_the_path_unless_it_must_not(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    results = tmp_path / "results"
    assert describe_input(tmp_path / "abc", results) == {"path": "../abc", "sha256": ABC}
    assert describe_input(RunInput(tmp_path / "abc", told=False), results) == {"sha256": ABC}
    folder = describe_input(RunInput(tmp_path, by="names_and_sizes"), results)
    assert folder == {"path": "..", "names_and_sizes_sha256": _sha256("3  abc\n"), "files": 1}


def test_name_that_is_no_text_does_not_stop_the_record(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.nii")).write_bytes(b"abc")
    assert folder_sha256(tmp_path)[1] == names_and_sizes_sha256(tmp_path)[1] == 1
