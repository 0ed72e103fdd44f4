"""Numbers of things, and lists, in words."""

from __future__ import annotations

from collections.abc import Iterable


def counted(number: int, noun: str, plural: str = "", *, separator: str = "") -> str:
    """Write a number and its noun: ``"1 case"``, ``"2 cases"``.

    Parameters
    ----------
    number, noun
        What is counted.
    plural
        Of the noun, where it is not the noun with an s.
    separator
        Between thousands: ``","`` or none.
    """
    digits = f"{number:,}".replace(",", separator)
    return f"{digits} {noun if number == 1 else plural or noun + 's'}"


def joined(parts: Iterable[str]) -> str:
    """Write a list: ``"a, b and c"``."""
    *others, last = list(parts) or [""]
    return f"{', '.join(others)} and {last}" if others else last
