"""Fingerprints of files; paths and commands that name nobody; versions, the kind of machine, what a run took of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nnunet_amt.base.run_record import number_of_parameters, read_runs
from nnunet_amt.base.run_record.entries import (
    RunInput,
    command_line,
    describe_input,
    describe_machine,
    file_sha256,
    folder_sha256,
    names_and_sizes_sha256,
    shareable_path,
    shareable_words,
    software_versions,
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
    assert describe_input(RunInput(tmp_path / "abc", path_recorded=False), results) == {"sha256": ABC}
    folder = describe_input(RunInput(tmp_path, by="names_and_sizes"), results)
    assert folder == {"path": "..", "names_and_sizes_sha256": _sha256("3  abc\n"), "files": 1}


def test_name_that_is_no_text_does_not_stop_the_record(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.nii")).write_bytes(b"abc")
    assert folder_sha256(tmp_path)[1] == names_and_sizes_sha256(tmp_path)[1] == 1


@pytest.fixture()
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of somebody's, beside another's and beside a drive that all share."""
    for name in ("people/qzxv/study", "people/other/data", "drive/results", "drive/qzxv/data"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "people" / "qzxv"))
    return tmp_path / "people" / "qzxv"


def test_path_is_relative_and_posix_where_both_are_near(home: Path) -> None:
    assert shareable_path(home / "study" / "predictions", home / "study" / "evaluation") == "../predictions"
    assert shareable_path(home / "data" / "x", home / "study") == "../data/x"
    assert shareable_path(home / "study", home / "study") == "."


def test_relative_path_is_taken_from_the_working_directory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home / "study")
    assert shareable_path(Path("predictions"), Path("evaluation")) == "../predictions"


def test_path_from_elsewhere_into_the_home_folder_does_not_name_it(home: Path) -> None:
    drive = home.parents[1] / "drive"
    assert shareable_path(home / "study" / "p", drive / "results") == "~/study/p"
    assert shareable_path(drive / "results", home / "study") == "../../../drive/results"
    assert shareable_path(drive / "qzxv" / "data", drive / "results") is None  # named for the user too


def test_path_into_another_home_is_left_out(home: Path) -> None:
    assert shareable_path(home.parent / "other" / "data", home / "study") is None
    assert shareable_path(Path("/home/someone/data"), home / "study") is None
    assert shareable_path(Path("/home/someone/data"), Path("/home/someone/results")) == "../data"


def test_link_is_told_as_it_was_given(home: Path) -> None:
    """A dataset's folder of images may be a link into an archive whose folders name hospitals."""
    (home / "study" / "images").symlink_to(home.parent / "other" / "data")
    assert shareable_path(home / "study" / "images", home / "study" / "evaluation") == "../images"


