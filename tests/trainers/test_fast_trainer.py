"""The fast recipe: what `docs/recipe.md` says of its plans, its training and where its network is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from numpy.typing import NDArray
from torch import nn

from nnunet_amt.clinic.model_source import opened_model
from nnunet_amt.errors import BadInputError
from nnunet_amt.images.image_file import read_ct_file
from nnunet_amt.models.plans import CONFIGURATION, FAST, RECIPES, Recipe, require_amt_plans
from nnunet_amt.nnunet.loaded_model import LoadedModel, load_model
from nnunet_amt.nnunet.planning import plan
from nnunet_amt.nnunet.predict import PredictionSettings, predict
from nnunet_amt.nnunet.train import train
from nnunet_amt.trainers.nnUNetTrainerAMTFast import (
    DiceAndCrossEntropyLoss,
    intensity_transforms,
    nnUNetTrainerAMTFast,
    nnUNetTrainerAMTFast_1epoch,
)
from nnunet_amt.trainers.tuning import tuning_overlaps
from tests.conftest import TINY_DATASET, set_nnunet_folders, write_image

# z, y, x: 60 x 288 x 288 mm
SHAPE, SPACING = (12, 48, 48), (6.0, 6.0, 5.0)  # the spacing is SimpleITK's (x, y, z)
LUNGS_Y, LUNGS_X = slice(15, 33), (slice(10, 20), slice(28, 38))
CASES = {"train": ["a", "b", "c"], "val": ["d", "e"]}


def chest(seed: int) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """A body of 40 HU with two lungs, and a tumour of 90 HU in front between them; its mask."""
    image = np.full(SHAPE, -1000, np.int16)
    image[:, 6:42, 4:44] = 40
    for lung in LUNGS_X:
        image[1:11, LUNGS_Y, lung] = -850
    mask = np.zeros(SHAPE, np.uint8)
    shift = seed % 3
    mask[3 + shift : 8 + shift, 14:20, 21:27] = 1
    image[mask == 1] = 90
    image[0, 7, 7] = 3000  # metal
    return image, mask


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A dataset of chests, planned for the fast recipe; `results` of a training of an epoch."""
    base = tmp_path_factory.mktemp("fast")
    dataset = base / "nnUNet_raw" / TINY_DATASET
    for seed, case in enumerate((*CASES["train"], *CASES["val"], "f")):
        image, mask = chest(seed)
        folder = "Ts" if case == "f" else "Tr"
        write_image(dataset / f"images{folder}" / f"{case}_0000.nii.gz", image, SPACING)
        write_image(dataset / f"labels{folder}" / f"{case}.nii.gz", mask, SPACING)
    description = {
        "channel_names": {"0": "CT"}, "labels": {"background": 0, "tumour": 1}, "numTraining": 5,
        "file_ending": ".nii.gz", "overwrite_image_reader_writer": "SimpleITKIO",
    }  # fmt: skip
    (dataset / "dataset.json").write_text(json.dumps(description))
    (dataset / "splits_final.json").write_text(json.dumps([CASES]))
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_nnunet_folders(monkeypatch, base)
        plan(711, recipe="fast")
        yield base


@pytest.fixture(scope="module")
def plans(base: Path) -> dict[str, Any]:
    return json.loads((base / "nnUNet_preprocessed" / TINY_DATASET / f"{FAST.plans}.json").read_text())


def make_trainer(base: Path, kind: type[nnUNetTrainerAMTFast] = nnUNetTrainerAMTFast) -> nnUNetTrainerAMTFast:
    folder = base / "nnUNet_preprocessed" / TINY_DATASET
    plans = {**json.loads((folder / f"{FAST.plans}.json").read_text()), "continue_training": False}
    return kind(plans, CONFIGURATION, 0, json.loads((folder / "dataset.json").read_text()), torch.device("cpu"))


# ---- plans ----------------------------------------------------------------------------------------------------


def test_the_plans_hold_the_window_and_the_network(plans: dict[str, Any]) -> None:
    settings = plans["configurations"][CONFIGURATION]
    intensities = plans["foreground_intensity_properties_per_channel"]["0"]
    assert (intensities["percentile_00_5"], intensities["percentile_99_5"]) == (-160.0, 240.0)
    assert (intensities["mean"], intensities["std"]) == (-160.0, 400.0)  # to 0 and 1
    assert intensities["max"] == 3000.0  # what the paper would have taken
    design = settings["architecture"]["arch_kwargs"]
    assert design["features_per_stage"] == [16, 32, 64, 128, 192]
    assert design["kernel_sizes"] == [[1, 3, 3], *[[3, 3, 3]] * 4]
    assert design["strides"] == [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2]]
    assert settings["batch_size"] == 3
    assert settings["patch_size"] == [16, 48, 48]  # the image, rounded up to 8, 16, 16
    require_amt_plans(plans, CONFIGURATION, FAST)


