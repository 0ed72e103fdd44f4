"""The doctor sees what goes wrong."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from nnunet_amt.models.plans import FAST, PAPER, PLANS_NAME
from nnunet_amt.nnunet import doctor
from nnunet_amt.nnunet.doctor import Finding, examine, planned_recipe, trained_fold
from tests.conftest import TINY_DATASET, set_nnunet_folders
from tests.models.model_fixtures import write_model


@pytest.fixture
def base(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "base"
    shutil.copytree(planned_base, copy)
    set_nnunet_folders(monkeypatch, copy)
    monkeypatch.delenv("nnUNet_extTrainer", raising=False)
    return copy


def findings(check: str, dataset: int | None = 711) -> list[Finding]:
    return [finding for finding in examine(dataset) if finding.check == check]


def test_healthy_installation_has_no_problem(base: Path) -> None:
    assert [finding for finding in examine(711) if finding.verdict == "problem"] == []
    (cases,) = findings("cases")
    assert cases.seen.startswith("6 images and labels")


def test_the_recipe_that_was_planned_is_known(base: Path) -> None:
    """The next command trains by it: of several recipes by the paper's."""
    assert planned_recipe(711) == PAPER
    plans = base / "nnUNet_preprocessed" / TINY_DATASET / f"{PLANS_NAME}.json"
    plans.rename(plans.with_name(f"{FAST.plans}.json"))
    assert planned_recipe(711) == FAST
    plans.with_name(f"{FAST.plans}.json").unlink()
    assert planned_recipe(711) is None
    assert planned_recipe(999) is None


def test_what_is_trained_is_known_by_its_last_checkpoint(base: Path) -> None:
    """The next command predicts with it; a training that only has a best checkpoint is not at its end."""
    write_model(base / "nnUNet_results", base)
    assert trained_fold(711, PAPER) is None
    write_model(base / "nnUNet_results", base, "checkpoint_final.pth")
    assert trained_fold(711, PAPER) == ("nnUNetTrainerAMT", "0")
    assert trained_fold(711, FAST) is None
    assert trained_fold(999, PAPER) is None


def test_a_short_training_is_no_end_of_one_by_the_recipe(base: Path) -> None:
    """A trial by one epoch counts while nothing else is begun, and no longer when the recipe's own training is."""
    results = base / "nnUNet_results"
    folder = write_model(results, base, "checkpoint_final.pth").parent
    trial = folder.parent.with_name(folder.parent.name.replace("nnUNetTrainerAMT", "nnUNetTrainerAMT_1epoch"))
    folder.parent.rename(trial)
    (trial / "fold_0").rename(trial / "fold_all")
    assert trained_fold(711, PAPER) == ("nnUNetTrainerAMT_1epoch", "all")
    write_model(results, base, "checkpoint_latest.pth")
    assert trained_fold(711, PAPER) is None


def test_what_was_trained_by_other_plans_is_to_be_trained_again(base: Path) -> None:
    write_model(base / "nnUNet_results", base, "checkpoint_final.pth")
    path = base / "nnUNet_preprocessed" / TINY_DATASET / f"{PLANS_NAME}.json"
    plans = json.loads(path.read_text())
    plans["configurations"]["3d_fullres"]["spacing"] = [9.0, 9.0, 9.0]
    path.write_text(json.dumps(plans))
    assert trained_fold(711, PAPER) is None


def test_plain_commands_would_not_find_the_trainer(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = findings("trainer", None)
    assert (finding.verdict, finding.advice) == ("warning", 'eval "$(nnunet_amt env)"')
    (finding,) = findings("trainer", None)  # the first look has set the variable
    assert finding.verdict == "ok"


def test_missing_torch_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert doctor._device().verdict == doctor._torch_and_torchvision().verdict == "problem"


def test_folder_that_is_not_set(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("nnUNet_results")
    (finding,) = findings("nnUNet_results", None)
    assert finding.verdict == "problem"


def test_folder_that_cannot_be_written(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    (finding,) = findings("nnUNet_raw", None)
    assert (finding.verdict, finding.seen.endswith("Permission denied")) == ("problem", True)


def test_trainer_of_the_same_name_elsewhere(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder before ours on nnUNet_extTrainer wins silently."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "theirs.py").write_text(
        "from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer\n"
        "class nnUNetTrainerAMT(nnUNetTrainer):\n    pass\n"
    )
    monkeypatch.setenv("nnUNet_extTrainer", str(tmp_path / "other"))
    (finding,) = findings("trainer", None)
    assert (finding.verdict, finding.seen) == ("problem", "nnUNetTrainerAMT is theirs")


def test_old_nnunet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.5.1")
    assert doctor._nnunet_version().verdict == "problem"


def test_plans_name_that_is_not_the_files(base: Path) -> None:
    """nnU-Net names the results folder by the name inside the file."""
    path = base / "nnUNet_preprocessed" / TINY_DATASET / f"{PLANS_NAME}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "plans_name": "nnUNetPlans"}))
    (finding,) = findings("plans")
    assert (finding.verdict, "calls itself 'nnUNetPlans'" in finding.seen) == ("problem", True)


def test_plans_that_are_not_there(base: Path) -> None:
    (base / "nnUNet_preprocessed" / TINY_DATASET / f"{PLANS_NAME}.json").unlink()
    (finding,) = findings("plans")
    assert (finding.verdict, finding.advice) == ("problem", "nnunet_amt plan -d 711")


def test_case_that_cannot_be_read_is_named(base: Path) -> None:
    image = base / "nnUNet_raw" / TINY_DATASET / "imagesTs" / "f_0000.nii.gz"
    image.write_bytes(image.read_bytes()[:500])
    (finding,) = findings("cases")
    assert (finding.verdict, "f_0000.nii.gz" in finding.seen) == ("problem", True)


def test_unknown_dataset(base: Path) -> None:
    (finding,) = findings("cases", 99)
    assert "nothing of Dataset099_*" in finding.seen


def test_checkpoints_of_every_model_are_looked_into(base: Path) -> None:
    """One whole, one cut off: the second is named. Before any training there is nothing to tell."""
    assert findings("checkpoint") == []
    results = base / "nnUNet_results"
    write_model(results, base)
    cut = write_model(results, base, "checkpoint_final.pth")
    cut.write_bytes(cut.read_bytes()[:1000])
    damaged, harmless = findings("checkpoint")
    assert (damaged.verdict, f"{cut}: is damaged" in damaged.seen) == ("problem", True)
    assert (harmless.verdict, harmless.seen) == ("ok", "1 of 2 are whole and run no code when loaded")


def test_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    (finding,) = [found for found in examine(checkpoint=tmp_path / "no.pth") if found.check == "checkpoint"]
    assert (finding.verdict, "no.pth: no such file" in finding.seen) == ("problem", True)
