"""Calibration of histograms whose answer is known: 153 of 255 is 0.6, and so many voxels of it are tumour."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.evaluation.operating_points.reliability import (
    fit_temperature,
    level_histogram,
    reliability,
    reliability_figure,
    stuck_voxels,
)
from nnunet_amt.images.foreground import Foreground


def histogram(**levels: tuple[int, int]) -> np.ndarray:
    """Voxels and those of tumour by level, such as ``l153=(100, 60)``."""
    counts = np.zeros((2, 256), np.int64)
    for name, both in levels.items():
        counts[:, int(name[1:])] = both
    return counts


def test_voxels_are_counted_by_level() -> None:
    levels = np.array([[[0, 153, 153, 255]]], np.uint8)
    reference = np.array([[[1, 1, 0, 0]]], np.uint8)
    counts = level_histogram(levels, Foreground.of(reference, (1.0, 1.0, 1.0)))
    assert (counts == histogram(l0=(1, 1), l153=(2, 1), l255=(1, 0))).all()


def test_probabilities_that_are_what_they_say_have_no_error() -> None:
    told = reliability(histogram(l153=(100, 60), l51=(1000, 200), l0=(10**6, 50))[None], ["a"])
    assert told["before"]["ece"] == pytest.approx(0.0, abs=1e-12)
    assert told["temperature"] == pytest.approx(1.0, abs=1e-4)
    assert told["voxels"] == 1100  # those under 0.01 are not known well enough
    assert told["after"] is None  # one patient leaves none to fit on


def test_error_and_curve() -> None:
    """100 voxels of 0.6 of which 30 are tumour, 300 of 0.2 of which all are: (100 x 0.3 + 300 x 0.8) / 400."""
    told = reliability(histogram(l153=(100, 30), l51=(300, 300))[None], ["a"])["before"]
    assert told["ece"] == pytest.approx((30 + 240) / 400)
    assert [(one["voxels"], one["share_of_tumour"]) for one in told["curve"]] == [(300, 1.0), (100, 0.3)]
    assert told["curve"][1]["mean_probability"] == pytest.approx(0.6)


def test_a_temperature_that_was_put_in_is_found() -> None:
    """Probabilities of 0.8 and 0.2 that should be 2/3 and 1/3: their logits, ln 4, are twice ln 2."""
    assert fit_temperature(histogram(l204=(300, 200), l51=(300, 100))) == pytest.approx(2.0, abs=1e-3)
    assert fit_temperature(histogram(l204=(300, 300))) is None  # nothing to tell apart


def test_after_scaling_is_measured_on_patients_that_the_temperature_was_not_fitted_on() -> None:
    """Two alike: each mends the other. One too sure and one right: each is scaled as the other should be."""
    alike = histogram(l204=(300, 200), l51=(300, 100))
    told = reliability(np.array([alike, alike]), ["a", "b"])
    assert told["before"]["ece"] == pytest.approx(0.8 - 2 / 3)
    assert told["after"]["ece"] == pytest.approx(0.0, abs=1e-3)
    right = histogram(l204=(300, 240), l51=(300, 60))
    told = reliability(np.array([alike, right]), ["a", "b"])
    # before, both stand in one bin: 0.8 against 440 of 600; after, each is as far off as the other was
    assert told["before"]["ece"] == pytest.approx(0.8 - 440 / 600)
    assert told["after"]["ece"] == pytest.approx(0.8 - 2 / 3, abs=1e-3)
    # two CTs of one patient are held out together
    assert reliability(np.array([alike, alike]), ["a", "a"])["after"] is None


def test_how_many_voxels_are_stuck() -> None:
    """Of 1000 voxels 900 are under 0.01; of the 100 others 75 are at 1; of 80 tumour voxels 20 are under 0.01."""
    told = stuck_voxels(histogram(l0=(900, 20), l128=(25, 10), l255=(75, 50)))
    assert told == pytest.approx({"at_0": 0.9, "at_1": 0.75, "tumour_at_0": 0.25})
    assert stuck_voxels(histogram(l0=(10, 0))) == {"at_0": 1.0, "at_1": None, "tumour_at_0": None}


def test_the_figure_shows_both_curves_and_leaves_out_what_was_not_measured() -> None:
    """Two bins of 100 and 300 voxels: the larger has the larger marker."""
    one = histogram(l153=(100, 30), l51=(300, 200))
    both = reliability_figure(reliability(np.array([one, one]), ["a", "b"])).axes[0]
    assert [line.get_linestyle() for line in both.lines] == [":", "-", "--"]
    assert both.lines[1].get_ydata() == pytest.approx([2 / 3, 0.3])
    small, large = sorted(np.asarray(both.collections[0].get_sizes()).tolist())  # type: ignore[attr-defined]
    assert (large - 6) / (small - 6) == pytest.approx(3)
    assert len(reliability_figure(reliability(one[None], ["a"])).axes[0].lines) == 2
