"""The makers of CT scanners under one name each, as in the paper's Table 2."""

from __future__ import annotations

from collections.abc import Mapping

OTHER = "other"

# Beginnings of the spellings, lower case. Canon and Fujifilm took over Toshiba's and Hitachi's scanners.
_BEGINNINGS = {
    "canon": "Canon Medical Systems",
    "toshiba": "Canon Medical Systems",
    "ge": "GE Healthcare",
    "general electric": "GE Healthcare",
    "siemens": "Siemens",
    "fuji": "Fujifilm",
    "hitachi": "Fujifilm",
    "philips": "Philips Healthcare",
    "picker": "Philips Healthcare",
    "marconi": "Philips Healthcare",
}
# Makers of CT scanners that are not in the paper's Table 2.
_FURTHER = {
    "neusoft": "Neusoft",
    "nms": "Neusoft",
    "samsung": "Samsung",
    "shimadzu": "Shimadzu",
    "uih": "United Imaging",
    "united imaging": "United Imaging",
}


def canonical_manufacturer(name: str | None) -> str | None:
    """Bring a manufacturer's name to the spelling of the paper's Table 2.

    ``"TOSHIBA_MEC"`` becomes a key of `paper.MANUFACTURERS`; a name that is none of them stays, an empty one is None.
    """
    text = " ".join((name or "").replace("_", " ").split())
    return _by_beginning(text, _BEGINNINGS) or text or None


def manufacturer_in_header(name: str | None) -> str | None:
    """Name the manufacturer that a DICOM header states, which is free text and may hold anything, a person's name too.

    A known maker of CT scanners has a name of ours; any other text is ``"other"``, none is None.
    """
    text = " ".join((name or "").replace("_", " ").split())
    return _by_beginning(text, _BEGINNINGS | _FURTHER) or (OTHER if text else None)


def _by_beginning(text: str, names: Mapping[str, str]) -> str | None:
    for beginning, canonical in names.items():
        rest = text.lower().removeprefix(beginning)
        # "GE Healthcare" and "FUJIFILM", but not "Gendex"
        if rest != text.lower() and (len(beginning) > 3 or not rest[:1].isalpha()):
            return canonical
    return None
