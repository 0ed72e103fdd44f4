"""Read NIfTI, NRRD and MHA files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from nnunet_amt.dataset_conversion.orientation import lps_geometry, to_lps
from nnunet_amt.errors import ImageReadError
from nnunet_amt.geometry import Geometry
from nnunet_amt.image_integrity import require_whole_file

__all__ = ["IMAGE_FILE_ENDINGS", "ImageFile", "is_image_file_name", "open_image_file"]

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
    """

    path: Path
    geometry: Geometry
    manufacturer: str | None = None

    @property
    def identity(self) -> str:
        """Equal for two cases that were given the same file."""
        return str(self.path.resolve())

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
    return ImageFile(path, lps_geometry(geometry))


def _first_volume(geometry: Geometry) -> Geometry:
    """Leave out the fourth dimension, which has length one."""
    direction = tuple(geometry.direction[4 * row + column] for row in range(3) for column in range(3))
    return Geometry(geometry.size[:3], geometry.spacing[:3], geometry.origin[:3], direction)


def _reason(error: RuntimeError) -> str:
    """Take the last line of ITK's long messages, which says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].removeprefix("sitk::ERROR: ")[:200].rstrip(".") if lines else "no reason given"
