"""The schema of one manifest row, and its problems in plain words."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from nnunet_amt import paper
from nnunet_amt.cohort.case import Split
from nnunet_amt.cohort.manufacturers import canonical_manufacturer
from nnunet_amt.cohort.roi_pattern import require_usable_pattern

_CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_CONFUSING_END = re.compile(r"(_\d{4}|\.nii|\.gz|\.nrrd|\.mha|\.)$", re.IGNORECASE)
_NUMBER_AND_UNIT = re.compile(r"nan|inf|[-+]?\d{0,3}([.,]\d{1,3})?( ?[A-Za-z]{1,5})?", re.IGNORECASE)
# Wrong values that messages may show.
_HARMLESS = {
    "age": _NUMBER_AND_UNIT,
    "slice_thickness_mm": _NUMBER_AND_UNIT,
    "sex": re.compile(r"\w|wom[ae]n|man|d|divers|weiblich|männlich|frau|mann|unknown|n/?a", re.IGNORECASE),
    "split": re.compile(r"\d|train|tune|val|valid|validation|dev|test|testing|ext|internal", re.IGNORECASE),
}
_SEXES = {"f": "F", "female": "F", "m": "M", "male": "M", "o": "O", "other": "O"}
_HISTOLOGIES = {name.lower(): name for name in paper.DIAGNOSES}


class _Row(BaseModel):
    """What included and excluded rows have in common."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    case_id: str

    @field_validator("case_id")
    @classmethod
    def _names_a_file(cls, value: str) -> str:
        if not _CASE_ID.fullmatch(value):
            raise ValueError(
                "must be 1 to 100 of the characters A-Z a-z 0-9 _ . - and begin with a letter or a digit, "
                "as files are named by it"
            )
        if _CONFUSING_END.search(value):
            raise ValueError("must not end like a channel number (_0000) or a file ending, as nnU-Net adds those to it")
        return value


class ExcludedRow(_Row):
    """A row with an exclusion reason; the rest of it may be incomplete."""

    institution: str | None = None
    exclusion_reason: str


class IncludedRow(_Row):
    """A row of a case that takes part."""

    patient_id: str
    institution: str
    image: str
    mask: str
    split: Split | None = None
    roi: str | None = None
    age: float | None = Field(default=None, ge=0, le=120, allow_inf_nan=False)
    sex: Literal["F", "M", "O"] | None = None
    histology: str | None = None
    manufacturer: str | None = None
    slice_thickness_mm: float | None = Field(default=None, gt=0, le=100, allow_inf_nan=False)

    @field_validator("split", mode="before")
    @classmethod
    def _lower(cls, value: str | None) -> str | None:
        return value.lower() if value else value

    @field_validator("sex", mode="before")
    @classmethod
    def _letter(cls, value: str | None) -> str | None:
        return _SEXES.get(value.lower(), value) if value else value

    @field_validator("histology")
    @classmethod
    def _diagnosis(cls, value: str | None) -> str | None:
        return _HISTOLOGIES.get(" ".join(value.lower().split()), value) if value else value

    @field_validator("manufacturer")
    @classmethod
    def _manufacturer(cls, value: str | None) -> str | None:
        return canonical_manufacturer(value)

    @field_validator("roi")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value:
            require_usable_pattern(value)
        return value


def problems_in(error: ValidationError) -> list[tuple[str, str]]:
    """Put pydantic's complaints into words a spreadsheet's author understands.

    Returns
    -------
    list of (str, str)
        Column and what is wrong there, in the schema's order.
    """
    return [(str(one["loc"][0]), _words(str(one["loc"][0]), one)) for one in error.errors()]


def _shown(column: str, value: str) -> str:
    """Show a wrong value, unless it may be a name or a date of birth: a column may be shifted."""
    harmless = _HARMLESS.get(column)
    if harmless is None or harmless.fullmatch(value):
        return f"got {value[:60]!r}"
    return "the value is not shown, as it may be a name or a date"


def _words(column: str, one: Any) -> str:
    value = one["input"]
    got = "" if value is None else f" ({_shown(column, str(value))})"
    context = one.get("ctx", {})
    limit = {
        "greater_than": "must be above {gt}",
        "greater_than_equal": "must be at least {ge}",
        "less_than_equal": "must be at most {le}",
    }.get(one["type"])
    if limit:
        return limit.format(**context) + got
    match one["type"]:
        case "missing" | "string_type":
            return "is empty; every included case needs it (or an exclusion_reason)"
        case "literal_error":
            return f"must be {context['expected']}{got}"
        case "float_parsing" | "finite_number" | "float_type":
            return f"must be a number with a decimal point{got}"
        case "value_error":
            return f"{context['error']}{got}"
    return f"{one['msg']}{got}"
