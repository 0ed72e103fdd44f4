"""What the manifest may say of a thymic epithelial tumour: its WHO type, and its findings on CT, in one spelling each.

The values are those of Table 1 of the study of low against high risk (see docs/risk.md). Columns ``clinical_*`` are the
cohort's own; what must not stand in them is here too, as they go into the dataset as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from nnunet_amt import paper
from nnunet_amt.cohort.spelling import letters

WHO_TYPES = ("A", "AB", "B1", "B2", "B3", "TC", "mixed")
# Column: its values. The paper's "enhancement pattern" is `enhancement`.
FINDINGS: dict[str, tuple[str, ...]] = {
    "margin": ("clear", "unclear"),
    "enhancement": ("homogeneous", "heterogeneous"),
    "enhancement_degree": ("minimal", "moderate", "severe"),
    "contour": ("smooth", "lobulated", "irregular"),
    "calcification": ("no", "yes"),
}
THYMIC_COLUMNS = ("who_type", *FINDINGS)
CLINICAL_PREFIX = "clinical_"

_MIXED = "mixed"
_PURE = {name.lower(): name for name in WHO_TYPES if name != _MIXED}
_TYPES = {**_PURE, "c": "TC", "carcinoma": "TC", "thymiccarcinoma": "TC", _MIXED: _MIXED}
# What stands around a type: "WHO type B2", "thymoma, B2". The diagnosis of TC is all of its name.
_AROUND = re.compile(r"^(who|type|typ|thymoma)+|(thymoma)$")
_BETWEEN_TYPES = re.compile(r"[/+&,;]|(?<=\d)\s*-\s*(?=[a-z])|\b(?:and|und)\b", re.IGNORECASE)
# Other words for the paper's, without capitals, spaces and hyphens.
_WORDS: dict[str, dict[str, str]] = {
    "margin": {"sharp": "clear", "welldefined": "clear", "blurred": "unclear", "illdefined": "unclear"},
    "enhancement": {"homogenous": "homogeneous", "heterogenous": "heterogeneous", "inhomogeneous": "heterogeneous"},
    "enhancement_degree": {"mild": "minimal", "marked": "severe"},
    "contour": {"lobular": "lobulated"},
    "calcification": dict.fromkeys(("y", "true", "1", "1.0", "present", "ja", "wahr"), "yes")
    | dict.fromkeys(("n", "false", "0", "0.0", "absent", "none", "nein", "falsch"), "no"),
}
_THYMOMA, _CARCINOMA = "thymoma", "thymic carcinoma"
_CLINICAL_NAME = re.compile(r"clinical_[a-z0-9]+(_[a-z0-9]+)*")
# Parts of a column's name that say that it tells who or when.
_TELLING = frozenset(
    (
        *("id", "ids", "uid", "mrn", "pid", "ssn", "name", "names", "surname", "initials", "dob", "birth", "birthday"),
        *("birthdate", "date", "dates", "datetime", "address", "zip", "postcode", "phone", "email", "accession"),
    )
)
_RECORD_NUMBER = re.compile(r"(?<![\d.,])\d{6,}")
_ADDRESS = re.compile(r"@\w")
# A text that hardly any two cases share is of no use in a table, and likely a name or a note.
_FEW_TEXTS = 6
_NUMBER = re.compile(r"[<>≤≥~]?\s*[-+]?\d+([.,]\d+)?\s*%?")


def who_type_of(text: str) -> str:
    """Bring a WHO type to its one spelling: ``"Thymoma, type b2"`` is ``"B2"``, ``"B1/B2"`` is ``"mixed"``.

    ValueError for any other text, with a reason to be shown to the table's author.
    """
    parts = [_pure_type(part) for part in _BETWEEN_TYPES.split(text) if part.strip() and letters(part) != _THYMOMA]
    known = {part for part in parts if part}
    if not parts or None in parts:
        raise ValueError(f"must be {', '.join(WHO_TYPES[:-1])} or {_MIXED}; empty the cell if it is not known")
    return known.pop() if len(known) == 1 else _MIXED


def _pure_type(text: str) -> str | None:
    spelt = letters(text)
    return _TYPES.get(spelt) or _TYPES.get(_AROUND.sub("", spelt))


def finding_of(column: str, text: str) -> str:
    """Bring a finding to the word of the paper's Table 1; ValueError for what is none of a column's values."""
    spelt = "".join(char for char in text.casefold() if char not in " -_")
    spelt = letters(text) if spelt not in _WORDS[column] else spelt
    value = _WORDS[column].get(spelt, spelt)
    if value not in FINDINGS[column]:
        *others, last = FINDINGS[column]
        raise ValueError(f"must be {', '.join(others)} or {last}; empty the cell if it is not known")
    return value


def require_fitting_histology(who_type: str, histology: str | None) -> None:
    """Refuse a WHO type beside a diagnosis of the paper's that has none, or another one: ValueError."""
    fitting = {"TC": (_CARCINOMA,), _MIXED: (_THYMOMA, _CARCINOMA)}.get(who_type, (_THYMOMA,))
    if histology in paper.DIAGNOSES and histology not in fitting:
        raise ValueError(f"{who_type} contradicts the histology {histology!r}; correct one of the two cells")


def is_clinical(column: str) -> bool:
    """Whether a column of the manifest is one of the cohort's own that goes into the dataset."""
    return column.startswith(CLINICAL_PREFIX)


def clinical_column_problem(column: str) -> str | None:
    """Say what is wrong with the name of a ``clinical_*`` column; None if it may stand."""
    if not _CLINICAL_NAME.fullmatch(column):
        return "must be clinical_ and words of a-z and 0-9 with _ between them; rename it"
    if telling := _TELLING & set(column.split("_")):
        return (
            f"would tell who or when it was ({sorted(telling)[0]!r}) and goes into the dataset; remove it, or give an "
            "age or a number of days"
        )
    return None


def telling_clinical_texts(column: str, rows: Mapping[int, Mapping[str, str | None]]) -> Iterator[tuple[int, str]]:
    """Find cells of a ``clinical_*`` column that look like a person's number, address, or name.

    Gives lines of the manifest, and what is wrong there, without what was found.
    """
    cells = {line: text for line, row in rows.items() if (text := row.get(column))}
    for line, text in cells.items():
        if _RECORD_NUMBER.search(text) or _ADDRESS.search(text):
            yield (
                line,
                (
                    "holds a number of six or more digits, or an address, which may tell who it is, and goes into the "
                    "dataset; take it out, or give a measured value in a larger unit"
                ),
            )
            return
    texts = [text for text in cells.values() if not _NUMBER.fullmatch(text)]
    different = _different(texts)
    if different > max(_FEW_TEXTS, len(texts) / 2):
        yield (
            next(line for line, text in cells.items() if text in texts),
            (
                f"{different} of the {len(texts)} texts in this column differ, as names and notes do, and go into the "
                "dataset; give numbers, or a few categories"
            ),
        )


def _different(texts: Sequence[str]) -> int:
    return len({text.casefold() for text in texts})
