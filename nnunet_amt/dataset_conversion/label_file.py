"""Read masks that are stored as label files, and refuse those that are no mask of the tumour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.dataset_conversion.image_file import ImageFile, open_image_file
from nnunet_amt.errors import GeometryMismatchError, LabelValueError
from nnunet_amt.geometry import Geometry, geometry_difference

__all__ = ["LabelFile", "open_label_file", "require_tumour", "tumour_mask"]


@dataclass(frozen=True)
class LabelFile:
    """A label file that lies on the grid of its CT."""

    file: ImageFile

    def read(self, geometry: Geometry) -> NDArray[np.uint8]:
        """Read the mask, (z, y, x), on the grid that `open_label_file` has compared it with.

        Raises
        ------
        ImageReadError
            If the voxels cannot be read.
        LabelValueError
            If it holds other values than 0 and 1, or no tumour.
        """
        image = self.file.read(self.file.path.parent)
        return tumour_mask(sitk.GetArrayViewFromImage(image), self.file.path.name)


def open_label_file(path: Path, image: Geometry) -> LabelFile:
    """Read the header of a label file and compare its grid with that of the CT.

    Raises
    ------
    ImageReadError
        If the header cannot be read.
    GeometryMismatchError
        If the grids differ; both values are named.
    """
    file = open_image_file(path)
    if difference := geometry_difference(file.geometry, image):
        raise GeometryMismatchError(
            f"{path.name}: does not lie on the grid of the CT: {difference} of the CT; export it on the CT's grid"
        )
    return LabelFile(file)


def tumour_mask(values: NDArray, name: str) -> NDArray[np.uint8]:
    """Turn an array of labels, any axis order, into a mask of 0 and 1.

    Raises
    ------
    LabelValueError
        If there are other values, or no 1 among them.
    """
    mask = values == 1
    others = values[~mask & (values != 0)]
    if others.size:
        found = np.unique(others)
        hint = "; divide it by 255" if found.tolist() == [255] and not mask.any() else ""
        shown = ", ".join(f"{value:g}" for value in found[:5]) + (", ..." if found.size > 5 else "")
        raise LabelValueError(
            f"{name}: holds {others.size} voxels with other values than 0 (background) and 1 (tumour): {shown}{hint}"
        )
    require_tumour(mask, name)
    return mask.astype(np.uint8)


def require_tumour(mask: NDArray, name: str) -> None:
    """Refuse an empty mask.

    Raises
    ------
    LabelValueError
        If no voxel is set.
    """
    if not mask.any():
        raise LabelValueError(f"{name}: is empty, no voxel is tumour; draw it or give the case an exclusion_reason")
