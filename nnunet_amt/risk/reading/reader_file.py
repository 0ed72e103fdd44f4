"""The table of a reader study as a CSV file: ``reader, level, condition, case, rating``, and ``question``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_amt.base.files import numbered_rows, require_columns, row_texts, write_csv
from nnunet_amt.base.spreadsheet_text import as_decimal_point
from nnunet_amt.errors import ManifestError
from nnunet_amt.risk.reading.reader_question import RISK_QUESTION, ReaderQuestion, plain
from nnunet_amt.statistics.reader_table import Reading

READERS_FILE = "readers.csv"
COLUMNS = ("reader", "level", "condition", "case", "rating")
WITHOUT, WITH = RISK_QUESTION.conditions
_QUESTION, _REFERENCE = "question", "reference"


@dataclass(frozen=True)
class ReaderTable:
    """Rows of a reader study, in the file's order, and the level of each reader, such as ``junior``.

    `references` has the right rating of each case, where the question is one of which the table gives it.
    """

    rows: tuple[Reading, ...]
    levels: Mapping[str, str]
    references: Mapping[str, float] = field(default_factory=dict)

    @property
    def graded(self) -> bool:
        """Whether any rating is something else than yes and no, 1 and 0."""
        return any(row.rating not in (0.0, 1.0) for row in self.rows)

    def of_level(self, level: str) -> tuple[str, ...]:
        """Give the readers of a level, by name."""
        return tuple(sorted(reader for reader, own in self.levels.items() if own == level))


@dataclass(frozen=True)
class _Row:
    """A row of the file, understood; `reference` is None where its question has none in the table."""

    line: int
    question: ReaderQuestion
    reading: Reading
    level: str
    reference: float | None


def read_readers(path: Path) -> ReaderTable:
    """Read the table of a reader study of low and high risk.

    Each reader rates each case twice: ``without`` and ``with`` AI. A rating is a number, a higher one for high risk;
    ``yes`` and ``high`` stand for 1, ``no`` and ``low`` for 0.

    Raises
    ------
    ManifestError
        Of one line: if the file cannot be read or lacks a column, a cell is empty, a condition or rating is none that
        is understood, a reading stands there twice, or a reader has two levels.
    """
    return read_questions(path, (RISK_QUESTION,))[RISK_QUESTION.name]


def read_questions(path: Path, questions: Sequence[ReaderQuestion]) -> dict[str, ReaderTable]:
    """Read the table of a reader study of one or several questions, of which the column ``question`` tells which.

    Parameters
    ----------
    questions
        Those that may be asked. Without the column all rows are of the first; it is not looked at if there is only one.

    Returns
    -------
    dict
        By the names of the questions that were asked, in the order given.

    Raises
    ------
    ManifestError
        As `read_readers`; if a question is none of these, or a right answer is missing or contradicts another.
    """
    rows = tuple(_rows(path, questions))
    if not rows:
        raise ManifestError(f"{path}: has no readings; write a row for each reader, condition and case")
    _require_once(path, rows)
    levels = _levels(path, rows)
    found = {}
    for question in questions:
        if own := [row for row in rows if row.question is question]:
            read = {row.reading.reader for row in own}
            found[question.name] = ReaderTable(
                tuple(row.reading for row in own),
                {reader: level for reader, level in levels.items() if reader in read},
                _references(path, own),
            )
    return found


def write_readers(path: Path, table: ReaderTable) -> None:
    """Write what `read_readers` reads."""
    write_csv(
        path,
        COLUMNS,
        ((row.reader, table.levels[row.reader], row.condition, row.case_id, f"{row.rating:g}") for row in table.rows),
    )


def _rows(path: Path, questions: Sequence[ReaderQuestion]) -> Iterator[_Row]:
    numbered = numbered_rows(path, "the table of a reader study")
    _, columns = next(numbered, (1, []))
    require_columns(path, columns, required=COLUMNS)
    several = len(questions) > 1 and _QUESTION in columns
    for line, cells in numbered:
        row = row_texts(path, line, columns=columns, cells=cells)
        _require_filled(path, line, row, (*COLUMNS, _QUESTION) if several else COLUMNS)
        question = _question(path, line, row[_QUESTION], questions) if several else questions[0]
        reference = None
        if question.referred:
            require_columns(path, columns, required=(_REFERENCE,))
            _require_filled(path, line, row, (_REFERENCE,))
            reference = _rating(path, line, _REFERENCE, row, question)
        rating = _rating(path, line, "rating", row, question)
        reading = Reading(row["reader"], _condition(path, line, row["condition"], question), row["case"], rating)
        yield _Row(line, question, reading, row["level"], reference)


def _require_filled(path: Path, line: int, row: Mapping[str, str], columns: Sequence[str]) -> None:
    for column in columns:
        if not row[column]:
            raise ManifestError(f"{path} line {line}, column {column!r}: is empty; fill it in, or remove the row")


def _question(path: Path, line: int, text: str, questions: Sequence[ReaderQuestion]) -> ReaderQuestion:
    for question in questions:
        if plain(text) == question.name:
            return question
    names = ", ".join(question.name for question in questions)
    raise ManifestError(f"{path} line {line}, column {_QUESTION!r}: is {text!r}; write one of {names}")


def _condition(path: Path, line: int, text: str, question: ReaderQuestion) -> str:
    if (condition := question.condition(text)) is None:
        raise ManifestError(
            f"{path} line {line}, column 'condition': is {text!r}; write without or with ({question.help})"
        )
    return condition


def _rating(path: Path, line: int, column: str, row: Mapping[str, str], question: ReaderQuestion) -> float:
    text = row[column]
    if (word := question.words.get(plain(text))) is not None:
        return word
    where = f"{path} line {line}, column {column!r}: is {text!r}"
    if question.answers:
        raise ManifestError(f"{where}; write one of {', '.join(question.answers)}")
    try:
        number = float(as_decimal_point(text))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ManifestError(f"{where}; write a number, higher for {question.classes[1]}, or yes and no")
    return number


def _require_once(path: Path, rows: Sequence[_Row]) -> None:
    lines: dict[tuple[str, str, str, str], int] = {}
    for row in rows:
        reading = row.reading
        key = row.question.name, reading.reader, reading.condition, reading.case_id
        if key in lines:
            raise ManifestError(
                f"{path} line {row.line}: reader {reading.reader} has rated case {reading.case_id} {reading.condition}"
                f"{row.question.asked} on line {lines[key]} already; keep one of the two"
            )
        lines[key] = row.line


def _levels(path: Path, rows: Sequence[_Row]) -> dict[str, str]:
    levels: dict[str, str] = {}
    for row in rows:
        reader = row.reading.reader
        if levels.setdefault(reader, row.level) != row.level:
            raise ManifestError(
                f"{path} line {row.line}, column 'level': is {row.level!r}, reader {reader} was {levels[reader]!r} "
                "before; give each reader one level"
            )
    return levels


def _references(path: Path, rows: Sequence[_Row]) -> dict[str, float]:
    references: dict[str, float] = {}
    for row in rows:
        case = row.reading.case_id
        if row.reference is not None and references.setdefault(case, row.reference) != row.reference:
            now, before = (row.question.answers[int(one)] for one in (row.reference, references[case]))
            raise ManifestError(
                f"{path} line {row.line}, column {_REFERENCE!r}: is {now!r}, case {case} was {before!r} before; give "
                "each case one reference"
            )
    return references
