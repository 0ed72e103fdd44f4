"""Crops, augmentation and loss.

The first centre of a batch is any voxel of the image, the others lie on the tumour; augmentation draws from the
paper's ranges, turns about z only and never loses the centre; voxels that nobody annotated are left out of the loss.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.utilities.label_handling.label_handling import LabelManager
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from scipy import ndimage, stats

from benchmarks.bench_loader import volume_transforms
from nnunet_amt.models.plans import CONFIGURATION, PLANS_NAME
from nnunet_amt.trainers import recipe
from nnunet_amt.trainers.recipe import (
    FOREGROUND_FRACTION,
    AMTDataLoader,
    TumourDiceLoss,
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


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """Matrices (2000, y x, y x) of the sampling grid, as the transforms of a training draw them."""
    np.random.seed(0)
    as_slices, spatial, *_ = training_transforms((8, 8, 8)).transforms
    image = as_slices(image=torch.zeros(1, *crop_size_before_augmentation((8, 8, 8))))["image"]
    return np.array([spatial.get_parameters(image=image)["affine"] for _ in range(2000)])


def test_rotation_is_uniform_within_ten_degrees_about_z_only(drawn: np.ndarray) -> None:
    """The grid has no z that could move. It is scaled first, then turned: each column is turned by the angle."""
    assert drawn.shape == (2000, 2, 2)
    of_y, of_x = (
        np.degrees(np.arctan2(*pair)) for pair in ((drawn[:, 1, 0], drawn[:, 0, 0]), (-drawn[:, 0, 1], drawn[:, 1, 1]))
    )
    assert np.allclose(of_y, of_x)
    assert stats.kstest(of_y, stats.uniform(-10, 20).cdf).pvalue > 0.01


def test_objects_scale_by_08_to_12_along_y_and_x_independently(drawn: np.ndarray) -> None:
    """The sampling grid grows by the inverse of the scale of what is seen."""
    scales = 1.0 / np.linalg.norm(drawn, axis=1)
    for axis in (0, 1):
        assert stats.kstest(scales[:, axis], stats.uniform(0.8, 0.4).cdf).pvalue > 0.01
    angles = np.arctan2(drawn[:, 1, 0], drawn[:, 0, 0])
    correlations = np.corrcoef(np.column_stack((scales, angles)).T)
    assert np.abs(correlations[np.triu_indices(3, 1)]).max() < 0.07


def test_crop_size_by_hand() -> None:
    """A square of 100 turned by 10 degrees and enlarged by 1 / 0.8 needs (cos 10 + sin 10) / 0.8 x 100 = 144.8."""
    assert crop_size_before_augmentation((8, 100, 100)) == [8, 145, 145]


def test_patch_shows_only_what_was_cropped() -> None:
    """With a crop of ones, a patch that reached past the crop would show zeros."""
    patch_size = (8, 40, 24)
    transforms = training_transforms(patch_size)
    crop = torch.ones(1, *crop_size_before_augmentation(patch_size))
    for seed in range(30):
        np.random.seed(seed)
        result = transforms(image=crop.clone(), segmentation=torch.ones_like(crop, dtype=torch.int16))
        assert result["image"].shape == (1, *patch_size)
        assert result["image"].min() == pytest.approx(1.0, abs=1e-5)


def test_slices_stay_apart_and_nothing_is_mirrored() -> None:
    """A bright plane at z = 2 stays in its slice; a bright left half stays left."""
    patch_size = (8, 32, 32)
    crop = torch.zeros(1, *crop_size_before_augmentation(patch_size))
    crop[:, 2] = 1.0
    half = torch.zeros_like(crop)
    half[..., : crop.shape[-1] // 2] = 1.0
    for seed in range(20):
        np.random.seed(seed)
        label = torch.zeros_like(crop, dtype=torch.int16)
        transforms = training_transforms(patch_size)
        plane = transforms(image=crop.clone(), segmentation=label)["image"]
        assert plane[:, 2].min() > 0.99
        assert plane[:, [0, 1, 3, 4, 5, 6, 7]].max() < 0.01
        sides = transforms(image=half.clone(), segmentation=label)["image"]
        assert sides[..., :8].mean() > 0.9 > 0.1 > sides[..., -8:].mean()


def test_scale_and_angle_of_a_transformed_bar_agree_with_what_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar along x of 20 voxels, scaled by 1.2 along x, is 24 voxels long; turned by 10 degrees it tilts by 10."""

    patch_size = (8, 64, 64)
    crop = torch.zeros(1, *crop_size_before_augmentation(patch_size))
    middle_y, middle_x = crop.shape[2] // 2, crop.shape[3] // 2
    crop[:, :, middle_y - 2 : middle_y + 2, middle_x - 10 : middle_x + 10] = 1.0
    label = torch.zeros_like(crop, dtype=torch.int16)

    monkeypatch.setattr(recipe, "axial_rotation", lambda image, dim: 0.0)
    monkeypatch.setattr(recipe, "axial_sampling_scale", lambda image, dim: 1 / 1.2 if dim == 1 else 1.0)
    bar = training_transforms(patch_size)(image=crop.clone(), segmentation=label)["image"][0, 4]
    assert float(bar.sum()) / 4 == pytest.approx(24, rel=0.02)

    monkeypatch.setattr(recipe, "axial_rotation", lambda image, dim: math.radians(10) if dim == 1 else 0.0)
    monkeypatch.setattr(recipe, "axial_sampling_scale", lambda image, dim: 1.0)
    bar = training_transforms(patch_size)(image=crop.clone(), segmentation=label)["image"][0, 4]
    y, x = torch.nonzero(bar > 0.5, as_tuple=True)
    slope = np.polyfit(x.numpy(), y.numpy(), 1)[0]
    assert abs(math.degrees(math.atan(slope))) == pytest.approx(10, abs=1.5)


