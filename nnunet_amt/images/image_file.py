"""Read CTs in files of NIfTI, NRRD or MHA, and bring the voxels of any CT to Hounsfield units with one floor."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.files import atomic_path
from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.geometry import Geometry, lps_geometry, require_plausible_spacing, to_lps
from nnunet_amt.images.hounsfield import hounsfield_doubt
from nnunet_amt.images.integrity import (
    file_damage,
    header_damage,
    is_nifti_name,
    nifti_header,
    nifti_voxels,
    require_whole_file,
)
from nnunet_amt.images.nifti import NiftiHeader
from nnunet_amt.images.stated_grid import stated_grid

if TYPE_CHECKING:
    import SimpleITK as sitk

IMAGE_FILE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
# Scanners and exports fill the outside of the field of view with -3024 to -1000 HU; air is -1000.
FLOOR_HU = -1024

# In HU a chest holds air, far below 0, and contrast medium or bone, far above 255.
_HIGHEST_OF_PICTURES = 255
_DETACHED_HEADER_ENDINGS = (".mhd", ".nhdr")
_LONGEST_HEADER = 1 << 16
_PIXEL_FILE_KEY = re.compile(
    rb"^[ \t]*(?:elementdatafile[ \t]*=|data[ ]?file[ \t]*:)[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True)
class ReadingOptions:
    """What may be resampled or taken in spite of doubts; what is not allowed here is refused.

    Attributes
    ----------
    resample_masks
        Bring label files and DICOM SEGs of another grid to their CT's, by the nearest neighbour.
    resample_tilt
        Straighten CT series of a tilted gantry: each slice is shifted in its own plane, by linear interpolation.
    keep_intensities
        Take CTs whose values do not look like HU, see `to_hounsfield`.
    interpolate_contours
        Make up contours that are missing in an RTSTRUCT of those below and above, by their signed distances.
    trust_geometry
        Take an RTSTRUCT or DICOM SEG that names other UIDs than the CT has, if it is of the same patient and fits.
    """

    resample_masks: bool = False
    resample_tilt: bool = False
    keep_intensities: bool = False
    interpolate_contours: bool = False
    trust_geometry: bool = False


@dataclass(frozen=True)
class ImageFile:
    """A file whose header has been read and holds one volume with one value a voxel."""

    # The file, its grid with LPS axes, and that with the axes that it has
    path: Path
    geometry: Geometry
    stored: Geometry
    manufacturer: str | None = None  # none: these formats do not keep it

    @property
    def identity(self) -> str:
        """Equal for two cases that were given the same file."""
        return str(self.path.resolve())

    def read(self, scratch: Path) -> sitk.Image:
        """Read the volume with LPS axes; `scratch` is not used. See `read_image` for what is refused."""
        return to_lps(read_image(self.path))


def open_image_file(path: Path) -> ImageFile:
    """Read the header of a NIfTI, NRRD or MHA file.

    Raises ImageReadError if the header cannot be read, or is refused by `read_grid`, or the volume is flat.
    """
    stored = read_grid(path, name=path.name)
    if min(stored.size) < 2:
        raise ImageReadError(f"{path.name}: has size {stored.size}, must be one three-dimensional volume")
    return ImageFile(path, lps_geometry(stored), stored)


def read_grid(path: Path, *, name: str) -> Geometry:
    """Read the header of a CT or a label map and give its grid, the axes as they are stored.

    Raises ImageReadError, of a file that messages call `name`, if the header cannot be read, holds anything but one
    volume with one value a voxel, or is refused by `stated_grid`.
    """
    if damage := header_damage(path):
        raise ImageReadError(f"{name}: {damage}")
    grid = stated_grid(path, name=name)
    if not is_nifti_name(path):
        try:
            reader = header_reader(path)
        except RuntimeError as error:
            raise ImageReadError(f"{name}: cannot be read as an image ({_reason(error)}); export it again") from error
        if reader.GetNumberOfComponents() != 1:
            raise ImageReadError(f"{name}: has {reader.GetNumberOfComponents()} values a voxel, must have one")
    if grid is None:
        raise ImageReadError(f"{name}: its header lacks numbers that it must have; export it again")
    require_plausible_spacing(grid.spacing, name=name)
    return grid


def read_image(path: Path, *, name: str | None = None) -> sitk.Image:
    """Read an image file on the grid that it states, see `read_grid`, its axes as they are stored.

    ImageReadError, of a file that messages call `name`, if its voxels cannot be read, or not all of them.
    """
    import SimpleITK as sitk

    name = name or path.name
    grid = read_grid(path, name=name)
    if is_nifti_name(path):
        image = sitk.GetImageFromArray(_scaled(nifti_voxels(path, name=name), nifti_header(path)))
        grid.set_on(image)
        return image
    require_whole_file(path, name=name)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise ImageReadError(f"{name}: voxels cannot be read ({_reason(error)})") from error
    while image.GetDimension() > 3:  # of length 1
        image = image[(*[slice(None)] * (image.GetDimension() - 1), 0)]
    grid.set_on(image)
    return image


def write_image(path: Path, image: sitk.Image) -> None:
    """Write an image, packed, in the format of the name's ending, whole or not at all.

    What is written is read again: SimpleITK does not say it if the disk fills up on the way, which is a DiskFullError.
    """
    import SimpleITK as sitk

    with atomic_path(path) as partial:
        sitk.WriteImage(image, str(partial), useCompression=True)
        if file_damage(partial):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _scaled(voxels: NDArray, header: NiftiHeader) -> NDArray:
    """Apply slope and intercept to the voxels of one volume, (..., z, y, x), in single precision as ITK does."""
    volume = voxels.reshape(voxels.shape[-3:])
    if not header.is_scaled:
        return volume
    scaled = volume.astype(np.float64) * header.slope + header.intercept
    return scaled if volume.dtype == np.float64 else scaled.astype(np.float32)


def read_ct_file(path: Path, *, keep_intensities: bool = False) -> tuple[NDArray[np.signedinteger], ImageFile]:
    """Read a CT as the conversion does: whole HU, (z, y, x), LPS axes; and what its header said.

    Raises ImageReadError for what `open_image_file`, `read_image` and `to_hounsfield` refuse.
    """
    import SimpleITK as sitk

    file = open_image_file(path)
    image = file.read(path.parent)
    try:
        return to_hounsfield(sitk.GetArrayViewFromImage(image), keep_intensities=keep_intensities), file
    except ImageReadError as error:
        raise ImageReadError(f"{path.name}: {error}") from error


def header_reader(path: Path) -> sitk.ImageFileReader:
    """Let SimpleITK read the header of a file alone; it raises RuntimeError where it cannot."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return reader


