"""One label map: its grid, and which of its voxels are tumour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnunet_amt.errors import ImageReadError, LabelValueError
from nnunet_amt.images.foreground import Foreground, OtherLabelError
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_integrity import file_damage, header_damage
from nnunet_amt.images.nifti_header import LabelHeader, ordinary_header
from nnunet_amt.images.nifti_slabs import BrokenFileError, read_slabs


def read_geometry(path: Path) -> Geometry:
    """Read the header of a label map.

    Raises
    ------
    ImageReadError
        If the file is no image, or not a three-dimensional one with a single value a voxel.
    """
    try:
        header = ordinary_header(path)
    except OSError as error:  # SimpleITK says of a file without permission that it does not exist
        raise ImageReadError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    return _geometry_by_simpleitk(path) if header is None else header.geometry


def read_foreground(path: Path, case_id: str, foreground: int = 1) -> Foreground:
    """Read a label map and keep what is tumour.

    Ordinary NIfTI files are unpacked and looked through slab by slab; SimpleITK reads all others.

    Parameters
    ----------
    path
        The label map.
    case_id
        For messages.
    foreground
        The value of tumour. A mask of 0 and 1 is taken whatever this is.

    Raises
    ------
    ImageReadError
        If the voxels cannot be read, the file is damaged, or a voxel is NaN or infinite.
    LabelValueError
        If a voxel is neither 0 nor tumour, or voxels are stored as floating point numbers.
    """
    try:
        header = ordinary_header(path)
        if header is None:
            return _foreground_by_simpleitk(path, case_id, foreground)
        spacing = header.geometry.spacing
        return Foreground.of_slabs(read_slabs(path, header), (spacing[0], spacing[1], spacing[2]), (1, foreground))
    except OtherLabelError as error:
        raise LabelValueError(
            f"{path}: case {case_id}: {_label_complaint(_values(path, header), foreground)}"
        ) from error
    except BrokenFileError as error:
        damage = file_damage(path) or "is damaged; copy or export it again"
        raise ImageReadError(f"{path}: case {case_id}: {damage}") from error
    except (RuntimeError, OSError) as error:
        cause = _first_cause(error)
        raise ImageReadError(
            f"{path}: case {case_id}: cannot be read: {cause}; copy or export the file again"
        ) from error


def _geometry_by_simpleitk(path: Path) -> Geometry:
    import SimpleITK as sitk  # most evaluations do without its third of a second

    if damage := header_damage(path):
        raise ImageReadError(f"{path}: {damage}")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise ImageReadError(f"{path}: cannot be read as an image ({_first_cause(error)}); export it again") from error
    if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1:
        found = f"{reader.GetDimension()} dimensions and {reader.GetNumberOfComponents()} values a voxel"
        raise ImageReadError(f"{path}: has {found}; a label map has 3 dimensions and 1 value a voxel")
    if min(reader.GetSpacing()) <= 0:
        raise ImageReadError(f"{path}: has the spacing {reader.GetSpacing()}; all three must be above 0 mm")
    return Geometry.of(reader)


def _foreground_by_simpleitk(path: Path, case_id: str, foreground: int) -> Foreground:
    import SimpleITK as sitk  # most evaluations do without its third of a second

    if damage := file_damage(path):
        raise ImageReadError(f"{path}: case {case_id}: {damage}")
    image = sitk.ReadImage(str(path))
    voxels = sitk.GetArrayViewFromImage(image)  # (z, y, x), no copy
    if voxels.dtype.kind not in "ui":
        raise LabelValueError(f"{path}: case {case_id}: {_float_complaint(voxels)}")
    return Foreground.of(voxels, image.GetSpacing(), (1, foreground))


def _values(path: Path, header: LabelHeader | None) -> np.ndarray:
    if header is None:
        import SimpleITK as sitk

        return np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(path))))
    return np.unique(np.concatenate([np.unique(slab) for slab in read_slabs(path, header)]))


def _label_complaint(values: np.ndarray, foreground: int) -> str:
    others = [value for value in values.tolist() if value != 0]
    if foreground != 1:
        rule = f"with --foreground {foreground} a mask holds 0 and {foreground}, or 0 and 1"
    else:
        rule = "a mask holds 0 and 1 only"
    advice = "write the tumour as 1 and everything else as 0"
    if len(others) == 1 and others[0] > 0:
        advice = f"if {others[0]} is tumour: --foreground {others[0]}"
    return f"holds the values {_shown(values.tolist())}; {rule}; {advice}"


def _float_complaint(voxels: np.ndarray) -> str:
    values = np.unique(voxels)
    if not np.isfinite(values).all():
        advice = "NaN and infinity are no labels; write the tumour as 1 and everything else as 0, as integers"
    elif np.any(np.floor(values) != values):
        advice = "these are no labels but probabilities or resampled values: threshold them first"
    else:
        advice = "save them as integers"
    return f"holds floating point numbers ({_shown(values.tolist())}); a mask holds 0 and 1 only, as integers; {advice}"


def _shown(values: Sequence[float]) -> str:
    texts = [f"{value:.6g}" for value in (values if len(values) <= 5 else [*values[:3], values[-1]])]
    return ", ".join(texts) if len(values) <= 5 else f"{', '.join(texts[:3])} ... {texts[-1]} ({len(values)} of them)"


def _first_cause(error: Exception) -> str:
    """Condense ITK's message of many lines to the last that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].removeprefix("sitk::ERROR: ") if lines else type(error).__name__
