"""A mask file that somebody sent: taken only if it is whole, by itself, and on the grid of its CT.

What is sent is not trusted: sizes are known from the header before a voxel is unpacked, and a header that names
another file for its voxels is refused, as it would have us read that file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.errors import GeometryMismatchError, ImageReadError, LabelValueError
from nnunet_amt.images.geometry import Geometry, geometry_difference
from nnunet_amt.images.image_file import open_image_file
from nnunet_amt.images.integrity import file_damage, is_nifti_name, unpacks_to_more
from nnunet_amt.images.mask_file import nearly_whole

SENT_MASK_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
_LONGEST_HEADER = 1 << 16  # of a text header; that of NIfTI has a length of its own
_LARGEST_VOXEL = 8  # bytes
_NAME = "the mask that was sent"
_MAGIC = {".nrrd": (b"NRRD000",), ".mha": (b"ObjectType", b"NDims")}


def sent_mask_ending(name: str) -> str:
    """Give the ending of the name of a file that was sent; ImageReadError if it is none that a mask may have."""
    ending = next((known for known in SENT_MASK_ENDINGS if name.lower().endswith(known)), None)
    if ending is None:
        raise ImageReadError(f"{_NAME}: is no file of {', '.join(SENT_MASK_ENDINGS)}; save the mask as one of these")
    return ending


def read_sent_mask(path: Path, *, grid: Geometry) -> NDArray[np.uint8]:
    """Read a mask of 0 and 1 that was sent, on the grid of its CT, (z, y, x), LPS axes; it may be empty.

    Parameters
    ----------
    path
        Its name has one of `SENT_MASK_ENDINGS`; it is not shown.
    grid
        Of the CT, LPS axes.

    Raises
    ------
    ImageReadError
        If it is no image of this kind, damaged, not in one file, or larger than such a mask can be.
    GeometryMismatchError
        If it lies on another grid, saying by how much.
    LabelValueError
        If it holds other values than 0 and one more.
    """
    if not is_nifti_name(path):
        _require_one_file(path)
    try:
        file = open_image_file(path)
    except ImageReadError as error:
        raise ImageReadError(_called(error, path)) from error
    if difference := geometry_difference(file.geometry, grid):
        raise GeometryMismatchError(
            f"{_NAME}: does not lie on the grid of the CT: {difference} of the CT; save it with the CT as its "
            "reference, without cropping or resampling"
        )
    if unpacks_to_more(path, int(np.prod(grid.size)) * _LARGEST_VOXEL + _LONGEST_HEADER):
        raise ImageReadError(f"{_NAME}: holds more than the voxels of such a mask; save it again")
    if damage := file_damage(path):
        raise ImageReadError(f"{_NAME}: {damage}")
    try:
        values = nearly_whole(sitk.GetArrayFromImage(file.read(path.parent)))
    except ImageReadError as error:
        raise ImageReadError(_called(error, path)) from error
    return _one_label(values)


def _one_label(values: NDArray) -> NDArray[np.uint8]:
    """Turn 0 and one more value into 0 and 1: programs number segments as they like."""
    found = np.unique(values)
    if not np.isfinite(found).all() or (found != np.rint(found)).any() or found.min() < 0:
        raise LabelValueError(f"{_NAME}: holds values that are no labels; save it as a label map of whole numbers")
    labels = found[found != 0]
    if len(labels) > 1:
        shown = ", ".join(f"{label:g}" for label in labels[:5].tolist()) + (", ..." if len(labels) > 5 else "")
        raise LabelValueError(
            f"{_NAME}: holds {len(labels)} labels ({shown}), must hold one, that of tumour; remove the other segments"
        )
    return (values != 0).astype(np.uint8)


def _require_one_file(path: Path) -> None:
    """Refuse an NRRD or MHA file whose header is none, is endless, or says that its voxels lie in another file."""
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEADER)
    if not head.lstrip().startswith(_MAGIC[path.suffix.lower()]):
        raise ImageReadError(f"{_NAME}: is not what the ending {path.suffix.lower()} says; save it again")
    lines = head.replace(b"\r\n", b"\n").split(b"\n")
    for line in lines[:-1]:
        name, _, value = line.lower().replace(b"=", b":").partition(b":")
        plain = name.replace(b" ", b"").replace(b"\t", b"")
        if plain == b"elementdatafile":
            if value.strip() == b"local":
                return
            raise ImageReadError(f"{_NAME}: has its voxels in another file; save header and voxels in one")
        if plain in (b"datafile", b"elementdatafilelist"):
            raise ImageReadError(f"{_NAME}: has its voxels in another file; save header and voxels in one")
        if not line.strip() and path.suffix.lower() == ".nrrd":
            return
    raise ImageReadError(f"{_NAME}: its header has no end; save it again")


def _called(error: ImageReadError, path: Path) -> str:
    return " ".join(str(error).split()).replace(str(path), _NAME).replace(path.name, _NAME)
