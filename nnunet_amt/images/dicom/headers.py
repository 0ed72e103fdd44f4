"""What the conversion reads of a DICOM file's header."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nnunet_amt.images.dicom.stream import (
    BIG_ENDIAN,
    EXPLICIT_VR,
    IMPLICIT_VR,
    UNCOMPRESSED,
    DicomFileError,
    damaged,
)

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
# What a file is taken for that has a Modality and no SOPClassUID.
_CLASSES = {"CT": CT_IMAGE, "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3", "SEG": "1.2.840.10008.5.1.4.1.1.66.4"}

_SALT = os.urandom(16)  # without it short ids could be guessed from their digests
# DICOM PS3.3: defined terms of Modality (the usual ones), and of RescaleType.
_MODALITIES = frozenset(
    {"CT", "MR", "PT", "NM", "US", "CR", "DX", "MG", "XA", "RF", "OT", "SC", "SEG", "SR", "PR", "KO", "REG", "FID"}
    | {"DOC", "OP", "ES", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTIMAGE", "RTRECORD"}
)
_UNITS = frozenset({"HU", "HU_MOD", "US", "OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"})


@dataclass(frozen=True)
class DicomHeader:
    """What the conversion needs of a DICOM file's header; nothing in it tells who the patient is."""

    member: str  # file name relative to the folder or inside the zip
    shown: str  # what messages call the file. Names of DICOM files often hold UIDs or the patient's name.
    # As in the header; empty where it is silent
    sop_class: str
    sop_uid: str
    series_uid: str
    modality: str
    image_type: tuple[str, ...]
    manufacturer: str
    # To tell that two files are of two patients, within one process only; empty where the header is silent
    patient_digest: str
    frame_of_reference: str  # UID of the coordinate system, for comparison only; empty where the header is silent
    # Position (x, y, z), pixel spacing (between rows, between columns) and thickness in mm, orientation as row, then
    # column cosines; None where the header is silent
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, ...] | None
    slice_thickness: float | None
    rows: int
    columns: int
    # Values a pixel, and frames in the file: 1 and 1 in a CT slice
    samples: int
    frames: int
    # Of the rescaling to HU, None where the header is silent; its unit, empty where it is silent, which means HU
    slope: float | None
    intercept: float | None
    rescale_type: str
    syntax: str  # transfer syntax: how the pixels are compressed
    # By how much the file is too short for its pixels; 0 for compressed ones, whose length is not known
    missing_bytes: int
    # Bits allocated, bits stored and the high bit of a value, and whether values are signed
    bits: tuple[int, int, int]
    signed: bool
    pixels_at: int  # where in the file the element of the pixels begins, in bytes
    # Stored values that stand for no measurement: the lowest, modulo 2**bits allocated, and how many follow it; None
    # where the header names none
    padding: tuple[int, int] | None
    has_table: bool  # whether a table, and no slope, turns its values into HU
    unreadable: tuple[str, ...]  # elements whose value is not what it must be, with the value if it is of digits
    frame: int | None = None  # of an enhanced CT: which of its frames, from 1, this is


def _text(value: Any) -> str:
    return str(value or "")


def _words(value: Any) -> tuple[str, ...]:
    if value in (None, ""):
        return ()
    return (value,) if isinstance(value, str) else tuple(map(str, value if hasattr(value, "__iter__") else (value,)))


def _number(value: Any) -> float | None:
    return None if value in (None, "") else float(value)


def _numbers(value: Any) -> tuple[float, ...] | None:
    if value is None or value == "":
        return None
    return tuple(float(one) for one in (value if hasattr(value, "__iter__") else (value,)))


def digest_of_id(value: Any) -> str:
    """Digest a PatientID, see `DicomHeader.patient_digest`."""
    text = _text(value).strip()
    return hashlib.sha256(_SALT + text.encode(errors="replace")).hexdigest() if text else ""


def _term_of(known: frozenset[str]) -> Callable[[Any], str]:
    """Keep defined terms, which messages show; free text in their place might be a name."""

    def term(value: Any) -> str:
        text = _text(value).strip().upper()
        return text if text in known or not text else "unknown"

    return term


_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "sop_uid": ("SOPInstanceUID", _text),
    "series_uid": ("SeriesInstanceUID", _text),
    "modality": ("Modality", _term_of(_MODALITIES)),
    "image_type": ("ImageType", _words),
    "manufacturer": ("Manufacturer", _text),
    "patient_digest": ("PatientID", digest_of_id),
    "frame_of_reference": ("FrameOfReferenceUID", _text),
    "position": ("ImagePositionPatient", _numbers),
    "orientation": ("ImageOrientationPatient", _numbers),
    "pixel_spacing": ("PixelSpacing", _numbers),
    "slice_thickness": ("SliceThickness", _number),
    "rows": ("Rows", lambda value: int(value or 0)),
    "columns": ("Columns", lambda value: int(value or 0)),
    "samples": ("SamplesPerPixel", lambda value: int(value or 1)),
    "frames": ("NumberOfFrames", lambda value: int(value or 1)),
    "slope": ("RescaleSlope", _number),
    "intercept": ("RescaleIntercept", _number),
    "rescale_type": ("RescaleType", _term_of(_UNITS)),
    "has_table": ("ModalityLUTSequence", bool),
    "signed": ("PixelRepresentation", lambda value: int(value or 0) == 1),
}
# What an enhanced CT says of each frame.
FRAME_FIELDS = {
    name: _FIELDS[name]
    for name in (
        *("position", "orientation", "pixel_spacing", "slice_thickness"),
        *("slope", "intercept", "rescale_type"),
    )
}
_FRAME_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_BITS = ("BitsAllocated", "BitsStored", "HighBit")
_PADDING = ("PixelPaddingValue", "PixelPaddingRangeLimit")
HEADER_TAGS = ["SOPClassUID", *(tag for tag, _ in _FIELDS.values()), *_BITS, *_PADDING, *_FRAME_GROUPS]
_HARMLESS = re.compile(r"[-+\d.,eE\\ ]{1,60}")


