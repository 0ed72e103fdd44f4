"""The headers of a CT's slices, so that objects may take them over: without values that the standard does not allow.

Scanners, archives and anonymisers write such values, and take them; a validator, or another archive, does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.dicom.files import pydicom_module

_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
_PATIENT = ("PatientName", "PatientID")  # left out, they would make an object of nobody's
_OF_SERIES = ("StudyInstanceUID", "FrameOfReferenceUID", *_PATIENT)  # one in all slices
_ENUMERATED = {"PatientSex": ("M", "F", "O"), "PatientIdentityRemoved": ("YES", "NO")}
_UID_LENGTH = 64
_DIGITS = 10  # of a decimal, which then fits the 16 characters of a DS also with sign and exponent


def require_identity(slices: Sequence[Any], name: str) -> None:
    """Refuse a series whose slices lack what an object must name, or whose UIDs or patient are none by the standard.

    Parameters
    ----------
    slices
        pydicom datasets.
    name
        Of the folder or zip, for messages: they hold no value, which may tell who the patient is.

    Raises
    ------
    ImageReadError
        Which says how to get a series that can be named.
    """
    for number, dataset in enumerate(slices, start=1):
        for keyword in _UIDS:
            if why := _why_no_uid(keyword, str(dataset.get(keyword) or "")):
                raise ImageReadError(
                    f"{name}: slice {number} has {why}, which an object made of it must name; export the CT from the "
                    "PACS again"
                )
        for keyword in _OF_SERIES:
            if str(dataset.get(keyword) or "") != str(slices[0].get(keyword) or ""):
                raise ImageReadError(
                    f"{name}: slice {number} has another {keyword} than slice 1, so no object can belong to both; "
                    "export the CT from the PACS again"
                )
    for keyword in _PATIENT:
        if keyword in slices[0] and not _is_valid(slices[0], slices[0][keyword].tag):
            raise ImageReadError(
                f"{name}: its {keyword} is longer than the standard allows, or two in one, so no object can be of that "
                "patient; mend it in the PACS and export the CT again"
            )


def without_invalid(dataset: Any, *, only: Sequence[str] | None = None) -> list[str]:
    """Remove from a header what is no value by the standard; give the keywords of what went.

    A number of too many digits is written with as many as may be: it stays what it is to a part in a thousand million.

    Parameters
    ----------
    dataset
        A pydicom dataset, which is changed.
    only
        Keywords of the elements that are looked at; all of them if not given.
    """
    gone = []
    for tag in [dataset[keyword].tag for keyword in only if keyword in dataset] if only else list(dataset.keys()):
        if _is_valid(dataset, tag):
            continue
        shorter = _shorter_decimals(dataset, tag)
        if shorter is not None:
            dataset[tag].value = shorter
            continue
        dataset.pop(tag)
        gone.append(pydicom_module().datadict.keyword_for_tag(tag) or str(tag))
    return gone


def _why_no_uid(keyword: str, uid: str) -> str | None:
    if not uid:
        return f"no {keyword}"
    if len(uid) > _UID_LENGTH:
        return f"a {keyword} of {len(uid)} characters, of {_UID_LENGTH} at most"
    if not pydicom_module().uid.UID(uid).is_valid:
        return f"a {keyword} that is not numbers joined by dots without zeros before them"
    return None


def _is_valid(dataset: Any, tag: Any) -> bool:
    pydicom = pydicom_module()
    try:
        element = dataset[tag]
        if element.VR == "SQ" or element.is_empty:
            return True
        values = element.value if element.VM > 1 else [element.value]
        if element.VM > 1 and not element.tag.is_private and pydicom.datadict.dictionary_VM(tag) == "1":
            return False
        for value in values:
            if isinstance(value, str | pydicom.valuerep.PersonName) or element.VR in ("DS", "IS"):
                pydicom.valuerep.validate_value(element.VR, _as_written(value), pydicom.config.RAISE)
        allowed = _ENUMERATED.get(element.keyword)
    except (ValueError, TypeError, KeyError, OverflowError, NotImplementedError):
        return False
    return allowed is None or element.value in allowed


def _as_written(value: Any) -> str:
    return str(getattr(value, "original_string", None) or value)


def _shorter_decimals(dataset: Any, tag: Any) -> list[str] | None:
    try:
        element = dataset[tag]
        values = element.value if element.VM > 1 else [element.value]
        return [f"{float(value):.{_DIGITS}g}" for value in values] if element.VR == "DS" else None
    except (ValueError, TypeError):
        return None
