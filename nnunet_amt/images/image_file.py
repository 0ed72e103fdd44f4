"""Read NIfTI, NRRD and MHA files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_integrity import header_damage, require_whole_file
from nnunet_amt.images.orientation import lps_geometry, to_lps
from nnunet_amt.images.plausible_spacing import require_plausible_spacing

_ORIENTATION_CODES = ("qform_code", "sform_code")
IMAGE_FILE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")


@dataclass(frozen=True)
class ImageFile:
    """A file whose header has been read and holds one volume with one value a voxel.

    Attributes
    ----------
    path
        The file.
    geometry
        Its grid with LPS axes.
    manufacturer
        None: these formats do not keep it.
    oriented
        Whether the header says which way the axes run; NIfTI may leave it open.
    """

    path: Path
    geometry: Geometry
    manufacturer: str | None = None
    oriented: bool = True

    @property
    def identity(self) -> str:
        """Equal for two cases that were given the same file."""
        return str(self.path.resolve())

    def require_orientation(self) -> None:
        """Refuse a NIfTI file whose axes nobody has named: SimpleITK guesses, and left may become right.

        Raises
        ------
        ImageReadError
            If qform_code and sform_code are both 0.
        """
        if not self.oriented:
            raise ImageReadError(
                f"{self.path.name}: does not say which way its axes run (qform_code and sform_code are 0): left and "
                "right may be swapped; export it again with its orientation"
            )

    def read(self, scratch: Path) -> sitk.Image:
        """Read the volume with LPS axes; `scratch` is not used.

        Raises
        ------
        ImageReadError
            If the voxels cannot be read, or not all of them.
        """
        require_whole_file(self.path)
        try:
            image = sitk.ReadImage(str(self.path))
        except RuntimeError as error:
            raise ImageReadError(f"{self.path.name}: voxels cannot be read ({_reason(error)})") from error
        if image.GetDimension() == 4:
            image = image[:, :, :, 0]
        return to_lps(image)


def is_image_file_name(path: Path) -> bool:
    """Tell by its name whether a path is a NIfTI, NRRD or MHA file."""
    return path.name.lower().endswith(IMAGE_FILE_ENDINGS)


def open_image_file(path: Path) -> ImageFile:
    """Read the header of a NIfTI, NRRD or MHA file.

    Raises
    ------
    ImageReadError
        If the header cannot be read, or the file holds anything but one volume of numbers.
    """
    if damage := header_damage(path):  # what SimpleITK would tell on standard error, or take for good
        raise ImageReadError(f"{path.name}: {damage}")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise ImageReadError(f"{path.name}: cannot be read as an image ({_reason(error)})") from error
    if reader.GetNumberOfComponents() != 1:
        raise ImageReadError(f"{path.name}: has {reader.GetNumberOfComponents()} values a voxel, must have one")
    geometry = Geometry.of(reader)
    if len(geometry.size) == 4 and geometry.size[3] == 1:
        geometry = _first_volume(geometry)
    if len(geometry.size) != 3 or min(geometry.size) < 2:
        raise ImageReadError(f"{path.name}: has size {geometry.size}, must be one three-dimensional volume")
    require_plausible_spacing(geometry.spacing, path.name)
    return ImageFile(path, lps_geometry(geometry), oriented=_is_oriented(reader))


def _first_volume(geometry: Geometry) -> Geometry:
    """Leave out the fourth dimension, which has length one."""
    direction = tuple(geometry.direction[4 * row + column] for row in range(3) for column in range(3))
    return Geometry(geometry.size[:3], geometry.spacing[:3], geometry.origin[:3], direction)


def _is_oriented(reader: sitk.ImageFileReader) -> bool:
    codes = [reader.GetMetaData(key) for key in _ORIENTATION_CODES if reader.HasMetaDataKey(key)]
    return any(code != "0" for code in codes) or not codes


def _reason(error: RuntimeError) -> str:
    """Take what is ITK's own of the last line of its long messages: names of files, and what they hold, are quoted."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    words = lines[-1].removeprefix("sitk::ERROR: ").partition('"')[0] if lines else ""
    has_path = "/" in words or "\\" in words
    return "no reason given" if has_path else words[:200].strip(" .:(") or "no reason given"
