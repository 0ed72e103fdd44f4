"""From what is known of a patient to numbers for a network, by the statistics of the training cases alone.

A number is standardised (z-score); where it is missing its place holds 0, the mean, and a flag beside it is 1. Of words
each has a place that is 1, and so has "not stated". What no training case lacked, a network never learned to lack: then
the flag stays 0, words hold the shares that they had in training, and `Encoding.notes` says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nnunet_amt.base.json_file import NUMBER, misfit
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.summary.cohort_groups import as_number

CTC, AGE, SEX, LOCATION = "CTC level", "age", "sex", "location"
NOT_STATED = "not stated"
_OLDEST = 130.0
_NUMBERS = {"name": str, "mean": NUMBER, "sd": NUMBER, "lowest": NUMBER, "highest": NUMBER, "known": int, "missing": int}
_WORDS = {"name": str, "counts": {str: int}}
FORM: Mapping[str, Any] = {"ctc": _NUMBERS, "clinical": [(_NUMBERS, _WORDS)]}


class DescribedPatient(Protocol):
    """What of a patient is encoded, see `LesionCase`."""

    @property
    def ctc_level(self) -> float | None:
        """In the unit of the study."""

    @property
    def age(self) -> float | None:
        """Years."""

    @property
    def sex(self) -> str | None:
        """As the manifest has it."""

    @property
    def location(self) -> str | None:
        """Of the lesion."""

    @property
    def clinical(self) -> Mapping[str, str]:
        """Texts of the columns ``clinical_*``."""


@dataclass(frozen=True)
class PatientData:
    """What is known of a new patient beside the CT; see `LesionCase`. None, or an empty text, is not known.

    Raises
    ------
    BadInputError
        If a level is below 0, an age none that a person has, or one of them no number.
    """

    ctc_level: float | None = None
    age: float | None = None
    sex: str | None = None
    location: str | None = None
    clinical: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, most in ((CTC, self.ctc_level, math.inf), (AGE, self.age, _OLDEST)):
            if value is not None and not (math.isfinite(value) and 0 <= value <= most):
                rule = "0 or more" if most == math.inf else f"0 to {most:g} years"
                raise BadInputError(f"{name} {value:g}: must be {rule}; correct it, or leave it empty")


@dataclass(frozen=True)
class NumberColumn:
    """A number that the training cases have.

    Attributes
    ----------
    name
        Of the column.
    mean, sd, lowest, highest
        Of the training cases that have it; 0 where none has.
    known, missing
        How many training cases have it, and how many do not.
    """

    name: str
    mean: float
    sd: float
    lowest: float
    highest: float
    known: int
    missing: int

    @classmethod
    def fitted(cls, name: str, values: Sequence[float | None]) -> NumberColumn:
        """Take the statistics of the training cases; the SD is that of all of them, not an estimate."""
        known = [value for value in values if value is not None]
        missing = len(values) - len(known)
        if not known:
            return cls(name, 0.0, 0.0, 0.0, 0.0, 0, missing)
        mean, sd = float(np.mean(known)), float(np.std(known))
        return cls(name, mean, sd, min(known), max(known), len(known), missing)

    @property
    def names(self) -> tuple[str, ...]:
        """Of its places."""
        return self.name, f"{self.name} {NOT_STATED}"

    def encoded(self, value: float | str | None) -> tuple[float, ...]:
        """Give the z-score, 0 where it is missing or the training cases do not differ, and whether it is missing."""
        number = self._number(value)
        if number is None:
            return 0.0, float(self.missing > 0 and self.known > 0)
        return ((number - self.mean) / self.sd if self.sd > 0 else 0.0), 0.0

    def notes(self, value: float | str | None) -> list[str]:
        """Say what is unusual about a new patient's value."""
        number = self._number(value)
        if number is None:
            given = f"{value!r} is no number" if value else NOT_STATED
            if not self.known:
                return [f"{self.name}: {given}; no training case had one either"] if value else []
            used = "" if self.missing else "; every training case had one, their mean is taken"
            return [f"{self.name}: {given}{used}"]
        if not self.known:
            return [f"{self.name}: no training case had one, it has no say"]
        if not self.lowest <= number <= self.highest:
            return [f"{self.name}: {number:g} is outside the training cases' {self.lowest:g} to {self.highest:g}"]
        return []

    @staticmethod
    def _number(value: float | str | None) -> float | None:
        return as_number(value) if isinstance(value, str) else value


@dataclass(frozen=True)
class WordColumn:
    """Words that the training cases have: how many have each, in the order of its places; the last is `NOT_STATED`."""

    name: str
    counts: Mapping[str, int]

    @classmethod
    def fitted(cls, name: str, values: Sequence[str | None]) -> WordColumn:
        """Count the words of the training cases; capitals do not count."""
        words = [_word(value) for value in values]
        counts = {word: words.count(word) for word in sorted({*words} - {NOT_STATED})}
        return cls(name, {**counts, NOT_STATED: words.count(NOT_STATED)})

    @property
    def names(self) -> tuple[str, ...]:
        """Of its places."""
        return tuple(f"{self.name} {word}" for word in self.counts)

    def encoded(self, value: float | str | None) -> tuple[float, ...]:
        """Give 1 for its word; where it has none that a training case had, the shares of the training cases."""
        word = self._known(value)
        if self.counts[word]:
            return tuple(float(other == word) for other in self.counts)
        total = max(1, sum(self.counts.values()))
        return tuple(count / total for count in self.counts.values())

    def notes(self, value: float | str | None) -> list[str]:
        """Say what is unusual about a new patient's word."""
        if self._known(value) != NOT_STATED:
            return []
        words = [word for word, count in self.counts.items() if count and word != NOT_STATED]
        if not words:
            return [f"{self.name}: no training case had one, it has no say"] if value else []
        given = f"{value!r} is not known from training ({', '.join(words)})" if value else NOT_STATED
        used = "counted as not stated" if value else ""
        if not self.counts[NOT_STATED]:
            used = "every training case had one, their shares are taken"
        return [f"{self.name}: {given}{'; ' if used else ''}{used}"]

    def _known(self, value: float | str | None) -> str:
        word = _word(None if value is None else str(value))
        return word if self.counts.get(word) else NOT_STATED


