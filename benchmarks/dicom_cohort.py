"""Cohorts to time the conversion with: CT series as DICOM with an RTSTRUCT, uncompressed, with a CT's noise."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

__all__ = ["write_dicom_cohort"]

_SPACING = (0.7, 0.7, 5.0)  # x, y, z in mm
_INTERCEPT = -1024
_POINTS = 120  # of a contour


def write_dicom_cohort(folder: Path, cases: int, size: int, slices: int) -> Iterator[Path]:
    """Write series of size x size x slices voxels and, last, ``manifest.csv``; give each path when it is written.

    Every fourth institution is external; patients have one CT each.
    """
    base = _body(size)
    rows = []
    for case in range(cases):
        random = np.random.default_rng(case)
        name = f"case{case:04d}"
        noise = np.rint(random.normal(0, 15, (size, size))).astype(np.int16)
        volume = np.stack([base + np.roll(noise, 7 * z, axis=1) for z in range(slices)])  # (z, y, x)
        _write_series(folder / name, volume, name)
        _write_structure(folder / name / "structure", name, size, slices)
        split = ("training", "tuning", "training", "external")[case % 4]
        institution = f"{'external' if split == 'external' else 'other'} {case % 20}"
        rows.append((name, name, institution, name, f"{name}/structure", split))
        yield folder / name
    manifest = folder / "manifest.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("case_id", "patient_id", "institution", "image", "mask", "split"))
        writer.writerows(rows)
    yield manifest


def _body(size: int) -> NDArray[np.int16]:
    """One slice (y, x): air, a body, two lungs."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    body = (x / 0.45) ** 2 + (y / 0.33) ** 2 < 1
    lungs = ((np.abs(x) - 0.2) / 0.13) ** 2 + (y / 0.22) ** 2 < 1
    return np.select([lungs, body], [-850, 40], -1000).astype(np.int16)


def _write_series(folder: Path, volume: NDArray[np.int16], name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for z, pixels in enumerate(volume):
        dataset = _dataset(CTImageStorage, f"{name} {z}")
        dataset.Modality = "CT"
        dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[name])
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.ImagePositionPatient = [0, 0, z * _SPACING[2]]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing = [_SPACING[1], _SPACING[0]]
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation = 1
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, _INTERCEPT
        dataset.PixelData = (pixels - _INTERCEPT).astype("<i2").tobytes()
        dataset.save_as(folder / f"{z:04d}.dcm", enforce_file_format=True)


def _write_structure(path: Path, name: str, size: int, slices: int) -> None:
    """Write an RTSTRUCT of one ROI, an ellipse a tenth of the slice wide on the middle third of the slices."""
    dataset = _dataset(RTStructureSetStorage, f"{name} structure")
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[name, "structure"])
    series = _item(SeriesInstanceUID=generate_uid(entropy_srcs=[name]))
    study = _item(RTReferencedSeriesSequence=Sequence([series]))
    frame = _item(RTReferencedStudySequence=Sequence([study]))
    dataset.ReferencedFrameOfReferenceSequence = Sequence([frame])
    dataset.StructureSetROISequence = Sequence([_item(ROINumber=1, ROIName="tumour")])
    angles = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
    x = (size * (0.5 + 0.05 * np.cos(angles))) * _SPACING[0]
    y = (size * (0.4 + 0.04 * np.sin(angles))) * _SPACING[1]
    contours = []
    for z in range(slices // 3, max(slices // 3 + 1, 2 * slices // 3)):
        points = np.stack([x, y, np.full_like(x, z * _SPACING[2])], axis=1)  # (points, xyz) in mm
        contours.append(
            _item(
                ContourGeometricType="CLOSED_PLANAR",
                NumberOfContourPoints=_POINTS,
                ContourData=[f"{value:.3f}" for value in points.ravel()],
            )
        )
    dataset.ROIContourSequence = Sequence([_item(ReferencedROINumber=1, ContourSequence=Sequence(contours))])
    dataset.save_as(path, enforce_file_format=True)


def _dataset(sop_class: str, name: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = UID(sop_class)
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["instance", name])
    dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def _item(**elements: object) -> Dataset:
    item = pydicom.Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
