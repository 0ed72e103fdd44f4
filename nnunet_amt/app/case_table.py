"""The manifest of a study as a table to edit: read with all its problems, changed row by row, its last state kept."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from nnunet_amt.base.csv_cells import unguarded_cell
from nnunet_amt.base.files import atomic_path, csv_text, numbered_cells, write_text
from nnunet_amt.base.spreadsheet_text import bare_cell
from nnunet_amt.cohort.audit import split_problems
from nnunet_amt.cohort.case import SPLITS, CohortCase, ExcludedCase
from nnunet_amt.cohort.manifest import (
    FILE_COLUMNS,
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    check_manifest,
    is_used,
    manifest_text,
)
from nnunet_amt.cohort.manifest_checks import ManifestProblem
from nnunet_amt.cohort.thymic_findings import is_clinical
from nnunet_amt.errors import BadInputError, ManifestError

# Columns that a row can be given although the table has none of them yet.
_USUAL = ("split", "roi", "age", "sex", "histology", "no_tumour", "exclusion_reason")
_SPLIT = "split"
_LONGEST_CELL = 2000
_DIGEST = 20  # letters of it
_changing = threading.Lock()


class ChangedSinceError(BadInputError):
    """The table on disk is no longer the one that the page shows."""


@dataclass(frozen=True)
class CaseTable:
    """A manifest as it stands on disk.

    Attributes
    ----------
    path
        The file.
    digest
        Of its bytes: a change that was made to another state of it is refused.
    header
        Names of the columns, in small letters.
    rows
        The cells of each row that is not blank, by line.
    problems
        Those of the rows.
    header_problems
        Those of the columns' names; with one of these no row was looked at.
    broken
        Why the file is no table at all; empty if it is one.
    cases, excluded
        The rows without a problem of their own, as the conversion reads them.
    """

    path: Path
    digest: str
    header: tuple[str, ...] = ()
    rows: Mapping[int, list[str]] = field(default_factory=dict)
    problems: tuple[ManifestProblem, ...] = ()
    header_problems: tuple[ManifestProblem, ...] = ()
    broken: str = ""
    cases: tuple[CohortCase, ...] = ()
    excluded: tuple[ExcludedCase, ...] = ()

    def cell(self, line: int, column: str) -> str:
        """Give a cell; an empty text where the row or the table has none."""
        cells = self.rows[line]
        index = self.header.index(column) if column in self.header else len(cells)
        return cells[index] if index < len(cells) else ""

    @property
    def shown_columns(self) -> tuple[str, ...]:
        """Those that we read; others may say who a patient is, and are kept without being shown."""
        return tuple(filter(is_used, self.header))

    @property
    def hidden_columns(self) -> int:
        """How many columns are not shown."""
        return sum(bool(name) and not is_used(name) for name in self.header)

    @property
    def editable_columns(self) -> tuple[str, ...]:
        """Those of a row's form: what the table has, and the usual ones."""
        known = (*REQUIRED_COLUMNS, *(name for name in OPTIONAL_COLUMNS if name in self.header or name in _USUAL))
        return (*known, *filter(is_clinical, self.header))


