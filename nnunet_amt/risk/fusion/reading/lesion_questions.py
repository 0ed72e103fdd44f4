"""What surgeons are asked of a lesion: benign or malignant, what to do, which class; and what the paper's answered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.evaluation.tables import RATE_TITLES
from nnunet_amt.risk.fusion.lesion_case import BINARY_CLASSES, MALIGNANT, Task
from nnunet_amt.risk.reading.reader_file import ReaderTable, read_questions
from nnunet_amt.risk.reading.reader_question import YES_AND_NO, ReaderQuestion, plain
from nnunet_amt.statistics.consistency.papers import publication
from nnunet_amt.statistics.consistency.rates import RateRow
from nnunet_amt.writing.numbers import UNDEFINED
from nnunet_amt.writing.table import Row

DECISIONS = ("surgery", "follow-up", "conservative")
SURGERY = DECISIONS[0]
_HELP, _MODEL = "CTC", "DMFN"
_TRAINED = (
    "are of the training cohort: a model that was trained on them looks better beside the readers than it would with "
    "new cases."
)
_SIMULATED = "The readers are simulated (Roe and Metz) at the published AUCs: they are no people."
DIAGNOSED, MANAGED, CLASSIFIED = "benign or malignant", "management decision", "14 classes"  # in the paper's rows


def published_rows(section: str) -> tuple[RateRow, ...]:
    """Give the rows of DMFN and of physicians in Table 3 of the paper, and what its text says of them with CTC."""
    return tuple(
        row
        for row in publication("wang").tables.rates
        if row.row.endswith(f", {section}")
        and ("physicians" in row.row or "DMFN" in row.row)
        and (row.table == "Table 3" or "CTCs" in row.row or (section == CLASSIFIED and not row.set))
    )


def published_title(row: RateRow) -> str:
    """Say of whom a row of the paper is."""
    return f"{row.row.partition(',')[0]}, published" + (f" ({row.set})" if row.set else "")


def _table_3_rows(section: str) -> tuple[Row, ...]:
    return tuple(
        Row(
            published_title(row),
            tuple(str(row.rates[name]) if name in row.rates else UNDEFINED for name in ("auc", *RATE_TITLES)),
            "published",
        )
        for row in published_rows(section)
    )


def published_note() -> str:
    """Say whose figures the published rows are; begins as `Table.without_published` wants it."""
    return publication("wang").note(
        "Its groups are of two readers each. Its Table 3 does not add up, and gives residents without CTC another AUC "
        "than its text: nnunet_amt published --paper wang --check."
    )


DIAGNOSIS = ReaderQuestion(
    name="diagnosis",
    help=_HELP,
    classes=BINARY_CLASSES,
    model=_MODEL,
    asked=" for malignancy",
    words={**YES_AND_NO, **{name: float(name == MALIGNANT) for name in BINARY_CLASSES}},
    trained=_TRAINED,
    simulated=f"{_SIMULATED} Of chiefs with CTC no AUC is published: theirs without is taken.",
    published=partial(_table_3_rows, DIAGNOSED),
    published_note=published_note,
)
MANAGEMENT = ReaderQuestion(
    name="management",
    help=_HELP,
    classes=("another decision", SURGERY),
    model=_MODEL,
    asked=" for surgery",
    words={
        **{plain(name): float(place) for place, name in enumerate(DECISIONS)},
        "followup": 1.0,
        "conservative treatment": 2.0,
    },
    trained=_TRAINED,
    simulated=(
        f"{_SIMULATED} The one published AUC of each level is taken without and with CTC. The reference decision is "
        "made up: surgery of malignant lesions, follow-up of benign ones."
    ),
    answers=DECISIONS,
    referred=True,
    published=partial(_table_3_rows, MANAGED),
    published_note=published_note,
)


def class_question(classes: Sequence[str]) -> ReaderQuestion:
    """Give the question which of several classes a lesion is of; BadInputError if two have one name but for signs."""
    words = {plain(name): float(place) for place, name in enumerate(classes)}
    if len(words) < len(classes):
        twice = next(name for place, name in enumerate(classes) if words[plain(name)] != place)
        raise BadInputError(
            f"class {twice!r} has another one's name but for capitals or hyphens; give it one of its own"
        )
    return ReaderQuestion(
        name="class",
        help=_HELP,
        classes=("another class", "this class"),
        model=_MODEL,
        asked=" for the class",
        words=words,
        trained=_TRAINED,
        simulated=f"{_SIMULATED} The one published AUC of each level is taken without and with CTC.",
        answers=tuple(classes),
        published_note=published_note,
    )


def questions_of(task: Task, classes: Sequence[str]) -> tuple[ReaderQuestion, ...]:
    """Give the questions of a task; `classes` are those of its scores."""
    return (DIAGNOSIS, MANAGEMENT) if task == "binary" else (class_question(classes),)


def read_lesion_readers(path: Path, *, classes: Sequence[str]) -> dict[str, ReaderTable]:
    """Read the table of a reader study of lesions, as `nnunet_amt.risk.reading.reader_file.read_questions`.

    Each reader answers each question of each case twice: ``without`` and ``with`` CTC. The column ``question`` tells
    which; without it all rows are of the diagnosis.

    ``diagnosis``
        A rating is ``benign`` or ``malignant``, yes or no, or a number, higher for malignant.
    ``management``
        ``surgery``, ``follow-up`` or ``conservative``; the column ``reference`` has the decision that was right.
    ``class``
        One of `classes`.

    Parameters
    ----------
    classes
        Of the multi-class task, as the class map spells them.

    Returns
    -------
    dict
        Tables by question, of those that were asked.

    Raises
    ------
    ManifestError
        As `read_questions`.
    """
    return read_questions(path, (DIAGNOSIS, MANAGEMENT, class_question(classes)))
