"""What the page shows of a cohort's table: its rows with their problems, and its counts."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_amt import paper
from nnunet_amt.app.case_table import CaseTable, counts_by_institution
from nnunet_amt.cohort.case import SPLITS, place_in_manifest
from nnunet_amt.cohort.manifest import FILE_COLUMNS
from nnunet_amt.cohort.spelling import closed_up
from nnunet_amt.cohort.thymic_findings import FINDINGS, WHO_TYPES
from nnunet_amt.dataset_conversion.case_source import open_case, require_known_kind
from nnunet_amt.dataset_conversion.mask_glance import FileState, file_state, mask_problems
from nnunet_amt.dataset_conversion.pairing.dicom import structure_names
from nnunet_amt.errors import AMTError, BadInputError
from nnunet_amt.images.dicom.files import quiet_readers
from nnunet_amt.images.image_file import IMAGE_FILE_ENDINGS

_PATIENT = "patient_id"
# What a cell may hold, to choose from; other texts may be typed where the manifest takes them.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "split": SPLITS,
    "sex": ("F", "M", "O"),
    "no_tumour": ("yes", "no"),
    "histology": tuple(paper.DIAGNOSES),
    "who_type": WHO_TYPES,
    **FINDINGS,
}


@dataclass(frozen=True)
class Cell:
    """A cell as it is shown: its column, its text, and what is wrong in it."""

    column: str
    text: str
    problems: tuple[str, ...]
    is_hidden: bool = False  # the text stands for one that is not shown: of a patient a number, of a file its place


@dataclass(frozen=True)
class RowView:
    """A row: its line, its cells, what is wrong in the whole of it, and whether it is excluded."""

    line: int
    cells: tuple[Cell, ...]
    problems: tuple[str, ...]
    is_excluded: bool

    @property
    def has_problem(self) -> bool:
        """Whether anything in it is to be mended."""
        return bool(self.problems) or any(cell.problems for cell in self.cells)


@dataclass(frozen=True)
class Field:
    """A field of a row's form: a column, its text, what may be chosen, and what is wrong in it."""

    column: str
    text: str
    choices: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class TableView:
    """A table as the page shows it.

    Attributes
    ----------
    table
        What it was made of.
    rows
        Those that are asked for.
    fields
        The form of the row that is edited; empty where none is.
    editing
        Line of that row.
    counts, splits
        Cases by institution and split, and the splits that there are, "" for none yet.
    broad
        Columns in whose cells something is to be read of what is wrong.
    excluded, wrong_rows, problems
        How many rows are excluded or have a problem, and how many problems there are.
    """

    table: CaseTable
    rows: tuple[RowView, ...]
    fields: tuple[Field, ...]
    editing: int | None
    counts: Mapping[str, Counter[str]]
    splits: tuple[str, ...]
    broad: frozenset[str]
    excluded: int
    wrong_rows: int
    problems: int

    @property
    def total(self) -> Counter[str]:
        """Cases of all institutions by split."""
        return sum(self.counts.values(), Counter())

    def rows_unlike(self, before: TableView) -> tuple[RowView, ...] | None:
        """Give the rows that are shown unlike before; None where more of the table is than its rows."""
        lines, columns = [row.line for row in self.rows], self.table.shown_columns
        if lines != [row.line for row in before.rows] or columns != before.table.shown_columns:
            return None
        if self.broad != before.broad or self.table.header_problems or self.table.broken:
            return None
        return tuple(row for row, old in zip(self.rows, before.rows, strict=True) if row != old)


@dataclass(frozen=True)
class FilesLookedAt:
    """What is wrong with the files that a table names, each looked at once.

    Attributes
    ----------
    folder
        Of the table.
    opened
        Files are looked for in this folder only.
    """

    folder: Path
    opened: Path
    _words: dict[str, str] = field(default_factory=dict)
    _folders: dict[str, bool] = field(default_factory=dict)  # whether a folder, links followed, lies in the opened one

    def problem(self, text: str) -> str:
        """Say what is wrong with the file of a cell, in the conversion's words; an empty text if nothing is."""
        if text not in self._words:
            self._words[text] = self._looked_at(text)
        return self._words[text]

    def seen_in_mask(self, text: str) -> Mapping[str, str]:
        """Tell what was seen of a mask, see `look_at_masks`; nothing of one that nobody has looked at."""
        try:
            return _SEEN.get(file_state(self.folder / text), {})
        except (OSError, ValueError):
            return {}

    def _looked_at(self, text: str) -> str:
        try:
            path = self.folder / text
            if not self._is_inside(path):
                return "lies outside the opened folder; copy the files there, or open a folder that holds both"
            require_known_kind(path)
        except AMTError as error:
            return str(error)
        except OSError as error:
            return f"cannot be read ({error.strerror}); check its permissions"
        except (ValueError, RuntimeError):
            return "is no path; give one relative to the table"
        return ""

    def _is_inside(self, path: Path) -> bool:
        """Tell it as `Path.resolve` does, which looks at every folder above each file anew."""
        folder, name = os.path.split(path)
        if name in ("", ".", "..") or _is_link(path):
            return path.resolve().is_relative_to(self.opened)
        if folder not in self._folders:
            self._folders[folder] = Path(folder).resolve().is_relative_to(self.opened)
        return self._folders[folder]


