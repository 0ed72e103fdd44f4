"""Radiomics features of shape and of intensity."""

from __future__ import annotations

from math import hypot, pi, sqrt

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.evaluation.measure.features import (
    INTENSITY_FEATURES,
    SHAPE_FEATURES,
    intensity_features,
    shape_features,
)
from nnunet_amt.images.foreground import Foreground, Spacing
from tests.evaluation.failures.shapes import CT_SPACING, box, ellipsoid, foreground


def measured(mask: np.ndarray, spacing: Spacing) -> dict[str, float]:
    return {name: value for name, value in shape_features(foreground(mask, spacing)).items() if value is not None}


def test_every_shape_feature_is_there() -> None:
    assert set(shape_features(foreground(box((2, 3, 4)), CT_SPACING))) == {feature.name for feature in SHAPE_FEATURES}


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), CT_SPACING])
def test_ball(spacing: Spacing) -> None:
    """A ball of radius 20 mm: 33.51 cm3 and 50.27 cm2, as round as can be; voxels cost a few per cent."""
    ball = measured(ellipsoid((20, 20, 20), spacing), spacing)
    assert ball["volume_cm3"] == pytest.approx(4 / 3 * pi * 8, rel=0.03)
    assert ball["surface_area_cm2"] == pytest.approx(4 * pi * 4, rel=0.03)
    assert ball["sphericity"] == pytest.approx(1, abs=0.03)
    assert ball["elongation"] == pytest.approx(1, abs=0.01)
    assert ball["flatness"] == pytest.approx(1, abs=0.05)


def test_diameters_of_a_ball_reach_half_a_voxel_beyond_the_outermost_centres() -> None:
    """Radius 20 on a grid of 1 mm, centred on a voxel: centres at -20 and 20 mm, so 41 mm from face to face."""
    ball = measured(ellipsoid((20, 20, 20), (1.0, 1.0, 1.0)), (1.0, 1.0, 1.0))
    assert ball["maximum_3d_diameter_mm"] == pytest.approx(41)
    assert ball["axial_diameter_mm"] == pytest.approx(41)


def test_ellipsoid() -> None:
    """The moments of an ellipsoid go with the squares of its axes: elongation 24/40, flatness 16/40."""
    ellipse = measured(ellipsoid((16, 24, 40), (1.0, 1.0, 1.0)), (1.0, 1.0, 1.0))
    assert ellipse["elongation"] == pytest.approx(24 / 40, abs=0.01)
    assert ellipse["flatness"] == pytest.approx(16 / 40, abs=0.01)
    assert ellipse["maximum_3d_diameter_mm"] == pytest.approx(81)
    assert ellipse["volume_cm3"] == pytest.approx(4 / 3 * pi * 1.6 * 2.4 * 4.0, rel=0.01)


def test_box() -> None:
    """n voxels of width s in a row have the variance (n2 - 1) s2 / 12; here 11 x 1 mm, 5 x 2 mm and 3 x 5 mm."""
    features = measured(box((3, 5, 11)), (1.0, 2.0, 5.0))
    variances = sorted([(11**2 - 1) * 1, (5**2 - 1) * 4, (3**2 - 1) * 25])
    assert features["volume_cm3"] == pytest.approx(11 * 10 * 15 / 1000)
    assert features["elongation"] == pytest.approx(sqrt(variances[1] / variances[2]))
    assert features["flatness"] == pytest.approx(sqrt(variances[0] / variances[2]))
    # Between the midpoints of opposite end faces' corner voxels: one step less along two of the axes.
    assert features["axial_diameter_mm"] == pytest.approx(max(hypot(11, 8), hypot(10, 10)))
    corners = (sqrt(11**2 + 8**2 + 10**2), sqrt(10**2 + 10**2 + 10**2), sqrt(10**2 + 8**2 + 15**2))
    assert features["maximum_3d_diameter_mm"] == pytest.approx(max(corners))


def test_a_flat_tumour_has_flatness_0_and_a_single_voxel_none() -> None:
    flat = shape_features(foreground(box((1, 6, 6)), CT_SPACING))
    assert flat["flatness"] == pytest.approx(0, abs=1e-6)
    voxel = shape_features(foreground(box((1, 1, 1)), CT_SPACING))
    assert voxel["elongation"] is None
    assert voxel["flatness"] is None
    assert voxel["volume_cm3"] == pytest.approx(0.7 * 0.8 * 5.0 / 1000)
    assert voxel["maximum_3d_diameter_mm"] == pytest.approx(5.0)  # from face to face


def test_a_tumour_at_the_border_of_the_image_is_measured_whole() -> None:
    inside, outside = (shape_features(foreground(box((4, 6, 8), margin), CT_SPACING)) for margin in (3, 0))
    assert inside == pytest.approx(outside)


def test_two_lesions_are_measured_as_one_tumour() -> None:
    """Two voxels 19 mm apart from centre to centre: the line across both is 20 mm, end face to end face."""
    mask = np.zeros((3, 3, 30), np.uint8)
    mask[1, 1, [5, 24]] = 1
    features = measured(mask, (1.0, 1.0, 1.0))
    assert features["maximum_3d_diameter_mm"] == features["axial_diameter_mm"] == pytest.approx(20)
    assert features["volume_cm3"] == pytest.approx(2 / 1000)


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


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (1, 0, 2), (2, 1, 0), (0, 2, 1)])
def test_the_axial_diameter_is_that_of_the_patient_whatever_the_order_of_the_array(axes: tuple[int, int, int]) -> None:
    """A column of 8 x 1 x 1 voxels of 5, 2 and 1 mm along z, y, x: 40 mm long, and 2 mm wide in the axial plane."""
    column = np.zeros((10, 3, 4), np.uint8)
    column[1:9, 1, 1] = 1
    stored = np.argsort(axes)  # array axis i of the file is axis stored[i] of the patient
    z, y, x = ((5.0, 2.0, 1.0)[axis] for axis in stored)
    mask = Foreground.of(np.ascontiguousarray(column.transpose(stored)), (x, y, z), axes)
    features = shape_features(mask)
    assert features["axial_diameter_mm"] == pytest.approx(2)
    assert features["maximum_3d_diameter_mm"] == pytest.approx(40)
