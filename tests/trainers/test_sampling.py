"""Crops: the first centre is any voxel of the image, the others lie on the tumour."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.utilities.label_handling.label_handling import LabelManager
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from scipy import stats

from nnunet_amt.models.plans import CONFIGURATION, PLANS_NAME
from nnunet_amt.trainers.recipe import (
    FOREGROUND_FRACTION,
    AMTDataLoader,
    crop_size_before_augmentation,
    training_transforms,
)
from tests.conftest import TINY_DATASET

PATCH = (8, 16, 16)


@pytest.fixture(scope="module")
def labels(planned_base: Path) -> LabelManager:
    folder = planned_base / "nnUNet_preprocessed" / TINY_DATASET
    plans = PlansManager(json.loads((folder / f"{PLANS_NAME}.json").read_text()))
    return plans.get_label_manager(json.loads((folder / "dataset.json").read_text()))


@pytest.fixture(scope="module")
def loader(planned_base: Path, labels: LabelManager) -> AMTDataLoader:
    folder = planned_base / "nnUNet_preprocessed" / TINY_DATASET
    dataset = nnUNetDatasetBlosc2(str(folder / f"{PLANS_NAME}_{CONFIGURATION}"), ["a", "b", "c"])
    return AMTDataLoader(dataset, 3, PATCH, PATCH, labels, oversample_foreground_percent=FOREGROUND_FRACTION)


def test_first_sample_is_random_the_others_are_foreground(loader: AMTDataLoader) -> None:
    """Batches of three: only the first crop is free ("Training settings")."""
    assert [loader.get_do_oversample(sample) for sample in range(3)] == [False, True, True]


def test_random_centre_is_uniform_over_the_whole_image(loader: AMTDataLoader) -> None:
    """Every index of every axis, borders included, is as likely as the others (chi-square)."""
    np.random.seed(1)
    shape = (5, 12, 9)
    lower = np.array([loader.get_bbox(shape, False, None)[0] for _ in range(3000)])
    centres = lower + np.array(PATCH) // 2
    for axis, edge in enumerate(shape):
        counts = np.bincount(centres[:, axis], minlength=edge)
        assert len(counts) == edge  # no centre outside
        assert counts.min() > 0  # the borders are reached
        assert stats.chisquare(counts).pvalue > 0.01


def test_foreground_crop_is_centred_on_a_tumour_voxel_even_at_a_border(loader: AMTDataLoader) -> None:
    """nnU-Net would shift the crop inwards; ours reaches past the image instead."""
    lower, upper = loader.get_bbox((20, 40, 40), True, {1: np.array([[0, 19, 0, 39]])})
    assert lower == [15, -8, 31]
    assert upper == [23, 8, 47]


def test_case_without_foreground_gives_a_random_crop(loader: AMTDataLoader) -> None:
    lower, _ = loader.get_bbox((1, 1, 1), True, {1: []})
    assert lower == [-4, -8, -8]


@pytest.mark.slow
def test_every_batch_holds_foreground_and_background(loader: AMTDataLoader, labels: LabelManager) -> None:
    """Five hundred batches, cropped, rotated and scaled as in training."""
    np.random.seed(2)
    augmented = AMTDataLoader(
        loader._data,
        3,
        crop_size_before_augmentation(PATCH),
        PATCH,
        labels,
        oversample_foreground_percent=FOREGROUND_FRACTION,
        transforms=training_transforms(PATCH),
    )
    for _ in range(500):
        batch = augmented.generate_train_batch()
        target = np.asarray(batch["target"])
        assert batch["data"].shape == (3, 1, *PATCH)
        assert (target[1:] == 1).any(axis=(1, 2, 3, 4)).all()
        assert (target == 0).any()


def test_case_without_tumour_gives_no_foreground_crop(loader: AMTDataLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases a and b are healthy: the forced samples are of c alone, the random one is of any."""

    def load_case(case: str) -> tuple[None, None, None, dict]:
        return None, None, None, {"class_locations": {1: [] if case in "ab" else np.array([[0, 1, 1, 1]])}}

    np.random.seed(3)
    monkeypatch.setattr(loader._data, "load_case", load_case)
    monkeypatch.setattr(loader, "_has_tumour", {})
    drawn = [loader.get_indices() for _ in range(60)]
    assert {case for batch in drawn for case in batch[1:]} == {"c"}
    assert {batch[0] for batch in drawn} == {"a", "b", "c"}
    monkeypatch.setattr(loader, "_has_tumour", dict.fromkeys("abc", False))
    assert {case for _ in range(60) for case in loader.get_indices()} == {"a", "b", "c"}  # no other to take
