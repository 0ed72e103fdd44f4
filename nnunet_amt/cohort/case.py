"""A case of the cohort: the schema of its row in the manifest, and its problems in plain words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from nnunet_amt import paper
from nnunet_amt.cohort.diagnosis import DIAGNOSES, require_fitting_diagnosis, standard_name
from nnunet_amt.cohort.lesion_findings import ctc_level_of, location_of
from nnunet_amt.cohort.manufacturer import canonical_manufacturer
from nnunet_amt.cohort.thymic_findings import FINDINGS, finding_of, require_fitting_histology, who_type_of

Split = Literal["training", "tuning", "external"]
SPLITS: tuple[Split, ...] = ("training", "tuning", "external")


@dataclass(frozen=True)
class CohortCase:
    """One included row of the manifest.

    Attributes
    ----------
    case_id
        Name of the case in the dataset: nnU-Net's files are named by it.
    patient_id
        Who the CT is of. Only compared, never written or shown.
    institution
        Where the CT was made.
    image
        A NIfTI, NRRD or MHA file, or a DICOM series as a folder or a zip.
    mask
        A label file, or an RTSTRUCT: the file itself, or a folder or zip that holds it. None only with `no_tumour`.
    split
        Set of the case; None until `assign_splits` has drawn it.
    roi
        Regular expression of the RTSTRUCT's ROI names to merge.
    age
        Years.
    sex
        ``"F"``, ``"M"`` or ``"O"``, as in DICOM.
    histology, manufacturer
        As in the paper's Tables 1 and 2 where the manifest's value is a spelling of those.
    slice_thickness_mm
        In mm.
    line
        Line of the manifest, the header being line 1.
    no_tumour
        Whether the manifest says that the CT shows no tumour: its reference is empty.
    who_type, margin, enhancement, enhancement_degree, contour, calcification
        Of a thymic epithelial tumour, see `nnunet_amt.cohort.thymic_findings`.
    diagnosis
        Of any lesion, as in `nnunet_amt.cohort.diagnosis` where the manifest's value is a spelling of those.
    location
        One of `nnunet_amt.cohort.lesion_findings.LOCATIONS`.
    ctc_level
        Level of circulating tumour cells, in the unit that the study states; None where it was not measured.
    clinical
        Texts of the manifest's columns ``clinical_*``, by column, in its order; empty cells are left out.
    mask_2
        Mask of a second reader, in the forms that `mask` may have.
    """

    case_id: str
    patient_id: str
    institution: str
    image: Path
    mask: Path | None
    split: Split | None
    roi: str | None
    age: float | None
    sex: Literal["F", "M", "O"] | None
    histology: str | None
    manufacturer: str | None
    slice_thickness_mm: float | None
    line: int
    no_tumour: bool = False
    who_type: str | None = None
    margin: str | None = None
    enhancement: str | None = None
    enhancement_degree: str | None = None
    contour: str | None = None
    calcification: str | None = None
    diagnosis: str | None = None
    location: str | None = None
    ctc_level: float | None = None
    clinical: tuple[tuple[str, str], ...] = ()
    mask_2: Path | None = None


@dataclass(frozen=True)
class ExcludedCase:
    """A row of the manifest that gives an exclusion reason; its files are never looked at."""

    case_id: str
    institution: str | None
    exclusion_reason: str
    line: int


def place_in_manifest(name: str, line: int, column: str, case_id: str | None = None) -> str:
    """Say where a problem stands: ``manifest.csv line 4, column 'sex' (case 'amt_003')``."""
    case = f" (case {case_id!r})" if case_id else ""
    return f"{name} line {line}, column {column!r}{case}"


try:
    from re import _parser as _expressions  # type: ignore[attr-defined, unused-ignore]
except ImportError:  # Python 3.10
    import sre_parse as _expressions

# A DICOM name has at most 64 characters, and Python's matcher tries all ways to divide them among the repetitions.
_LONGEST_NAME = 64
# The bound is far above the ways that are tried: four of .* with text between them are a matter of milliseconds.
_MOST_WAYS = 10**8


def require_usable_pattern(pattern: str) -> None:
    """Refuse what is no regular expression, or might try more than a hundred million ways to match one name.

    Parameters
    ----------
    pattern
        For example ``GTV.*``.

    Raises
    ------
    ValueError
        With a reason to be shown to the manifest's author.
    """
    try:
        re.compile(pattern)
        tree = _expressions.parse(pattern)
        ways = _ways(tree)
    except re.error as error:
        raise ValueError(_no_expression(str(error))) from error
    except OverflowError as error:
        raise ValueError(_no_expression("the repetition number is too large")) from error
    except RecursionError as error:
        raise ValueError(_no_expression("it is nested too deeply")) from error
    if ways > _MOST_WAYS:
        raise ValueError(
            "could take hours to match one name; repeat no group that itself holds + * ? | or {}, and write at most "
            "four of .* or .+"
        )


def _ways(items: Iterable[Any]) -> int:
    """Bound the ways in which a parsed sequence can match the parts of one name."""
    return min(prod(_ways_of(str(name), argument) for name, argument in items), _MOST_WAYS + 1)


def _ways_of(name: str, argument: Any) -> int:
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inside = argument
        times = min(int(most), _LONGEST_NAME)
        lengths = max(1, times - min(int(least), times) + 1)
        return min(lengths * _ways(inside) ** times, _MOST_WAYS + 1)
    if name == "BRANCH":
        return sum(_ways(inside) for inside in argument[1])
    parts = argument if isinstance(argument, (tuple, list)) else (argument,)
    return prod(_ways(part) for part in parts if isinstance(part, _expressions.SubPattern))


def _no_expression(reason: str) -> str:
    return f"is no regular expression: {reason}; put a backslash before ( ) [ ] + * ?"


_CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
# What nnU-Net 2.8 puts after a case's name: channels, and in preprocessed folders (`nnunet_dataset.py`) the labels'
# ``_seg``, so that it lists no case whose name ends so; the endings of its files, and of images that it reads.
_CONFUSING_END = re.compile(
    r"(_\d{4}|_seg|\.(nii|gz|nrrd|nhdr|mha|mhd|gipl|png|bmp|tiff?|b2nd|np[yz]|pkl|json)|\.)$", re.IGNORECASE
)
_NNUNETS_OWN = ("postprocessing",)  # it writes postprocessing.pkl beside the .pkl of each prediction
_NUMBER_AND_UNIT = re.compile(r"nan|inf|[-+]?\d{0,3}([.,]\d{1,3})?( ?([A-Za-z]{1,5}|歳|才))?", re.IGNORECASE)
_PLACE = "(?:anterior|middle|posterior|superior|inferior|left|right|neck|lung|mediastin(?:um|al))"
# Wrong values that messages may show.
_HARMLESS = {
    "age": _NUMBER_AND_UNIT,
    "slice_thickness_mm": _NUMBER_AND_UNIT,
    "sex": re.compile(r"\w|wom[ae]n|man|d|divers|weiblich|männlich|frau|mann|unknown|n/?a|不明", re.IGNORECASE),
    "no_tumour": re.compile(r"\d|x|unknown|none|maybe|n/?a", re.IGNORECASE),
    "split": re.compile(r"\d|train|tune|val|valid|validation|dev|test|testing|ext|internal", re.IGNORECASE),
    "who_type": re.compile(r"(type )?[A-Z]{0,2}\d?([/+,&-][A-Z]{1,2}\d?)*|unknown|n/?a|thymoma", re.IGNORECASE),
    **dict.fromkeys(FINDINGS, re.compile(r"\d|x|unknown|n/?a", re.IGNORECASE)),
    "diagnosis": re.compile("|".join(map(re.escape, DIAGNOSES)), re.IGNORECASE),
    "location": re.compile(rf"{_PLACE}([ /,&+-]+{_PLACE})*|\d|x|unknown|n/?a", re.IGNORECASE),
    "ctc_level": re.compile(
        r"[<>≤≥~]? ?[-+\u2212]?\d{1,5}([.,]\d{1,3})?( ?(pg|ng|[µu]g|cells?|ctcs?)? ?(/|per)? ?(\d([.,]\d)?)? ?(ml|l))?|"
        r"not detected|neg(ative)?|pos(itive)?|n/?d|inf|\++|-",
        re.IGNORECASE,
    ),
    "mask_2": re.compile(r""),
}
# As people, spreadsheets and pandas write them.
_YES = frozenset({"yes", "y", "true", "1", "1.0", "ja", "wahr", "はい"})
_NO = frozenset({"no", "n", "false", "0", "0.0", "nein", "falsch", "いいえ"})
SEX_LETTERS = {"f": "F", "female": "F", "m": "M", "male": "M", "o": "O", "other": "O"}
SEX_LETTERS |= {"女": "F", "女性": "F", "男": "M", "男性": "M", "その他": "O"}
_HISTOLOGIES = {name.lower(): name for name in paper.DIAGNOSES}


def _plain(text: str | None) -> str | None:
    """Write full-width letters and digits, which East Asian keyboards give, as all others are written."""
    return unicodedata.normalize("NFKC", text) if text else text


def yes_or_no(text: str | None) -> bool:
    """Read a cell such as ``yes``, ``1``, ``TRUE``, ``no`` or ``0``; an empty one says no.

    ValueError for any other, with a reason to be shown to the table's author.
    """
    word = (_plain(text) or "").strip().casefold()
    if word and word not in _YES | _NO:
        raise ValueError("must be yes or no")
    return word in _YES


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
        if _CONFUSING_END.search(value) or value.lower() in _NNUNETS_OWN:
            raise ValueError(
                "must not end like a channel number (_0000), a label (_seg) or a file ending, as nnU-Net adds those to "
                "it; change its end, such as amt_0003 into amt-0003"
            )
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
    no_tumour: bool = False  # before the mask and the histology, which must fit it
    mask: str | None = Field(default=None, validate_default=True)
    split: Split | None = None
    roi: str | None = None
    age: float | None = Field(default=None, ge=0, le=120, allow_inf_nan=False)
    sex: Literal["F", "M", "O"] | None = None
    histology: str | None = None
    manufacturer: str | None = None
    slice_thickness_mm: float | None = Field(default=None, gt=0, le=100, allow_inf_nan=False)
    who_type: str | None = None
    margin: str | None = None
    enhancement: str | None = None
    enhancement_degree: str | None = None
    contour: str | None = None
    calcification: str | None = None
    diagnosis: str | None = None  # after the histology and the WHO type, which it must fit
    location: str | None = None
    ctc_level: float | None = None
    mask_2: str | None = None

    @field_validator("age", "slice_thickness_mm", mode="before")
    @classmethod
    def _decimal_point(cls, value: str | None) -> str | None:
        text = _plain(value)
        return re.sub(r"^(\d+),(\d+)$", r"\1.\2", text) if text else text  # thousands would be too many anyway

    @field_validator("split", mode="before")
    @classmethod
    def _lower(cls, value: str | None) -> str | None:
        text = _plain(value)
        return text.lower() if text else text

    @field_validator("sex", mode="before")
    @classmethod
    def _letter(cls, value: str | None) -> str | None:
        text = _plain(value)
        return SEX_LETTERS.get(text.lower(), value) if text else value

    @field_validator("no_tumour", mode="before")
    @classmethod
    def _yes_or_no(cls, value: str | None) -> bool:
        return yes_or_no(value)

    @field_validator("mask")
    @classmethod
    def _given(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("no_tumour") is False:
            raise ValueError(
                "is empty; every included case needs it (or an exclusion_reason, or no_tumour = yes for a CT without "
                "a tumour)"
            )
        return value

    @field_validator("histology")
    @classmethod
    def _diagnosis(cls, value: str | None, info: ValidationInfo) -> str | None:
        known = _HISTOLOGIES.get(" ".join(str(_plain(value)).lower().split()), value) if value else value
        if known in paper.DIAGNOSES and info.data.get("no_tumour"):
            raise ValueError("contradicts no_tumour = yes; empty one of the two cells")
        if known and known not in paper.DIAGNOSES and (meant := _one_letter_from(known.lower(), _HISTOLOGIES)):
            raise ValueError(f"is unknown, and nearly {meant!r}; spell it so, or empty the cell")
        return known

    @field_validator("manufacturer")
    @classmethod
    def _manufacturer(cls, value: str | None) -> str | None:
        return canonical_manufacturer(value)

    @field_validator("who_type")
    @classmethod
    def _type(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not value:
            return None
        _require_tumour(info)
        known = who_type_of(value)
        require_fitting_histology(known, info.data.get("histology"))
        return known

    @field_validator(*FINDINGS)
    @classmethod
    def _finding(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not value:
            return None
        _require_tumour(info)
        return finding_of(str(info.field_name), value)

    @field_validator("diagnosis")
    @classmethod
    def _lesion(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not value:
            return None
        _require_tumour(info)
        plain = " ".join(str(_plain(value)).split())
        require_fitting_diagnosis(plain, histology=info.data.get("histology"), who_type=info.data.get("who_type"))
        return standard_name(plain) or plain

    @field_validator("location")
    @classmethod
    def _place(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not value:
            return None
        _require_tumour(info)
        return location_of(value)

    @field_validator("ctc_level", mode="before")
    @classmethod
    def _level(cls, value: str | None) -> float | None:
        return ctc_level_of(value) if value else None

    @field_validator("mask_2")
    @classmethod
    def _another(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value:
            _require_tumour(info)
            if value == info.data.get("mask"):
                raise ValueError("is the file of column 'mask'; give the second reader's own, or empty the cell")
        return value

    @field_validator("roi")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value:
            require_usable_pattern(value)
        return value


def _one_letter_from(text: str, names: Mapping[str, str]) -> str | None:
    """Find the name from which a text differs by one letter, too many, missing or another, or by two exchanged ones.

    Such a text would be a category of its own in every table. A plural is one too.
    """
    plain = unicodedata.normalize("NFKC", text)
    for spelt, name in names.items():
        differing = (place for place, (one, other) in enumerate(zip(plain, spelt, strict=False)) if one != other)
        alike = next(differing, min(len(plain), len(spelt)))
        one, other = plain[alike:], spelt[alike:]
        rest = {(one[1:], other[1:]), (one[1:], other), (one, other[1:])}
        exchanged = (one[1:2] + one[:1], one[2:]) == (other[:2], other[2:])
        if (one or other) and (exchanged or any(first == second for first, second in rest)):
            return name
    return None


def _require_tumour(info: ValidationInfo) -> None:
    if info.data.get("no_tumour"):
        raise ValueError("contradicts no_tumour = yes; empty one of the two cells")


def problems_in(error: ValidationError) -> list[tuple[str, str]]:
    """Put pydantic's complaints into words a spreadsheet's author understands: column, and what is wrong there."""
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
        "greater_than": "must be above {gt:g}",
        "greater_than_equal": "must be at least {ge:g}",
        "less_than_equal": "must be at most {le:g}",
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
