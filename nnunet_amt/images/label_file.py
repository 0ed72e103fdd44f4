"""Read masks that are stored as label files, and refuse those that are no mask of the tumour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.errors import GeometryMismatchError, LabelValueError
from nnunet_amt.images.geometry import Geometry, geometry_difference
from nnunet_amt.images.image_file import ImageFile, open_image_file
from nnunet_amt.images.mask_resampling import described, resampled_mask

# nnU-Net's ignore label: voxels of which nobody has said whether they are tumour. nnU-Net wants the highest label.
IGNORE_LABEL = 2
# A label file (NRRD or MHA) that uses it says so in its header: ``ignore_label:=2``.
IGNORE_KEY = "ignore_label"


class EmptyMaskError(LabelValueError):
    """A mask has no tumour."""


class WholeMaskError(LabelValueError):
    """A mask has nothing but tumour."""


@dataclass(frozen=True)
class LabelFile:
    """A label file and whether it must be brought to the grid of its CT.

    Attributes
    ----------
    file
        The file, its header read.
    resample
        Whether it lies on another grid, and is to be resampled.
    has_ignore_label
        Whether 2 stands for voxels to be ignored.
    """

    file: ImageFile
    resample: bool = False
    has_ignore_label: bool = False

    def read(self, geometry: Geometry) -> NDArray[np.uint8]:
        """Read the mask, (z, y, x), on the grid that `open_label_file` has compared it with.

        Returns
        -------
        numpy.ndarray
            0 (background), 1 (tumour), and `IGNORE_LABEL` if the file says that it uses it.

        Raises
        ------
        ImageReadError
            If the voxels cannot be read.
        LabelValueError
            If it holds other values, or no tumour.
        GeometryMismatchError
            If it is to be resampled, and tumour lies outside the CT.
        """
        name = self.file.path.name
        image = self.file.read(self.file.path.parent)
        mask = tumour_mask(sitk.GetArrayViewFromImage(image), name, self.has_ignore_label)
        if not self.resample:
            require_tumour(mask == 1, name)
            return mask
        labels = sitk.GetImageFromArray(mask)
        labels.CopyInformation(image)
        outside = IGNORE_LABEL if self.has_ignore_label else 0
        resampled = sitk.GetArrayFromImage(resampled_mask(labels, geometry, name, outside))
        require_tumour(resampled == 1, f"{name}, resampled to the CT's grid")
        return resampled


def open_label_file(path: Path, image: Geometry, resample: bool = False) -> LabelFile:
    """Read the header of a label file and compare its grid with that of the CT.

    Parameters
    ----------
    path
        A NIfTI, NRRD or MHA file.
    image
        The CT's grid.
    resample
        Whether it may lie on another grid.

    Raises
    ------
    ImageReadError
        If the header cannot be read.
    GeometryMismatchError
        If the grids differ and the mask must not be resampled; both grids are named.
    """
    file = open_image_file(path)
    difference = geometry_difference(file.geometry, image)
    if difference and not resample:
        raise GeometryMismatchError(
            f"{path.name}: does not lie on the grid of the CT: {difference} of the CT (the mask has "
            f"{described(file.geometry)}, the CT {described(image)}); export it on the CT's grid, or have it resampled "
            "(--resample-masks)"
        )
    return LabelFile(file, bool(difference), _says_ignore(path))


def _says_ignore(path: Path) -> bool:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return reader.HasMetaDataKey(IGNORE_KEY) and reader.GetMetaData(IGNORE_KEY).strip() == str(IGNORE_LABEL)


def tumour_mask(values: NDArray, name: str, has_ignore_label: bool = False) -> NDArray[np.uint8]:
    """Turn an array of labels, any axis order, into a mask of 0 and 1, and 2 where `IGNORE_LABEL` may be in it.

    Raises
    ------
    LabelValueError
        If there are other values, or no 1 among them.
    """
    mask = values == 1
    ignored = (values == IGNORE_LABEL) & has_ignore_label
    others = values[~mask & ~ignored & (values != 0)]
    if others.size:
        found = np.unique(others)
        hint = "; divide it by 255" if found.tolist() == [255] and not mask.any() else ""
        shown = ", ".join(f"{value:g}" for value in found[:5]) + (", ..." if found.size > 5 else "")
        raise LabelValueError(
            f"{name}: holds {others.size} voxels with other values than 0 (background) and 1 (tumour): {shown}{hint}"
        )
    _require_any(mask, name)
    labels = mask.astype(np.uint8)
    labels[ignored] = IGNORE_LABEL
    return labels


def require_tumour(mask: NDArray, name: str) -> None:
    """Refuse a mask on the CT's grid that is empty, or covers all of it.

    Raises
    ------
    LabelValueError
        If no voxel is set, or every one.
    """
    _require_any(mask, name)
    if mask.all():
        raise WholeMaskError(
            f"{name}: covers the whole CT, all {mask.size} voxels are tumour; draw it or give the case an "
            "exclusion_reason"
        )


def _require_any(mask: NDArray, name: str) -> None:
    if not mask.any():
        raise EmptyMaskError(f"{name}: is empty, no voxel is tumour; draw it or give the case an exclusion_reason")
