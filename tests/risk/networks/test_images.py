"""From crop to network, with numbers one can do on paper."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.networks.images import augmented, grey_image, three_channels
from nnunet_amt.risk.networks.settings import TrainingSettings

STILL: dict[str, Any] = {"rotation": 0.0, "translation": 0.0, "scaling": (1.0, 1.0)}


def settings(**changed: Any) -> TrainingSettings:
    return TrainingSettings("shufflenet_v2_x0_5", **{**STILL, **changed})


def test_an_image_has_its_own_mean_and_sd() -> None:
    """Of 0, 0, .5 and .5 these are .25 and .25."""
    image = grey_image(np.array([[0, 0.5], [0, 0.5]]), case_id="a", size=2, normalisation="image")
    assert image.tolist() == [[-1, 1], [-1, 1]]
    assert three_channels(image[None], "image").shape == (1, 3, 2, 2)


def test_imagenets_normalisation_is_of_the_windowed_intensities() -> None:
    image = grey_image(np.array([[0, 1], [0, 1]]), case_id="a", size=2, normalisation="imagenet")
    colours = three_channels(image[None], "imagenet")
    assert colours[0, :, 0, 1].tolist() == pytest.approx([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225])


def test_a_crop_is_resized_whatever_its_proportions() -> None:
    """Rows of 0, 1 and 0, 1 become a ramp along x alone."""
    image = grey_image(np.tile([0.0, 1.0], (3, 1)), case_id="a", size=4, normalisation="imagenet")
    assert image.numpy() == pytest.approx(np.tile([0, 0.25, 0.75, 1], (4, 1)))


@pytest.mark.parametrize(
    ("crop", "words"),
    [
        (np.full((4, 4), 0.25), "case a: its ROI has the one intensity 0.25 after the window"),
        (np.array([[0, 2.0]]), "case a: its ROI has intensities 0 to 2; must be windowed to 0..1"),
        (np.array([[0, np.nan]]), "case a: its ROI of .* is no slice of numbers"),
        (np.zeros((0, 4)), "case a: its ROI of .* is no slice of numbers"),
        (np.zeros((2, 2, 2)), "case a: its ROI of .* is no slice of numbers"),
    ],
)
def test_a_crop_that_cannot_be_used_is_refused(crop: np.ndarray, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        grey_image(crop, case_id="a", size=4, normalisation="image")


def test_augmentation_of_nothing_changes_nothing() -> None:
    images = torch.rand(2, 5, 5)
    assert torch.allclose(augmented(images, settings()), images, atol=1e-6)


def test_images_are_turned_by_up_to_the_largest_angle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the largest number is drawn, 1, the angle is the largest."""
    images = torch.rand(2, 5, 5)
    monkeypatch.setattr(torch, "rand", torch.ones)
    turned = augmented(images, settings(rotation=90.0))
    either = [torch.rot90(images, times, dims=(1, 2)) for times in (1, -1)]
    assert any(torch.allclose(turned, one, atol=1e-4) for one in either)


def test_by_default_images_are_turned_by_up_to_15_degrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bright point 100 pixels right of the centre comes to lie 100 sin 15, 26 pixels, above or below it."""
    monkeypatch.setattr(torch, "rand", torch.ones)
    images = torch.zeros(1, 225, 225)
    images[0, 111:114, 211:214] = 1
    as_it_is = replace(TrainingSettings("resnet101"), translation=0.0, scaling=(1.0, 1.0))
    turned = augmented(images, as_it_is)[0]
    turned = (turned - turned.min()).clamp(min=0.1) - 0.1  # what is bright
    y, x = (
        (turned * at).sum() / turned.sum() - 112
        for at in torch.meshgrid(torch.arange(225), torch.arange(225), indexing="ij")
    )
    angle = math.radians(15)
    assert (abs(float(y)), float(x)) == pytest.approx((100 * math.sin(angle), 100 * math.cos(angle)), abs=0.5)


def test_images_are_shifted_by_a_share_of_their_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """By .2 of 5 pixels, 1; the mean, 1/25, comes in from outside."""
    monkeypatch.setattr(torch, "rand", torch.ones)
    image = torch.zeros(1, 5, 5)
    image[0, 2, 2] = 1
    shifted = augmented(image, settings(translation=0.2))
    assert shifted[0, 1, 1] == pytest.approx(1, abs=1e-5)
    assert shifted[0, 4].tolist() == pytest.approx([0.04] * 5, abs=1e-5)


def test_images_are_scaled_about_their_centre(monkeypatch: pytest.MonkeyPatch) -> None:
    """By 3: the one pixel in the middle of 9 x 9 becomes 3 x 3 around it, interpolated: its sum is 9 times as large."""
    image = torch.zeros(1, 9, 9)
    image[0, 4, 4] = 1
    scaled = augmented(image, settings(scaling=(3.0, 3.0))) - image.mean()
    assert float(scaled.sum() + image.mean() * 81) == pytest.approx(9, abs=1e-3)
    assert scaled[0, 4, 4] == scaled.max()


def test_every_image_of_a_batch_is_changed_otherwise() -> None:
    torch.manual_seed(0)
    images = torch.rand(1, 9, 9).expand(3, -1, -1)
    changed = augmented(images, TrainingSettings("shufflenet_v2_x0_5"))
    assert not torch.allclose(changed[0], changed[1]) and not torch.allclose(changed[1], changed[2])


def test_channels_of_an_image_change_together_and_each_has_its_level_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of (n, channels, y, x) each channel is what it would be alone; shifted by 1 pixel of 5, what is told comes in."""
    monkeypatch.setattr(torch, "rand", torch.ones)
    images = torch.randn(2, 3, 5, 5)
    changed = augmented(images, TrainingSettings("shufflenet_v2_x0_5"))
    for place in range(3):
        alone = augmented(images[:, place], TrainingSettings("shufflenet_v2_x0_5"))
        assert torch.allclose(changed[:, place], alone, atol=1e-6)
    outside = torch.tensor([7.0, 8.0, 9.0])[None, :, None, None]
    shifted = augmented(images, settings(translation=0.2), outside=outside)
    assert shifted[0, :, 4].tolist() == [pytest.approx([level] * 5, abs=1e-5) for level in (7, 8, 9)]
