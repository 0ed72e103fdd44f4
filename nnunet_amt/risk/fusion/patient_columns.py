"""Columns of what is known of patients, and their places in the vector that a network takes.

A number is standardised (z-score); where it is missing its place holds 0, the mean, and a flag beside it is 1. Of words
each has a place that is 1, and so has "not stated". What no training case lacked, a network never learned to lack: then
the flag stays 0, words hold the shares that they had in training, and `notes` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnunet_amt.base.json_file import NUMBER
from nnunet_amt.evaluation.summary.cohort_groups import as_number

NOT_STATED = "not stated"
_STATISTICS = ("mean", "sd", "lowest", "highest")
# As JSON has them, see `nnunet_amt.base.json_file`.
NUMBER_FORM: Mapping[str, Any] = {
    "name": str,
    **dict.fromkeys(_STATISTICS, NUMBER),
    **dict.fromkeys(("known", "missing"), int),
}
WORD_FORM: Mapping[str, Any] = {"name": str, "counts": {str: int}}


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

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> NumberColumn:
        """Take what JSON has of it, of the form `NUMBER_FORM`."""
        return cls(**{name: content[name] for name in NUMBER_FORM})

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
        return cls._in_order(name, {word: words.count(word) for word in sorted({*words})})

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> WordColumn:
        """Take what JSON has of it, of the form `WORD_FORM`."""
        return cls._in_order(content["name"], content["counts"])

    @classmethod
    def _in_order(cls, name: str, counts: Mapping[str, int]) -> WordColumn:
        known = {word: count for word, count in counts.items() if word != NOT_STATED}
        return cls(name, {**known, NOT_STATED: counts.get(NOT_STATED, 0)})

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


def _word(text: str | None) -> str:
    return (text or "").strip().casefold() or NOT_STATED
