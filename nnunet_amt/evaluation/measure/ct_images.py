"""The CTs behind the reference masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nnunet_amt.base.files import require_folder
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import GeometryMismatchError, ImageReadError, UnmatchedCasesError
from nnunet_amt.evaluation.measure.label_maps import LABEL_MAP_ENDINGS, LabelMapPair, named_cases
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.geometry import GEOMETRY_TOLERANCE, geometry_difference
from nnunet_amt.images.integrity import file_damage, stated_checksum
from nnunet_amt.images.mask_file import read_geometry

_CHANNEL = "_0000"


def find_cts(images: Path, case_ids: Sequence[str]) -> dict[str, Path]:
    """Find the CT of each case in a folder of nnU-Net's, ``<case id>_0000.nii.gz``.

    Raises
    ------
    BadInputError
        If the folder does not exist.
    UnmatchedCasesError
        If a case has no image.
    """
    require_folder(images, f"give the folder of <case id>{_CHANNEL}.nii.gz, as imagesTs")
    found: dict[str, Path] = {}
    for case_id in case_ids:
        names = (f"{case_id}{_CHANNEL}{ending}" for ending in LABEL_MAP_ENDINGS)
        path = next((images / name for name in names if (images / name).is_file()), None)
        if path is not None:
            found[case_id] = path
    missing = [case_id for case_id in case_ids if case_id not in found]
    if missing:
        raise UnmatchedCasesError(
            f"{images}: no image for {named_cases(missing)}; they are named <case id>{_CHANNEL} + one of "
            f"{', '.join(LABEL_MAP_ENDINGS)}"
        )
    return found


def check_ct_headers(cts: Mapping[str, Path], pairs: Sequence[LabelMapPair], progress: Progress = silent) -> None:
    """Refuse CTs that do not lie on the grid of their reference, before any voxel is read.

    Raises
    ------
    ImageReadError
        If a file is no image.
    GeometryMismatchError
        If size, spacing, origin or direction differ by more than 0.001.
    """
    for done, pair in enumerate(pairs, start=1):
        ct = cts[pair.case_id]
        difference = geometry_difference(read_geometry(ct), read_geometry(pair.reference))
        if difference is not None:
            raise GeometryMismatchError(
                f"case {pair.case_id}: {ct} against {pair.reference}: {difference} (x, y, z; tolerance "
                f"{GEOMETRY_TOLERANCE:g}); the reference must be drawn on the CT's own grid"
            )
        progress(done, len(pairs), "checking CT headers")


def hounsfield_values(path: Path, mask: Foreground) -> np.ndarray:
    """Read a CT and give the HU of the voxels of a mask on its grid, (voxels,).

    Raises
    ------
    ImageReadError
        If the file is damaged or cannot be read.
    """
    try:
        checksum = stated_checksum(path)  # of a .nii.gz; spares decompressing it a second time
        image = sitk.ReadImage(str(path))
    except (RuntimeError, OSError) as error:
        raise ImageReadError(f"{path}: cannot be read as an image; copy or export the file again") from error
    voxels = sitk.GetArrayViewFromImage(image)  # (z, y, x), no copy
    if checksum is None or not checksum.fits(voxels):
        _require_whole(path)
    values = []
    for piece in mask.boxes:
        z, y, x = (slice(low, high) for low, high in zip(piece.lower, piece.upper, strict=True))
        values.append(voxels[z, y, x][piece.mask])
    return np.concatenate(values)


def _require_whole(path: Path) -> None:
    if damage := file_damage(path):
        raise ImageReadError(f"{path}: {damage}")