@dataclass(frozen=True)
class Encoding:
    """How patients are encoded.

    Attributes
    ----------
    ctc
        Level of circulating tumour cells.
    clinical
        Age, sex, location, and each column ``clinical_*`` that a training case had.
    """

    ctc: NumberColumn
    clinical: tuple[NumberColumn | WordColumn, ...]

    @property
    def clinical_names(self) -> tuple[str, ...]:
        """Of the places of the clinical vector."""
        return tuple(name for column in self.clinical for name in column.names)

    def vectors(self, patients: Sequence[DescribedPatient]) -> tuple[np.ndarray, np.ndarray]:
        """Encode patients.

        Returns
        -------
        ctc : numpy.ndarray of float32, (patients, 2)
            Standardised level, and whether it is missing.
        clinical : numpy.ndarray of float32, (patients, places)
            See `clinical_names`.
        """
        ctc = [self.ctc.encoded(patient.ctc_level) for patient in patients]
        clinical = [
            [place for column in self.clinical for place in column.encoded(_value(patient, column.name))]
            for patient in patients
        ]
        count = len(patients)
        return (
            np.array(ctc, dtype=np.float32).reshape(count, 2),
            np.array(clinical, dtype=np.float32).reshape(count, len(self.clinical_names)),
        )

    def notes(self, patient: DescribedPatient) -> tuple[str, ...]:
        """Say what of a new patient is missing, unknown, or outside what the training cases had."""
        found = self.ctc.notes(patient.ctc_level)
        for column in self.clinical:
            found += column.notes(_value(patient, column.name))
        known = {column.name for column in self.clinical}
        found += [
            f"{name}: no training case had one, it has no say"
            for name, text in patient.clinical.items()
            if text and name not in known
        ]
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON holds it, of the form `FORM`."""
        return asdict(self)

    @classmethod
    def of_json(cls, content: Any, *, path: Path) -> Encoding:
        """Take what `as_json` gave; BadInputError, which names `path`, if it is of another form."""
        if reason := misfit(content, FORM, "encoding"):
            raise BadInputError(f"{path}: is damaged ({reason}); copy the model again, or train it again")
        columns = [
            WordColumn(one["name"], _last_not_stated(one["counts"])) if "counts" in one else _number_column(one)
            for one in content["clinical"]
        ]
        return cls(_number_column(content["ctc"]), tuple(columns))


def fit_encoding(cases: Sequence[DescribedPatient]) -> Encoding:
    """Take the statistics of the training cases; never of others.

    A column ``clinical_*`` whose texts are all numbers is one of numbers, any other one of words.
    """
    columns: list[NumberColumn | WordColumn] = [
        NumberColumn.fitted(AGE, [case.age for case in cases]),
        WordColumn.fitted(SEX, [case.sex for case in cases]),
        WordColumn.fitted(LOCATION, [case.location for case in cases]),
    ]
    for name in sorted({name for case in cases for name, text in case.clinical.items() if text}):
        texts = [case.clinical.get(name) or None for case in cases]
        numbers = [None if text is None else as_number(text) for text in texts]
        if all(text is None or number is not None for text, number in zip(texts, numbers, strict=True)):
            columns.append(NumberColumn.fitted(name, numbers))
        else:
            columns.append(WordColumn.fitted(name, texts))
    return Encoding(NumberColumn.fitted(CTC, [case.ctc_level for case in cases]), tuple(columns))


def mixed_columns(cases: Sequence[DescribedPatient]) -> tuple[str, ...]:
    """Say of which columns ``clinical_*`` some texts are numbers and some are not: each text is a word of its own."""
    found = []
    for name in sorted({name for case in cases for name in case.clinical}):
        texts = [text for case in cases if (text := case.clinical.get(name))]
        others = [text for text in texts if as_number(text) is None]
        if 0 < len(others) < len(texts):
            found.append(
                f"column {name}: {len(others)} of {len(texts)} texts are no number ({others[0]!r}), so each different "
                "text is taken for a category; write numbers alone"
            )
    return tuple(found)


def _value(patient: DescribedPatient, name: str) -> float | str | None:
    own = {AGE: patient.age, SEX: patient.sex, LOCATION: patient.location}
    return own[name] if name in own else patient.clinical.get(name)


def _word(text: str | None) -> str:
    return (text or "").strip().casefold() or NOT_STATED


def _number_column(content: Mapping[str, Any]) -> NumberColumn:
    return NumberColumn(**{name: content[name] for name in _NUMBERS})


def _last_not_stated(counts: Mapping[str, int]) -> dict[str, int]:
    return {**{word: count for word, count in counts.items() if word != NOT_STATED}, NOT_STATED: counts.get(NOT_STATED, 0)}
