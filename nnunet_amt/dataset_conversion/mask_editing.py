"""The mask of a case out to another program and back: a zip for it, and the new mask beside the old ones."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.files import atomic_path
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.nifti import write_nifti

_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the time of every file in the zip: when a CT was looked at is nobody's business


def write_edit_zip(
    path: Path,
    values: NDArray[np.signedinteger],
    labels: NDArray[np.uint8],
    *,
    geometry: Geometry,
    name: str,
    how_to: str,
) -> None:
    """Write a zip with a CT and its mask on one grid, as 3D Slicer and ITK-SNAP open them, and how to go on.

    Parameters
    ----------
    path
        Of the zip, which appears whole or not at all.
    values, labels
        HU and mask, (z, y, x).
    name
        How the files in it are called; nothing else in it says whose they are.
    how_to
        A line of text, ``README.txt``.
    """
    with tempfile.TemporaryDirectory() as scratch, atomic_path(path) as partial:
        packed = zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED)  # NIfTI files are compressed already
        with packed:
            for part, voxels in (("ct", values), ("mask", labels)):
                file = Path(scratch) / f"{name}_{part}.nii.gz"
                write_nifti(file, voxels, geometry=geometry)
                packed.writestr(zipfile.ZipInfo(file.name, _EARLIEST), file.read_bytes())
            packed.writestr(zipfile.ZipInfo("README.txt", _EARLIEST), f"{how_to}\n")


def keep_mask(folder: Path, labels: NDArray[np.uint8], *, geometry: Geometry, name: str) -> Path:
    """Write a mask, (z, y, x), as ``NAME_rN.nii.gz`` into a folder, never over one that is there; give its path."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = folder / f"{name}_r{number}.nii.gz"
        try:
            path.touch(exist_ok=False)  # the name is ours from here on, also among processes
        except FileExistsError:
            number += 1
            continue
        try:
            write_nifti(path, labels, geometry=geometry)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path
