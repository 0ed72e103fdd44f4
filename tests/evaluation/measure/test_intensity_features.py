"""First-order features with answers on paper."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.evaluation.measure.features import INTENSITY_FEATURES, intensity_features


def test_constant() -> None:
    """Ten voxels of 40 HU and 2.5 mm3: nothing varies, so skewness and kurtosis are undefined."""
    features = intensity_features(np.full(10, 40, np.int16), 2.5)
    assert {name: features[name] for name in ("mean_hu", "median_hu", "minimum_hu", "maximum_hu")} == {
        "mean_hu": 40.0,
        "median_hu": 40.0,
        "minimum_hu": 40.0,
        "maximum_hu": 40.0,
    }
    assert features["sd_hu"] == features["interquartile_range_hu"] == 0
    assert features["skewness"] is None
    assert features["kurtosis"] is None
    assert features["energy_hu2"] == 16_000
    assert features["total_energy_hu2_mm3"] == 40_000
    assert set(features) == {feature.name for feature in INTENSITY_FEATURES}


def test_two_values() -> None:
    """As many voxels of -30 as of 70 HU: SD 50 (ddof 0), no skewness, and the smallest kurtosis there is, 1."""
    features = intensity_features(np.array([-30, 70] * 6, np.int16), 1.0)
    assert (features["mean_hu"], features["median_hu"], features["sd_hu"]) == (20.0, 20.0, 50.0)
    assert features["skewness"] == pytest.approx(0)
    assert features["kurtosis"] == pytest.approx(1)
    assert features["energy_hu2"] == 6 * (900 + 4900)  # squares, so that -30 counts as 30


def test_one_in_four() -> None:
    """Share p = 1/4 of ones: skewness (1 - 2p) / sqrt(p q), kurtosis (1 - 3 p q) / (p q), a fact of Bernoulli's."""
    features = intensity_features(np.array([0, 0, 0, 1] * 5), 1.0)
    pq = 3 / 16
    assert features["skewness"] == pytest.approx(0.5 / pq**0.5)
    assert features["kurtosis"] == pytest.approx((1 - 3 * pq) / pq)


def test_percentiles_are_linear_between_voxels() -> None:
    """0 to 10 HU, eleven voxels: the percentile q is q / 10."""
    features = intensity_features(np.arange(11), 1.0)
    assert (features["percentile_10_hu"], features["percentile_90_hu"]) == (1.0, 9.0)
    assert features["interquartile_range_hu"] == 5.0


def test_large_hu_do_not_overflow() -> None:
    """3000 HU squared is beyond 16 bits, and a thousand of them beyond 32."""
    assert intensity_features(np.full(1000, 3000, np.int16), 1.0)["energy_hu2"] == 9e9


def test_simpleitk_agrees_where_it_does_not_use_a_histogram() -> None:
    values = np.random.default_rng(5).normal(40, 25, (6, 7, 8)).round().astype(np.int16)
    statistics = sitk.LabelIntensityStatisticsImageFilter()
    statistics.Execute(sitk.GetImageFromArray(np.ones(values.shape, np.uint8)), sitk.GetImageFromArray(values))
    ours, n = intensity_features(values.ravel(), 1.0), values.size
    assert ours["mean_hu"] == pytest.approx(statistics.GetMean(1))
    assert ours["sd_hu"] == pytest.approx(statistics.GetStandardDeviation(1) * ((n - 1) / n) ** 0.5)  # ITK: ddof 1
    assert (ours["minimum_hu"], ours["maximum_hu"]) == (statistics.GetMinimum(1), statistics.GetMaximum(1))