def test_the_plans_say_where_tumours_lie(plans: dict[str, Any]) -> None:
    """Lungs y 15 to 33, x 10 to 38; tumours y 14 to 20, x 21 to 27; the margin of 20 mm is 20 / 6 voxels."""
    region = plans["mediastinal_region"]
    assert region["y"] == pytest.approx([(14 - 20 / 6 - 15) / 18, (20 + 20 / 6 - 15) / 18])
    assert region["x"] == pytest.approx([(21 - 20 / 6 - 10) / 28, (27 + 20 / 6 - 10) / 28])


def test_any_nnunet_builds_the_network(plans: dict[str, Any]) -> None:
    settings = plans["configurations"][CONFIGURATION]["architecture"]
    network = get_network_from_plans(
        settings["network_class_name"], settings["arch_kwargs"], settings["_kw_requires_import"], 1, 2,
        deep_supervision=False,
    )  # fmt: skip
    assert network(torch.zeros(1, 1, 16, 48, 48)).shape == (1, 2, 16, 48, 48)
    assert sum(isinstance(module, nn.BatchNorm3d) for module in network.modules()) == 14


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch_size": [16, 40, 48]}, r"multiples of \[8, 16, 16\]"),
        ({"batch_size": 2}, "batch_size 2 must be 3"),
        (
            {"architecture": {"network_class_name": "nnunet_amt.trainers.unet.AMTUNet"}},
            "network 'nnunet_amt.trainers.unet.AMTUNet' must be 'dynamic_network",
        ),
        ({"architecture": {"network_class_name": "another.Net"}}, "network 'another.Net' must be 'dynamic_network"),
    ],
)
def test_other_plans_are_refused(plans: dict[str, Any], change: dict[str, Any], message: str) -> None:
    changed = json.loads(json.dumps(plans))
    changed["configurations"][CONFIGURATION].update(change)
    with pytest.raises(BadInputError, match=message):
        require_amt_plans(changed, CONFIGURATION, FAST)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "strides",
            [[1, 1, 1], *[[2, 2, 2]] * 4],
            r"strides \[\[1, 1, 1\], \[2, 2, 2\].* must be \[\[1, 1, 1\], \[1,",
        ),
        ("norm_op", "torch.nn.InstanceNorm3d", 'norm_op "torch.nn.InstanceNorm3d" must be "torch.nn.modules.batchnorm'),
        (
            "features_per_stage",
            [16, 32, 64, 128],
            r"features_per_stage \[16, 32, 64, 128\] must be 5 numbers",
        ),
    ],
)
def test_plans_of_another_network_are_refused(plans: dict[str, Any], name: str, value: Any, message: str) -> None:
    """Edited by hand they would be trained without a word, and not be the recipe."""
    changed = json.loads(json.dumps(plans))
    changed["configurations"][CONFIGURATION]["architecture"]["arch_kwargs"][name] = value
    with pytest.raises(BadInputError, match=message):
        require_amt_plans(changed, CONFIGURATION, FAST)


def test_a_part_of_the_chest_that_is_none_is_refused(plans: dict[str, Any]) -> None:
    turned = {**plans, "mediastinal_region": {**plans["mediastinal_region"], "y": [0.9, 0.1]}}
    with pytest.raises(BadInputError, match=r"mediastinal_region y \[0.9, 0.1\] must be two shares .* lower first"):
        require_amt_plans(turned, CONFIGURATION, FAST)


def test_plans_that_do_not_say_where_tumours_lie_are_refused(plans: dict[str, Any]) -> None:
    changed = {key: value for key, value in plans.items() if key != "mediastinal_region"}
    with pytest.raises(BadInputError, match=r"where the mediastinum is .* plan -d ID --recipe fast"):
        require_amt_plans(changed, CONFIGURATION, FAST)
    require_amt_plans({**plans, "mediastinal_region": None}, CONFIGURATION, FAST)  # no lungs were seen in training


# ---- training -------------------------------------------------------------------------------------------------


