"""Cells of CSV files that a spreadsheet must not take for formulas: guarded when written, as they were when read back.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@``, and a case id or a note may be anybody's text.
Such a cell gets an apostrophe in front, by which spreadsheets know a text; one that begins with apostrophes and goes on
like that gets one more, so that what is read back is what was written. ``triage_csv.js`` of the page does the same.
"""

from __future__ import annotations

import re

# Also after what a spreadsheet strips, and in the forms of East Asian keyboards (U+FF1D, U+FF0B, U+FF0D, U+FF20) and
# typesetting (U+FE62, U+FE63, U+FE66, U+FE6B, U+2212), which some read as the plain signs.
_STRIPPED = "[ \\x00-\\x1f\\x7f\\x85\\u00a0\\u1680\\u2000-\\u200f\\u2028\\u2029\\u202f\\u205f\\u2060\\u3000\\ufeff]"
_SIGNS = "[=+\\-@\\uff1d\\uff0b\\uff0d\\uff20\\ufe62\\ufe63\\ufe66\\ufe6b\\u2212]"
_FORMULA = re.compile(f"[\\t\\r\\n]|{_STRIPPED}*{_SIGNS}")
_NEGATIVE_NUMBER = re.compile(r"-(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_GUARD = "'"


def guarded_cell(value: object) -> str:
    """Give the text of a cell, None as an empty one, so that no spreadsheet runs it; numbers stay numbers."""
    text = "" if value is None else str(value)
    number = isinstance(value, (int, float))
    return f"{_GUARD}{text}" if not number and _begins_formula(text) else text


def unguarded_cell(text: str) -> str:
    """Take away what `guarded_cell` put in front."""
    return text[1:] if text.startswith(_GUARD) and _begins_formula(text) else text


def _begins_formula(text: str) -> bool:
    inside = text.lstrip(_GUARD)
    return bool(_FORMULA.match(inside)) and not _NEGATIVE_NUMBER.fullmatch(inside)
