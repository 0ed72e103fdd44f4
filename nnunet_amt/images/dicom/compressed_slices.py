"""Decode slices whose compression SimpleITK does not know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.images.dicom.dicom_files import DicomFolder, refusing_damage
from nnunet_amt.images.dicom.dicom_header import DicomHeader

# High-throughput JPEG 2000. SimpleITK reads the others, and notices damage that pydicom's decoders pass over.
NOT_IN_SIMPLEITK = frozenset(f"1.2.840.10008.1.2.4.20{last}" for last in (1, 2, 3))


def decoded_series(folder: DicomFolder, slices: Sequence[DicomHeader]) -> NDArray[np.float32]:
    """Decode slices with pydicom and pylibjpeg.

    Parameters
    ----------
    folder
        Where the files are.
    slices
        Headers in the order of the slices.

    Returns
    -------
    numpy.ndarray
        (z, y, x) in HU.

    Raises
    ------
    ImageReadError
        If the pixels of a slice cannot be decoded.
    """
    volume = np.empty((len(slices), slices[0].rows, slices[0].columns), np.float32)  # (z, y, x)
    for z, header in enumerate(slices):
        dataset = folder.dataset(header.member)
        with refusing_damage(folder, header.member):
            volume[z] = dataset.pixel_array
        volume[z] = volume[z] * (1.0 if header.slope is None else header.slope) + (header.intercept or 0.0)
    return volume
