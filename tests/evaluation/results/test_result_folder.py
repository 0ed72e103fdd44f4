"""Results appear all at once, whatever happens."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunet_amt.base.files import PARTIAL_MARK, atomic_path
from nnunet_amt.errors import BadInputError, DiskFullError
from nnunet_amt.evaluation.results import result_folder as module
from nnunet_amt.evaluation.results.result_folder import result_folder

NAMES = ("one.csv", "two.csv", "three.json")
NOBODY = 2**22 + 1  # above the largest process id of Linux

PUBLISH_FOR_EVER = """
import itertools, pathlib, sys
from nnunet_amt.evaluation.results.result_folder import result_folder
output, names = pathlib.Path(sys.argv[1]), sys.argv[2:]
for version in itertools.count():
    with result_folder(output, names) as folder:
        for name in names:
            (folder / name).write_text(str(version))
    if version == 0:
        print("started", flush=True)
"""


def publish(output: Path, version: str) -> None:
    with result_folder(output, NAMES) as folder:
        for name in NAMES:
            (folder / name).write_text(version)


def contents(output: Path) -> list[str]:
    return [(output / name).read_text() for name in NAMES]


def test_results_come_and_are_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    output = tmp_path / "deep" / "out"
    for version in ("old", "new"):
        publish(output, version)
        assert contents(output) == [version] * 3
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(["deep", "out", *NAMES])


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    output = tmp_path / "out"
    (output / "figures").mkdir(parents=True)
    (output / "figures" / "a.png").write_text("mine")
    (output / "notes.txt").write_text("mine")
    publish(output, "new")
    publish(output, "newer")
    assert contents(output) == ["newer"] * 3
    assert (output / "notes.txt").read_text() == (output / "figures" / "a.png").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failure_leaves_the_old_results(tmp_path: Path) -> None:
    output = tmp_path / "out"
    publish(output, "old")
    with pytest.raises(RuntimeError), result_folder(output, NAMES) as folder:
        (folder / NAMES[0]).write_text("new")
        raise RuntimeError
    assert contents(output) == ["old"] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_told_of_the_folder_that_was_asked_for(tmp_path: Path) -> None:
    output = tmp_path / "out"
    publish(output, "old")

    def fill() -> None:
        with result_folder(output, NAMES) as folder, atomic_path(folder / NAMES[0]):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFullError) as raised:
        fill()
    assert str(raised.value).startswith(f"{output}: the disk is full; free some space")
    assert contents(output) == ["old"] * 3


@pytest.mark.parametrize("after_ms", [3, 11, 29, 53, 97])
def test_a_killed_process_leaves_one_version_whole(tmp_path: Path, after_ms: int) -> None:
    # It publishes version after version, hundreds a second, and is killed in the middle of it.
    output = tmp_path / "out"
    command = [sys.executable, "-c", PUBLISH_FOR_EVER, str(output), *NAMES]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    (output / "notes.txt").write_text("mine")
    time.sleep(after_ms / 1000)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(set(contents(output))) == 1
    publish(output, "after")  # and the next run clears up
    assert contents(output) == ["after"] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_files_are_replaced_one_by_one_where_folders_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_exchange", lambda first, second: False)
    output = tmp_path / "out"
    publish(output, "old")
    (output / "notes.txt").write_text("mine")
    publish(output, "new")
    assert contents(output) == ["new"] * 3
    assert sorted(path.name for path in output.iterdir()) == sorted([*NAMES, "notes.txt"])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_working_directory_is_not_pulled_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    publish(Path(), "old")
    publish(Path(), "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    assert [Path(name).read_text() for name in NAMES] == ["new"] * 3


def test_leftovers_of_killed_runs_are_cleared_and_files_in_them_saved(tmp_path: Path) -> None:
    output = tmp_path / "out"
    publish(output, "old")
    # Killed before its end, and killed between the exchange and the moving back of the user's file.
    for number, name in ((NOBODY, NAMES[0]), (NOBODY + 1, "notes.txt")):
        leftover = tmp_path / f"{PARTIAL_MARK}{number}-out"
        leftover.mkdir()
        (leftover / name).write_text("saved")
    others = tmp_path / f"{PARTIAL_MARK}{NOBODY}-other-out"  # of a folder "other-out"
    others.mkdir()
    running = tmp_path / f"{PARTIAL_MARK}{os.getppid()}-out"  # of a process that is at work
    running.mkdir()
    publish(output, "new")
    assert contents(output) == ["new"] * 3
    assert (output / "notes.txt").read_text() == "saved"
    assert sorted(tmp_path.iterdir()) == sorted([output, others, running])


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(BadInputError, match="out: is a file; give a folder"):
        publish(tmp_path / "out", "new")
    with pytest.raises(BadInputError, match=r"deeper: cannot be written to \(Not a directory\)|File exists"):
        publish(tmp_path / "out" / "deeper", "new")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_new_folder_where_nothing_may_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:  # the administrator may write anywhere
        if self.parent == tmp_path:
            raise OSError(number, os.strerror(number))
        if not self.parent.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(BadInputError) as raised:
        publish(tmp_path / "out", "new")
    assert str(raised.value) == (
        f"{tmp_path / 'out'}: cannot be written to ({os.strerror(number)}); choose another folder"
    )


@pytest.mark.parametrize("can_exchange", [True, False])
def test_what_is_not_written_again_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool) -> None:
    output = tmp_path / "out"
    publish(output, "old")
    if not can_exchange:
        monkeypatch.setattr(module, "_exchange", lambda first, second: False)
    with result_folder(output, NAMES) as folder:
        (folder / NAMES[0]).write_text("new")
    assert [path.name for path in output.iterdir()] == [NAMES[0]]
    assert (output / NAMES[0]).read_text() == "new"