_SEEN: dict[FileState, Mapping[str, str]] = {}  # of masks that were looked at while this server runs
_looking = threading.Lock()


def look_at_masks(table: CaseTable, files: FilesLookedAt, *, lines: Collection[int], seconds: float) -> None:
    """Look at the masks of rows for as long as is given, but not twice at the same; other rows follow the next time.

    What is found stands in the rows from then on. Of a cohort it takes too long to wait for.
    """
    ends = time.monotonic() + seconds
    if not _looking.acquire(blocking=False):
        return
    try:
        for case in table.cases:
            if time.monotonic() > ends:
                return
            if case.line in lines and case.mask is not None and not files.problem(table.cell(case.line, "mask")):
                state = file_state(case.mask)
                _SEEN[state] = mask_problems(state)
    except OSError:
        return  # a disk that has gone: the rows say so
    finally:
        _looking.release()


@dataclass(frozen=True)
class HiddenNames:
    """What stands in a table in place of names that may tell who a patient is.

    Attributes
    ----------
    patients
        The number of each patient.
    shared
        Folders in which files of several patients lie: their names are of no single one.
    """

    patients: Mapping[str, int]
    shared: frozenset[str]

    @classmethod
    def of(cls, table: CaseTable) -> HiddenNames:
        """Give each patient of a table a number, and find the folders that they share."""
        patients: dict[str, int] = {}
        owners: dict[str, set[int]] = defaultdict(set)
        for line in table.rows:
            own = 0
            if patient := table.cell(line, _PATIENT):
                own = patients.setdefault(closed_up(patient), len(patients) + 1)
            for column in FILE_COLUMNS:
                for folder in _folders_and_name(table.cell(line, column))[0]:
                    owners[folder].add(own)
        return cls(patients, frozenset(folder for folder, found in owners.items() if len(found) > 1))

    def patient(self, text: str) -> str:
        """Give the number of a patient."""
        return str(self.patients[closed_up(text)])

    def file(self, text: str) -> str:
        """Give the place of a file as far as it is shared, and its kind: ``images/….nii.gz``."""
        folders, name = _folders_and_name(text)
        place = next((folder for folder in reversed(folders) if folder in self.shared), "")
        ending = next((one for one in (*IMAGE_FILE_ENDINGS, ".dcm", ".zip") if name.lower().endswith(one)), "")
        return f"{place}…{ending}"


def _folders_and_name(text: str) -> tuple[list[str], str]:
    """Take a path apart: each folder on the way with all before it, ``["a/", "a/b/"]``, and the name at its end."""
    *folders, name = text.rstrip("/").split("/")
    return ["".join(f"{one}/" for one in folders[: place + 1]) for place in range(len(folders))], name


Problems = Mapping[int, Mapping[str | None, list[str]]]


def table_view(
    table: CaseTable,
    *,
    files: FilesLookedAt,
    show: str = "all",
    with_ids: bool = False,
    editing: int | None = None,
    typed: Mapping[str, str] | None = None,
) -> TableView:
    """Lay a table out.

    Parameters
    ----------
    files
        What the files of its rows are known to be.
    show
        ``problems`` or ``excluded``; all rows for anything else.
    with_ids
        Whether patients are called by their ids, and files by their names; else patients are numbered, and of files
        the folders are shown that several patients share.
    editing, typed
        Line of the row whose form is open, and what was typed into it before.
    """
    problems = _all_problems(table, files)
    if editing in table.rows and editing is not None and not problems[editing]:
        _add_what_headers_tell(problems, table, editing)
    columns = table.shown_columns
    hidden = None if with_ids else HiddenNames.of(table)
    rows = [_row(table, line, columns, problems.get(line, {}), hidden) for line in table.rows]
    asked = {
        "problems": [row for row in rows if row.has_problem or row.line == editing],
        "excluded": [row for row in rows if row.is_excluded or row.line == editing],
    }.get(show, rows)
    counts = counts_by_institution(table)
    there = {split for count in counts.values() for split in count}
    known = [split for split in SPLITS if split in there]
    is_edited = editing in table.rows and not table.header_problems
    return TableView(
        table,
        tuple(asked),
        _fields(table, editing, problems, typed or {}, files.opened) if is_edited and editing is not None else (),
        editing if is_edited else None,
        counts,
        (*known, *sorted(there - {*known, ""}), *([""] if "" in there else [])),
        frozenset(column for by_column in problems.values() for column, words in by_column.items() if column and words),
        sum(row.is_excluded for row in rows),
        sum(row.has_problem for row in rows),
        sum(len(words) for by_column in problems.values() for words in by_column.values()),
    )


