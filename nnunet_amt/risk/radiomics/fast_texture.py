"""Pyradiomics' classes of features on grey levels and texture matrices that are counted once for all of them."""

# The names are pyradiomics'.
# ruff: noqa: N802, N803

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from radiomics.firstorder import RadiomicsFirstOrder
from radiomics.glcm import RadiomicsGLCM
from radiomics.gldm import RadiomicsGLDM
from radiomics.glrlm import RadiomicsGLRLM
from radiomics.glszm import RadiomicsGLSZM
from radiomics.ngtdm import RadiomicsNGTDM

from nnunet_amt.risk.radiomics.texture_matrices import TextureMatrices, texture_matrices


@dataclass(frozen=True)
class GreyLevels:
    """Grey levels from 1 on, (z, y, x), 0 outside the tumour, and those that occur."""

    grey: NDArray[np.int_]
    levels: NDArray[np.int_]

    @classmethod
    def of(cls, image: sitk.Image, mask: NDArray[np.bool_], bin_width: float) -> GreyLevels:
        """Do what pyradiomics' `getBinEdges` and `binImage` do, on arrays."""
        values = sitk.GetArrayViewFromImage(image)[mask]
        lowest, highest = values.min(), values.max()
        edges = np.arange(lowest - (lowest % bin_width), highest + 2 * bin_width, bin_width)
        levels = np.digitize(values, edges)
        grey = np.zeros(mask.shape, dtype="int")
        grey[mask] = levels
        return cls(grey, np.flatnonzero(np.bincount(levels)))

    @cached_property
    def matrices(self) -> TextureMatrices:
        """The texture matrices, counted when they are first asked for."""
        return texture_matrices(self.grey, self.levels)


class _Shared:
    """Takes the grey levels from the settings in place of computing them."""

    def _applyBinning(self: Any, _matrix: NDArray) -> NDArray[np.int_]:
        shared: GreyLevels = self.settings["grey_levels"]
        self.coefficients["grayLevels"] = shared.levels
        self.coefficients["Ng"] = int(shared.levels[-1])
        return shared.grey

    def _matrices(self: Any) -> TextureMatrices:
        shared: GreyLevels = self.settings["grey_levels"]
        return shared.matrices


class _FirstOrder(_Shared, RadiomicsFirstOrder):
    """First order features."""


class _GLCM(_Shared, RadiomicsGLCM):
    def _calculateMatrix(self, voxelCoordinates: object = None) -> NDArray[np.float64]:
        counts = self._matrices().glcm
        both = _without_empty_directions(counts + counts.transpose(1, 0, 2))
        sums = both.sum((0, 1))
        return (both / np.where(sums == 0, np.nan, sums))[None]


class _GLRLM(_Shared, RadiomicsGLRLM):
    def _calculateMatrix(self, voxelCoordinates: object = None) -> NDArray[np.float64]:
        runs = _without_empty_directions(self._matrices().glrlm)
        self.coefficients["Nr"] = runs.sum((0, 1))[None]
        return runs[None]


class _GLSZM(_Shared, RadiomicsGLSZM):
    def _calculateMatrix(self, voxelCoordinates: object = None) -> NDArray[np.float64]:
        return self._matrices().glszm[None]

    def _calculateCoefficients(self) -> None:
        """Take the sizes that occur as they are; pyradiomics has a column for every size up to the largest."""
        sizes = self._matrices().zone_sizes
        by_size, by_level = self.P_glszm.sum(1), self.P_glszm.sum(2)
        self.coefficients |= {
            "Np": (by_size * sizes).sum(1),
            "Nz": by_size.sum(1),
            "ps": by_size,
            "pg": by_level,
            "ivector": self.coefficients["grayLevels"].astype(float),
            "jvector": sizes,
        }


class _GLDM(_Shared, RadiomicsGLDM):
    def _calculateMatrix(self, voxelCoordinates: object = None) -> NDArray[np.float64]:
        counts = self._matrices().gldm
        occurring = counts.any(0)
        dependence = counts[:, occurring]
        self.coefficients |= {
            "Nz": np.array([dependence.sum()]),
            "pd": dependence.sum(0)[None],
            "pg": dependence.sum(1)[None],
            "ivector": self.coefficients["grayLevels"].astype(float),
            "jvector": np.flatnonzero(occurring) + 1.0,
        }
        return dependence[None]


class _NGTDM(_Shared, RadiomicsNGTDM):
    def _calculateMatrix(self, voxelCoordinates: object = None) -> NDArray[np.float64]:
        levels = self.coefficients["grayLevels"].astype(float)
        return np.column_stack([self._matrices().ngtdm, levels])[None]


def _without_empty_directions(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out directions, the last axis, that count nothing; unless it is the only one."""
    occurring = counts.any((0, 1))
    return counts[..., occurring] if counts.shape[-1] > 1 else counts


CLASSES = {
    "firstorder": _FirstOrder,
    "glcm": _GLCM,
    "glrlm": _GLRLM,
    "glszm": _GLSZM,
    "gldm": _GLDM,
    "ngtdm": _NGTDM,
}
