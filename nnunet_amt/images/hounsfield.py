"""Bring the voxel values of a CT to whole Hounsfield units with one floor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import ImageReadError

# Scanners and exports fill the outside of the field of view with -3024 to -1000 HU; air is -1000.
FLOOR_HU = -1024
# In HU a chest holds air, far below 0, and contrast medium or bone, far above 255.
_HIGHEST_OF_PICTURES = 255


def to_hounsfield(values: NDArray) -> NDArray[np.signedinteger]:
    """Round to whole HU and raise values below `FLOOR_HU` to it.

    Parameters
    ----------
    values
        Any axis order.

    Returns
    -------
    numpy.ndarray
        int16, or int32 if a value needs it.

    Raises
    ------
    ImageReadError
        If the values cannot be Hounsfield units.
    """
    if values.dtype == np.uint8:
        raise ImageReadError("values have 8 bits (0 to 255): the image is a windowed picture, not in HU")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ImageReadError(f"{np.count_nonzero(~np.isfinite(values))} voxels are NaN or infinite, not HU")
        if np.abs(values).max() <= 10 and (values != np.rint(values)).any():
            raise ImageReadError(
                f"values run from {values.min():.4g} to {values.max():.4g}: the image is rescaled, not in HU"
            )
        values = np.rint(values)
    lowest, highest = int(values.min()), int(values.max())
    if highest == lowest:
        raise ImageReadError(f"all voxels are {highest}: the image is empty")
    if lowest >= 0 and highest <= _HIGHEST_OF_PICTURES:
        raise ImageReadError(
            f"values run from {lowest} to {highest}: the image is a picture or a label file, not in HU; name the CT"
        )
    if highest > np.iinfo(np.int32).max:
        raise ImageReadError(f"the highest value is {highest}: the image is not in HU")
    kind = np.dtype(np.int16 if highest <= np.iinfo(np.int16).max else np.int32)
    if values.dtype.kind == "u":  # has no place for the floor, and nothing below it
        return values.astype(kind)
    raised = np.empty(values.shape, kind)
    np.maximum(values, FLOOR_HU, out=raised, casting="unsafe")  # no copy in the wider type
    return raised
