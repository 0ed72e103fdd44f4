"""Keep out of the dataset what identifies somebody and stands in a cell that is copied as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from nnunet_amt.cohort.case import place_in_manifest

# Cells that go into the dataset as they are written, and what must not stand in them.
_FREE_TEXT = ("histology", "manufacturer", "exclusion_reason")
_IDENTIFIERS = ("patient_id", "case_id", "institution")
# Shorter ones are too likely to be words or numbers of their own.
_SHORTEST_IDENTIFIER = 4
_YEAR, _OF_TWO = r"(?:19|20)\d\d", r"\d{1,2}"
_DATE = re.compile(
    rf"(?<![\d.])(?:{_YEAR}([-./]){_OF_TWO}\1{_OF_TWO}|{_OF_TWO}([-./]){_OF_TWO}\2{_YEAR}"
    rf"|{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\d)"
)


def identifying_texts(name: str, rows: Mapping[int, Mapping[str, str | None]]) -> Iterator[str]:
    """Find dates and the manifest's own identifiers in the cells that go into the dataset as they are written.

    Columns that are shifted by one come to light so, and reasons such as "same patient as P017".

    Parameters
    ----------
    name
        Of the manifest, for messages.
    rows
        Cells by column, by line.

    Yields
    ------
    str
        A message, with line, column and case; what was found is not in it.
    """
    found = {
        value.casefold(): column
        for column in reversed(_IDENTIFIERS)
        for row in rows.values()
        if (value := row.get(column)) and len(value) >= _SHORTEST_IDENTIFIER
    }
    longest_first = sorted(found, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)") if found else None
    told: dict[str, str | None] = {}
    for line, row in rows.items():
        for column in _FREE_TEXT:
            text = (row.get(column) or "").casefold()
            if text not in told:
                match = pattern.search(text) if pattern else None
                told[text] = (
                    "a date" if _DATE.search(text) else f"a {found[match.group()]} of this table" if match else None
                )
            if what := told[text]:
                place = place_in_manifest(name, line, column, row.get("case_id"))
                yield f"{place}: holds {what.replace('a inst', 'an inst')} and goes into the dataset; take it out"