def is_image_file_name(path: Path) -> bool:
    """Tell by its name whether a path is a NIfTI, NRRD or MHA file."""
    return path.name.lower().endswith(IMAGE_FILE_ENDINGS)


@contextmanager
def itk_warnings_off() -> Iterator[None]:
    """Keep ITK's warnings off standard error; to be entered once around a stage, not in its threads."""
    import SimpleITK as sitk  # half a second that most commands do not need

    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


def _reason(error: RuntimeError) -> str:
    """Take what is ITK's own of the last line of its long messages: names of files, and what they hold, are quoted."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    words = lines[-1].removeprefix("sitk::ERROR: ").partition('"')[0] if lines else ""
    has_path = "/" in words or "\\" in words
    return "no reason given" if has_path else words[:200].strip(" .:(") or "no reason given"


def pixel_files(header: Path) -> Sequence[Path]:
    """Find the pixel files of a header that has them in files of their own (``.mhd`` and ``.nhdr``), sorted.

    Where the header gives a list or a pattern, or a file that is not there, all files beside it: too many rather than
    too few.
    """
    if not header.name.lower().endswith(_DETACHED_HEADER_ENDINGS):
        return []
    try:
        with header.open("rb") as file:
            found = _PIXEL_FILE_KEY.search(file.read(_LONGEST_HEADER))
        named = header.parent / found.group(1).decode(errors="replace").strip() if found else None
        if named is not None and named.is_file():
            return [named]
    except OSError:
        return []  # whoever reads the image says so
    if named is not None and named.name.upper() == "LOCAL":
        return []
    return sorted(path for path in header.parent.iterdir() if path.is_file() and path != header)


def to_hounsfield(values: NDArray, *, keep_intensities: bool = False) -> NDArray[np.signedinteger]:
    """Round the values of a CT, any axis order, to whole HU, int16 or int32, and raise what is below `FLOOR_HU` to it.

    What cannot be Hounsfield units is an ImageReadError; so is what is not likely to be, see `hounsfield_doubt`, unless
    `keep_intensities` insists on it.
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
    if not keep_intensities and (doubt := hounsfield_doubt(values)):
        raise ImageReadError(f"{doubt}; export the CT again in HU, or insist on its values (--keep-intensities)")
    kind = np.dtype(np.int16 if highest <= np.iinfo(np.int16).max else np.int32)
    if values.dtype.kind == "u":  # has no place for the floor, and nothing below it
        return values.astype(kind)
    raised = np.empty(values.shape, kind)
    np.maximum(values, FLOOR_HU, out=raised, casting="unsafe")  # no copy in the wider type
    return raised
