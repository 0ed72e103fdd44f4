"""Read masks in files: a label map's tumour for the evaluation, and a label file on the grid of its CT for training.

The evaluation reads thousands of files as they are, whatever value is tumour, slab by slab. The conversion reads what
people drew: on any axes, of any type of number, and perhaps with voxels to be ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import GeometryMismatchError, ImageReadError, LabelValueError
from nnunet_amt.images.foreground import Foreground, OtherLabelError, Spacing
from nnunet_amt.images.geometry import (
    ArrayAxes,
    Geometry,
    described,
    geometry_difference,
    lps_array_axes,
    require_plausible_spacing,
)
from nnunet_amt.images.image_file import ImageFile, header_reader, open_image_file, read_grid, read_image
from nnunet_amt.images.integrity import file_damage, is_nifti_name
from nnunet_amt.images.mask_on_grid import (
    CT_FOR_MASK,
    MaskOnGrid,
    looks_like_ct,
    require_any,
    require_tumour,
    resampled_mask,
)
from nnunet_amt.images.nifti_slabs import BrokenFileError, LabelHeader, ordinary_header, read_slabs

if TYPE_CHECKING:
    import SimpleITK as sitk

# nnU-Net's ignore label: voxels of which nobody has said whether they are tumour. nnU-Net wants the highest label.
IGNORE_LABEL = 2
# A label file (NRRD or MHA) that uses it says so in its header: ``ignore_label:=2``.
IGNORE_KEY = "ignore_label"
_NEARLY_WHOLE = 1e-3


def read_geometry(path: Path) -> Geometry:
    """Read the header of a label map or of its CT; the grid has the axes as they are stored.

    Raises ImageReadError for what `read_grid` refuses.
    """
    try:
        header = ordinary_header(path)
    except OSError as error:  # SimpleITK says of a file without permission that it does not exist
        raise ImageReadError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if header is None:
        return read_grid(path, name=str(path))
    require_plausible_spacing(header.geometry.spacing, name=str(path))
    return header.geometry


def read_foreground(path: Path, *, case_id: str, foreground: int = 1) -> Foreground:
    """Read a label map and keep what is tumour.

    Ordinary NIfTI files are unpacked and looked through slab by slab; SimpleITK reads all others, on the grid that
    `read_geometry` gives.

    Parameters
    ----------
    foreground
        The value of tumour. A mask of 0 and 1 is taken whatever this is.

    Raises
    ------
    ImageReadError
        If the voxels cannot be read, the file is damaged, or a voxel is NaN or infinite.
    LabelValueError
        If a voxel is neither 0 nor tumour, or a floating point number that is no whole one.
    """
    place = f"{path}: case {case_id}"
    try:
        header = ordinary_header(path)
        if header is None:
            return _foreground_by_simpleitk(path, place, (1, foreground))
        slabs = read_slabs(path, header)
        return Foreground.of_slabs(slabs, *orientation(header.geometry), tumour_labels=(1, foreground))
    except OtherLabelError as error:
        raise LabelValueError(f"{place}: {_label_complaint(_values(path, header), foreground)}") from error
    except BrokenFileError as error:
        damage = file_damage(path) or "is damaged; copy or export it again"
        raise ImageReadError(f"{place}: {damage}") from error
    except (RuntimeError, OSError) as error:
        raise ImageReadError(
            f"{place}: cannot be read: {_first_cause(error)}; copy or export the file again"
        ) from error


def _foreground_by_simpleitk(path: Path, place: str, tumour_labels: tuple[int, int]) -> Foreground:
    image = read_image(path, name=place)
    geometry, voxels = Geometry.of(image), _labels_of(image)
    if voxels.dtype.kind == "f":
        if not (np.isfinite(voxels).all() and (voxels == np.rint(voxels)).all()):
            raise LabelValueError(f"{place}: {_float_complaint(voxels)}")
        voxels = voxels.astype(np.int64)
    return Foreground.of(voxels, *orientation(geometry), tumour_labels=tumour_labels)


def orientation(geometry: Geometry) -> tuple[Spacing, ArrayAxes]:
    """Give the spacing and the axes that `Foreground` has of a grid."""
    x, y, z = geometry.spacing
    return (x, y, z), lps_array_axes(geometry)[0]


def _labels_of(image: sitk.Image) -> NDArray:
    """Give the voxels of a label map, (z, y, x); floating point numbers that are nearly whole as whole ones."""
    import SimpleITK as sitk  # most evaluations do without its third of a second

    return nearly_whole(sitk.GetArrayFromImage(image))


def nearly_whole(values: NDArray) -> NDArray:
    """Put whole numbers, as floating point numbers, in the place of those that are within 0.001 of one.

    Programs that resample or scale a mask leave 0.9999999 in the place of 1.
    """
    if values.dtype.kind != "f":
        return values
    nearest = np.rint(values)
    with np.errstate(invalid="ignore"):  # infinite ones
        return np.where(np.abs(values - nearest) <= _NEARLY_WHOLE, nearest, values)


def _values(path: Path, header: LabelHeader | None) -> np.ndarray:
    if header is None:
        return np.unique(_labels_of(read_image(path)))
    return np.unique(np.concatenate([np.unique(slab) for slab in read_slabs(path, header)]))


def _label_complaint(values: np.ndarray, foreground: int) -> str:
    others = values[values != 0]
    if foreground != 1:
        rule = f"with --foreground {foreground} a mask holds 0 and {foreground}, or 0 and 1"
    else:
        rule = "a mask holds 0 and 1 only"
    advice = "write the tumour as 1 and everything else as 0"
    if len(others) == 1 and others[0] > 0:
        advice = f"if {_shown(others)} is tumour: --foreground {_shown(others)}"
    return f"holds the values {_shown(values)}; {rule}; {advice}"


def _float_complaint(voxels: np.ndarray) -> str:
    values = np.unique(voxels)
    if not np.isfinite(values).all():
        advice = "NaN and infinity are no labels; write the tumour as 1 and everything else as 0, as integers"
    else:
        advice = "these are no labels but probabilities or resampled values: threshold them first"
    return f"holds floating point numbers ({_shown(values)}); a mask holds 0 and 1 only, as integers; {advice}"


def _shown(values: NDArray) -> str:
    """Name values as they are: 0.9999999 is not 1."""
    texts = [str(value).removesuffix(".0") for value in (values if len(values) <= 5 else [*values[:3], values[-1]])]
    return ", ".join(texts) if len(values) <= 5 else f"{', '.join(texts[:3])} ... {texts[-1]} ({len(values)} of them)"


def _first_cause(error: Exception) -> str:
    """Condense ITK's message of many lines to the last that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].removeprefix("sitk::ERROR: ") if lines else type(error).__name__


