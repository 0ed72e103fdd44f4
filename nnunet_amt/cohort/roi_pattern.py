"""Check regular expressions of ROI names before any is used: some would match for longer than anybody waits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import prod
from typing import Any

try:
    from re import _parser as _expressions  # type: ignore[attr-defined, unused-ignore]
except ImportError:  # Python 3.10
    import sre_parse as _expressions

# A DICOM name has at most 64 characters, and Python's matcher tries all ways to divide them among the repetitions.
_LONGEST_NAME = 64
# The bound is far above the ways that are tried: four of .* with text between them are a matter of milliseconds.
_MOST_WAYS = 10**8


def require_usable_pattern(pattern: str) -> None:
    """Refuse what is no regular expression, or might try more than a hundred million ways to match one name.

    Parameters
    ----------
    pattern
        For example ``GTV.*``.

    Raises
    ------
    ValueError
        With a reason to be shown to the manifest's author.
    """
    try:
        re.compile(pattern)
        tree = _expressions.parse(pattern)
        ways = _ways(tree)
    except re.error as error:
        raise ValueError(_no_expression(str(error))) from error
    except OverflowError as error:
        raise ValueError(_no_expression("the repetition number is too large")) from error
    except RecursionError as error:
        raise ValueError(_no_expression("it is nested too deeply")) from error
    if ways > _MOST_WAYS:
        raise ValueError(
            "could take hours to match one name; repeat no group that itself holds + * ? | or {}, and write at most "
            "four of .* or .+"
        )


def _ways(items: Iterable[Any]) -> int:
    """Bound the ways in which a parsed sequence can match the parts of one name."""
    return min(prod(_ways_of(str(name), argument) for name, argument in items), _MOST_WAYS + 1)


def _ways_of(name: str, argument: Any) -> int:
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inside = argument
        times = min(int(most), _LONGEST_NAME)
        lengths = max(1, times - min(int(least), times) + 1)
        return min(lengths * _ways(inside) ** times, _MOST_WAYS + 1)
    if name == "BRANCH":
        return sum(_ways(inside) for inside in argument[1])
    parts = argument if isinstance(argument, (tuple, list)) else (argument,)
    return prod(_ways(part) for part in parts if isinstance(part, _expressions.SubPattern))


def _no_expression(reason: str) -> str:
    return f"is no regular expression: {reason}; put a backslash before ( ) [ ] + * ?"
