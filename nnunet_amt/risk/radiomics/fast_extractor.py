"""Pyradiomics' extractor without what it computes twice; its flow, its filters and its formulas stay its own.

Where the time goes in pyradiomics, of a tumour of 14 ml in a CT of 512 x 512 x 60 voxels: a third is the B-spline
transform of the whole CT, of which a few cm are resampled then; a tenth the search for labels in the whole mask; a
fifth the binning, which each of six classes of features does again on every image, with Python's own `min` and `max`.
Of a large tumour an eighth is the distance of every two corners of its surface (see `fast_shape.py`), and a third the
texture matrices (see `texture_matrices.py`), of which three walk over the same neighbours.
"""

# The names are pyradiomics'.
# ruff: noqa: N802, N803

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from radiomics import imageoperations
from radiomics.featureextractor import RadiomicsFeatureExtractor

from nnunet_amt.risk.radiomics.fast_shape import FastShape
from nnunet_amt.risk.radiomics.fast_texture import CLASSES, GreyLevels

# The recursive filter of cubic B-splines forgets a voxel by a factor of sqrt(3) - 2 = -0.268 a step; after 32 steps by
# 5e-19, below the precision of double numbers.
MARGIN_VOXELS = 32


def near_mask(image: sitk.Image, mask: sitk.Image, *, margin_mm: float) -> sitk.Image:
    """Crop a CT to the box of its tumour with what the resampling of `margin_mm` about it depends on.

    The mask has voxels of 1, and the grid of the CT. It is not to be cropped: nearest neighbours at equal distances
    are chosen by rounding errors, which another origin changes.
    """
    filled = sitk.GetArrayViewFromImage(mask) != 0
    corner, end = [], []
    for axis in range(3):  # (z, y, x)
        places = np.flatnonzero(filled.any(axis=tuple(other for other in range(3) if other != axis)))
        margin = MARGIN_VOXELS + int(np.ceil(margin_mm / image.GetSpacing()[2 - axis])) + 1
        corner.append(max(int(places[0]) - margin, 0))
        end.append(min(int(places[-1]) + margin + 1, filled.shape[axis]))
    z, y, x = (slice(first, last) for first, last in zip(corner, end, strict=True))
    return image[x, y, z]


class FastExtractor(RadiomicsFeatureExtractor):
    """Give the values of pyradiomics for a mask of 1 on the grid of its CT, which may be cropped by `near_mask`."""

    @staticmethod
    def loadImage(
        ImageFilePath: sitk.Image, MaskFilePath: sitk.Image, generalInfo: object = None, **kwargs: Any
    ) -> tuple[sitk.Image, sitk.Image]:
        """Resample image and mask; what pyradiomics does besides, it does for files and several labels."""
        mask = sitk.Cast(MaskFilePath, sitk.sitkUInt32)
        resampled: tuple[sitk.Image, sitk.Image] = imageoperations.resampleImage(ImageFilePath, mask, **kwargs)
        return resampled

    def computeFeatures(
        self, image: sitk.Image, mask: sitk.Image, imageTypeName: str, **kwargs: Any
    ) -> dict[str, NDArray[np.float64]]:
        """Bin an image once for all classes, and walk over its neighbours once."""
        inside = sitk.GetArrayViewFromImage(mask) == kwargs["label"]
        grey_levels = GreyLevels.of(image, inside, kwargs["binWidth"])
        found: dict[str, NDArray[np.float64]] = {}
        for name, features in CLASSES.items():
            known = features(image, mask, **kwargs, grey_levels=grey_levels)
            found |= self._values(known, f"{imageTypeName}_{name}")
        return found

    def computeShape(
        self, image: sitk.Image, mask: sitk.Image, boundingBox: NDArray[np.int_], **kwargs: Any
    ) -> dict[str, NDArray[np.float64]]:
        """Take the shape features of `fast_shape`."""
        cropped = imageoperations.cropToTumorMask(image, mask, boundingBox)
        return self._values(FastShape(*cropped, **kwargs), "original_shape")

    def _values(self, features: Any, name: str) -> dict[str, NDArray[np.float64]]:
        for feature in self.enabledFeatures[name.rpartition("_")[2]]:
            features.enableFeatureByName(feature)
        return {f"{name}_{feature}": value for feature, value in features.execute().items()}
