"""JSON files that somebody may have changed: read strictly, and held against the form that their reader expects.

A form is written as the content would be. A type stands for its values (``int`` not for true and false), ``None`` for
null, a list of one form for lists of it, a dictionary with the key ``str`` for objects of any names, one with names
for objects that have these (a name that ends in ``?`` may be missing; others may be there too), a tuple for any of its
forms.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_amt.errors import BadInputError

NUMBER = (int, float)
_MOST_BYTES = 500_000_000
_LONGEST_INTEGER = 20  # digits: 64 bits, as times in nanoseconds need
_SHOWN = 40


def read_json(path: Path, *, form: Any = dict, advice: str) -> Any:
    """Read a JSON file whose content has a form.

    Parameters
    ----------
    path
        UTF-8.
    form
        See this module.
    advice
        What to do where it cannot be read.

    Raises
    ------
    BadInputError
        If it cannot be read, is not strict JSON, or its content has another form; of one line.
    """
    try:
        content = parse_json(path)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror}); {advice}") from error
    except ValueError as error:
        raise BadInputError(f"{path}: is damaged ({error}); {advice}") from error
    if reason := misfit(content, form):
        raise BadInputError(f"{path}: is damaged ({reason}); {advice}")
    return content


def parse_json(path: Path) -> Any:
    """Read a JSON file in which no name stands twice in an object, and every number is one that can be counted with.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is something else; of one line.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"has {path.stat().st_size} bytes; the largest that is read has {_MOST_BYTES}")
    try:
        content = json.loads(
            path.read_bytes().decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_finite,
            parse_int=_integer,
            parse_constant=_no_number,
        )
        json.dumps(content, ensure_ascii=False).encode()  # a half of a character can be written in escapes alone
        return content
    except UnicodeDecodeError as error:
        raise ValueError(f"no UTF-8 text: byte 0x{error.object[error.start]:02x} at {error.start}") from error
    except UnicodeEncodeError as error:
        raise ValueError("half of a character in a text") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg} at line {error.lineno}") from error
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def misfit(content: Any, form: Any, where: str = "") -> str | None:
    """Say where a content has another form than it should, as ``models[1].name is 3``; None if it fits."""
    if isinstance(form, tuple):
        reasons = [misfit(content, one, where) for one in form]
        return None if None in reasons else reasons[-1]
    if isinstance(form, list) and isinstance(content, (list, tuple)):  # a tuple before it is written
        return _first(misfit(item, form[0], f"{where}[{i}]") for i, item in enumerate(content))
    if isinstance(form, dict) and isinstance(content, dict):
        return _misfit_of_object(content, form, where)
    if form is None:
        fits = content is None
    elif isinstance(form, type):
        fits = isinstance(content, form) and (form is bool or not isinstance(content, bool))
    else:
        fits = False
    return None if fits else f"{where or 'it'} is {_shown(content)}"


def _misfit_of_object(content: dict[str, Any], form: dict[Any, Any], where: str) -> str | None:
    inside = f"{where}." if where else ""
    if str in form:
        return _first(misfit(item, form[str], f"{inside}{name}"[:_SHOWN]) for name, item in content.items())
    for name, expected in form.items():
        key = name.removesuffix("?")
        if key not in content:
            if key == name:
                return f"{inside}{key} is missing"
        elif reason := misfit(content[key], expected, f"{inside}{key}"):
            return reason
    return None


def _first(reasons: Any) -> str | None:
    return next((reason for reason in reasons if reason is not None), None)


def _shown(content: object) -> str:
    if isinstance(content, (dict, list)):
        return "a list" if isinstance(content, list) else "an object"
    text = json.dumps(content)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{_shown(twice)} stands twice in an object")
    return content


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:_SHOWN]} is larger than any number")
    return number


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _LONGEST_INTEGER:
        raise ValueError(f"an integer of {len(text.lstrip('-'))} digits")
    return int(text)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not JSON")
