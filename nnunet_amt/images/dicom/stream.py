"""One DICOM file as bytes: whether it begins like one, and its content unpacked where the whole of it is deflated."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from typing import IO

IMPLICIT_VR, EXPLICIT_VR, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
UNCOMPRESSED = frozenset({IMPLICIT_VR, EXPLICIT_VR, BIG_ENDIAN})

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_INFLATED = EXPLICIT_VR.encode().ljust(len(_DEFLATED), b"\0")  # of the same length, which the header states
_PREAMBLE, _MARK = 128, b"DICM"
_HEAD = 4096
# Far above what a series or a segmentation of it takes, far below what a few bytes can be made to unpack to.
_MOST_UNPACKED = 4 << 30
_TYPES = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)
_TYPES_OF_LONG_LENGTH = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


class DicomFileError(Exception):
    """What is wrong with a file, and what to do, to stand behind its name: ``"lacks Rows; export it again"``."""


def damaged(fact: str) -> DicomFileError:
    """Say of a file that it cannot be decoded, and by what that was noticed."""
    return DicomFileError(f"is damaged ({fact}); copy or export it again")


def is_dicom(file: IO[bytes]) -> bool:
    """Look for the mark after the preamble, or, as old exports have neither, for the elements that a file begins with.

    Those are of group 0002 or 0008, in ascending order, with types or without, in either order of the bytes.
    """
    head = file.read(_HEAD)
    file.seek(0, os.SEEK_SET)
    marked = head[_PREAMBLE:].startswith(_MARK) or head.startswith(_MARK)
    return marked or any(_begins(head, order) for order in "<>")


def unpacked(file: IO[bytes]) -> IO[bytes]:
    """Give a file as it is, of one in Deflated Explicit VR what it would be without, each at its beginning.

    A mark without a preamble before it, which other readers do not find, gets one.

    Raises DicomFileError if the deflated part is damaged, or unpacks to more than any image holds.
    """
    head = file.read(_HEAD)
    file.seek(0, os.SEEK_SET)
    lacks_preamble = head.startswith(_MARK)
    if _DEFLATED not in head and not lacks_preamble:
        return file
    content = bytes(_PREAMBLE if lacks_preamble else 0) + file.read()
    start = _PREAMBLE + len(_MARK) if content[_PREAMBLE:].startswith(_MARK) else 0
    syntax, end = b"", start
    for tag, value, after in _elements(content, start, "<"):
        if tag >> 16 != 0x0002:
            break
        syntax, end = (content[value:after] if tag == 0x00020010 else syntax), after
    if syntax.rstrip(b"\0 ") != _DEFLATED:
        file.seek(0, os.SEEK_SET)
        return io.BytesIO(content) if lacks_preamble else file
    return io.BytesIO(content[:end].replace(_DEFLATED, _INFLATED) + _inflated(content[end:]))


def _inflated(packed: bytes) -> bytes:
    """Unpack a raw deflate stream; some writers put a zlib header before it."""
    for wbits in (-zlib.MAX_WBITS, zlib.MAX_WBITS):
        stream = zlib.decompressobj(wbits)
        try:
            content = stream.decompress(packed, _MOST_UNPACKED)
        except zlib.error:
            continue
        if stream.unconsumed_tail:
            raise DicomFileError(f"unpacks to more than {_MOST_UNPACKED >> 30} GB; export it uncompressed")
        if not stream.eof:
            raise damaged("its deflated part ends too early")
        return content
    raise damaged("its deflated part cannot be unpacked")


def _begins(head: bytes, order: str) -> bool:
    """Tell whether the first two elements are such as a header begins with."""
    found = _elements(head, 0, order)
    first = next(found, None)
    if first is None or first[0] >> 16 not in (0x0002, 0x0008):
        return False
    second = next(found, None)
    if second is None:  # a long first element, or a file cut off: then its type must be stated
        return head[4:6] in _TYPES
    return first[0] < second[0] and second[0] >> 16 <= 0x0020


def _elements(content: bytes, start: int, order: str) -> Iterator[tuple[int, int, int]]:
    """Give tag, and the places where the value begins and ends, of one element after the other, of whatever depth.

    Ends at what cannot be an element that begins here.
    """
    at = start
    while at + 8 <= len(content):
        group, element = struct.unpack_from(f"{order}HH", content, at)
        kind = content[at + 4 : at + 6]
        if kind in _TYPES_OF_LONG_LENGTH and at + 12 <= len(content):
            (length,) = struct.unpack_from(f"{order}I", content, at + 8)
            value = at + 12
        elif kind in _TYPES:
            (length,) = struct.unpack_from(f"{order}H", content, at + 6)
            value = at + 8
        elif order == "<":  # without types
            (length,) = struct.unpack_from("<I", content, at + 4)
            value = at + 8
        else:
            return
        if length >= 1 << 24:  # undefined, or no length at all
            return
        at = value + length
        yield group << 16 | element, value, at
