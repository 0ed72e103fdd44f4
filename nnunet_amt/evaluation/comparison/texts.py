"""Numbers as they stand in tables and sentences."""

from __future__ import annotations

from nnunet_amt.evaluation.comparison.measures import Estimate

UNDEFINED = "–"
NOT_RECORDED = "not recorded"
_DIGITS = 3
_MINUS = "\u2212"
_SMALLEST_P = 0.0001


def value_text(estimate: Estimate) -> str:
    """Write a value and its interval: ``0.812 (0.790–0.834)``."""
    if estimate.value is None:
        return UNDEFINED
    limits = "" if estimate.ci95 is None else f" ({estimate.ci95[0]:.3f}–{estimate.ci95[1]:.3f})"
    return f"{estimate.value:.{_DIGITS}f}{limits}"


def difference_text(estimate: Estimate) -> str:
    """Write a difference with its sign, and its interval: ``−0.165 (−0.240 to −0.090)``."""
    if estimate.value is None:
        return UNDEFINED
    limits = "" if estimate.ci95 is None else f" ({signed(estimate.ci95[0])} to {signed(estimate.ci95[1])})"
    return f"{signed(estimate.value)}{limits}"


def words(value: float, less: str, more: str, same: str) -> str:
    """Write a difference with a word for its direction: ``0.165 lower``; `same` where it rounds to nothing."""
    size = f"{abs(value):.{_DIGITS}f}"
    return same if not float(size) else f"{size} {less if value < 0 else more}"


def interval_words(estimate: Estimate, less: str, more: str) -> str:
    """Write an interval so that its direction is read, not worked out: ``95% CI 0.090 to 0.240 lower``."""
    if estimate.ci95 is None:
        return "no interval"
    near, far = sorted(estimate.ci95, key=abs)
    if near * far >= 0:
        return f"95% CI {abs(near):.{_DIGITS}f} to {words(far, less, more, f'{0:.{_DIGITS}f}')}"
    low, high = estimate.ci95
    return f"95% CI {abs(low):.{_DIGITS}f} {less} to {high:.{_DIGITS}f} {more}"


def p_text(p: float | None) -> str:
    """Write a p-value with as many digits as say something."""
    if p is None:
        return UNDEFINED
    if p < _SMALLEST_P:
        return f"< {_SMALLEST_P:.4f}"
    return f"{p:.2f}" if p >= 0.1 else f"{p:.3f}" if p >= 0.01 else f"{p:.4f}"


def parameter_text(parameters: int | None) -> str:
    """Write a number of parameters in millions, or in thousands."""
    if parameters is None:
        return NOT_RECORDED
    return f"{parameters / 1e6:.2f} million" if parameters >= 1e6 else f"{parameters / 1e3:.1f} thousand"


def long_duration(seconds: float | None) -> str:
    """Write a time in the unit that suits it."""
    if seconds is None:
        return NOT_RECORDED
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def memory_text(size: int | None) -> str:
    """Write bytes in GB of 10^9 bytes."""
    return NOT_RECORDED if size is None else f"{size / 1e9:.1f} GB"


def signed(value: float) -> str:
    """Write a number with its sign, and none where it rounds to nothing."""
    text = f"{abs(value):.{_DIGITS}f}"
    if not float(text):
        return text
    return f"{_MINUS if value < 0 else '+'}{text}"
