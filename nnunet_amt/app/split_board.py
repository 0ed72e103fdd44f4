"""The institutions of a study as cards in columns, one a set, and what moving a card writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from nnunet_amt import paper
from nnunet_amt.app.case_table import CaseTable
from nnunet_amt.cohort.case import SPLITS, CohortCase
from nnunet_amt.cohort.spelling import closed_up, letters
from nnunet_amt.cohort.split import divide_institution
from nnunet_amt.errors import BadInputError

# Where a card can be: in one set, in training and tuning, or in none yet.
PLACES = ("training", "shared", "tuning", "external", "none")
_SPLITS_OF = {"training": "training", "tuning": "tuning", "external": "external", "none": ""}
_PUBLISHED = {
    "training": (paper.TRAINING_CASES, paper.TRAINING_INSTITUTIONS),
    "tuning": (paper.TUNING_CASES, paper.TUNING_INSTITUTIONS),
    "external": (paper.EXTERNAL_CASES, paper.EXTERNAL_INSTITUTIONS),
}


@dataclass(frozen=True)
class InstitutionCard:
    """An institution and the rows of it that take part.

    Attributes
    ----------
    line
        Of its first row: what a form calls it, as names may hold anything.
    name
        As its first row spells it; empty where no row names one.
    spellings
        Other ways in which rows spell it: the conversion refuses them, and they are moved together.
    lines
        Of all its rows.
    patients
        How many.
    cases
        Rows by what stands in the column of the split; "" for nothing.
    place
        One of `PLACES`.
    """

    line: int
    name: str
    spellings: tuple[str, ...]
    lines: tuple[int, ...]
    patients: int
    cases: Mapping[str, int]
    place: str

    @property
    def is_torn(self) -> bool:
        """Whether it is in sets that must stand apart, or some of its rows have no set, or a word that is none."""
        return (len(self.cases) > 1 and self.place != "shared") or not set(self.cases) <= {"", *SPLITS}


@dataclass(frozen=True)
class BoardColumn:
    """A set: its cards, the largest first, and what it holds, also of cards that stand under another column.

    Attributes
    ----------
    place
        One of `PLACES`.
    cards
        Those that are shown.
    cases, institutions
        Of the set; of a place that is no set, those of its cards.
    published
        Cases and institutions of the paper; None for a place that is no set.
    """

    place: str
    cards: tuple[InstitutionCard, ...]
    cases: int
    institutions: int
    published: tuple[int, int] | None


def institution_cards(table: CaseTable) -> list[InstitutionCard]:
    """Make a card of each institution of the rows that take part; spellings of one name are one institution."""
    keys: dict[str, str] = {}
    rows: dict[str, list[int]] = {}
    for line in table.rows:
        if not table.cell(line, "exclusion_reason"):
            name = table.cell(line, "institution")
            rows.setdefault(keys.setdefault(name, letters(name) if name else ""), []).append(line)
    cards = [_card(table, lines) for lines in rows.values()]
    return sorted(cards, key=lambda card: (-len(card.lines), card.name))


def _card(table: CaseTable, lines: Sequence[int]) -> InstitutionCard:
    first, *others = dict.fromkeys(table.cell(line, "institution") for line in lines)
    cases = Counter(table.cell(line, "split").strip().lower() for line in lines)
    return InstitutionCard(
        line=lines[0],
        name=first,
        spellings=tuple(others),
        lines=tuple(lines),
        patients=len({closed_up(table.cell(line, "patient_id")) for line in lines}),
        cases=cases,
        place=_place(set(cases)),
    )


def _place(splits: set[str]) -> str:
    if splits == {"training", "tuning"}:
        return "shared"
    if "external" in splits:
        return "external"
    known = [split for split in SPLITS if split in splits]
    return known[0] if len(splits) == 1 and known else "none"


def board_columns(cards: Sequence[InstitutionCard], *, find: str = "") -> tuple[BoardColumn, ...]:
    """Put cards into columns; only those whose name holds `find`, where it is given, are shown."""
    wanted = letters(find) if find.strip() else ""
    columns = []
    for place in PLACES:
        here = [card for card in cards if card.place == place]
        split = place if place in SPLITS else None
        members = here if split is None else [card for card in cards if card.cases.get(split)]
        columns.append(
            BoardColumn(
                place,
                tuple(card for card in here if not wanted or _is_called(card, wanted)),
                cases=sum(card.cases[split] if split else len(card.lines) for card in members),
                institutions=len(members),
                published=_PUBLISHED.get(place),
            )
        )
    return tuple(columns)


def _is_called(card: InstitutionCard, wanted: str) -> bool:
    return any(wanted in letters(name) for name in (card.name, *card.spellings) if name)


def spelt_alike(cases: Sequence[CohortCase], cards: Sequence[InstitutionCard]) -> tuple[CohortCase, ...]:
    """Give the cases with one name an institution, as the cards have it."""
    names = {spelling: card.name for card in cards for spelling in card.spellings}
    return tuple(
        replace(case, institution=names[case.institution]) if case.institution in names else case for case in cases
    )


def moved_splits(
    cards: Sequence[InstitutionCard], lines: Iterable[int], place: str, *, cases: Sequence[CohortCase], seed: int
) -> dict[int, str]:
    """Tell what moving institutions writes into the column of the split: line to text.

    Parameters
    ----------
    lines
        The institutions, by the first row of each.
    place
        Where to, one of `PLACES`; ``shared`` draws the patients of each into training and tuning.
    cases
        The rows that have no problem, spelt alike.
    seed
        Of that draw.

    Raises
    ------
    BadInputError
        If there is no such institution or place, none is named, or one cannot be divided.
    """
    by_line = {card.line: card for card in cards}
    chosen = [by_line[line] for line in dict.fromkeys(lines) if line in by_line]
    if not chosen or place not in PLACES:
        raise BadInputError("no institution or no set is chosen: mark one or more institutions, and choose a set")
    if place != "shared":
        return {line: _SPLITS_OF[place] for card in chosen for line in card.lines}
    splits: dict[int, str] = {}
    known = {case.line: case for case in cases}
    for card in chosen:
        if bad := [line for line in card.lines if line not in known]:
            raise BadInputError(
                f"line {bad[0]}: has a problem, so the patients of its institution cannot be drawn; mend it on the "
                "page Cases first"
            )
        drawn = divide_institution(list(known.values()), card.name, seed=seed)
        known |= {case.line: case for case in drawn}
        splits |= {case.line: str(case.split) for case in drawn}
    return splits
