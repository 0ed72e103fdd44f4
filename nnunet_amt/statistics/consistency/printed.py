"""Numbers as they are printed, and what their digits leave open; findings about them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

_NUMBER = re.compile(r"(?P<sign>[<>≤≥]?)\s*(?P<digits>[+\-−]?(?:\d+(?:\.\d*)?|\.\d+))\s*(?P<percent>%?)")

Certainty = Literal["cannot be", "doubtful", "notice"]
_HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Printed:
    """A number as it is printed.

    A true value is taken to fit if it is rounded to the number (halves up or to the even digit) or cut off to it: all
    three are usual, and none is said.

    Attributes
    ----------
    text
        As printed.
    value
        The number; a percentage as its hundredth.
    unit
        Of the last digit.
    bound
        ``"<"`` or ``">"`` where only a bound is printed, as of small p-values; empty otherwise.
    """

    text: str
    value: Fraction
    unit: Fraction
    bound: str = ""

    @property
    def decimals(self) -> int:
        """Decimals of the unit; two more than are printed of a percentage."""
        return len(str(self.unit.denominator)) - 1

    @property
    def low(self) -> Fraction:
        """Lowest true value that is printed so."""
        return self.value - self.unit * _HALF

    @property
    def high(self) -> Fraction:
        """Above every true value that is printed so: cut off, nearly a whole unit is lost."""
        return self.value + self.unit

    def fits(self, numerator: int, denominator: int) -> bool:
        """Tell whether a fraction, its denominator positive, would be printed so."""
        scale, digits = self._scaled
        apart = numerator * scale - digits * denominator  # in units of the last digit, times the denominator
        return 2 * abs(apart) <= denominator or 0 <= apart < denominator

    @cached_property
    def _scaled(self) -> tuple[int, int]:
        """Units in 1, and in the number."""
        return self.unit.denominator, int(self.value / self.unit)

    def holds(self, value: float) -> bool:
        """Tell whether a computed value would be printed so, or lies on the printed side of a bound."""
        if self.bound:
            return value <= self.value if self.bound == "<" else value >= self.value
        slack = float(self.unit) * 1e-6
        return float(self.low) - slack <= value < float(self.high) + slack


def printed(text: str) -> Printed:
    """Read a printed number: ``0.820``, ``.82``, ``82.0%``, ``< 0.001``.

    Raises
    ------
    ValueError
        If it is none.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no number")
    digits = found["digits"].replace("−", "-")
    decimals = len(digits.partition(".")[2]) + (2 if found["percent"] else 0)
    value = Fraction(digits) / (100 if found["percent"] else 1)
    bound = {"≤": "<", "≥": ">"}.get(found["sign"], found["sign"])
    return Printed(text.strip(), value, Fraction(1, 10**decimals), bound)


@dataclass(frozen=True)
class PrintedEstimate:
    """A printed figure with the limits of its interval, where these are printed."""

    value: Printed
    low: Printed | None = None
    high: Printed | None = None

    def __str__(self) -> str:
        limits = f" ({self.low.text}–{self.high.text})" if self.low and self.high else ""
        return f"{self.value.text}{limits}"


@dataclass(frozen=True)
class Finding:
    """What is wrong, doubtful or worth knowing of a printed figure.

    Attributes
    ----------
    certainty
        ``"cannot be"``: no data give these figures. ``"doubtful"``: no usual method does. ``"notice"``: right or wrong,
        a reader should know of it.
    table, row, column, value
        Where it stands, and as it is printed.
    reason
        Why, in a clinician's words.
    """

    certainty: Certainty
    table: str
    row: str
    column: str
    value: str
    reason: str

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.table, self.row) if part)
        return f"{place}, {self.column} {self.value}: {self.reason}"


def percent(share: Fraction | float) -> str:
    """Write a share in whole percent."""
    return f"{float(share) * 100:.0f}%"
