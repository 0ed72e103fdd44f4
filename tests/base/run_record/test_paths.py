"""Records lead to the files and name nobody."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nnunet_amt.base.run_record.paths import command_line, told_path, told_words


@pytest.fixture()
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of somebody's, beside another's and beside a drive that all share."""
    for name in ("people/qzxv/study", "people/other/data", "drive/results", "drive/qzxv/data"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "people" / "qzxv"))
    return tmp_path / "people" / "qzxv"


def test_path_is_relative_and_posix_where_both_are_near(home: Path) -> None:
    assert told_path(home / "study" / "predictions", home / "study" / "evaluation") == "../predictions"
    assert told_path(home / "data" / "x", home / "study") == "../data/x"
    assert told_path(home / "study", home / "study") == "."


def test_relative_path_is_taken_from_the_working_directory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home / "study")
    assert told_path(Path("predictions"), Path("evaluation")) == "../predictions"


def test_path_from_elsewhere_into_the_home_folder_does_not_name_it(home: Path) -> None:
    drive = home.parents[1] / "drive"
    assert told_path(home / "study" / "p", drive / "results") == "~/study/p"
    assert told_path(drive / "results", home / "study") == "../../../drive/results"
    assert told_path(drive / "qzxv" / "data", drive / "results") is None  # named for the user too


def test_path_into_another_home_is_left_out(home: Path) -> None:
    assert told_path(home.parent / "other" / "data", home / "study") is None
    assert told_path(Path("/home/someone/data"), home / "study") is None
    assert told_path(Path("/home/someone/data"), Path("/home/someone/results")) == "../data"


def test_link_is_told_as_it_was_given(home: Path) -> None:
    """A dataset's folder of images may be a link into an archive whose folders name hospitals."""
    (home / "study" / "images").symlink_to(home.parent / "other" / "data")
    assert told_path(home / "study" / "images", home / "study" / "evaluation") == "../images"


def test_words_lose_folders_machines_and_the_user(home: Path) -> None:
    given = [
        *("evaluate", str(home / "study" / "pred"), "../labelsTs", "--cohort=/data/qzxv/cohort.csv", "-o", "out"),
        *("--executor", "dask://10.0.0.5:8786", "--seed", "711", "../qzxv/pred", "C:\\Users\\qzxv\\pred", "/"),
        *("-o/data/qzxv/out", "-step_size", "0.7"),
    ]
    assert told_words(given) == [
        *("evaluate", "pred", "../labelsTs", "--cohort=cohort.csv", "-o", "out"),
        *("--executor", "dask://", "--seed", "711", "pred", "pred", "/"),
        *("-oout", "-step_size", "0.7"),
    ]


def test_words_without_names_of_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a manifest may be that of a hospital."""
    monkeypatch.chdir(home)
    (home / "Hospital.csv").touch()
    given = ["convert", "Hospital.csv", "-d", "711", "--key-file", "../keys/Hospital.json", "--name", "AMT"]
    expected = ["convert", "FILE.csv", "-d", "711", "--key-file", "FILE.json", "--name", "AMT"]
    assert told_words(given, files_named=False) == expected


@pytest.mark.parametrize("program", ["/opt/bin/nnunet_amt", "/opt/lib/nnunet_amt/__main__.py"])
def test_command_is_ours_when_our_command_line_runs(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [program, "evaluate", "/a/my predictions", "labels", "-o", "out"])
    assert command_line() == "nnunet_amt evaluate 'my predictions' labels -o out"


def test_command_of_another_program_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/someone/secret_script.py", "patient"])
    assert command_line() == "python"
