"""nnU-Net's folders, the way to our trainers, and a device that is not there told with the reason."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import torch

from nnunet_amt.errors import BadInputError, MissingEnvironmentError
from nnunet_amt.nnunet.environment import (
    dataset_name,
    environment_with_trainer,
    export_lines,
    folder_from_environment,
    folders_below,
    hook_folder,
    require_device,
    require_known_trainer,
)


def test_hook_folder_holds_one_module_of_re_exports() -> None:
    """nnU-Net imports and forgets every module of the folder, so classes must live elsewhere."""
    modules = [path for path in hook_folder().glob("*.py") if path.name != "__init__.py"]
    assert [path.name for path in modules] == ["amt_trainers.py"]
    assert "class " not in modules[0].read_text(encoding="utf-8")


def test_trainers_of_the_user_stay_on_the_search_path() -> None:
    value = environment_with_trainer({"nnUNet_extTrainer": "/mine"})["nnUNet_extTrainer"]
    assert value.split(os.pathsep) == ["/mine", str(hook_folder())]


def test_our_trainers_are_added_once() -> None:
    once = environment_with_trainer({})
    assert environment_with_trainer(once) == once


def test_trainers_of_a_relative_folder_are_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """nnU-Net imports all modules of a folder: with . those of whatever folder it is started in."""
    value = environment_with_trainer({"nnUNet_extTrainer": os.pathsep.join([".", "/mine", "mine"])})[
        "nnUNet_extTrainer"
    ]
    assert value == os.pathsep.join(["/mine", str(hook_folder())])
    told = "nnUNet_extTrainer: '.' is left out; give the whole path of a folder of trainers"
    assert [record.message for record in caplog.records] == [told, told.replace("'.'", "'mine'")]


def test_export_lines_can_be_evaluated_by_a_shell_even_with_spaces(tmp_path: Path) -> None:
    lines = export_lines(folders_below(tmp_path / "a 'b' c"))
    shown = subprocess.run(
        ["sh", "-c", 'eval "$LINES_OF_ENV"; printf %s "$nnUNet_raw"'],
        env={"LINES_OF_ENV": "\n".join(lines), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == str(tmp_path / "a 'b' c" / "nnUNet_raw")


def test_only_what_is_set_is_exported() -> None:
    lines = export_lines({"nnUNet_raw": "/a"})
    assert [line.partition("=")[0] for line in lines] == ["export nnUNet_raw", "export nnUNet_extTrainer"]


def test_missing_variable_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("nnUNet_raw", raising=False)
    with pytest.raises(MissingEnvironmentError, match=r"nnUNet_raw is not set.*nnunet_amt env --folder"):
        folder_from_environment("nnUNet_raw")


def test_variable_that_names_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "file"))
    with pytest.raises(MissingEnvironmentError, match="is a file, must be a folder"):
        folder_from_environment("nnUNet_raw")


def test_dataset_is_found_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "Dataset007_AMT").mkdir()
    (tmp_path / "Dataset070_Other").mkdir()
    assert dataset_name(7, tmp_path) == "Dataset007_AMT"
    with pytest.raises(BadInputError, match=r"nothing of Dataset008_\*"):
        dataset_name(8, tmp_path)
    (tmp_path / "Dataset007_Twice").mkdir()
    with pytest.raises(BadInputError, match="2 datasets have the number 7"):
        dataset_name(7, tmp_path)


def test_another_name_of_the_number_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nnU-Net looks into all three folders and would stop with a traceback."""
    (tmp_path / "raw" / "Dataset007_AMT").mkdir(parents=True)
    (tmp_path / "results" / "Dataset007_Old").mkdir(parents=True)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    with pytest.raises(BadInputError, match=r"\(Dataset007_AMT, Dataset007_Old\)"):
        dataset_name(7, tmp_path / "raw")


@pytest.mark.parametrize("name", ["nnUNetTrainer", "nnUNetTrainer_1epoch"])
def test_trainers_of_nnunet_are_refused_as_they_cannot_build_the_network_of_our_plans(name: str) -> None:
    with pytest.raises(BadInputError, match=f"--trainer {name}: is nnU-Net's own, which cannot train the network"):
        require_known_trainer(name)


@pytest.mark.parametrize("name", ["nnUNetTrainerAMT", "nnUNetTrainerAMT_5epochs", "nnUNetTrainerOfMine"])
def test_our_trainers_and_those_from_elsewhere_are_let_through(name: str) -> None:
    require_known_trainer(name)


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_auto_is_the_cpu_without_cuda(no_cuda: None) -> None:
    assert require_device("auto") == "cpu"


def test_cuda_without_a_driver(no_cuda: None) -> None:
    with pytest.raises(BadInputError, match=r"--device cuda: torch finds no CUDA device; look with nvidia-smi"):
        require_device("cuda")


def test_cuda_hidden_by_its_variable(no_cuda: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(BadInputError, match=r"no CUDA device \(CUDA_VISIBLE_DEVICES is ''\); set that variable"):
        require_device("cuda")


def test_torch_without_cuda(no_cuda: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(BadInputError, match="was built without CUDA; install a stock torch"):
        require_device("cuda")


def test_mps_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(BadInputError, match="--device mps: needs a Mac"):
        require_device("mps")


def test_more_gpus_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert require_device("auto", 1) == "cuda"
    with pytest.raises(BadInputError, match=r"-num_gpus 2: torch can use 1 here; give no more"):
        require_device("cuda", 2)
    with pytest.raises(BadInputError, match="-num_gpus 2: nnU-Net trains on several devices with CUDA only"):
        require_device("cpu", 2)