def read_case_table(path: Path) -> CaseTable:
    """Read a manifest with every problem of it; that it is no table at all is told too, and not raised."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return CaseTable(path, "", broken=f"{path.name}: cannot be read ({error.strerror}); import a table")
    return _table_of(path, content)


@lru_cache(maxsize=4)
def _table_of(path: Path, content: bytes) -> CaseTable:
    digest = hashlib.sha256(content).hexdigest()[:_DIGEST]
    try:
        checked = check_manifest(manifest_text(content, name=path.name), name=path.name, folder=path.parent)
    except ManifestError as error:
        return CaseTable(path, digest, broken=str(error))
    return CaseTable(
        path,
        digest,
        checked.header,
        checked.rows,
        (*checked.problems, *split_problems(checked.cases)),
        checked.header_problems,
        cases=checked.cases,
        excluded=checked.excluded,
    )


def counts_by_institution(table: CaseTable) -> dict[str, Counter[str]]:
    """Count the rows that take part by institution and split, the largest institution first; "" is no split yet."""
    counts: dict[str, Counter[str]] = {}
    for line in table.rows:
        if not table.cell(line, "exclusion_reason"):
            split = table.cell(line, "split").strip().lower()
            counts.setdefault(table.cell(line, "institution"), Counter())[split] += 1
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1].total(), entry[0])))


def change_row(path: Path, line: int, cells: Mapping[str, str], *, digest: str, opened: Path) -> None:
    """Put texts into cells of a row, column to text; a column that the table has not yet is added if it gets a text.

    Parameters
    ----------
    digest
        Of the table that was looked at.
    opened
        What files must lie in that a cell is changed to.

    Raises
    ------
    ChangedSinceError
        If the table is another by now.
    BadInputError
        If there is no such row, or a cell is no cell of ours.
    """
    with _changing:
        table = _editable(path, digest)
        if line not in table.rows:
            raise BadInputError(f"line {line}: there is no such row; load the page again")
        changed = {column: _checked(column, text) for column, text in cells.items() if text != table.cell(line, column)}
        _require_inside(path, changed, opened)
        header = _with_columns(table, (column for column, text in changed.items() if text))
        row = _padded(table.rows[line], len(header))
        for column, text in changed.items():
            if column in header:
                row[header.index(column)] = text
        if changed:
            _write(path, header, [*(row if number == line else cells for number, cells in table.rows.items())])


def change_splits(path: Path, splits: Mapping[int, str], *, digest: str) -> None:
    """Write the splits of rows, line to text, in one change; the column is added if the table has none.

    Parameters
    ----------
    splits
        An empty text is no split. Rows that are excluded keep theirs.
    digest
        Of the table that was looked at.

    Raises
    ------
    ChangedSinceError
        If the table is another by now.
    BadInputError
        If there is no such row, or a text is no split.
    """
    with _changing:
        table = _editable(path, digest)
        for line, split in splits.items():
            if line not in table.rows or split not in ("", *SPLITS):
                raise BadInputError(f"line {line}, split {split!r}: there is no such row or set; load the page again")
        header = _with_columns(table, (_SPLIT for split in splits.values() if split))
        if _SPLIT not in header:
            return
        place = header.index(_SPLIT)
        rows = {line: _padded(cells, len(header)) for line, cells in table.rows.items()}
        for line, split in splits.items():
            if not table.cell(line, "exclusion_reason"):
                rows[line][place] = split
        if any(rows[line][place] != table.cell(line, _SPLIT) for line in splits):
            _write(path, header, [*rows.values()])


def remove_row(path: Path, line: int, *, digest: str) -> None:
    """Take a row out of the table."""
    with _changing:
        table = _editable(path, digest)
        _write(path, table.header, [cells for number, cells in table.rows.items() if number != line])


def add_rows(path: Path, rows: Sequence[Mapping[str, str]], *, digest: str) -> None:
    """Put rows, column to text, behind those of the table."""
    with _changing:
        table = _editable(path, digest)
        header = _with_columns(table, (column for row in rows for column in row))
        added = [[_checked(name, row[name]) if name in row else "" for name in header] for row in rows]
        if rows:
            _write(path, header, [*table.rows.values(), *added])


def replace_table(path: Path, content: bytes, *, digest: str, opened: Path) -> None:
    """Put a table from elsewhere in place of this one.

    Raises
    ------
    ManifestError
        If it is no table, or has no row. What is wrong in its rows is no reason: that is seen in the table.
    BadInputError
        If it names a file outside of `opened`.
    """
    with _changing:
        require_unchanged(path, digest=digest)
        new = _table_of(path, content)
        if new.broken:
            raise ManifestError(new.broken)
        if not new.rows:
            raise ManifestError(f"{path.name}: has no row; give a table with a row a case")
        for line in new.rows:
            _require_inside(path, {name: new.cell(line, name) for name in FILE_COLUMNS}, opened, line=line)
        _keep(path)
        _put(path, content)


def undo(path: Path, *, digest: str) -> None:
    """Exchange the table with its last state; once more, and it is as it was before."""
    with _changing:
        require_unchanged(path, digest=digest)
        kept = backup_of(path)
        if not kept.is_file():
            raise BadInputError(f"{path.name}: was not changed here yet, there is nothing to take back")
        before = kept.read_bytes()
        _keep(path)
        _put(path, before)


@dataclass(frozen=True)
class LastChange:
    """What the last change of a table did.

    Attributes
    ----------
    cells
        Of changed cells: line now, column, and the text before and after.
    added, removed
        How many rows came and went.
    """

    cells: tuple[tuple[int, str, str, str], ...] = ()
    added: int = 0
    removed: int = 0


def last_change(table: CaseTable) -> LastChange | None:
    """Compare a table with its last state; None if that is not kept, or either is no table."""
    try:
        content = backup_of(table.path).read_bytes()
        (_, names), *rows = numbered_cells(manifest_text(content, name=table.path.name), table.path.name)
    except (OSError, ManifestError, ValueError):
        return None
    if table.broken:
        return None
    header = [name.lower() for name in names]
    columns = list(dict.fromkeys(filter(None, (*table.header, *header))))
    before = [_by_column(columns, header, row) for _, row in rows]
    after = {line: _by_column(columns, table.header, row) for line, row in table.rows.items()}
    if len(before) != len(after):
        old, new = Counter(before), Counter(after.values())
        return LastChange(added=(new - old).total(), removed=(old - new).total())
    cells = tuple(
        (line, name, old, new)
        for texts, (line, now) in zip(before, after.items(), strict=True)
        for name, old, new in zip(columns, texts, now, strict=True)
        if old != new
    )
    return LastChange(cells)


def _by_column(columns: Sequence[str], header: Sequence[str], cells: Sequence[str]) -> tuple[str, ...]:
    known = dict(zip(header, cells, strict=False))
    return tuple(known.get(column, "") for column in columns)


def backup_of(path: Path) -> Path:
    """Name the file that keeps the table as it was before its last change."""
    return path.with_name(f"{path.name}.before")


def require_unchanged(path: Path, *, digest: str) -> CaseTable:
    """Give the table if it still is the one of that digest; else ChangedSinceError."""
    table = read_case_table(path)
    if table.digest != digest:
        raise ChangedSinceError(
            f"{path.name}: was changed since this page was loaded, here or in another program; look at it as it is, "
            "and change it again"
        )
    return table


def _editable(path: Path, digest: str) -> CaseTable:
    """Read a table of which each row can be changed by itself."""
    table = require_unchanged(path, digest=digest)
    if table.broken or table.header_problems:
        raise BadInputError(f"{path.name}: its columns are not in order; export it, mend them, and import it again")
    return table


def _with_columns(table: CaseTable, columns: Iterable[str]) -> list[str]:
    """Give the header with further columns; a row with too many cells would get one into the wrong column."""
    new = [column for column in dict.fromkeys(columns) if column not in table.header]
    for line, cells in table.rows.items():
        if new and len(cells) > len(table.header):
            raise BadInputError(f"line {line}: has more cells than the table has columns; mend that first")
    return [*table.header, *new]


def _checked(column: str, text: str) -> str:
    if not is_used(column):
        raise BadInputError(f"column {column!r}: is none that can be changed here")
    bare = unguarded_cell(bare_cell(text))
    if len(bare) > _LONGEST_CELL or "\0" in bare or len(bare.splitlines()) > 1:
        raise BadInputError(f"column {column!r}: must be one line of at most {_LONGEST_CELL} characters")
    return bare


def _require_inside(path: Path, cells: Mapping[str, str], opened: Path, *, line: int | None = None) -> None:
    """Refuse a file that lies outside of the opened folder, links followed: the page must not read it."""
    where = "" if line is None else f"line {line}, "
    for column in FILE_COLUMNS:
        if not (text := cells.get(column)):
            continue
        try:
            found = (path.parent / text).resolve()
        except (OSError, RuntimeError, ValueError):
            raise BadInputError(f"{where}column {column!r}: is no path; give one relative to the table") from None
        if not found.is_relative_to(opened.resolve()):
            raise BadInputError(
                f"{where}column {column!r}: lies outside the opened folder; copy the files there, or open a folder "
                "that holds both"
            )


def _padded(cells: Sequence[str], length: int) -> list[str]:
    return [*cells, *[""] * (length - len(cells))]


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    _keep(path)
    write_text(path, csv_text(header, [_padded(row, len(header)) for row in rows]))


def _keep(path: Path) -> None:
    """Keep the table as it is, before it is changed."""
    if path.is_file():
        _put(backup_of(path), path.read_bytes())


def _put(path: Path, content: bytes) -> None:
    with atomic_path(path) as partial:
        partial.write_bytes(content)