def test_the_rate_falls_as_nnunets_does(base: Path) -> None:
    """Half-way through, (1 - 0.5) to the power of 0.9 of the rate at the beginning is left."""
    trainer = make_trainer(base)
    trainer.initialize()
    first = trainer.initial_lr
    trainer.lr_scheduler.step(trainer.num_epochs // 2)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(first * 0.5**0.9)
    assert first == pytest.approx(1e-2)


def test_the_loss_by_hand() -> None:
    """Logits of 0 are half and half everywhere: of 4 voxels 1 is tumour, so the Dice is 2 x 0.5 / (2 + 1)."""
    logits, reference = torch.zeros(1, 2, 1, 2, 2), torch.zeros(1, 1, 1, 2, 2)
    reference[0, 0, 0, 0, 0] = 1
    assert float(DiceAndCrossEntropyLoss()(logits, reference)) == pytest.approx(-1 / 3 + np.log(2), abs=1e-4)


def test_voxels_that_nobody_annotated_count_in_neither_part() -> None:
    """Three of the four voxels are not annotated: what is predicted there changes nothing."""
    reference = torch.tensor([[1.0, 2.0], [2.0, 2.0]]).reshape(1, 1, 1, 2, 2)
    logits = torch.zeros(1, 2, 1, 2, 2)
    elsewhere = logits.clone()
    elsewhere[:, 1, :, 1, :] = 5.0
    loss = DiceAndCrossEntropyLoss(ignore_label=2)
    assert float(loss(elsewhere, reference)) == pytest.approx(float(loss(logits, reference)))


def test_intensities_are_varied_and_the_label_is_not() -> None:
    """Noise, brightness, contrast and gamma, with nnU-Net's chances; each changes the image alone."""
    transforms = intensity_transforms()
    assert all(isinstance(transform, RandomTransform) for transform in transforms)
    assert [transform.apply_probability for transform in transforms] == [0.1, 0.15, 0.15, 0.3]
    image, label = torch.linspace(0, 1, 64).reshape(1, 4, 4, 4), torch.ones(1, 4, 4, 4, dtype=torch.int16)
    torch.manual_seed(0)
    for transform in transforms:
        changed = transform.transform(image=image.clone(), segmentation=label.clone())
        assert not changed["image"].equal(image)
        assert changed["segmentation"].equal(label)


def test_nothing_is_mirrored_in_training_or_prediction(base: Path) -> None:
    trainer = make_trainer(base)
    trainer.initialize()
    trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    assert trainer.inference_allowed_mirroring_axes is None


def test_the_papers_plans_are_refused(planned_base: Path) -> None:
    folder = planned_base / "nnUNet_preprocessed" / TINY_DATASET
    plans = {**json.loads((folder / "nnUNetAMTPlans.json").read_text()), "continue_training": False}
    with pytest.raises(
        BadInputError, match=r"not those of the fast recipe; .* takes nnUNetAMTFastPlans .*--recipe fast"
    ):
        nnUNetTrainerAMTFast(plans, CONFIGURATION, 0, {"labels": {"background": 0, "tumour": 1}}, torch.device("cpu"))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_nnunets_own_plans_are_called_none_of_ours(plans: dict[str, Any], recipe: Recipe) -> None:
    """They are what nnU-Net takes without -p, and have a network of the same class as the fast recipe's."""
    own = {**plans, "plans_name": "nnUNetPlans"}
    with pytest.raises(BadInputError, match=rf"are not those of {recipe.whose} recipe; .* takes {recipe.plans} \(-p"):
        require_amt_plans(own, CONFIGURATION, recipe)


def test_the_tuning_set_is_asked_where_prediction_will_ask(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From y 14 - 20 / 6 to 20 + 20 / 6 and so along x, rounded outwards: 10 to 24 and 17 to 31; nothing outside."""
    trainer = make_trainer(base)
    trainer.initialize()
    _, trainer._tuning_cases = trainer.get_tr_and_val_datasets()
    shapes: list[tuple[int, ...]] = []

    def background(image: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(image.shape))
        return torch.cat((torch.ones_like(image), torch.zeros_like(image)))

    region = trainer._tuning_region
    assert region is not None
    predictor = type("Predictor", (), {"device": torch.device("cpu")})()
    monkeypatch.setattr("nnunet_amt.trainers.tuning._predict", lambda _, image, log: background(image))
    tuning_overlaps(predictor, trainer._tuning_cases, ["d"], region=region)
    assert shapes == [(1, 12, 24 - 10, 31 - 17)]


def test_the_lungs_of_a_tuning_case_are_looked_for_once_in_a_training(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are where they were, and finding them in a whole CT takes longer than a GPU takes to predict it."""
    region = make_trainer(base)._tuning_region
    assert region is not None
    looks: list[int] = []
    monkeypatch.setattr("nnunet_amt.images.mediastinum.find_lungs", lambda *_: looks.append(1))
    for _ in range(2):
        for case in ("d", "e"):
            assert region.box(case, np.zeros((1, *SHAPE), np.float32)) is None
    assert len(looks) == 2


# ---- from training to the label map ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(base: Path) -> Path:
    found = train(711, trainer=nnUNetTrainerAMTFast_1epoch.__name__, seed=1, device="cpu", log_file=base / "train.log")
    return found.fold_folder / "checkpoint_final.pth"


def test_a_training_of_nnunets_command_leaves_a_model_of_the_fast_plans(trained: Path) -> None:
    assert trained.is_file()
    assert trained.parents[1].name == f"nnUNetTrainerAMTFast_1epoch__{FAST.plans}__{CONFIGURATION}"


def model_that_finds(base: Path, trained: Path, lowest: float) -> LoadedModel:
    """The model, with a network that says tumour of all that is at least so bright, from 0 to 1."""

    class Bright(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.cat((torch.full_like(image, lowest), image), dim=1)

    model = load_model(trained)
    return LoadedModel(Bright(), model.device, 0, model.grid, model.patch, model.region)


def test_prediction_finds_nothing_outside_of_the_mediastinum(base: Path, trained: Path) -> None:
    """The metal at the chest wall is as bright as can be, and outside; the tumour, (90 + 160) / 400, is found."""
    values, file = read_ct_file(base / "nnUNet_raw" / TINY_DATASET / "imagesTs" / "f_0000.nii.gz")
    labels = model_that_finds(base, trained, 0.6).predict(values, file.geometry.spacing[::-1]).labels
    assert np.array_equal(labels, chest(5)[1])


def test_the_share_that_was_asked_is_told(base: Path, trained: Path) -> None:
    """From y 10 to 24 and x 17 to 31 as in tuning, and all z of the lungs; of a finding at the ends all of the CT."""
    values, file = read_ct_file(base / "nnUNet_raw" / TINY_DATASET / "imagesTs" / "f_0000.nii.gz")
    shares = []
    for finds in (0.6, 0.4):
        model = model_that_finds(base, trained, finds)
        prepared = model.prepare(values, file.geometry.spacing[::-1])
        shares.append(model.share_asked(model.logits(prepared)))
    assert model.region is not None
    box = model.region.box(prepared.array[0].numpy())
    assert box is not None
    asked = np.prod([part.stop - part.start for part in box]) / prepared.array[0].numel()
    assert shares == [pytest.approx(asked), 1.0]
    assert replace(model, region=None).share_asked(model.logits(prepared)) is None, "asked everywhere, always"


def test_a_finding_that_reaches_out_of_the_mediastinum_is_followed(base: Path, trained: Path) -> None:
    """All soft tissue, 40 HU or (40 + 160) / 400, is at the ends of the region too: the whole chest is predicted."""
    values, file = read_ct_file(base / "nnUNet_raw" / TINY_DATASET / "imagesTs" / "f_0000.nii.gz")
    labels = model_that_finds(base, trained, 0.4).predict(values, file.geometry.spacing[::-1]).labels
    assert np.array_equal(labels, (values >= 40).astype(np.uint8))


def test_predict_takes_the_model_by_its_trainer(base: Path, trained: Path, tmp_path: Path) -> None:
    settings = PredictionSettings(711, trainer="nnUNetTrainerAMTFast_1epoch", checkpoint=trained.name, device="cpu")
    result = predict(base / "nnUNet_raw" / TINY_DATASET / "imagesTs", tmp_path / "out", settings)
    assert (result.predicted, (tmp_path / "out" / "f.nii.gz").is_file()) == (1, True)


def test_a_new_patient_takes_the_models_folder(trained: Path) -> None:
    with opened_model(str(trained.parents[1]), checkpoint=trained.name) as found:
        assert found == trained


def test_the_trainer_is_nnunets_kind(base: Path) -> None:
    assert issubclass(nnUNetTrainerAMTFast, nnUNetTrainer)
