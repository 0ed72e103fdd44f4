"""Read CTs in files of NIfTI, NRRD or MHA, and bring the voxels of any CT to Hounsfield units with one floor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.geometry import Geometry, lps_geometry, require_plausible_spacing, to_lps
from nnunet_amt.images.integrity import header_damage, require_whole_file

if TYPE_CHECKING:
    import SimpleITK as sitk

IMAGE_FILE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
# Scanners and exports fill the outside of the field of view with -3024 to -1000 HU; air is -1000.
FLOOR_HU = -1024

_ORIENTATION_CODES = ("qform_code", "sform_code")
# In HU a chest holds air, far below 0, and contrast medium or bone, far above 255.
_HIGHEST_OF_PICTURES = 255
_DETACHED_HEADER_ENDINGS = (".mhd", ".nhdr")
_LONGEST_HEADER = 1 << 16
_PIXEL_FILE_KEY = re.compile(
    rb"^[ \t]*(?:elementdatafile[ \t]*=|data[ ]?file[ \t]*:)[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True)
class ReadingOptions:
    """What may be resampled; what is not allowed here is refused.

    Attributes
    ----------
    resample_masks
        Bring label files and DICOM SEGs of another grid to their CT's, by the nearest neighbour.
    resample_tilt
        Straighten CT series of a tilted gantry: each slice is shifted in its own plane, by linear interpolation.
    trust_geometry
        Take an RTSTRUCT or DICOM SEG that names other UIDs than the CT has, if it is of the same patient and fits.
    """

    resample_masks: bool = False
    resample_tilt: bool = False
    trust_geometry: bool = False


@dataclass(frozen=True)
class ImageFile:
    """A file whose header has been read and holds one volume with one value a voxel."""

    # The file, and its grid with LPS axes
    path: Path
    geometry: Geometry
    manufacturer: str | None = None  # none: these formats do not keep it
    oriented: bool = True  # whether the header says which way the axes run; NIfTI may leave it open

    @property
    def identity(self) -> str:
        """Equal for two cases that were given the same file."""
        return str(self.path.resolve())

    def require_orientation(self) -> None:
        """Refuse a NIfTI file whose axes nobody has named: SimpleITK guesses, and left may become right."""
        if not self.oriented:
            raise ImageReadError(
                f"{self.path.name}: does not say which way its axes run (qform_code and sform_code are 0): left and "
                "right may be swapped; export it again with its orientation"
            )

    def read(self, scratch: Path) -> sitk.Image:
        """Read the volume with LPS axes; `scratch` is not used. See `read_image` for what is refused."""
        image = read_image(self.path)
        return to_lps(image if image.GetDimension() == 3 else image[:, :, :, 0])


def open_image_file(path: Path) -> ImageFile:
    """Read the header of a NIfTI, NRRD or MHA file.

    Raises ImageReadError if the header cannot be read, or the file holds anything but one volume of numbers.
    """
    if damage := header_damage(path):  # what SimpleITK would tell on standard error, or take for good
        raise ImageReadError(f"{path.name}: {damage}")
    try:
        reader = header_reader(path)
    except RuntimeError as error:
        raise ImageReadError(f"{path.name}: cannot be read as an image ({_reason(error)})") from error
    if reader.GetNumberOfComponents() != 1:
        raise ImageReadError(f"{path.name}: has {reader.GetNumberOfComponents()} values a voxel, must have one")
    geometry = Geometry.of(reader)
    if len(geometry.size) == 4 and geometry.size[3] == 1:
        direction = tuple(geometry.direction[4 * row + column] for row in range(3) for column in range(3))
        geometry = Geometry(geometry.size[:3], geometry.spacing[:3], geometry.origin[:3], direction)
    if len(geometry.size) != 3 or min(geometry.size) < 2:
        raise ImageReadError(f"{path.name}: has size {geometry.size}, must be one three-dimensional volume")
    require_plausible_spacing(geometry.spacing, name=path.name)
    codes = [reader.GetMetaData(key) for key in _ORIENTATION_CODES if reader.HasMetaDataKey(key)]
    return ImageFile(path, lps_geometry(geometry), oriented=not codes or any(code != "0" for code in codes))


def read_image(path: Path) -> sitk.Image:
    """Read an image file as it is; ImageReadError if its voxels cannot be read, or not all of them."""
    import SimpleITK as sitk

    require_whole_file(path)
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise ImageReadError(f"{path.name}: voxels cannot be read ({_reason(error)})") from error


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


def to_hounsfield(values: NDArray) -> NDArray[np.signedinteger]:
    """Round the values of a CT, any axis order, to whole HU, int16 or int32, and raise what is below `FLOOR_HU` to it.

    What cannot be Hounsfield units is an ImageReadError.
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
