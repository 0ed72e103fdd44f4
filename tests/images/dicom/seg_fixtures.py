"""Write small DICOM SEGs on the CT series of `dicom_fixtures`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from tests.images.dicom.dicom_fixtures import make_volume, write_ct_series

__all__ = ["as_source", "write_ct_and_seg", "write_seg"]

# What a SEG copies from its CT, and highdicom insists on.
_COPIED = {
    "StudyInstanceUID": "1.2.3.4",
    "FrameOfReferenceUID": "1.2.3.5",
    "PositionReferenceIndicator": "",
    "PatientBirthDate": "",
    "PatientSex": "",
    "AccessionNumber": "",
    "StudyID": "",
    "StudyDate": "",
    "StudyTime": "",
    "ReferringPhysicianName": "",
    "SliceThickness": 2.5,
}


def write_ct_and_seg(
    folder: Path,
    masks: dict[str, NDArray[np.bool_]],
    kind: str = "BINARY",
    syntax: str = ExplicitVRLittleEndian,
    change: Callable[[Dataset], None] | None = None,
) -> None:
    """Write a CT series to ``ct`` and a SEG with one segment a mask, each (z, y, x), to ``seg.dcm``."""
    volume = make_volume(*next(iter(masks.values())).shape)
    files = write_ct_series(folder / "ct", volume, change=as_source)
    write_seg(folder / "seg.dcm", files, masks, kind, syntax, change)


def as_source(z: int, dataset: Dataset) -> None:
    """Give a CT slice what highdicom wants of it."""
    for keyword, value in _COPIED.items():
        setattr(dataset, keyword, value)


def write_seg(
    path: Path,
    files: Sequence[Path],
    masks: dict[str, NDArray[np.bool_]],
    kind: str = "BINARY",
    syntax: str = ExplicitVRLittleEndian,
    change: Callable[[Dataset], None] | None = None,
) -> None:
    """Write a SEG on the given CT slices; `change` may put a defect into it."""
    slices = [pydicom.dcmread(file) for file in files]
    labels = list(masks)
    pixels = np.stack(list(masks.values()), axis=-1).astype(np.uint8)  # (z, y, x, segment)
    if kind == "LABELMAP":
        pixels = (pixels * np.arange(1, len(labels) + 1, dtype=np.uint8)).max(axis=-1)
    seg = hd.seg.Segmentation(
        source_images=slices,
        pixel_array=pixels if kind != "FRACTIONAL" else pixels.astype(np.float32),
        segmentation_type=kind,
        segment_descriptions=[
            hd.seg.SegmentDescription(
                segment_number=number,
                segment_label=label,
                segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
                segmented_property_type=codes.SCT.Neoplasm,
                algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
            )
            for number, label in enumerate(labels, start=1)
        ],
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="none",
        manufacturer_model_name="none",
        software_versions="1",
        device_serial_number="1",
        transfer_syntax_uid=syntax,
    )
    if change:
        change(seg)
    seg.save_as(path)
