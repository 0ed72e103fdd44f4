"""Steps of the diffusion that one can do on paper, with the five-point Laplacian."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.risk.fusion.denoising import STEP, STEPS, denoised, diffusion_step


@pytest.mark.parametrize("slope", [(0, 0), (2, 0), (0, -1), (3, 0.5)])
def test_a_constant_or_linear_image_is_at_rest(slope: tuple[float, float]) -> None:
    """It has no second differences, at the border neither, so nothing moves."""
    y, x = np.mgrid[:6, :7].astype(float)
    image = 5 + slope[0] * y + slope[1] * x
    assert diffusion_step(image, k=0.1, step=0.1) == pytest.approx(image, abs=1e-12)
    assert denoised(image) == pytest.approx(image, abs=1e-6)


def test_one_step_of_a_single_pixel() -> None:
    """A pixel of 1 in zeros, k = 1. L is -4 there and 1 at its four neighbours; c(4) = 1/17, c(1) = 1/2.

    So c L is -4/17 and 1/2, and the Laplacian of that 4 (1/2 + 4/17) = 50/17 at the pixel, -4/17 - 4/2 = -38/17 at a
    neighbour, 1/2 + 1/2 = 1 at a diagonal one and 1/2 two pixels away. All of it sums to 0.
    """
    image = np.zeros((7, 7))
    image[3, 3] = 1
    stepped = diffusion_step(image, k=1, step=0.1)
    assert stepped[3, 3] == pytest.approx(1 - 0.1 * 50 / 17)
    assert stepped[[2, 4, 3, 3], [3, 3, 2, 4]] == pytest.approx(0.1 * 38 / 17)
    assert stepped[[2, 2, 4, 4], [2, 4, 2, 4]] == pytest.approx(-0.1)
    assert stepped[[1, 5, 3, 3], [3, 3, 1, 5]] == pytest.approx(-0.05)
    assert np.count_nonzero(stepped) == 13
    assert stepped.sum() == pytest.approx(1)


def test_a_corner_moves_towards_a_line() -> None:
    """1, 0, 0 in a row: its one second difference is 1, halved by k = 1; each pixel moves by its part in it."""
    stepped = diffusion_step(np.array([[1.0, 0.0, 0.0]]), k=1, step=0.1)
    assert stepped == pytest.approx(np.array([[1 - 0.05, 0.1, -0.05]]))


def test_steps_are_short_enough_for_a_chequerboard() -> None:
    """L makes -8 of each of its pixels and L of that 64, so a step of over 2/64 turns it into a larger one."""
    image = 1 - 2.0 * (np.indices((9, 9)).sum(axis=0) % 2)
    stepped = diffusion_step(image, k=1e6, step=STEP)
    assert stepped[4, 4] == pytest.approx(image[4, 4] * (1 - 64 * STEP))
    assert abs(1 - 64 * STEP) < 1
    assert STEPS * STEP == pytest.approx(1)


def test_noise_goes_and_an_edge_stays() -> None:
    """The noise of both halves shrinks while the step between them keeps 4/5 of its height.

    Without a threshold between noise and edge, more than half of the step would be gone.
    """
    truth = np.where(np.arange(40) < 20, 0.2, 0.8) + np.zeros((40, 1))
    noisy = truth + np.random.default_rng(0).normal(0, 0.03, truth.shape)
    result = denoised(noisy)
    flat = np.r_[2:17, 23:38]
    assert (result - truth)[:, flat].std() < 0.5 * (noisy - truth)[:, flat].std()
    linear = noisy
    for _ in range(STEPS):
        linear = diffusion_step(linear, k=1e6, step=STEP)
    assert (result[:, 20] - result[:, 19]).mean() > 0.8 * 0.6
    assert (linear[:, 20] - linear[:, 19]).mean() < 0.5 * 0.6
    assert result.mean() == pytest.approx(noisy.mean(), abs=1e-6)


def test_the_scale_does_not_matter() -> None:
    """The threshold between noise and edge comes from the image itself."""
    image = np.random.default_rng(1).normal(size=(9, 9))
    assert denoised(1000 * image + 40) == pytest.approx(1000 * denoised(image) + 40, abs=1e-2)


def test_what_a_window_cuts_off_has_no_say_in_the_threshold() -> None:
    """This row has the bends 0.03, 0.06 and 0.03 within, so k is 0.03; with the edges of 0 and 1 it would be 0.5."""
    image = np.array([[0, 0, 0, 0.5, 0.5, 0.53, 0.5, 0.5, 1, 1, 1]])
    assert denoised(image, steps=1) == pytest.approx(diffusion_step(image, k=0.03, step=STEP), abs=1e-7)


def test_of_two_values_alone_every_edge_is_one() -> None:
    """A disc of 1 in zeros has no pixel within; the threshold comes from its edge, and nothing is divided by 0."""
    image = np.zeros((9, 9))
    image[3:6, 3:6] = 1
    assert denoised(image, steps=1) == pytest.approx(diffusion_step(image, k=1, step=STEP), abs=1e-7)
    assert denoised(image).dtype == np.float32


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 2)])
def test_an_image_too_small_to_bend_comes_back(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(3).random(shape)
    assert denoised(image) == pytest.approx(image)
