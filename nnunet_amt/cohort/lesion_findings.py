"""What the manifest may say of any mediastinal lesion: diagnosis, location, circulating tumour cells (CTC)."""

from __future__ import annotations

import re
import unicodedata
from math import isfinite
from typing import Literal, get_args

from nnunet_amt.base.spreadsheet_text import as_decimal_point
from nnunet_amt.cohort.spelling import letters

Location = Literal["anterior", "middle", "posterior"]
LOCATIONS: tuple[Location, ...] = get_args(Location)
LESION_COLUMNS = ("diagnosis", "location", "ctc_level")

# Without spaces and capitals; the compartments of the International Thymic Malignancy Interest Group are among them.
_PLACES: dict[str, Location] = {
    **{name: name for name in LOCATIONS},
    "ant": "anterior",
    "mid": "middle",
    "post": "posterior",
    "prevascular": "anterior",
    "visceral": "middle",
    "paravertebral": "posterior",
}
_AFTER_A_PLACE = re.compile(r"(mediastinum|mediastinal|compartment)+$")
_LEVEL = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?|[-+]?\d{1,3}(\.\d{3})+,\d+")
_NUMBER_AND_UNIT = re.compile(r"[-+]?\d+([.,]\d+)?\s*[^\W\d_]+.*")
_RECORD_NUMBER = re.compile(r"[-+]?\d{6,}.*")
# What a laboratory writes where nothing was measured. "nd" may be "not detected" too, and "-" a negative result.
_NOT_MEASURED = frozenset(("notdone", "notmeasured", "nottested", "notavailable", "missing", "unknown", "na", "nan"))


def location_of(text: str) -> str:
    """Bring a location to one of `LOCATIONS`: ``"Anterior mediastinum"`` is ``"anterior"``.

    ValueError for any other text, with a reason to be shown to the table's author.
    """
    place = _PLACES.get(_AFTER_A_PLACE.sub("", letters(text)))
    if place is None or "?" in text:
        raise ValueError(f"must be {', '.join(LOCATIONS[:-1])} or {LOCATIONS[-1]}; empty the cell if it is not known")
    return place


def ctc_level_of(text: str) -> float | None:
    """Read a level of circulating tumour cells, in the unit that the study states.

    Parameters
    ----------
    text
        A number with a decimal point, or a comma that can be nothing else; or words such as ``"not done"``.

    Returns
    -------
    float or None
        None where the text says that none was measured.

    Raises
    ------
    ValueError
        With a reason to be shown to the table's author: a limit (``"<5"``), a unit, a range, or no number from 0 up.
    """
    plain = unicodedata.normalize("NFKC", text).replace("\u2212", "-").strip()
    if letters(plain) in _NOT_MEASURED:
        return None
    number = as_decimal_point(plain)
    if _RECORD_NUMBER.fullmatch(number):
        raise ValueError("has six or more digits, as a record number has; give levels in a larger unit")
    if not _LEVEL.fullmatch(number):
        raise ValueError(_why_no_level(plain))
    level = float(number)
    if level < 0 or not isfinite(level):
        raise ValueError("must be a number from 0 up; empty the cell where it was not measured")
    return abs(level)  # of -0


def _why_no_level(text: str) -> str:
    if text[:1] in ("<", ">", "≤", "≥", "~"):
        return (
            "is a limit and no level; write the number that your study takes for it, the same in every row, or empty "
            "the cell"
        )
    if _THOUSANDS.fullmatch(text):
        return "may be a thousand or a decimal comma; write it with a decimal point, without thousands"
    if _NUMBER_AND_UNIT.fullmatch(text):
        return "must be a number alone; the unit is one for all cases, a setting of the study, and nothing is converted"
    return "must be a number from 0 up; empty the cell where it was not measured"
