"""The features of one tumour: by pyradiomics as it is, and by the faster way that gives the same values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from nnunet_amt.errors import LabelValueError
from nnunet_amt.risk.radiomics.feature_settings import FeatureSettings, radiomics_module
from nnunet_amt.writing.numbers import counted

if TYPE_CHECKING:
    import SimpleITK as sitk

_PAD_VOXELS = 5  # pyradiomics' own, after resampling


def tumour_features(image: sitk.Image, mask: sitk.Image, *, settings: FeatureSettings) -> dict[str, float]:
    """Compute the features of a tumour, with the columns of `FeatureSettings.feature_names` in that order.

    Parameters
    ----------
    image
        CT in HU.
    mask
        1 in the tumour, 0 elsewhere, on the grid of the CT.

    Raises
    ------
    LabelValueError
        If the tumour is less than two voxels wide along two axes after resampling, or a feature has no value for it.
    MissingExtraError
        If pyradiomics is not installed.
    """
    radiomics_module()
    from nnunet_amt.risk.radiomics.fast_extractor import FastExtractor, near_mask

    near = near_mask(image, mask, margin_mm=_PAD_VOXELS * settings.spacing_mm)
    return _features(_extractor(FastExtractor, settings), windowed(near, settings), mask, settings)


def plain_features(image: sitk.Image, mask: sitk.Image, *, settings: FeatureSettings) -> dict[str, float]:
    """Compute the same by pyradiomics as it is, on the whole CT; see `tumour_features`."""
    radiomics_module()
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    return _features(_extractor(RadiomicsFeatureExtractor, settings), windowed(image, settings), mask, settings)


def windowed(image: sitk.Image, settings: FeatureSettings) -> sitk.Image:
    """Clip a CT to the window of the settings."""
    import SimpleITK as sitk

    window = settings.window_hu()
    return image if window is None else sitk.Clamp(image, image.GetPixelID(), *window)


@lru_cache(maxsize=4)
def _extractor(kind: Callable[..., Any], settings: FeatureSettings) -> Any:
    """Make an extractor once: it checks its parameters against a schema, which takes as long as a small tumour."""
    return kind(settings.parameters())


def _features(extractor: Any, image: sitk.Image, mask: sitk.Image, settings: FeatureSettings) -> dict[str, float]:
    try:
        with np.errstate(all="ignore"):  # what has no value is refused below
            found: Mapping[str, Any] = extractor.execute(image, mask)
    except ValueError as error:
        voxels = int(np.count_nonzero(_array(mask)))
        raise LabelValueError(
            f"its tumour of {counted(voxels, 'voxel')} has no extent along two axes at {settings.spacing_mm:g} mm, as "
            "features need it; draw it anew, or leave the case out"
        ) from error
    values = {name: float(found[name]) if name in found else np.nan for name in settings.feature_names()}
    without = [name for name, value in values.items() if not np.isfinite(value)]
    if without:
        raise LabelValueError(
            f"{len(without)} of {len(values)} features have no value, the first is {without[0]}: its tumour is too "
            "small, or too near to the edge of the CT, for the filter; leave the case out"
        )
    return values


def _array(mask: sitk.Image) -> np.ndarray:
    import SimpleITK as sitk

    array: np.ndarray = sitk.GetArrayViewFromImage(mask)
    return array
