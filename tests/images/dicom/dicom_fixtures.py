"""Write small DICOM CT series and RTSTRUCTs, sound or with one defect."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RTStructureSetStorage,
    generate_uid,
)

__all__ = [
    "AXIAL",
    "SPACING",
    "make_volume",
    "save_encoded",
    "series_uid",
    "square",
    "write_ct_series",
    "write_enhanced_ct",
    "write_other",
    "write_rtstruct",
]

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SPACING = (0.8, 0.7, 2.5)  # x, y, z in mm: all different, so that no two can be confused
ORIGIN = (-10.0, -20.0, 100.0)
INTERCEPT = -1024

Change = Callable[[int, Dataset], None]


def make_volume(slices: int = 6, rows: int = 10, columns: int = 12) -> NDArray[np.int16]:
    """Give an array (z, y, x) in HU in which no two voxels are alike; a part of them is soft tissue."""
    return np.arange(slices * rows * columns, dtype=np.int16).reshape(slices, rows, columns) - 500


def series_uid(name: str) -> str:
    return str(generate_uid(entropy_srcs=["series", name]))


def write_ct_series(
    folder: Path,
    volume: NDArray[np.int16] | None = None,
    *,
    series: str = "ct",
    positions: Sequence[tuple[float, float, float]] | None = None,
    orientation: Sequence[float] = AXIAL,
    change: Change | None = None,
    syntax: str | None = None,
) -> list[Path]:
    """Write a CT series under file names that say nothing of the order.

    Parameters
    ----------
    folder
        Where to; the names begin with the series, so that several series may share it.
    volume
        (z, y, x) in HU.
    series
        Series of one name have one SeriesInstanceUID.
    positions
        ImagePositionPatient of the slices; evenly along z by default.
    orientation
        ImageOrientationPatient.
    change
        Called with the number and the dataset of each slice, to put a defect into it.
    syntax
        Compressed transfer syntax.

    Returns
    -------
    list of Path
        The files in the order of the slices.
    """
    volume = make_volume() if volume is None else volume
    folder.mkdir(parents=True, exist_ok=True)
    positions = positions or [(ORIGIN[0], ORIGIN[1], ORIGIN[2] + z * SPACING[2]) for z in range(len(volume))]
    numbers = list(range(len(volume)))
    random.Random(7).shuffle(numbers)
    paths = []
    for z, pixels in enumerate(volume):
        dataset = _ct_slice(pixels, series, z)
        dataset.ImagePositionPatient = list(positions[z])
        dataset.ImageOrientationPatient = list(orientation)
        if change:
            change(z, dataset)
        if syntax:
            dataset.compress(syntax, generate_instance_uid=False)
        paths.append(folder / f"{series}{numbers[z]:03d}")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def write_enhanced_ct(
    folder: Path,
    volume: NDArray[np.int16] | None = None,
    *,
    name: str = "enhanced",
    first: int = 0,
    order: Sequence[int] = (),
    share_rescaling: bool = False,
    change: Callable[[Dataset], None] | None = None,
    syntax: str | None = None,
) -> None:
    """Write the CT of `write_ct_series` as one file of many frames.

    Parameters
    ----------
    folder, volume, change, syntax
        As there, but that the whole dataset is changed.
    name
        Of the file.
    first
        The number of the volume's first slice in its series.
    order
        In which the slices are stored; shuffled by default.
    share_rescaling
        Whether the rescaling stands in the groups that all frames share, too.
    """
    volume = make_volume() if volume is None else volume
    folder.mkdir(parents=True, exist_ok=True)
    stored = list(order) or random.Random(7).sample(range(len(volume)), len(volume))
    dataset = _ct_slice(volume[0], "ct", 0)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.2.1")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name])
    rescaling = {"RescaleSlope": 1, "RescaleIntercept": INTERCEPT, "RescaleType": "HU"}
    shared = Dataset()
    if share_rescaling:
        shared.PixelValueTransformationSequence = [_item(**rescaling)]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = []
    for z in stored:
        position = [ORIGIN[0], ORIGIN[1], ORIGIN[2] + (first + z) * SPACING[2]]
        groups = {
            "PlanePositionSequence": _item(ImagePositionPatient=position),
            "PlaneOrientationSequence": _item(ImageOrientationPatient=list(AXIAL)),
            "PixelMeasuresSequence": _item(PixelSpacing=[SPACING[1], SPACING[0]], SliceThickness=SPACING[2]),
            "PixelValueTransformationSequence": _item(**rescaling),
            "CTImageFrameTypeSequence": _item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]),
        }
        dataset.PerFrameFunctionalGroupsSequence.append(_item(**{key: [item] for key, item in groups.items()}))
    for keyword in ("PixelSpacing", "RescaleSlope", "RescaleIntercept"):
        delattr(dataset, keyword)
    dataset.NumberOfFrames = len(stored)
    dataset.PixelData = (volume[stored] - INTERCEPT).astype("<i2").tobytes()
    if change:
        change(dataset)
    if syntax:
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(folder / name, enforce_file_format=True)


def write_other(path: Path, modality: str, sop_class: str) -> None:
    """Write a DICOM file that is no CT image, for example a plan or a dose."""
    dataset = _dataset(sop_class, f"{modality} {path.name}")
    dataset.Modality = modality
    dataset.SeriesInstanceUID = series_uid(modality)
    dataset.save_as(path, enforce_file_format=True)


def square(z: float, x: tuple[float, float], y: tuple[float, float]) -> list[float]:
    """Give the contour data of a rectangle between voxel indices, in mm."""
    corners = [(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])]
    points = [
        (ORIGIN[0] + column * SPACING[0], ORIGIN[1] + row * SPACING[1], ORIGIN[2] + z * SPACING[2])
        for column, row in corners
    ]
    return [value for point in points for value in point]


def write_rtstruct(
    path: Path,
    rois: Mapping[str, Sequence[list[float] | tuple[str, list[float]]]],
    series: str | None = "ct",
    change: Callable[[Dataset], None] | None = None,
) -> None:
    """Write an RTSTRUCT.

    Parameters
    ----------
    path
        Where to.
    rois
        Name of each ROI and its contours: contour data, or a geometric type and contour data.
    series
        Series that it refers to; None to leave the reference out.
    change
        Called with the dataset, to put a defect into it.
    """
    dataset = _dataset(RTStructureSetStorage, f"rtstruct {path.name}")
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesInstanceUID = series_uid(f"rtstruct {path.name}")
    if series is not None:
        dataset.ReferencedFrameOfReferenceSequence = DicomSequence([_reference(series)])
    dataset.StructureSetROISequence = DicomSequence()
    dataset.ROIContourSequence = DicomSequence()
    for number, (name, contours) in enumerate(rois.items(), start=1):
        dataset.StructureSetROISequence.append(_item(ROINumber=number, ROIName=name))
        items = [_contour(contour) for contour in contours]
        dataset.ROIContourSequence.append(_item(ReferencedROINumber=number, ContourSequence=DicomSequence(items)))
    if change:
        change(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def save_encoded(dataset: Dataset, path: Path, syntax: str) -> None:
    """Write a dataset that was read from a file in another encoding without compression; not its pixels' order."""
    for _ in dataset.iterall():  # what is still as it was read would be written in the old order of bytes
        pass
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(path, dataset, implicit_vr=implicit, little_endian=little, force_encoding=True)


