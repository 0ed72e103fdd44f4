"""A model whose parts are missing or do not fit is told in one line before nnU-Net fails on it in many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from nnunet_amt.errors import BadInputError
from nnunet_amt.models.checkpoint_safety import read_checkpoint
from nnunet_amt.models.folder import checkpoint_to_continue_from, find_checkpoint, may_continue, require_model
from nnunet_amt.models.plans import DEFAULT_TRAINER, require_amt_plans
from nnunet_amt.trainers.networks import network_of_plans
from nnunet_amt.trainers.unet import AMTUNet
from tests.conftest import TINY_DATASET
from tests.models.model_fixtures import write_model


def refusal(checkpoint: Path, fold: str = "0") -> str:
    with pytest.raises(BadInputError) as raised:
        require_model(
            checkpoint.parents[1],
            fold=fold,
            checkpoint=checkpoint.name,
            trainer=DEFAULT_TRAINER,
            network=network_of_plans,
        )
    message = str(raised.value)
    assert "\n" not in message
    return message


def change(path: Path, **content: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **content}))


def test_model_that_fits(planned_base: Path, tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path, planned_base)
    found = require_model(
        checkpoint.parents[1],
        fold="0",
        checkpoint=checkpoint.name,
        trainer=DEFAULT_TRAINER,
        network=network_of_plans,
    )
    assert found == checkpoint


def test_fold_that_is_not_there_names_those_that_are(planned_base: Path, tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path, planned_base)
    (checkpoint.parents[1] / "fold_all").mkdir()
    assert "has no such fold; it has 0, all" in refusal(checkpoint, "3")


def test_missing_and_damaged_descriptions(planned_base: Path, tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path, planned_base)
    for name, damage in (("dataset.json", "is damaged (labels is missing)"), ("plans.json", "is damaged")):
        path = checkpoint.parents[1] / name
        content = path.read_text()
        path.write_text("{}")
        assert damage in refusal(checkpoint)
        path.unlink()
        assert f"{name}: is missing, nnU-Net cannot predict without it" in refusal(checkpoint)
        path.write_text(content)


def test_trainer_of_another_name(planned_base: Path, tmp_path: Path) -> None:
    """nnU-Net builds what the checkpoint names, whatever folder it lies in."""
    checkpoint = write_model(tmp_path, planned_base, trainer_name="nnUNetTrainer_5epochs")
    assert "was made by nnUNetTrainer_5epochs, its folder and --trainer say nnUNetTrainerAMT" in refusal(checkpoint)


def test_number_of_labels(planned_base: Path, tmp_path: Path) -> None:
    """A model of three classes beside a description of two labels."""
    checkpoint = write_model(tmp_path, planned_base, network_weights=AMTUNet(1, 3).state_dict())
    message = "its network tells 3 classes apart, dataset.json beside it has 2 labels (background, tumour)"
    assert message in refusal(checkpoint)


def test_network_of_another_version(planned_base: Path, tmp_path: Path) -> None:
    weights = AMTUNet(1, 2).state_dict()
    weights["extra.weight"] = weights.pop("head.bias")
    checkpoint = write_model(tmp_path, planned_base, network_weights=weights)
    assert "weights do not fit our network, the first is extra.weight ((2,), must be None)" in refusal(checkpoint)


def test_plans_of_another_planner_and_of_an_old_nnunet(planned_base: Path, tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path, planned_base)
    plans = checkpoint.parents[1] / "plans.json"
    change(plans, plans_name="nnUNetResEncUNetLPlans")
    assert "its plans are 'nnUNetResEncUNetLPlans'" in refusal(checkpoint)
    change(plans, configurations={"3d_fullres": {"UNet_class_name": "PlainConvUNet"}})
    assert "of an nnU-Net older than 2.5" in refusal(checkpoint)


def test_plans_beside_the_checkpoint_are_its_own(planned_base: Path, tmp_path: Path) -> None:
    """With another spacing nnU-Net would predict, only badly."""
    checkpoint = write_model(tmp_path, planned_base)
    plans = checkpoint.parents[1] / "plans.json"
    configurations = json.loads(plans.read_text())["configurations"]
    configurations["3d_fullres"]["spacing"] = [1.0, 1.0, 1.0]
    change(plans, configurations=configurations)
    assert "was trained with other plans (spacing [5.0, 2.0, 2.0], now [1.0, 1.0, 1.0])" in refusal(checkpoint)


def test_of_other_plans_the_place_is_named_and_not_the_whole_network(planned_base: Path, tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path, planned_base)
    plans = checkpoint.parents[1] / "plans.json"
    configurations = json.loads(plans.read_text())["configurations"]
    configurations["3d_fullres"]["architecture"]["arch_kwargs"]["features_per_level"] = [8, 16, 32, 64]
    change(plans, configurations=configurations)
    changed = "architecture arch_kwargs features_per_level [32, 64, 128, 256], now [8, 16, 32, 64]"
    assert f"({changed})" in refusal(checkpoint)


def test_checkpoint_of_another_version(planned_base: Path, tmp_path: Path) -> None:
    old: dict[str, dict] = {"state_dict": {}, "plans": {}}
    checkpoint = write_model(tmp_path, planned_base)
    torch.save(old, checkpoint)
    assert "lacks network_weights, trainer_name, init_args" in refusal(checkpoint)
    assert "nnU-Net version 1's" in refusal(checkpoint)
    write_model(tmp_path, planned_base, init_args={"configuration": "3d_fullres"})
    assert "its init_args hold no plans" in refusal(checkpoint)


@pytest.mark.parametrize(
    ("extra", "continues"),
    [([], True), (["--npz"], True), (["--c"], False), (["--val"], False), (["-pretrained_weights", "x"], False)],
)
def test_continue_is_added_where_nnunet_allows_it(tmp_path: Path, extra: list[str], continues: bool) -> None:
    assert may_continue(extra, tmp_path) is False
    write_checkpoint(tmp_path / "checkpoint_latest.pth")
    assert may_continue(extra, tmp_path) is continues


def write_checkpoint(path: Path) -> bytes:
    torch.save({"network_weights": {"bias": torch.zeros(250)}}, path)
    return path.read_bytes()


def test_damaged_checkpoint_is_one_line_and_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_best.pth"
    whole = write_checkpoint(path)
    assert read_checkpoint(path)["network_weights"]["bias"].numel() == 250
    for damaged in (b"", b"junk", whole[:-30], whole.replace(bytes(1000), b"1" * 1000, 1)):
        path.write_bytes(damaged)
        with pytest.raises(BadInputError, match="is damaged, or older"):
            read_checkpoint(path)


def test_checkpoint_to_continue_from_is_nnunets_choice(tmp_path: Path) -> None:
    assert checkpoint_to_continue_from(tmp_path) is None
    for name in ("best", "latest", "final"):
        (tmp_path / f"checkpoint_{name}.pth").touch()
        found = checkpoint_to_continue_from(tmp_path)
        assert found is not None
        assert found.name == f"checkpoint_{name}.pth"


def test_missing_checkpoint_names_those_that_are_there(tmp_path: Path) -> None:
    fold = tmp_path / "nnUNetTrainerAMT_1epoch__nnUNetAMTPlans__3d_fullres" / "fold_0"
    fold.mkdir(parents=True)
    (fold / "checkpoint_latest.pth").touch()
    with pytest.raises(
        BadInputError, match=r"no such checkpoint \(found there: nnUNetTrainerAMT_1epoch__.*latest.pth\)"
    ):
        find_checkpoint(tmp_path / "nnUNetTrainerAMT__nnUNetAMTPlans__3d_fullres" / "fold_0", "c.pth")


@pytest.mark.parametrize(
    ("design", "reason"),
    [
        (None, "do not describe the network"),
        ({"features_per_level": [8, 8, 8, 8]}, "do not describe the network"),
        ({"features_per_level": [8, 8, 8], "blocks_per_level": 2}, "must be 4 numbers"),
        ({"features_per_level": [8, 8, 8, 0], "blocks_per_level": 2}, "must be 4 numbers"),
        ({"features_per_level": [8, 8, 8, 8], "blocks_per_level": 2, "dropout": 1}, "and nothing else"),
    ],
)
def test_plans_of_a_network_that_cannot_be_built(planned_base: Path, design: object, reason: str) -> None:
    plans = json.loads((planned_base / "nnUNet_preprocessed" / TINY_DATASET / "nnUNetAMTPlans.json").read_text())
    plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"] = design
    with pytest.raises(BadInputError, match=reason):
        require_amt_plans(plans, "3d_fullres")
