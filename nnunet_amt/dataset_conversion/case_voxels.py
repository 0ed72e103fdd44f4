"""The voxels of a case as training gets them: read for the conversion, and to be looked at before it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.cohort import CohortCase
from nnunet_amt.dataset_conversion.case_source import CaseSource, in_column
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_file import ReadingOptions, to_hounsfield
from nnunet_amt.images.mask_on_grid import MaskOnGrid


@dataclass(frozen=True, eq=False)
class CaseVoxels:
    """A CT and its masks on one grid with LPS axes.

    Attributes
    ----------
    values
        HU, (z, y, x).
    geometry
        The grid.
    mask
        Of the case.
    second
        Of a second reader, (z, y, x), where there is one.
    """

    values: NDArray[np.signedinteger]
    geometry: Geometry
    mask: MaskOnGrid
    second: NDArray[np.uint8] | None = None

    def seen_digest(self) -> str:
        """Digest the CT and the mask as they are seen: another digest, another mask or another CT under it."""
        return seen_digest(self.values, self.mask.labels, self.geometry)


def read_voxels(
    source: CaseSource, case: CohortCase, *, manifest_name: str, options: ReadingOptions, scratch: Path
) -> CaseVoxels:
    """Read the voxels of a case whose headers `open_case` has found to fit together.

    Parameters
    ----------
    scratch
        An empty folder for temporary files.

    Raises
    ------
    BadInputError
        One of its subclasses, naming the manifest's line and column and the case.
    DiskFullError
        If the disk filled up.
    """
    with in_column(manifest_name, case, "image"):
        image = source.image.read(scratch)
        voxels = sitk.GetArrayViewFromImage(image)  # (z, y, x)
        values = to_hounsfield(voxels, keep_intensities=options.keep_intensities)
    geometry = Geometry.of(image)
    with in_column(manifest_name, case, "mask"):
        mask = source.mask.read(geometry)
    second = None
    if source.second is not None:
        with in_column(manifest_name, case, "mask_2"):
            second = source.second.read(geometry).labels
    return CaseVoxels(values, geometry, mask, second)


def seen_digest(values: NDArray[np.signedinteger], labels: NDArray[np.uint8], geometry: Geometry) -> str:
    """Digest a CT and a mask, both (z, y, x), on their grid, to 32 hexadecimal digits."""
    grid = [round(number, 3) for part in (geometry.spacing, geometry.origin, geometry.direction) for number in part]
    whole = hashlib.sha256(f"{values.shape} {values.dtype.name} {grid}".encode())
    for array in (values, labels):
        whole.update(np.ascontiguousarray(array).data)
    return whole.hexdigest()[:32]
