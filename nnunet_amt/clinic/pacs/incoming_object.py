"""An object as it comes from the network: what it is, told without decoding more of it than its UIDs.

The elements are walked through from the first to the last, values are passed over. So a length that leads beyond the
end, a type that DICOM does not have, or sequences in sequences without end are found before any other reader of ours
opens the object.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from nnunet_amt.images.dicom.stream import BIG_ENDIAN, IMPLICIT_VR

CANNOT_UNDERSTAND, OTHER_CLASS = 0xC000, 0xA900  # PS3.4, B.2.3
_SOP_CLASS, _SOP_UID, _STUDY_UID, _SERIES_UID = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_WANTED = (_SOP_CLASS, _SOP_UID, _STUDY_UID, _SERIES_UID)
_NAMES = {_SOP_CLASS: "SOPClassUID", _SOP_UID: "SOPInstanceUID", _STUDY_UID: "StudyInstanceUID",
          _SERIES_UID: "SeriesInstanceUID"}  # fmt: skip
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST_UID = 64
_DEEPEST = 64
_MOST_ELEMENTS = 500_000  # an enhanced CT of a thousand frames has a tenth


class ObjectRefusedError(Exception):
    """Why an object is not taken, in words without its values, with the status of the C-STORE."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class IncomingObject:
    """What an object says of itself."""

    sop_class: str
    sop_uid: str
    study_uid: str
    series_uid: str


def read_object(dataset: bytes, *, syntax: str, sop_class: str, sop_uid: str) -> IncomingObject:
    """Read the UIDs of an object, and hold them against what its sender announced.

    Parameters
    ----------
    dataset
        Without preamble and file meta information, not deflated.
    syntax
        Transfer syntax.
    sop_class, sop_uid
        As the C-STORE states them.

    Raises
    ------
    ObjectRefusedError
        If it cannot be walked through, or its UIDs are missing, none, or others.
    """
    found: dict[int, str] = {}
    for tag, start, end in _top_elements(dataset, syntax):
        if tag in _WANTED and tag not in found:
            found[tag] = _uid(dataset[start:end], _NAMES[tag])
    for tag in _WANTED:
        if tag not in found:
            raise ObjectRefusedError(CANNOT_UNDERSTAND, f"has no {_NAMES[tag]}")
    if found[_SOP_CLASS] != sop_class:
        raise ObjectRefusedError(OTHER_CLASS, "is of another SOP class than was announced")
    if found[_SOP_UID] != sop_uid:
        raise ObjectRefusedError(OTHER_CLASS, "has another SOPInstanceUID than was announced")
    return IncomingObject(*(found[tag] for tag in (_SOP_CLASS, _SOP_UID, _STUDY_UID, _SERIES_UID)))


def _uid(value: bytes, name: str) -> str:
    text = value.decode("latin-1").rstrip("\0 ")
    if len(text) > _LONGEST_UID or not _UID.fullmatch(text):
        raise ObjectRefusedError(CANNOT_UNDERSTAND, f"has a {name} that is no UID")
    return text


def _top_elements(dataset: bytes, syntax: str) -> Iterator[tuple[int, int, int]]:
    """Give tag, begin and end of the value of each element that lies in no sequence and has a length.

    `inside` has an entry a sequence or item of undefined length that is open, whether elements in it have no types:
    so a sequence of unknown type is written in any syntax.
    """
    order = ">" if syntax == BIG_ENDIAN else "<"
    inside = [syntax == IMPLICIT_VR]
    at, last = 0, -1
    for _ in range(_MOST_ELEMENTS):
        if at == len(dataset) and len(inside) == 1:
            return
        tag, kind, length, value = _element(dataset, at, order, implicit=inside[-1])
        at = value
        if tag in (_ITEM_END, _SEQUENCE_END):
            if len(inside) == 1 or length:
                raise _damaged("a sequence ends that did not begin")
            inside.pop()
        elif length == _UNDEFINED:
            if len(inside) > _DEEPEST:
                raise _damaged(f"has sequences in sequences, more than {_DEEPEST} deep")
            inside.append(inside[-1] or kind == b"UN")
        else:
            at = value + length
            if at > len(dataset):
                raise _damaged("an element is longer than the object")
            if len(inside) == 1:
                if tag <= last:
                    raise _damaged("its elements are not in order")
                last = tag
                yield tag, value, at
    raise _damaged(f"has more than {_MOST_ELEMENTS} elements")


def _element(dataset: bytes, at: int, order: str, *, implicit: bool) -> tuple[int, bytes, int, int]:
    """Give tag, type (empty where none is written), length, and where the value begins."""
    if at + 8 > len(dataset):
        raise _damaged("ends within an element")
    group, number, length = struct.unpack_from(f"{order}HHI", dataset, at)
    tag = group << 16 | number
    if implicit or tag in (_ITEM, _ITEM_END, _SEQUENCE_END):
        return tag, b"", length, at + 8
    kind = dataset[at + 4 : at + 6]
    if kind in _SHORT:
        return tag, kind, struct.unpack_from(f"{order}H", dataset, at + 6)[0], at + 8
    if kind not in _LONG:
        raise _damaged("an element has a type that DICOM does not know")
    if at + 12 > len(dataset):
        raise _damaged("ends within an element")
    return tag, kind, struct.unpack_from(f"{order}I", dataset, at + 8)[0], at + 12


def _damaged(fact: str) -> ObjectRefusedError:
    return ObjectRefusedError(CANNOT_UNDERSTAND, fact)
