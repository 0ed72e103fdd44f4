"""Source series as a hospital's CT, with the attributes that objects take over, and masks that are hard to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from nnunet_amt.clinic.dicom_object import Maker, Structures
from nnunet_amt.clinic.source_series import SourceSeries, ct_series_in
from nnunet_amt.images.dicom.series import DicomSeries
from tests.images.dicom.dicom_fixtures import AXIAL, make_volume, write_ct_series
from tests.images.dicom.seg_fixtures import as_source

MAKER = Maker("nnUNetTrainerAMT", "ab" * 32)


def source_series(
    folder: Path,
    shape: tuple[int, int, int] = (6, 10, 12),
    *,
    change: Callable[[int, Dataset], None] | None = None,
    positions: list[tuple[float, float, float]] | None = None,
    orientation: tuple[float, ...] = AXIAL,
) -> SourceSeries:
    """Write a CT series of this shape, (z, y, x), and open it."""

    def complete(z: int, dataset: Dataset) -> None:
        as_source(z, dataset)
        dataset.InstanceNumber = z + 1
        dataset.SeriesNumber = 3
        if change is not None:
            change(z, dataset)

    write_ct_series(folder, make_volume(*shape), change=complete, positions=positions, orientation=orientation)
    (series,) = ct_series_in(folder)
    assert isinstance(series, DicomSeries)
    return SourceSeries.of(series)


def structures(masks: Mapping[str, NDArray[np.bool_]]) -> Structures:
    """Make structures, on the scanner's slices, of their masks."""
    labels = np.zeros(next(iter(masks.values())).shape, np.uint8)
    for number, mask in enumerate(masks.values(), start=1):
        labels[mask] = number
    return Structures(tuple(masks), labels)


def as_hospitals_write(z: int, dataset: Dataset) -> None:
    """Give a CT slice the rest of what its standard asks for, so that no complaint is about the CT."""
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20260101", "120000", "1"
    dataset.PatientPosition, dataset.KVP, dataset.AcquisitionNumber = "HFS", None, None


def hard_mask(shape: tuple[int, int, int] = (6, 10, 12)) -> NDArray[np.bool_]:
    """A hole with an island, single voxels, a checkerboard, voxels in the image's corners, whole slices."""
    mask = np.zeros(shape, dtype=bool)
    mask[0, 1:8, 1:9] = True
    mask[0, 2:7, 2:8] = False
    mask[0, 4, 4] = True
    mask[1] = mask[4] = True
    mask[4, 3:5, 3:5] = False
    mask[2, ::2, ::2] = mask[2, 1::2, 1::2] = True
    mask[3, 0, 0] = mask[3, -1, -1] = mask[3, 5, 5] = mask[3, 6, 6] = True
    mask[5] = True
    return mask