@pytest.mark.parametrize(
    ("patch_size", "outside", "ignored"),
    [
        ((8, 24, 24), np.s_[:0], False),
        ((16, 16, 48), np.s_[:0], True),  # other edges along y and x, and voxels that nobody annotated
        ((8, 24, 24), np.s_[:, :9], False),  # reaches past the image along y,
        ((8, 24, 40), np.s_[:3, :, 20:], True),  # past a corner of it,
        ((8, 24, 24), np.s_[:, :-1, :-1], False),  # shows but an edge of it
    ],
)
def test_slices_as_channels_give_the_samples_of_the_volume(
    patch_size: tuple[int, int, int], outside: tuple[slice, ...], ignored: bool
) -> None:
    """With the same seed the same labels, and images that differ by the rounding of float32."""
    size = crop_size_before_augmentation(patch_size)
    for seed in range(12):
        random = np.random.default_rng(seed)
        image = random.random((1, *size), np.float32)
        blobs = ndimage.gaussian_filter(random.normal(size=size), 3)
        label = (blobs > np.quantile(blobs, 0.6)).astype(np.int16)[None]
        if ignored:
            label[0][blobs < np.quantile(blobs, 0.1)] = 2
        image[0][outside], label[0][outside] = 0, -1  # as the loader pads
        samples = []
        for transforms in (volume_transforms(patch_size), training_transforms(patch_size)):
            np.random.seed(seed)
            samples.append(transforms(image=torch.tensor(image), segmentation=torch.tensor(label)))
        before, now = samples
        assert torch.allclose(now["image"], before["image"], rtol=0, atol=2e-6)
        assert torch.equal(now["segmentation"], before["segmentation"])
        assert now["image"].dtype == torch.float32
        assert now["segmentation"].dtype == torch.int16


def test_labels_outside_the_image_become_background() -> None:
    """nnU-Net pads labels with -1."""
    label = torch.full((1, *crop_size_before_augmentation((8, 16, 16))), -1, dtype=torch.int16)
    result = training_transforms((8, 16, 16))(image=torch.zeros(label.shape), segmentation=label)
    assert set(result["segmentation"].unique().tolist()) == {0}


def logits(probabilities: list[float]) -> torch.Tensor:
    """Logits (1, 2, 1, 1, n) whose softmax gives these probabilities of tumour."""
    tumour = torch.logit(torch.tensor(probabilities, dtype=torch.float64))
    return torch.stack((torch.zeros_like(tumour), tumour))[None, :, None, None, :].requires_grad_()


def test_dice_by_hand() -> None:
    """2 (0.8 + 0.2) / ((0.8 + 0.2 + 0.5) + 2) with tumour in the first two of three voxels."""
    reference = torch.tensor([1.0, 1.0, 0.0]).reshape(1, 1, 1, 1, 3)
    assert TumourDiceLoss()(logits([0.8, 0.2, 0.5]), reference).item() == pytest.approx(-2 / 3.5, abs=1e-4)


def test_ignored_voxels_neither_count_nor_teach() -> None:
    """With the second voxel ignored: 2 * 0.8 / ((0.8 + 0.5) + 1), and no gradient reaches it."""
    reference = torch.tensor([1.0, 2.0, 0.0]).reshape(1, 1, 1, 1, 3)
    given = logits([0.8, 0.2, 0.5])
    loss = TumourDiceLoss(ignore_label=2)(given, reference)
    (gradient,) = torch.autograd.grad(loss, given)
    assert loss.item() == pytest.approx(-1.6 / 2.3, abs=1e-4)
    assert torch.all(gradient[..., 1] == 0)
    assert torch.any(gradient[..., 0] != 0)


def test_gradient_by_hand_and_by_differences() -> None:
    """Dice 2 sum(p y) / (sum(p) + sum(y)) has slope 2 (y d - n) / d^2 along p, p (1 - p) times that along the logit."""
    reference = torch.tensor([1.0, 1.0, 0.0]).reshape(1, 1, 1, 1, 3)
    given = logits([0.8, 0.2, 0.5])
    (gradient,) = torch.autograd.grad(TumourDiceLoss()(given, reference), given)
    shared, total = 1.0, 3.5
    slopes = [-2 * (y * total - shared) / total**2 * p * (1 - p) for p, y in ((0.8, 1), (0.2, 1), (0.5, 0))]
    assert gradient[0, 1].flatten().tolist() == pytest.approx(slopes, abs=1e-5)
    assert torch.autograd.gradcheck(lambda values: TumourDiceLoss()(values, reference), (given,))


def test_batch_without_tumour_still_teaches() -> None:
    """-1e-5 / (sum(p) + 1e-5): small, but it pushes the probabilities down."""
    given = logits([0.5, 0.5])
    loss = TumourDiceLoss()(given, torch.zeros(1, 1, 1, 1, 2))
    (gradient,) = torch.autograd.grad(loss, given)
    assert loss.item() == pytest.approx(-1e-5 / (1 + 1e-5))
    assert torch.all(gradient[0, 1] > 0)
