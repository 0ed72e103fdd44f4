"""Numbers and lists as they stand in tables and sentences: values, intervals, p-values, durations, sizes, dates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone

UNDEFINED = "–"
NOT_RECORDED = "not recorded"
_MINUS = "\u2212"
Interval = tuple[float, float]


def value_text(value: float | None, interval: Interval | None = None, *, digits: int = 3) -> str:
    """Write a value and its interval, if it has one: ``0.812 (0.790–0.834)``."""
    if value is None:
        return UNDEFINED
    return f"{value:.{digits}f}" + ("" if interval is None else f" ({interval_text(interval, digits=digits)})")


def interval_text(interval: Interval, *, digits: int = 3) -> str:
    """Write the limits of an interval: ``0.790–0.834``."""
    return f"{interval[0]:.{digits}f}–{interval[1]:.{digits}f}"


def share_text(part: float, whole: float = 1) -> str:
    """Write a share: ``21%``, ``none`` and ``all`` only where it is."""
    percent = 100 * part / whole
    if part in (0, whole):
        return "all" if part else "none"
    if percent < 1:
        return "under 1%"
    return "over 99%" if percent > 99 else f"{percent:.0f}%"


def signed(value: float, *, digits: int = 3) -> str:
    """Write a number with its sign, and none where it rounds to nothing."""
    text = f"{abs(value):.{digits}f}"
    if not float(text):
        return text
    return f"{_MINUS if value < 0 else '+'}{text}"


def difference_text(value: float | None, interval: Interval | None = None) -> str:
    """Write a difference with its sign, and its interval: ``−0.165 (−0.240 to −0.090)``."""
    if value is None:
        return UNDEFINED
    return signed(value) + ("" if interval is None else f" ({signed(interval[0])} to {signed(interval[1])})")


def difference_words(value: float, less: str, more: str, same: str, *, digits: int = 3) -> str:
    """Write a difference with a word for its direction: ``0.165 lower``; `same` where it rounds to nothing."""
    size = f"{abs(value):.{digits}f}"
    return same if not float(size) else f"{size} {less if value < 0 else more}"


def interval_words(interval: Interval | None, less: str, more: str, *, digits: int = 3) -> str:
    """Write an interval so that its direction is read, not worked out: ``95% CI 0.090 to 0.240 lower``."""
    if interval is None:
        return "no interval"
    near, far = sorted(interval, key=abs)
    if near * far >= 0:
        return f"95% CI {abs(near):.{digits}f} to {difference_words(far, less, more, f'{0:.{digits}f}')}"
    low, high = interval
    return f"95% CI {abs(low):.{digits}f} {less} to {high:.{digits}f} {more}"


def p_text(p: float | None) -> str:
    """Write a p-value with as many digits as say something, down to 0.0001."""
    if p is None:
        return UNDEFINED
    if p < 0.0001:
        return "< 0.0001"
    return f"{p:.2f}" if p >= 0.1 else f"{p:.3f}" if p >= 0.01 else f"{p:.4f}"


def short_p_text(p: float | None) -> str:
    """Write a p-value with three decimals, down to 0.001."""
    if p is None:
        return UNDEFINED
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def parameter_text(parameters: int | None) -> str:
    """Write a number of parameters in millions, or in thousands."""
    if parameters is None:
        return NOT_RECORDED
    return f"{parameters / 1e6:.2f} million" if parameters >= 1e6 else f"{parameters / 1e3:.1f} thousand"


def memory_text(size: int | None) -> str:
    """Write bytes in GB of 10^9 bytes."""
    return NOT_RECORDED if size is None else f"{size / 1e9:.1f} GB"


def long_duration(seconds: float | None) -> str:
    """Write a time in the one unit that suits it: ``"119 s"``, ``"2.0 min"``, ``"2.5 h"``."""
    if seconds is None:
        return NOT_RECORDED
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def duration(seconds: float) -> str:
    """Write a duration: ``"0.4 s"``, ``"12 s"``, ``"3 min 20 s"``, ``"5 h 2 min"``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def file_size(size: float) -> str:
    """Write a size in bytes: ``"12 kB"``, ``"3.4 MB"``, ``"2.0 GB"``."""
    for limit, divisor, unit in ((1e6, 1e3, "kB"), (1e9, 1e6, "MB")):
        if size < limit:
            return f"{size / divisor:.0f} {unit}" if unit == "kB" or size >= 1e7 else f"{size / divisor:.1f} {unit}"
    return f"{size / 1e9:.1f} GB"


def moment(text: str) -> str:
    """Write an ISO time to the minute, in UTC; what is none stays as it is."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    if when.tzinfo is not None:
        when = when.astimezone(timezone.utc)
    return f"{when:%Y-%m-%d %H:%M} UTC"


def number(value: object) -> str:
    """Write a figure with thin spaces between thousands; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    return f"{value:.4g}"


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