def _ct_slice(pixels: NDArray[np.int16], series: str, z: int) -> Dataset:
    dataset = _dataset(CTImageStorage, f"{series} {z}")
    dataset.Modality = "CT"
    dataset.SeriesInstanceUID = series_uid(series)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Manufacturer = "SIEMENS"
    dataset.PatientName = "Planted^Name"
    dataset.PatientID = "planted-id"
    dataset.PixelSpacing = [SPACING[1], SPACING[0]]  # between rows, between columns
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, INTERCEPT
    dataset.PixelData = (pixels - INTERCEPT).astype("<i2").tobytes()
    return dataset


def _dataset(sop_class: str, name: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = UID(sop_class)
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["instance", name])
    dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def _contour(contour: list[float] | tuple[str, list[float]]) -> Dataset:
    kind, data = ("CLOSED_PLANAR", contour) if isinstance(contour, list) else contour
    return _item(
        ContourGeometricType=kind,
        NumberOfContourPoints=len(data) // 3,
        ContourData=[f"{value:.4f}" for value in data],
    )


def _reference(series: str) -> Dataset:
    study = _item(RTReferencedSeriesSequence=DicomSequence([_item(SeriesInstanceUID=series_uid(series))]))
    return _item(RTReferencedStudySequence=DicomSequence([study]))


def _item(**elements: Any) -> Dataset:
    item = pydicom.Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
