"""The page's languages: one file of sentences a language, and how numbers and dates are written in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from starlette.requests import Request

from nnunet_amt.base.files import read_toml

LANGUAGES = ("en", "ja")
LANGUAGE_COOKIE = "nnunet_amt_language"
_FOLDER = Path(__file__).with_name("languages")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Texts:
    """The sentences of a language; called with a key, ``t("studies.title")``, it gives the sentence.

    Attributes
    ----------
    language
        ``"en"`` or ``"ja"``.
    sentences
        Key, section and name joined by a dot, to sentence; what a sentence leaves open stands in braces.
    """

    language: str
    sentences: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Give a sentence with values in place of its braces; a key or value that is not there is a KeyError."""
        return self.sentences[key].format(**values) if values else self.sentences[key]

    def __contains__(self, key: object) -> bool:
        return key in self.sentences

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number with the thousands apart: ``1,234.5``, as both languages do."""
        return f"{value:,.{digits}f}"

    def date(self, when: datetime | str) -> str:
        """Write a moment, also one in ISO 8601, in this machine's time: ``29 Nov 2026, 05:46``, ``2026年...``."""
        moment = datetime.fromisoformat(when.replace("Z", "+00:00")) if isinstance(when, str) else when
        if moment.tzinfo is not None:
            moment = moment.astimezone()
        clock = f"{moment.hour:02d}:{moment.minute:02d}"
        if self.language == "ja":
            return f"{moment.year}年{moment.month}月{moment.day}日 {clock}"
        return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}, {clock}"


@cache
def texts(language: str) -> Texts:
    """Read the sentences of a language.

    Raises
    ------
    KeyError
        If there is no such language.
    """
    if language not in LANGUAGES:
        raise KeyError(language)
    return Texts(language, dict(_flat(read_toml(_FOLDER / f"{language}.toml"))))


def language_of(request: Request) -> str:
    """Choose the language of a page: ``?lang=ja``, else what was chosen before, else the browser's."""
    for chosen in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    return _accepted(request.headers.get("accept-language", ""))


def _accepted(header: str) -> str:
    """Take the language of ours that an Accept-Language header likes best; English if it names none."""
    liked: list[tuple[float, str]] = []
    for part in header.split(","):
        name, _, weight = part.strip().partition(";")
        language = name.strip().lower().partition("-")[0]
        if language in LANGUAGES:
            liked.append((_weight(weight), language))
    return max(liked, key=lambda entry: entry[0], default=(0.0, LANGUAGES[0]))[1]


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def _flat(content: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in content.items():
        found += _flat(value, f"{before}{name}.") if isinstance(value, dict) else [(f"{before}{name}", str(value))]
    return found