def _all_problems(table: CaseTable, files: FilesLookedAt) -> dict[int, dict[str | None, list[str]]]:
    """Gather what is wrong by line and column; of files too whether they are there, in the conversion's words."""
    found: dict[int, dict[str | None, list[str]]] = defaultdict(lambda: defaultdict(list))
    shown = set(table.shown_columns)
    for problem in table.problems:
        column = problem.column if problem.column in shown else None
        words = problem.words if column or problem.column is None else f"{problem.column}: {problem.words}"
        found[problem.line][column].append(words)
    for line in table.rows:
        if table.header_problems or table.cell(line, "exclusion_reason"):
            continue
        for column in FILE_COLUMNS:
            text = table.cell(line, column)
            if text and column not in found[line] and (words := files.problem(text)):
                found[line][column].append(words)
        if (mask := table.cell(line, "mask")) and "mask" not in found[line]:
            for column, words in files.seen_in_mask(mask).items():
                if column != "roi" or not table.cell(line, "roi"):
                    found[line][column if column in shown else "mask"].append(words)
    return found


def _is_link(path: Path) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:
        return False


def _add_what_headers_tell(problems: dict[int, dict[str | None, list[str]]], table: CaseTable, line: int) -> None:
    """Hold CT and mask of one row against each other by their headers, as the conversion does, and add what it says.

    Of all rows that would take minutes. Rows with a problem are left alone: a file may lie outside the opened folder.
    """
    case = next((case for case in table.cases if case.line == line), None)
    if case is None:
        return
    try:
        with quiet_readers():
            open_case(case, manifest_name=table.path.name)
    except BadInputError as error:
        for column in ("roi", *FILE_COLUMNS):
            place = place_in_manifest(table.path.name, line, column, case.case_id)
            if str(error).startswith(f"{place}: "):
                problems[line][column].append(str(error).removeprefix(f"{place}: "))


def _row(
    table: CaseTable,
    line: int,
    columns: Sequence[str],
    of_row: Mapping[str | None, Sequence[str]],
    hidden: HiddenNames | None,
) -> RowView:
    cells = []
    for column in columns:
        text, words = table.cell(line, column), tuple(of_row.get(column, ()))
        if not text or hidden is None or column not in (_PATIENT, *FILE_COLUMNS):
            cells.append(Cell(column, text, words))
        elif column == _PATIENT:
            cells.append(Cell(column, hidden.patient(text), words, is_hidden=True))
        else:
            told = tuple(one.replace(_folders_and_name(text)[1], "the file") for one in words)
            cells.append(Cell(column, hidden.file(text), told, is_hidden=True))
    return RowView(line, tuple(cells), tuple(of_row.get(None, ())), bool(table.cell(line, "exclusion_reason")))


def _fields(
    table: CaseTable, line: int, problems: Problems, typed: Mapping[str, str], opened: Path
) -> tuple[Field, ...]:
    of_row = problems.get(line, {})
    return tuple(
        Field(
            column,
            typed.get(column, table.cell(line, column)),
            _rois(table, line, opened) if column == "roi" else _choices(table, column),
            tuple(of_row.get(column, ())),
        )
        for column in table.editable_columns
    )


def _choices(table: CaseTable, column: str) -> tuple[str, ...]:
    if column == "institution":
        return tuple(sorted({table.cell(line, column) for line in table.rows} - {""}))
    return CHOICES.get(column, ())


def _rois(table: CaseTable, line: int, opened: Path) -> tuple[str, ...]:
    """Name the structures of the row's mask, for who edits this row: names may be anything."""
    text = table.cell(line, "mask")
    if not text or Path(text).name.lower().endswith((".nii", ".gz", ".nrrd", ".nhdr", ".mha", ".mhd")):
        return ()
    path = (table.path.parent / text).resolve()
    return structure_names(path) if path.is_relative_to(opened) and path.exists() else ()
