"""One name a scanner manufacturer: DICOM headers spell them in many ways."""

from __future__ import annotations

__all__ = ["canonical_manufacturer"]

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


def canonical_manufacturer(name: str | None) -> str | None:
    """Bring a manufacturer's name to the spelling of the paper's Table 2.

    Parameters
    ----------
    name
        For example ``"SIEMENS"``, ``"GE MEDICAL SYSTEMS"`` or ``"TOSHIBA_MEC"``.

    Returns
    -------
    str or None
        A key of `paper.MANUFACTURERS`; if it is none of them, the given name; if it is empty, None.
    """
    text = " ".join((name or "").replace("_", " ").split())
    for beginning, canonical in _BEGINNINGS.items():
        rest = text.lower().removeprefix(beginning)
        # "GE Healthcare" and "FUJIFILM", but not "Gendex"
        if rest != text.lower() and (len(beginning) > 2 or not rest[:1].isalpha()):
            return canonical
    return text or None
