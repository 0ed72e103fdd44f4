"""When two spellings are of one patient, one case or one institution: taken for two, they would share out a person."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache


@lru_cache(maxsize=8192)
def closed_up(value: str) -> str:
    """Leave out capitals, spaces, the ways in which Unicode writes one letter, digit or dash, and zeros of numbers.

    Spreadsheets make 123 or 123.0 of 00123; 1.01 is not 1.1.
    """
    return _without_zeros("".join(_one_form(value).split()))


@lru_cache(maxsize=8192)
def letters(value: str) -> str:
    """Leave out accents and punctuation too: "St. Mary's" is "St Marys". Between digits both stay: 1.1 is not 11."""
    spelt = unicodedata.normalize("NFKD", _without_zeros(_one_form(value).strip()))
    plain = "".join(char for char in spelt if not unicodedata.combining(char))
    return re.sub(r"(?<!\d)[\W_]+|[\W_]+(?!\d)", "", plain).casefold() or closed_up(value)


@lru_cache(maxsize=8192)
def punctuation_apart(value: str) -> tuple[str, frozenset[int]]:
    """Take punctuation out of an id, and say where it stood, counted in letters and digits from the end.

    Of two ids that are alike without it, such as ``12-345-6``, ``12.3456`` and ``123456``, one is a spelling of the
    other if it has punctuation nowhere else: ``1-23`` and ``12-3`` are two.
    """
    text = _whole("".join(_one_form(value).split()))
    places, characters = set(), ""
    for char in reversed(text):
        if unicodedata.category(char)[0] in "PSZ":
            places.add(len(characters))
        else:
            characters += char
    return _without_zeros(characters[::-1]), frozenset(places)


def _one_form(value: str) -> str:
    """Write small letters, plain digits and dashes, and nothing that cannot be seen."""
    text = unicodedata.normalize("NFKC", value).casefold()
    return "".join(_plain(char) for char in text if unicodedata.category(char) != "Cf")


def _plain(char: str) -> str:
    if unicodedata.category(char) == "Pd":
        return "-"
    return str(unicodedata.decimal(char)) if char.isdecimal() else char


def _without_zeros(text: str) -> str:
    return re.sub(r"(?<![\d.,])0+(?=\d)", "", _whole(text))


def _whole(text: str) -> str:
    """Write 123 for the 123.0 of a spreadsheet."""
    return re.sub(r"^(\d+)[.,]0+$", r"\1", text)
