"""Durations, sizes and dates for a reader."""

from __future__ import annotations

from datetime import datetime, timezone


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
