"""The paper's tables as rows that stand beside ours."""

from __future__ import annotations

from nnunet_amt.statistics.consistency.papers import Publication, publication
from nnunet_amt.writing.table import Row

_TITLES = {"patients": "Table 1", "models": "Table 2", "readers": "Table 3"}
_SETS = {"out_of_fold": "training", "external": "testing"}


def the_paper() -> Publication:
    """Give the paper on low and high risk, with its tables."""
    return publication("tet-risk")


def published_note(what: str = "") -> str:
    """Say whose figures the rows in between are; begins as `Table.without_published` wants it."""
    return the_paper().note(what)


def published_characteristics() -> dict[str, tuple[str, ...]]:
    """Give the cells of Table 1 by ``"sex: male"``: LRT and HRT of training, of testing, then p of either."""
    return {row[0]: row[1:] for row in _rows("patients")}


def published_model(title: str, kind: str) -> Row | None:
    """Give the row of Table 2 of a model, by its title there; its training row stands beside our out-of-fold one."""
    for name, of_set, *cells in _rows("models"):
        if (name, of_set) == (title, _SETS.get(kind)):
            return Row(f"{name}, published ({of_set})", ("61" if of_set == "testing" else "205", *cells), "published")
    return None


def published_readers() -> tuple[Row, ...]:
    """Give the rows of Table 3."""
    return tuple(Row(f"{name}, published", tuple(cells), "published") for name, _, *cells in _rows("readers"))


def _rows(which: str) -> tuple[tuple[str, ...], ...]:
    return next(table.rows for table in the_paper().shown if table.title.startswith(_TITLES[which]))
