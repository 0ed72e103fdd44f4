"""Say in the reader's language what is wrong: sentences of the library, known by their forms.

The library says in one English line what is wrong and what to do. ``[problems]`` in ``languages/en.toml`` holds these
sentences with gaps, and in the other languages the same under the same keys. What a gap may hold is told by its name:

- ``{problem}``, ``{problem_2}``: another sentence of the catalogue, said in the reader's language too;
- ``{reason}``, ``{reason_2}``: words that are said in the reader's language if they are in the catalogue;
- ``{line}``, ``{number}``, ``{column}`` and the others of `_HOLDS`: what their pattern says;
- all others: any text, which stays as it is.

A sentence of no known form stays English, and is marked as that for who has pages read aloud.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from string import Formatter

from markupsafe import Markup, escape

from nnunet_amt.app.language import Texts, texts

_SECTION = "problems."
# Name of a gap, without the number at its end: what it may hold; any text where the name is not here.
_HOLDS = {
    **dict.fromkeys(("line", "count", "total", "more"), r"\d+"),
    "number": r"[-+]?\d[\d.,]*",
    "column": r"\w+",
    "choices": r"'[^']*'(?:(?:, | or )'[^']*')*",
    "words": r"[\w., ]+",
    "path": r"[^:;]{1,300}",
    **dict.fromkeys(("one", "other", "origin", "corner"), r"[^()]*"),
    "section": r"\w+",
    "kind": "RTSTRUCT|DICOM SEG",
}
_LISTS = ("choices", "words")
_DEEPEST = 6  # sentences in sentences


class ToldProblem(str):
    """A sentence for the page that knows its language; in a template it stands in an element that says so."""

    language: str

    def __new__(cls, text: str, language: str) -> ToldProblem:
        """Keep a text and its language."""
        told = super().__new__(cls, text)
        told.language = language
        return told

    def __html__(self) -> str:
        """Give it as a template takes it."""
        return Markup('<span lang="{}">{}</span>').format(self.language, str(self))


@dataclass(frozen=True)
class _Form:
    """A form of sentences: its key, what it looks like, and the longest words in it that must be there."""

    key: str
    pattern: re.Pattern[str]
    words: str
    fixed: int  # letters that are no gaps: of two forms that fit, the one with more is meant

    @classmethod
    def of(cls, key: str, sentence: str) -> _Form:
        pattern, fixed = "", [""]
        for words, gap, _, _ in Formatter().parse(sentence):
            pattern += re.escape(words)
            fixed.append(words)
            if gap:
                pattern += f"(?P<{gap}>{_HOLDS.get(_kind(gap), '.+?')})"
        return cls(key, re.compile(pattern, re.DOTALL), max(fixed, key=len), sum(map(len, fixed)))


def problem_words(text: str, t: Texts) -> str:
    """Say a sentence of the library in the reader's language; in English as it is where its form is not known."""
    if t.language == "en" or not text or isinstance(text, ToldProblem):
        return text
    known = _said(text.strip(), t.language, 0)
    return ToldProblem(text, "en") if known is None else ToldProblem(known, t.language)


def said(text: str, t: Texts) -> Markup:
    """Do the same in a template, ``{{ words | said(t) }}``."""
    return escape(problem_words(text, t))


def is_known(text: str) -> bool:
    """Whether a sentence has one of the forms."""
    return _said(text, "en", 0) is not None


@lru_cache(maxsize=4096)
def _said(text: str, language: str, depth: int) -> str | None:
    if depth > _DEEPEST:
        return None
    for form in _forms():
        if form.words not in text or not (found := form.pattern.fullmatch(text)):
            continue
        gaps: dict[str, str] = {}
        for gap, held in found.groupdict().items():
            filled = _filled(gap, held, language, depth)
            if filled is None:
                break
            gaps[gap] = filled
        else:
            return texts(language).sentences[form.key].format(**gaps)
    return None


def _filled(gap: str, held: str, language: str, depth: int) -> str | None:
    """Give what stands in a gap in the reader's language; None if it must be known and is not."""
    kind = _kind(gap)
    if kind == "problem":
        return _said(held, language, depth + 1)
    if kind == "reason" or held == "the file":
        return _said(held, language, depth + 1) or held
    if kind in _LISTS and language == "ja":
        return re.sub(", | or ", "、", held)
    return held


def _kind(gap: str) -> str:
    return gap.rstrip("0123456789").rstrip("_")


@cache
def _forms() -> tuple[_Form, ...]:
    """Give all forms, those with the most fixed letters first."""
    english = texts("en").sentences
    forms = [_Form.of(key, sentence) for key, sentence in english.items() if key.startswith(_SECTION)]
    return tuple(sorted(forms, key=lambda form: -form.fixed))
