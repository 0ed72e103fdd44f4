"""The table of a reader study: a row for each reader, condition and case, put in order and seen to be whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import BadInputError, TooFewCasesError

CONDITIONS = 2


@dataclass(frozen=True)
class Reading:
    """A row of a reader table: what a reader says of a case in a condition; a higher rating speaks for high risk."""

    reader: str
    condition: str
    case_id: str
    rating: float


@dataclass(frozen=True)
class Readings:
    """The ratings of a reader study, all of them there.

    `ratings` is (2 conditions, readers, cases) and `high`, whether a case is high risk, (cases,).
    """

    conditions: tuple[str, str]
    readers: tuple[str, ...]
    cases: tuple[str, ...]
    ratings: NDArray[np.float64]
    high: NDArray[np.bool_]

    def of(self, readers: Sequence[str]) -> Readings:
        """Give the readings of some of the readers, such as those of one level, in the order given.

        Raises
        ------
        BadInputError
            If one of them is not of this study, or is named twice.
        """
        ratings = np.stack([self.in_condition(condition, readers) for condition in self.conditions])
        return Readings(self.conditions, tuple(readers), self.cases, ratings, self.high)

    def in_condition(self, condition: str, readers: Sequence[str]) -> NDArray[np.float64]:
        """Give the ratings of some of the readers in one condition, (readers, cases).

        Raises
        ------
        BadInputError
            If it, or one of them, is not of this study, or one is named twice.
        """
        if condition not in self.conditions:
            raise BadInputError(f"there is no condition {condition}; the study has {' and '.join(self.conditions)}")
        if unknown := [reader for reader in readers if reader not in self.readers]:
            raise BadInputError(f"there is no reader {unknown[0]}; the study has {', '.join(self.readers)}")
        if len(set(readers)) < len(readers):
            raise BadInputError(f"a reader is named twice in {', '.join(readers)}; name each once")
        at = [self.readers.index(reader) for reader in readers]
        return self.ratings[self.conditions.index(condition), at]


def gather_readings(
    rows: Iterable[Reading], *, high: Mapping[str, bool], conditions: tuple[str, str] | None = None
) -> Readings:
    """Put the rows of a reader table in order, and see that none is missing.

    Parameters
    ----------
    rows
        In any order; readers and cases are sorted by name.
    high
        Of each case, whether it is high risk.
    conditions
        Their names, the one without the model first; if not given, as they come first in the rows.

    Raises
    ------
    BadInputError
        If there are not two conditions, a reader lacks a case or has it twice, a rating is no number, or it is not
        known whether a case is high risk.
    TooFewCasesError
        If there are no rows.
    """
    ratings: dict[tuple[str, str, str], float] = {}
    for row in rows:
        key = row.condition, row.reader, row.case_id
        if key in ratings:
            raise BadInputError(f"{_of(*key)} stands there twice; each reader rates each case once a condition")
        if not math.isfinite(row.rating):
            raise BadInputError(f"{_of(*key)} is {row.rating}; give a number, for yes and no 1 and 0")
        ratings[key] = float(row.rating)
    if not ratings:
        raise TooFewCasesError("there are no readings; give a row for each reader, condition and case")
    found = tuple(dict.fromkeys(condition for condition, _, _ in ratings))
    both = found if conditions is None else conditions
    if len(both) != CONDITIONS or set(both) != set(found):
        expected = "two conditions" if conditions is None else f"the conditions {' and '.join(conditions)}"
        raise BadInputError(f"the readings are of {', '.join(found)}; they must be of {expected}, each reader in both")
    readers, cases = (tuple(sorted({key[at] for key in ratings})) for at in (1, 2))
    if unknown := [case for case in cases if case not in high]:
        raise BadInputError(f"case {unknown[0]} was read, but it is not known whether it is high risk; state it")
    keys = [(condition, reader, case) for condition in both for reader in readers for case in cases]
    if missing := [key for key in keys if key not in ratings]:
        raise BadInputError(
            f"{_of(*missing[0])} is missing ({len(missing)} in all); every reader rates every case in both "
            "conditions: add it, or leave the reader or the case out"
        )
    array = np.array([ratings[key] for key in keys]).reshape(CONDITIONS, len(readers), len(cases))
    return Readings((both[0], both[1]), readers, cases, array, np.array([bool(high[case]) for case in cases]))


def _of(condition: str, reader: str, case: str) -> str:
    return f"the reading of case {case} by reader {reader} in condition {condition}"
