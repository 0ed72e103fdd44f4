"""What the conversion reads of a DICOM file's header."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from math import prod
from typing import Any

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"

_SALT = os.urandom(16)  # without it short ids could be guessed from their digests

HEADER_TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "PatientID",
    "Modality",
    "ImageType",
    "Manufacturer",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "NumberOfFrames",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
]
# DICOM PS3.3: defined terms of Modality (the usual ones), and of RescaleType.
_MODALITIES = frozenset(
    {"CT", "MR", "PT", "NM", "US", "CR", "DX", "MG", "XA", "RF", "OT", "SC", "SEG", "SR", "PR", "KO", "REG", "FID"}
    | {"DOC", "OP", "ES", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTIMAGE", "RTRECORD"}
)
_UNITS = frozenset({"HU", "HU_MOD", "US", "OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"})


@dataclass(frozen=True)
class DicomHeader:
    """What the conversion needs of a DICOM file's header; nothing in it tells who the patient is.

    Attributes
    ----------
    member
        File name relative to the folder or inside the zip.
    shown
        What messages call the file. Names of DICOM files often hold UIDs or the patient's name.
    sop_class, sop_uid, series_uid, modality, image_type, manufacturer
        As in the header; empty where it is silent.
    patient_digest
        To tell that two slices are of two patients, within one process only; empty where the header is silent.
    position, orientation, pixel_spacing
        ImagePositionPatient (x, y, z) in mm, ImageOrientationPatient (row, then column cosines), PixelSpacing
        (between rows, between columns) in mm; None where the header is silent.
    slice_thickness
        In mm; None where the header is silent.
    rows, columns
        Size of the slice.
    samples, frames
        Values a pixel, and slices in the file: 1 and 1 in a CT slice.
    slope, intercept
        Of the rescaling to HU; None where the header is silent.
    rescale_type
        Unit after the rescaling; empty where the header is silent, which means HU in CT.
    syntax
        Transfer syntax: how the pixels are compressed.
    missing_bytes
        By how much the file is too short for its pixels; 0 for compressed ones, whose length is not known.
    bits
        Bits allocated, bits stored and the high bit of a value.
    signed
        Whether the stored values are.
    pixels_at
        Where in the file the element of the pixels begins, in bytes.
    """

    member: str
    shown: str
    sop_class: str
    sop_uid: str
    series_uid: str
    modality: str
    image_type: tuple[str, ...]
    manufacturer: str
    patient_digest: str
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, ...] | None
    slice_thickness: float | None
    rows: int
    columns: int
    samples: int
    frames: int
    slope: float | None
    intercept: float | None
    rescale_type: str
    syntax: str
    missing_bytes: int
    bits: tuple[int, int, int]
    signed: bool
    pixels_at: int


def header_of(dataset: Any, member: str, shown: str, pixels_at: int, bytes_left: int) -> DicomHeader:
    """Take what is needed of a dataset that was read up to its pixels.

    Parameters
    ----------
    dataset
        pydicom dataset with `HEADER_TAGS`.
    member, shown
        See `DicomHeader`.
    pixels_at, bytes_left
        Bytes of the file that were read, and those after them.

    Raises
    ------
    EOFError
        If the file ends within its header. pydicom raises others for damaged elements.
    """

    def numbers(tag: str) -> tuple[float, ...] | None:
        value = dataset.get(tag)
        if value is None or value == "":
            return None
        several = value if hasattr(value, "__iter__") else (value,)
        return tuple(float(one) for one in several)

    def words(tag: str) -> tuple[str, ...]:
        value = dataset.get(tag) or ()
        return (value,) if isinstance(value, str) else tuple(str(word) for word in value)

    def number(tag: str) -> float | None:
        value = dataset.get(tag)
        return None if value in (None, "") else float(value)

    def integer(tag: str) -> int:
        return int(dataset.get(tag) or 0)

    sop_class = str(dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID") or "")
    series_uid = str(dataset.get("SeriesInstanceUID") or "")
    if not sop_class or (sop_class == CT_IMAGE and not series_uid):
        raise EOFError  # it ends within the header
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    return DicomHeader(
        member=member,
        shown=shown,
        sop_class=sop_class,
        sop_uid=str(dataset.get("SOPInstanceUID") or ""),
        series_uid=series_uid,
        modality=_term(dataset.get("Modality"), _MODALITIES),
        image_type=words("ImageType"),
        manufacturer=str(dataset.get("Manufacturer") or ""),
        patient_digest=_digest(str(dataset.get("PatientID") or "").strip()),
        position=numbers("ImagePositionPatient"),
        orientation=numbers("ImageOrientationPatient"),
        pixel_spacing=numbers("PixelSpacing"),
        slice_thickness=number("SliceThickness"),
        rows=rows,
        columns=columns,
        samples=int(dataset.get("SamplesPerPixel") or 1),
        frames=int(dataset.get("NumberOfFrames") or 1),
        slope=number("RescaleSlope"),
        intercept=number("RescaleIntercept"),
        rescale_type=_term(dataset.get("RescaleType"), _UNITS),
        syntax=str(dataset.file_meta.get("TransferSyntaxUID") or ""),
        missing_bytes=_missing_bytes(dataset, bytes_left),
        bits=(integer("BitsAllocated"), integer("BitsStored"), integer("HighBit")),
        signed=integer("PixelRepresentation") == 1,
        pixels_at=pixels_at,
    )


def _term(value: object, known: frozenset[str]) -> str:
    """Keep a defined term, which messages show; free text in its place might be a name."""
    text = str(value or "").strip()
    return text if text in known or not text else "unknown"


def _digest(text: str) -> str:
    return hashlib.sha256(_SALT + text.encode(errors="replace")).hexdigest() if text else ""


def _missing_bytes(dataset: Any, bytes_left: int) -> int:
    """How many bytes of uncompressed pixels are not in the file, if `bytes_left` follow its header."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is not None and syntax.is_compressed:
        return 0
    element_header = 8 if syntax is None or syntax.is_implicit_VR else 12
    sizes = [int(dataset.get(tag) or 0) for tag in ("Rows", "Columns", "BitsAllocated")]
    bits = prod(sizes) * int(dataset.get("NumberOfFrames") or 1)
    return max(0, bits // 8 - max(0, bytes_left - element_header))
