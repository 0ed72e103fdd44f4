"""Tables as spreadsheet programs save them: in other encodings, with other separators, with a first line ``sep=;``."""

from __future__ import annotations

import csv
import io
import logging
import re
from dataclasses import dataclass

_SEPARATORS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ \t,;]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# Accented letters of Western Europe, of which two at most stand side by side, next to plain ones ("Größe"). Bytes of
# other encodings become longer rows of them, or signs; or small ones before capitals.
_ACCENTED = "À-ÖØ-öø-ÿ"
_WESTERN = re.compile(
    rf"(?:[\x00-\x7f\xa0]|(?<![{_ACCENTED}])(?:(?<=[A-Za-z])[{_ACCENTED}]{{1,2}}|[{_ACCENTED}](?=[A-Za-z]))"
    rf"(?![{_ACCENTED}]))*"
)
_SMALL_BEFORE_CAPITAL = re.compile(r"[ß-öø-ÿ][A-Z]")
# Neither is seen in a spreadsheet, and `str.strip` leaves it.
_INVISIBLE = " \t\r\n\xa0\ufeff\u200b\u200c\u200d\u2060"
_TEXT_FORMULA = re.compile(r'="([^"]*)"')

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TableText:
    """The rows of a table as text, the header first; their separator, and how many lines stood before them."""

    text: str
    separator: str
    skipped: int = 0


def decoded_table(content: bytes, *, name: str) -> str:
    """Decode a table in UTF-8, in UTF-16 with a byte order mark, or where that is beyond doubt in Windows-1252.

    The last is said as a warning, in which the file is called `name`. Anything else is a UnicodeDecodeError.
    """
    if content.startswith(_UTF_16):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        western = content.decode("cp1252", errors="replace")
        if not _WESTERN.fullmatch(western) or _SMALL_BEFORE_CAPITAL.search(western):
            raise error
    logger.warning("%s: is not in UTF-8, read as Windows-1252; save it as CSV UTF-8 if names look wrong", name)
    return western


def table_text(text: str) -> TableText:
    """Find out what separates the cells of a table: a first line ``sep=;`` says it, or else the header does."""
    if found := _SEPARATOR_LINE.match(text):
        return TableText(text[found.end() :], found[1], skipped=1)
    header = next((line for line in text.splitlines() if line.strip()), "")
    return TableText(text, max(_SEPARATORS, key=lambda separator: _count(header, separator)))  # the first of equals


def bare_cell(cell: str) -> str:
    """Take from a cell what stands around its text: spaces, invisible characters, and the form ``="00123"``."""
    bare = cell.strip(_INVISIBLE)
    formula = _TEXT_FORMULA.fullmatch(bare)
    return formula[1].strip(_INVISIBLE) if formula else bare


def as_decimal_point(text: str) -> str:
    """Write a decimal comma as a point; ``1,234`` stays, which may be a thousand."""
    return re.sub(r"^([-+]?)(0|\d+(?=,(?:\d{1,2}|\d{4,})$)),(\d+)$", r"\1\2.\3", text)


def _count(header: str, separator: str) -> int:
    return len(next(csv.reader(io.StringIO(header), delimiter=separator), []))
