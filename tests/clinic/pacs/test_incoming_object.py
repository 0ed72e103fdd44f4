"""What an object is told by its UIDs alone, and hostile bytes refused before anything decodes them."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from nnunet_amt.clinic.pacs.incoming_object import IncomingObject, ObjectRefusedError, read_object
from tests.clinic.pacs.stand_ins import write_study

CLASS, INSTANCE, STUDY, SERIES = "1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.4", "1.2.5"


def element(tag: int, kind: bytes, value: bytes, length: int | None = None) -> bytes:
    """Write an element in explicit VR, little endian, perhaps of another length than it has."""
    value += bytes(len(value) % 2)
    stated = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + kind
    is_long = kind in (b"OB", b"SQ", b"UN", b"OW")
    return head + (struct.pack("<HI", 0, stated) if is_long else struct.pack("<H", stated)) + value


def dataset(instance: str = INSTANCE, before: bytes = b"", between: bytes = b"", after: bytes = b"") -> bytes:
    """Write the four UIDs, with other elements before, between and after them."""
    return (
        before + element(0x00080016, b"UI", CLASS.encode()) + element(0x00080018, b"UI", instance.encode()) + between
        + element(0x0020000D, b"UI", STUDY.encode()) + element(0x0020000E, b"UI", SERIES.encode()) + after
    )  # fmt: skip


def read(content: bytes, syntax: str = ExplicitVRLittleEndian, instance: str = INSTANCE) -> IncomingObject:
    return read_object(content, syntax=syntax, sop_class=CLASS, sop_uid=instance)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_uids_of_a_ct_in_every_encoding(tmp_path: Path, syntax: str) -> None:
    ct = pydicom.dcmread(write_study(tmp_path, "one")[0])
    ct.ReferencedImageSequence = [pydicom.Dataset()]
    ct.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.9"
    ct["ReferencedImageSequence"].is_undefined_length = True
    stream = io.BytesIO()
    pydicom.filewriter.write_dataset(_stream(stream, syntax), ct)
    found = read_object(stream.getvalue(), syntax=syntax, sop_class=str(ct.SOPClassUID), sop_uid=str(ct.SOPInstanceUID))
    assert (found.study_uid, found.series_uid) == (str(ct.StudyInstanceUID), str(ct.SeriesInstanceUID))


def _stream(stream: io.BytesIO, syntax: str) -> pydicom.filebase.DicomFileLike:
    like = pydicom.filebase.DicomFileLike(stream)
    like.is_little_endian = syntax != ExplicitVRBigEndian
    like.is_implicit_VR = syntax == ImplicitVRLittleEndian
    return like


def test_compressed_pixels_and_sequences_are_passed_over() -> None:
    """Pixels in fragments, a sequence of undefined length in another one, and one of unknown type: implicit within."""
    item, end, last = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"
    undefined = 0xFFFFFFFF
    inner = item + b"\xff\xff\xff\xff" + element(0x00081150, b"UI", b"1.2") + end + last
    sequence = element(0x00081140, b"SQ", item + struct.pack("<I", undefined), undefined)
    nested = sequence + element(0x00081199, b"SQ", inner, undefined) + end + last
    unknown = element(0x00091010, b"UN", item + struct.pack("<I", undefined), undefined)
    unknown += struct.pack("<HHI", 0x0009, 0x1011, 4) + b"abcd" + end + last
    pixels = element(0x7FE00010, b"OB", item + struct.pack("<I", 4) + b"abcd" + last, undefined)
    assert read(dataset(between=nested + unknown, after=pixels)) == IncomingObject(CLASS, INSTANCE, STUDY, SERIES)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "has no SOPClassUID"),
        (dataset()[:-3], "longer than the object"),
        (dataset()[:-30], "ends within|longer than"),
        (dataset(after=element(0x7FE00010, b"OB", b"ab", 0xFFFFFFF0)), "longer than the object"),
        (dataset(after=element(0x7FE00010, b"ZZ", b"ab")), "a type that DICOM does not know"),
        (dataset(instance="../../etc/passwd"), "SOPInstanceUID that is no UID"),
        (dataset(instance="1." * 40), "SOPInstanceUID that is no UID"),
        (dataset(instance="1.2.99"), "another SOPInstanceUID than was announced"),
        (dataset() + dataset(), "not in order"),
        (dataset(after=element(0x7FE00010, b"SQ", b"", 0xFFFFFFFF) * 100), "more than 64 deep"),
        (dataset(after=b"\xfe\xff\xdd\xe0\0\0\0\0"), "ends that did not begin"),
        (dataset(after=element(0x7FE00010, b"OB", b"", 0xFFFFFFFF)), "ends within an element"),
        (dataset(before=element(0x00080005, b"SQ", b"\xfe\xff\x00\xe0\0\0\0\0" * 500_001, 0xFFFFFFFF)), "elements"),
    ],
)
def test_hostile_bytes_are_refused(content: bytes, told: str) -> None:
    """Lengths of 4 GB, types that are none, names of files as UIDs, sequences without end, two objects in one."""
    with pytest.raises(ObjectRefusedError, match=told) as refused:
        read(content)
    assert refused.value.status != 0
    assert "passwd" not in str(refused.value)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=60), st.binary(max_size=200), st.integers(0, 300), st.integers(0, 255),
    st.sampled_from([ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]),
)  # fmt: skip
def test_any_bytes_are_read_or_refused(before: bytes, after: bytes, place: int, value: int, syntax: str) -> None:
    """Random bytes around and within an object never raise anything else; what is read is what was announced."""
    content = bytearray(dataset(before=before, after=after))
    content[place % len(content)] = value
    try:
        found = read(bytes(content), syntax)
    except ObjectRefusedError:
        return
    assert (found.sop_class, found.sop_uid) == (CLASS, INSTANCE)
