"""A model that is held in memory predicts what nnU-Net predicts; what it does not cover it names."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.images.image_file import read_ct_file
from nnunet_amt.models.fast_network import fast_architecture
from nnunet_amt.models.folder import require_model
from nnunet_amt.models.plans import DEFAULT_TRAINER, FAST, recipe_of
from nnunet_amt.nnunet.commands import predict_options
from nnunet_amt.nnunet.environment import our_trainers
from nnunet_amt.nnunet.hook import amt_trainers
from nnunet_amt.nnunet.loaded_model import LoadedModel, load_model, why_not_here
from nnunet_amt.trainers.networks import network_of_plans
from nnunet_amt.trainers.unet import AMTUNet
from tests.conftest import TINY_DATASET, tiny_case, write_image
from tests.models.model_fixtures import write_model

Plans = dict[str, Any]


@pytest.fixture(scope="module")
def checkpoint(planned_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(4)
    return write_model(tmp_path_factory.mktemp("results"), planned_base, inference_allowed_mirroring_axes=(0, 2))


def nnunet_labels(checkpoint: Path, image: Path, *, mirroring: bool) -> np.ndarray:
    """Predict as ``nnUNetv2_predict`` does, from the file to the array that it writes."""
    model = checkpoint.parents[1]
    content = torch.load(checkpoint, weights_only=False)
    network = AMTUNet(1, 2)
    network.load_state_dict(content["network_weights"])
    plans = PlansManager(json.loads((model / "plans.json").read_text()))
    predictor = nnUNetPredictor(device=torch.device("cpu"), use_mirroring=mirroring, allow_tqdm=False)
    predictor.manual_initialization(
        network.eval(), plans, plans.get_configuration("3d_fullres"), [content["network_weights"]],
        json.loads((model / "dataset.json").read_text()), DEFAULT_TRAINER, content["inference_allowed_mirroring_axes"],
    )  # fmt: skip
    return predictor.predict_single_npy_array(*SimpleITKIO().read_images([str(image)]))


@pytest.mark.parametrize(
    ("shape", "spacing", "mirroring"),
    [
        ((16, 40, 40), (2.0, 2.0, 5.0), False),
        ((11, 23, 31), (1.6, 1.7, 4.0), True),
        ((6, 12, 15), (2.0, 2.0, 5.0), False),
    ],
    ids=["planned grid", "resampled and mirrored", "smaller than a window"],
)
def test_labels_are_those_of_nnunet(
    checkpoint: Path, tmp_path: Path, shape: tuple[int, ...], spacing: tuple[float, float, float], mirroring: bool
) -> None:
    values = np.random.default_rng(0).integers(-1024, 1500, shape).astype(np.int16)
    image = write_image(tmp_path / "a_0000.nii.gz", values, spacing)
    model = load_model(checkpoint, mirroring=mirroring)
    assert model.mirror_axes == ((0, 2) if mirroring else ())
    read, file = read_ct_file(image, keep_intensities=True)
    found = model.predict(read, file.geometry.spacing[::-1])
    expected = nnunet_labels(checkpoint, image, mirroring=mirroring)
    assert 0 < expected.mean() < 1  # random weights find something
    assert np.array_equal(found.labels, expected)
    assert found.levels is None
    again = model.predict(read, file.geometry.spacing[::-1], probabilities=True)
    assert again.levels is not None
    assert np.array_equal(again.levels >= 128, expected == 1)


def test_spacing_that_we_read_is_the_one_that_nnunet_reads(tmp_path: Path) -> None:
    """To the last bit: a shape after resampling is rounded from it. 0.7 is stored in 32 bits."""
    for number, spacing in enumerate([(0.7, 0.7, 5.0), (0.9765625, 0.684, 1.25), (1 / 3, 0.1 * 3, 3.3)]):
        image = write_image(tmp_path / f"{number}_0000.nii.gz", tiny_case(0)[0], spacing)
        _, file = read_ct_file(image, keep_intensities=True)
        assert list(file.geometry.spacing[::-1]) == SimpleITKIO().read_images([str(image)])[1]["spacing"]
        assert file.geometry.spacing == sitk.ReadImage(str(image)).GetSpacing()


@pytest.mark.parametrize("trainer", our_trainers())
def test_every_trainer_of_ours_predicts_with_the_network_that_is_loaded(trainer: str, planned_base: Path) -> None:
    """`load_model` makes it of the plans without importing nnU-Net; a trainer of another one must not be here."""
    torch.manual_seed(0)
    plans = planned_base / "nnUNet_preprocessed" / TINY_DATASET / "nnUNetAMTPlans.json"
    manager = PlansManager(json.loads(plans.read_text()))
    configuration = manager.get_configuration("3d_fullres")
    for features in ([32, 64, 128, 256], [4, 8, 8, 16]):
        if recipe_of(trainer) == FAST:
            configuration.configuration["architecture"] = fast_architecture([*features, 16])
        else:
            configuration.configuration["architecture"]["arch_kwargs"]["features_per_level"] = features
        built = getattr(amt_trainers, trainer).build_network_architecture(manager, configuration, 1, 2, False)
        own = network_of_plans({"configurations": {"3d_fullres": configuration.configuration}}, 1, 2)
        own.load_state_dict(built.state_dict())
        image = torch.randn((1, 1, 8, 32, 32))
        with torch.inference_mode():
            assert torch.equal(built.eval()(image), own.eval()(image))


def test_a_network_is_as_wide_as_its_plans_say(planned_base: Path, tmp_path: Path) -> None:
    features = (4, 8, 8, 16)
    checkpoint = write_model(tmp_path, planned_base, features=features)
    weights = load_model(checkpoint).network.state_dict()
    assert [weights[f"encoders.{level}.0.0.weight"].shape[0] for level in range(4)] == list(features)
    with pytest.raises(BadInputError, match="weights do not fit our network"):
        wide = write_model(
            tmp_path / "wide", planned_base, features=features, network_weights=AMTUNet(1, 2).state_dict()
        )
        require_model(
            wide.parents[1], fold="0", checkpoint=wide.name, trainer=DEFAULT_TRAINER, network=network_of_plans
        )


@pytest.fixture(scope="module")
def parts(checkpoint: Path) -> tuple[Plans, Plans]:
    model = checkpoint.parents[1]
    plans, description = (json.loads((model / name).read_text()) for name in ("plans.json", "dataset.json"))
    return plans, description


def test_our_plans_have_nothing_that_is_not_covered(parts: tuple[Plans, Plans]) -> None:
    for words in ([], ["-step_size", "0.7", "--disable_tta", "--not_on_device"], ["-num_parts", "2", "-npp", "1"]):
        assert why_not_here(*parts, DEFAULT_TRAINER, predict_options(words)) is None


def settings(plans: Plans) -> Plans:
    return plans["configurations"]["3d_fullres"]


NOT_HERE: dict[str, Callable[[Plans, Plans], object]] = {
    "image_reader_writer": lambda plans, _: plans.update(image_reader_writer="NibabelIOWithReorient"),
    "transpose_forward": lambda plans, _: plans.update(transpose_forward=[2, 0, 1]),
    "label_manager": lambda plans, _: plans.update(label_manager="Another"),
    "normalization_schemes": lambda plans, _: settings(plans).update(normalization_schemes=["ZScoreNormalization"]),
    "use_mask_for_norm": lambda plans, _: settings(plans).update(use_mask_for_norm=[True]),
    "preprocessor_name": lambda plans, _: settings(plans).update(preprocessor_name="Another"),
    "resampling_fn_data": lambda plans, _: settings(plans).update(resampling_fn_data="resample_data_or_seg_to_shape"),
    "mode='nearest'": lambda plans, _: settings(plans)["resampling_fn_data_kwargs"].update(mode="nearest"),
    "aniso_axis_mode": lambda plans, _: settings(plans)["resampling_fn_probabilities_kwargs"].update(
        aniso_axis_mode="linear"
    ),
    "its network is not": lambda plans, _: settings(plans)["architecture"].update(network_class_name="ResEnc"),
    "stands on another": lambda plans, _: settings(plans).update(previous_stage="3d_lowres"),
    "not three-dimensional": lambda plans, _: settings(plans).update(patch_size=[64, 64]),
    "none of a CT": lambda plans, _: settings(plans).update(spacing=[0.0, 1.0, 1.0]),
    "of another form": lambda plans, _: settings(plans).update(resampling_fn_data_kwargs=[]),
    "other labels": lambda _, description: description["labels"].update(lung=2),
    "other channels": lambda _, description: description["channel_names"].update({"1": "PET"}),
}


@pytest.mark.parametrize("reason", NOT_HERE)
def test_what_is_not_covered_is_named_and_not_loaded(parts: tuple[Plans, Plans], reason: str) -> None:
    plans, description = copy.deepcopy(parts)
    NOT_HERE[reason](plans, description)
    assert reason in (why_not_here(plans, description, DEFAULT_TRAINER) or "")


@pytest.mark.parametrize(
    ("trainer", "words", "reason"),
    [
        ("TheirTrainer", [], "TheirTrainer is none of ours"),
        (DEFAULT_TRAINER, ["--save_probabilities"], "--save_probabilities"),
        (DEFAULT_TRAINER, ["-prev_stage_predictions", "x"], "a cascade's"),
    ],
)
def test_trainers_and_options_that_are_nnunets(
    parts: tuple[Plans, Plans], trainer: str, words: list[str], reason: str
) -> None:
    assert reason in (why_not_here(*parts, trainer, predict_options(words)) or "")


def test_model_that_is_not_covered_is_refused_in_one_line(planned_base: Path, tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path, planned_base, trainer_name="TheirTrainer")
    with pytest.raises(BadInputError, match="TheirTrainer is none of ours; predict it with nnUNetv2_predict"):
        load_model(checkpoint)


def test_network_that_fails_is_told_in_one_line(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as where the memory of a GPU runs out."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: out of something\nCompile with ...")

    monkeypatch.setattr("nnunet_amt.nnunet.loaded_model.window_logits", fail)
    model: LoadedModel = load_model(checkpoint)
    with pytest.raises(
        WorkFailedError, match=r"network on cpu failed on 16 x 40 x 40 voxels .*: CUDA error: out of something; "
    ):
        model.predict(tiny_case(0)[0], (5.0, 2.0, 2.0))
