"""Bands of numbers: decades of age, slice thicknesses, thirds of anything else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

_YEARS = 10
# Thin sections are up to 1.5 mm; 5 mm, which the paper's external CTs have, is beyond the last limit.
_THICKNESS_LIMITS_MM = (1.5, 3.0)
_MICROMETRE = 1e-3  # headers say 1.4999999 of 1.5 mm


def as_number(text: str) -> float | None:
    """Read a finite number; None where the text is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def age_band(years: float) -> str:
    """Name the decade of an age, ``"50–59"``."""
    decade = int(years // _YEARS) * _YEARS
    return f"{decade}–{decade + _YEARS - 1}"


def slice_thickness_band(mm: float) -> str:
    """Name the band of a slice thickness: up to 1.5 mm, over 1.5 to 3 mm, over 3 mm."""
    low, high = _THICKNESS_LIMITS_MM
    if mm <= low + _MICROMETRE:
        return f"up to {low:g} mm"
    return f"over {low:g} to {high:g} mm" if mm <= high + _MICROMETRE else f"over {high:g} mm"


def thirds(values: Sequence[float]) -> tuple[str, ...]:
    """Name the third of the cases that each value falls into, with the lowest and highest value in it.

    The limits are values of the cohort itself (of its sorted values those at one third and two thirds); equal values
    stay together, so that thirds differ in size where many are equal, and may be fewer than three.

    Parameters
    ----------
    values
        One or more.

    Returns
    -------
    tuple of str
        Of each value, such as ``"1.2 to 3.4"``.
    """
    array = np.asarray(values, dtype=float)
    limits = np.quantile(array, (1 / 3, 2 / 3), method="inverted_cdf")
    third_of_value = np.searchsorted(limits, array, side="left")
    names = {third: _range(array[third_of_value == third]) for third in np.unique(third_of_value)}
    return tuple(names[third] for third in third_of_value)


def _range(values: Iterable[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