@dataclass(frozen=True)
class LabelFile:
    """A label file of a CT, its header read.

    It may lie on another grid, and is to be resampled then; 2 may stand in it for voxels to be ignored.
    """

    file: ImageFile
    resample: bool = False
    has_ignore_label: bool = False

    def read(self, geometry: Geometry) -> MaskOnGrid:
        """Read the mask on the grid that `open_label_file` has compared it with.

        Values are 0 (background), 1 (tumour), and `IGNORE_LABEL` if the file says that it uses it.

        Raises
        ------
        ImageReadError, LabelValueError
            If the voxels cannot be read, or hold other values or no tumour.
        GeometryMismatchError
            If it is to be resampled, and tumour lies outside the CT, or a lesion between its voxels.
        """
        import SimpleITK as sitk

        name = self.file.path.name
        image = self.file.read(self.file.path.parent)
        mask = tumour_mask(sitk.GetArrayViewFromImage(image), name=name, has_ignore_label=self.has_ignore_label)
        if not self.resample:
            require_tumour(mask == 1, name=name, voxel_mm3=geometry.voxel_volume_mm3)
            return MaskOnGrid(mask)
        labels = sitk.GetImageFromArray(mask)
        labels.CopyInformation(image)
        outside = IGNORE_LABEL if self.has_ignore_label else 0
        resampled = resampled_mask(labels, geometry, name=name, outside=outside)
        name = f"{name}, resampled to the CT's grid"
        require_tumour(resampled.labels == 1, name=name, voxel_mm3=geometry.voxel_volume_mm3)
        return resampled


def open_label_file(path: Path, *, grid: Geometry, resample: bool = False) -> LabelFile:
    """Read the header of a NIfTI, NRRD or MHA file of labels and compare its grid with that of the CT.

    Raises
    ------
    ImageReadError
        If the header cannot be read.
    GeometryMismatchError
        If the grids differ and the mask must not be resampled (`resample`); both grids are named.
    """
    file = open_image_file(path)
    difference = geometry_difference(file.geometry, grid)
    if difference and not resample:
        raise GeometryMismatchError(
            f"{path.name}: does not lie on the grid of the CT: {difference} of the CT (the mask has "
            f"{described(file.geometry)}, the CT {described(grid)}); export it on the CT's grid, or have it resampled "
            "(--resample-masks)"
        )
    return LabelFile(file, bool(difference), not is_nifti_name(path) and _says_ignore(path))


def _says_ignore(path: Path) -> bool:
    reader = header_reader(path)
    return reader.HasMetaDataKey(IGNORE_KEY) and reader.GetMetaData(IGNORE_KEY).strip() == str(IGNORE_LABEL)


def tumour_mask(values: NDArray, *, name: str, has_ignore_label: bool = False) -> NDArray[np.uint8]:
    """Turn an array of labels, any axis order, into a mask of 0 and 1, and 2 where `IGNORE_LABEL` may be in it.

    Floating point numbers may be off by 0.001, see `nearly_whole`. Other values, or no 1 among them, are a
    LabelValueError.
    """
    values = nearly_whole(values)
    mask = values == 1
    ignored = (values == IGNORE_LABEL) & has_ignore_label
    others = values[~mask & ~ignored & (values != 0)]
    if looks_like_ct(others):
        raise LabelValueError(f"{name}: {CT_FOR_MASK}")
    if others.size:
        found = np.unique(others)
        hint = "; divide it by 255" if found.tolist() == [255] and not mask.any() else ""
        shown = _shown(found[:5]) + (", ..." if found.size > 5 else "")
        raise LabelValueError(
            f"{name}: holds {others.size} voxels with other values than 0 (background) and 1 (tumour): {shown}{hint}"
        )
    require_any(mask, name=name)
    labels = mask.astype(np.uint8)
    labels[ignored] = IGNORE_LABEL
    return labels