def header_of(dataset: Any, *, member: str, shown: str, pixels_at: int, size: int) -> DicomHeader:
    """Take what is needed of a pydicom dataset with `HEADER_TAGS` that was read up to its pixels.

    Elements that cannot be understood are only named: whether they are needed, the gate knows.

    Parameters
    ----------
    pixels_at, size
        Bytes of the file that were read, and of all of it.

    Raises
    ------
    DicomFileError
        If the file does not say what it is, or ends within its header.
    """
    fields: dict[str, Any] = {}
    unreadable: list[str] = []
    for name, (tag, convert) in _FIELDS.items():
        fields[name] = taken(dataset, tag, convert, unreadable)
    stated, in_meta = _text(dataset.get("SOPClassUID")), _text(dataset.file_meta.get("MediaStorageSOPClassUID"))
    sop_class = stated or in_meta or _CLASSES.get(fields["modality"], "")
    if in_meta == CT_IMAGE:  # also where the class itself is cut off or damaged: it would not be missed as a slice
        sop_class = CT_IMAGE
    is_cut = sop_class in ("", CT_IMAGE) or not (in_meta or fields["modality"])
    if pixels_at >= size and is_cut:
        raise damaged(f"it ends after {size} bytes, within its header")
    if not sop_class and not fields["modality"] and fields["rows"]:  # an image, and perhaps a slice
        raise DicomFileError("does not say what it is (SOPClassUID, Modality); export it again")
    allocated, stored, high_bit = (taken(dataset, tag, lambda value: int(value or 0), unreadable) for tag in _BITS)
    syntax = stated_syntax(dataset)
    bits = fields["rows"] * fields["columns"] * allocated * fields["frames"]
    header_bytes = 8 if syntax == IMPLICIT_VR else 12
    missing = max(0, bits // 8 - max(0, size - pixels_at - header_bytes)) if syntax in UNCOMPRESSED else 0
    return DicomHeader(
        member=member,
        shown=shown,
        sop_class=sop_class,
        syntax=syntax,
        missing_bytes=missing,
        bits=(allocated, stored, high_bit),
        pixels_at=pixels_at,
        padding=taken(dataset, "PixelPaddingValue", lambda value: _padding(value, dataset, allocated), []),
        unreadable=tuple(unreadable),
        **fields,
    )


def stated_syntax(dataset: Any) -> str:
    """Give the transfer syntax; where the file states none, the uncompressed one that pydicom has found it to be in."""
    stated = _text(dataset.file_meta.get("TransferSyntaxUID"))
    implicit, little = dataset.original_encoding
    return stated or (IMPLICIT_VR if implicit else EXPLICIT_VR if little else BIG_ENDIAN)


def taken(dataset: Any, tag: str, convert: Callable[[Any], Any], unreadable: list[str]) -> Any:
    """Take an element's value; one that cannot be taken counts as none, and is named in `unreadable`."""
    try:
        return convert(dataset.get(tag))
    except Exception:  # pydicom raises whatever the conversion of the value raises
        value = getattr(dataset.get_item(tag), "value", None)  # bytes, or what pydicom could make of them
        text = value.decode("latin-1").strip("\0 ") if isinstance(value, bytes) else "\\".join(_words(value))
        unreadable.append(f"{tag} '{text}'" if _HARMLESS.fullmatch(text) else tag)
        return convert(None)


def _padding(value: Any, dataset: Any, allocated: int) -> tuple[int, int] | None:
    """Bring PixelPaddingValue, and the limit of its range, to what `DicomHeader.padding` holds."""
    ends = [_whole(end) for end in (value, dataset.get("PixelPaddingRangeLimit"))]
    if ends[0] is None or not allocated:
        return None
    numbers = [end for end in ends if end is not None]
    # -2000 is written as 63536 too, whatever the pixels are: of both readings of a range the shorter one is meant.
    modulus = 1 << allocated
    unsigned = sorted(number % modulus for number in numbers)
    signed = sorted((number + modulus // 2) % modulus - modulus // 2 for number in numbers)
    low, high = min(((way[0], way[-1]) for way in (unsigned, signed)), key=lambda way: way[1] - way[0])
    return low % modulus, high - low


def _whole(value: Any) -> int | None:
    """Give a whole number, whatever type an element has in a file: pydicom leaves some as bytes, little endian."""
    if isinstance(value, bytes):
        return int.from_bytes(value[:2], "little") if len(value) >= 2 else None
    return None if value is None or value == "" else int(value)
