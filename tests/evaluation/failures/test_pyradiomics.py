"""The same features from pyradiomics, where it is installed: equal, or different as documented."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.evaluation.measure.features import intensity_features, shape_features
from nnunet_amt.images.foreground import Spacing
from tests.evaluation.failures.shapes import CT_SPACING, ellipsoid, foreground

pytest.importorskip("radiomics", reason="pyradiomics is not installed")

SHAPE = {
    "volume_cm3": ("VoxelVolume", 1000.0),
    "maximum_3d_diameter_mm": ("Maximum3DDiameter", 1.0),
    "axial_diameter_mm": ("Maximum2DDiameterSlice", 1.0),
    "elongation": ("Elongation", 1.0),
    "flatness": ("Flatness", 1.0),
}
INTENSITY = {
    "mean_hu": "Mean",
    "median_hu": "Median",
    "minimum_hu": "Minimum",
    "percentile_10_hu": "10Percentile",
    "percentile_90_hu": "90Percentile",
    "maximum_hu": "Maximum",
    "interquartile_range_hu": "InterquartileRange",
    "skewness": "Skewness",
    "kurtosis": "Kurtosis",
    "energy_hu2": "Energy",
    "total_energy_hu2_mm3": "TotalEnergy",
}
LONG = ellipsoid((20, 10, 10), CT_SPACING)
MASKS = {
    "ball": ellipsoid((20, 20, 20), CT_SPACING),
    "ellipsoid": ellipsoid((35, 25, 15), CT_SPACING),
    "two": np.maximum(np.pad(LONG, 20), np.pad(LONG, ((30, 10), (40, 0), (5, 35)))),
}


def images(mask: np.ndarray, spacing: Spacing) -> tuple[sitk.Image, sitk.Image]:
    ct = np.random.default_rng(1).normal(40, 20, mask.shape).round().astype(np.int16)
    made = sitk.GetImageFromArray(ct), sitk.GetImageFromArray(mask)
    for image in made:
        image.SetSpacing(spacing)
    return made


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("radiomics").setLevel(logging.ERROR)


@pytest.mark.parametrize("name", MASKS)
def test_shape(name: str) -> None:
    from radiomics.shape import RadiomicsShape

    peer = RadiomicsShape(*images(MASKS[name], CT_SPACING))
    peer.enableAllFeatures()
    theirs = peer.execute()
    ours = shape_features(foreground(MASKS[name], CT_SPACING))
    for feature, (their_name, unit) in SHAPE.items():
        assert ours[feature] == pytest.approx(float(theirs[their_name]) / unit, rel=1e-6), feature
    # Their mesh follows the steps of thick slices, which makes the surface of rounded shapes too large.
    assert ours["surface_area_cm2"] is not None
    assert 1.1 < float(theirs["SurfaceArea"]) / 100 / ours["surface_area_cm2"] < 1.6


def test_their_axial_diameter_may_join_two_slices() -> None:
    """Ten voxels in a slice, the next ten in the one above: ours is 10 mm, theirs 19, between the end centres."""
    from radiomics.shape import RadiomicsShape

    mask = np.zeros((4, 5, 24), np.uint8)
    mask[1, 2, 2:12] = mask[2, 2, 12:22] = 1
    peer = RadiomicsShape(*images(mask, (1.0, 1.0, 5.0)))
    peer.enableAllFeatures()
    assert float(peer.execute()["Maximum2DDiameterSlice"]) == pytest.approx(19)
    assert shape_features(foreground(mask, (1.0, 1.0, 5.0)))["axial_diameter_mm"] == pytest.approx(10)


@pytest.mark.parametrize("name", MASKS)
def test_intensity(name: str) -> None:
    from radiomics.firstorder import RadiomicsFirstOrder

    ct, mask = images(MASKS[name], CT_SPACING)
    peer = RadiomicsFirstOrder(ct, mask)
    peer.enableAllFeatures()
    theirs = peer.execute()
    values = sitk.GetArrayViewFromImage(ct)[MASKS[name] == 1]
    ours = intensity_features(values, float(np.prod(CT_SPACING)))
    for feature, their_name in INTENSITY.items():
        assert ours[feature] == pytest.approx(float(theirs[their_name]), rel=1e-6), feature
    assert ours["sd_hu"] == pytest.approx(float(theirs["Variance"]) ** 0.5)
