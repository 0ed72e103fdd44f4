"""The paper's 1743 features; and the faster way gives what pyradiomics gives."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.errors import LabelValueError
from nnunet_amt.risk.radiomics.extract import plain_features, tumour_features
from nnunet_amt.risk.radiomics.feature_settings import (
    FIRST_ORDER_FEATURES,
    SHAPE_FEATURES,
    TEXTURE_FEATURES,
    FeatureSettings,
)
from tests.risk.radiomics.phantoms import FEW, Spacing, ball, image_of, noisy_ct, tumour

pytest.importorskip("radiomics", reason="pyradiomics is not installed")


def test_the_paper_has_14_shape_342_first_order_and_1387_texture_features() -> None:
    """19 images (1 + 8 wavelets + 5 LoG + 5 others) of 18 first-order and 73 texture features; shape is of the mask."""
    names = FeatureSettings().feature_names()
    shape = [name for name in names if "_shape_" in name]
    first_order = [name for name in names if "_firstorder_" in name]
    assert len(FeatureSettings().images()) == 19
    assert (len(shape), len(first_order)) == (SHAPE_FEATURES, FIRST_ORDER_FEATURES) == (14, 19 * 18)
    assert len(names) - len(shape) - len(first_order) == TEXTURE_FEATURES == 19 * (22 + 16 + 16 + 14 + 5)
    assert len(set(names)) == 1743


def test_all_1743_features_are_those_of_pyradiomics() -> None:
    ct, mask = tumour()
    assert_same(ct, mask, FeatureSettings())


SCATTERED = np.random.default_rng(3).random((7, 9, 11)) < 0.2  # many single voxels, in pieces
ODD = {
    "in pieces": (np.pad(SCATTERED, 8).astype(np.uint8), (1.0, 1.0, 1.0)),
    "on one slice": (ball((9, 30, 30), (4, 15, 15), (1, 6, 4)) * (np.arange(9) == 4)[:, None, None], (1.0, 1.0, 5.0)),
    "at the edge of the CT": (ball((12, 30, 30), (0, 2, 27), (4, 6, 6)), (0.7, 0.7, 2.0)),
    "a box": (np.pad(np.ones((2, 3, 5), np.uint8), 8), (1.0, 2.0, 1.5)),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_tumours_have_the_features_of_pyradiomics(name: str) -> None:
    """Voxels without a neighbour, directions that meet nothing, one slice, no room for a margin."""
    mask, spacing = ODD[name]
    assert_same(image_of(noisy_ct(mask.shape, 5), spacing), image_of(mask.astype(np.uint8), spacing), FEW)


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 2.5), (0.8, 0.8, 5.0), (1.0, 1.0, 1.0)])
def test_a_crop_has_the_features_of_the_whole_ct(spacing: Spacing) -> None:
    """Half a mm: each voxel of 1 mm has its centre half-way between two, where rounding errors choose."""
    mask = ball((12, 120, 130), (6, 60, 75), (2, 10, 8))
    ct = noisy_ct(mask.shape, 7)
    ct[:, :20] = 3000  # metal far outside: the spline must not ring so far
    images = image_of(ct, spacing), image_of(mask, spacing)
    for image in images:
        image.SetDirection((0.8, 0.6, 0, -0.6, 0.8, 0, 0, 0, 1))
    assert_same(*images, FEW)


def test_one_grey_level_has_the_features_of_pyradiomics() -> None:
    """Without contrast correlation is 1 by definition and variances are 0: values, not errors."""
    mask = ball((14, 20, 20), (7, 10, 10), (3, 4, 4))
    assert_same(image_of(np.full(mask.shape, 40, np.int16), (1, 1, 1)), image_of(mask, (1, 1, 1)), FEW)


def test_the_window_is_40_plus_and_minus_200_hu() -> None:
    """A CT of -1000 and 1000 HU becomes one of -160 and 240."""
    mask = ball((14, 20, 20), (7, 10, 10), (3, 4, 4))
    ct = np.where(np.indices(mask.shape)[2] < 10, -1000, 1000).astype(np.int16)
    found = tumour_features(image_of(ct, (1, 1, 1)), image_of(mask, (1, 1, 1)), settings=FEW)
    assert (found["original_firstorder_Minimum"], found["original_firstorder_Maximum"]) == (-160, 240)


def test_bins_are_32_hu_wide() -> None:
    """As many voxels of 31 as of 32 HU are two bins, an entropy of 1 bit; 33 and 63 HU are one bin, 0."""
    mask = ball((14, 20, 20), (7, 10, 10), (3, 4, 4))
    inside = np.flatnonzero(mask)
    mask.flat[inside[-1]] &= len(inside) % 2 == 0  # an even number of them
    ct = np.zeros(mask.shape, np.int16)
    for values, entropy in (((31, 32), 1.0), ((33, 63), 0.0)):
        ct.flat[np.flatnonzero(mask)] = np.resize(values, int(mask.sum()))
        found = tumour_features(image_of(ct, (1, 1, 1)), image_of(mask, (1, 1, 1)), settings=FEW)
        assert found["original_firstorder_Entropy"] == pytest.approx(entropy, abs=1e-6)


def test_the_same_tumour_has_the_same_features_again() -> None:
    ct, mask = tumour()
    assert tumour_features(ct, mask, settings=FEW) == tumour_features(ct, mask, settings=FEW)


def line_of(voxels: int) -> NDArray[np.uint8]:
    mask = np.zeros((9, 20, 20), np.uint8)
    mask[4, 10, 8 : 8 + voxels] = 1
    return mask


@pytest.mark.parametrize("voxels", [1, 4])
def test_a_voxel_and_a_line_of_voxels_are_refused_in_one_line(voxels: int) -> None:
    mask = line_of(voxels)
    with pytest.raises(LabelValueError, match=f"tumour of {voxels} voxels? has no extent along two axes") as refused:
        tumour_features(image_of(noisy_ct(mask.shape), (1, 1, 1)), image_of(mask, (1, 1, 1)), settings=FEW)
    assert "\n" not in str(refused.value)


def test_a_ct_too_small_for_a_filter_is_refused() -> None:
    """LoG of 5 mm needs six slices of 1 mm; pyradiomics leaves its features out with a warning."""
    mask = ball((5, 20, 20), (2, 10, 10), (1, 4, 4))
    settings = FeatureSettings(image_types=("Original", "LoG"))
    with pytest.raises(LabelValueError, match=r"features have no value, the first is log-sigma-5-0-mm-3D_firstorder"):
        tumour_features(image_of(noisy_ct(mask.shape), (1, 1, 1)), image_of(mask, (1, 1, 1)), settings=settings)


def assert_same(ct: sitk.Image, mask: sitk.Image, settings: FeatureSettings) -> None:
    ours = tumour_features(ct, mask, settings=settings)
    theirs = plain_features(ct, mask, settings=settings)
    assert list(ours) == list(theirs) == settings.feature_names()
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=1e-9, atol=1e-9)