def test_words_lose_folders_machines_and_the_user(home: Path) -> None:
    given = [
        *("evaluate", str(home / "study" / "pred"), "../labelsTs", "--cohort=/data/qzxv/cohort.csv", "-o", "out"),
        *("--executor", "dask://10.0.0.5:8786", "--seed", "711", "../qzxv/pred", "C:\\Users\\qzxv\\pred", "/"),
        *("-o/data/qzxv/out", "-step_size", "0.7"),
    ]
    assert shareable_words(given) == [
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
    assert shareable_words(given, files_named=False) == expected


def test_words_without_patients_and_archives() -> None:
    """What an archive was asked for tells who the patients are, and where they are treated."""
    given = [
        *("fetch", "--from", "PACS@10.0.0.5:104", "--study", "1.2.840.1", "--study=1.2.840.2", "--accession", "77"),
        *("--query", "PatientID=77", "--query=StudyDate=20260101", "--move-to", "US", "--modality", "CT", "-o", "out"),
        *("--dicomweb", "https://pacs.hospital/dicom-web", "--study", "my_study"),
    ]
    assert shareable_words(given) == [
        *("fetch", "--from", "AET@HOST:PORT", "--study", "UID", "--study=UID", "--accession", "VALUE"),
        *("--query", "PatientID=VALUE", "--query=StudyDate=VALUE", "--move-to", "US", "--modality", "CT", "-o", "out"),
        *("--dicomweb", "https://", "--study", "my_study"),
    ]


@pytest.mark.parametrize("program", ["/opt/bin/nnunet_amt", "/opt/lib/nnunet_amt/__main__.py"])
def test_command_is_ours_when_our_command_line_runs(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [program, "evaluate", "/a/my predictions", "labels", "-o", "out"])
    assert command_line() == "nnunet_amt evaluate 'my predictions' labels -o out"


def test_command_of_another_program_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/someone/secret_script.py", "patient"])
    assert command_line() == "python"


def test_versions_are_those_of_the_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnunet_amt.base.run_record.entries._PACKAGES", ("numpy", "no-such-package-of-anybody"))
    versions = software_versions()
    assert list(versions) == ["nnunet_amt", "python", "numpy"]
    assert versions["numpy"] == version("numpy")
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux only")
def test_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster gives a task fewer than the machine has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5})
    assert describe_machine(None)["cores"] == 3
    assert describe_machine(None)["device"] == "cpu"


def _fake_tool(folder: Path, script: str) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def test_gpu_is_named_by_torch_or_else_by_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    _fake_tool(tmp_path, "echo 'NVIDIA One'; echo 'NVIDIA Two'")
    cuda = SimpleNamespace(is_available=lambda: True, get_device_name=lambda _: "NVIDIA Zero")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert describe_machine("cuda")["gpu"] == "NVIDIA Zero"
    cuda.is_available = lambda: False
    assert describe_machine("cuda")["gpu"] == "NVIDIA One"
    assert "gpu" not in describe_machine("cpu")


@pytest.mark.parametrize("script", ["exit 9", "true"])
def test_gpu_that_nobody_can_name_is_left_out(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    _fake_tool(tmp_path, script)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "gpu" not in describe_machine("cuda")


def test_parameters_are_what_training_adjusts() -> None:
    """Convolution of 2 to 3 channels, 3x3x3: 2 * 3 * 27 + 3 = 165; batch normalisation of 3 channels: 3 + 3."""
    layers = torch.nn.Sequential(torch.nn.Conv3d(2, 3, 3), torch.nn.BatchNorm3d(3))
    assert number_of_parameters(layers.state_dict()) == 171


def test_parameters_under_several_names_count_once(tmp_path: Path) -> None:
    """nnU-Net's decoder holds the encoder again; read from a file as well."""
    encoder = torch.nn.Linear(4, 5)  # 25
    network = torch.nn.ModuleDict({"encoder": encoder, "decoder": torch.nn.ModuleDict({"encoder": encoder})})
    assert len(network.state_dict()) == 4
    assert number_of_parameters(network.state_dict()) == 25
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    read = torch.load(tmp_path / "weights.pth", weights_only=True, mmap=True)
    assert number_of_parameters(read) == 25


_SCRIPT = """
import subprocess, sys
from pathlib import Path
from nnunet_amt.base.run_record import recorded_run
for stage, size in (("predict", 200), ("train", 10)):
    with recorded_run(Path(sys.argv[1]), stage, in_children=True):
        subprocess.run([sys.executable, "-c", f"x = bytearray({size}_000_000)"], check=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell")
def test_memory_of_the_largest_child_is_measured_once(tmp_path: Path) -> None:
    """Of 200 MB and then of 10 MB: the system keeps the largest only, which is not the second run's."""
    subprocess.run([sys.executable, "-c", _SCRIPT, str(tmp_path)], check=True)
    first, second = read_runs(tmp_path)
    assert 200_000_000 <= first["cost"]["peak_memory_bytes"] < 300_000_000
    assert second["cost"] == {}
