"""Which class each diagnosis is of: a CSV file that one can edit, by default Table 2 of the paper in 14 classes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nnunet_amt.base.files import numbered_rows, require_columns, row_texts
from nnunet_amt.cohort.case import yes_or_no
from nnunet_amt.cohort.diagnosis import broader_name, spelt_alike, standard_name
from nnunet_amt.errors import ManifestError

PUBLISHED_CLASS_MAP = Path(__file__).with_name("class_map.csv")
COLUMNS = ("diagnosis", "class", "malignant")
_WHICH = "a class map, a CSV file with the columns diagnosis, class and malignant"
_KINDS = {"benign": False, "malignant": True}
# Columns that stand beside the classes in a table of scores, of the study's cases or of new ones.
_TAKEN = frozenset(("model", "seed", "split", "case_id", "reference", "task", "called", "threshold", "notes"))


@dataclass(frozen=True)
class MappedDiagnosis:
    """A row of the map: a diagnosis, its class (None: of the binary task alone), and whether it is malignant."""

    diagnosis: str
    lesion_class: str | None
    malignant: bool


@dataclass(frozen=True)
class ClassMap:
    """The rows of a class map, in the order of its file."""

    path: Path
    rows: tuple[MappedDiagnosis, ...]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes of the multi-class task, in the order in which the file names them first."""
        return tuple(dict.fromkeys(row.lesion_class for row in self.rows if row.lesion_class))

    def of(self, diagnosis: str) -> MappedDiagnosis | None:
        """Find the row of a diagnosis in whatever spelling; None where the map has none.

        A row of the very name comes first, then one of the same diagnosis, then one of which it is a kind: a
        ``"bronchogenic cyst"`` is a Cyst, unless the map has a row of its own for it.
        """
        by_spelling, by_name = self._known
        return by_spelling.get(spelt_alike(diagnosis)) or by_name.get(broader_name(diagnosis) or "")

    def near(self, diagnosis: str) -> str:
        """Give the diagnosis of the map that a text may be a slip of the pen of; empty if none is like it."""
        by_spelling = self._known[0]
        found = difflib.get_close_matches(spelt_alike(diagnosis), by_spelling, 1, cutoff=0.8)
        return by_spelling[found[0]].diagnosis if found else ""

    @cached_property
    def _known(self) -> tuple[Mapping[str, MappedDiagnosis], Mapping[str, MappedDiagnosis]]:
        """Give the rows by spelling, and by the standard name that they are another spelling of."""
        by_name = {name: row for row in self.rows if (name := standard_name(row.diagnosis))}
        return {spelt_alike(row.diagnosis): row for row in self.rows}, by_name


def read_class_map(path: Path | None = None) -> ClassMap:
    """Read a class map.

    Parameters
    ----------
    path
        CSV file with the columns ``diagnosis``, ``class`` (empty: the diagnosis takes part in the binary task only)
        and ``malignant`` (yes or no); others are passed over. None for that of the paper, `PUBLISHED_CLASS_MAP`.

    Raises
    ------
    ManifestError
        If it cannot be read, a cell is none of these, a diagnosis or a column stands there twice, or there are not two
        classes and both a benign and a malignant diagnosis.
    """
    path = path or PUBLISHED_CLASS_MAP
    numbered = numbered_rows(path, _WHICH)
    _, header = next(numbered, (1, []))
    columns = [name.lower() for name in header]
    require_columns(path, columns, required=COLUMNS)
    rows: list[MappedDiagnosis] = []
    lines: dict[str, int] = {}
    for line, cells in numbered:
        texts = row_texts(path, line, columns=columns, cells=cells)
        row = _row(f"{path} line {line}", texts)
        for key in {spelt_alike(row.diagnosis), standard_name(row.diagnosis) or ""} - {""}:
            if key in lines:
                raise ManifestError(
                    f"{path} line {line}, column 'diagnosis': {row.diagnosis!r} is on line {lines[key]} already; keep "
                    "one row a diagnosis"
                )
            lines[key] = line
        rows.append(row)
    _require_sound(path, rows)
    return ClassMap(path, tuple(rows))


def _row(where: str, texts: Mapping[str, str]) -> MappedDiagnosis:
    diagnosis, name, malignant = (" ".join(texts[column].split()) for column in COLUMNS)
    if not diagnosis:
        raise ManifestError(f"{where}, column 'diagnosis': is empty; name the diagnosis, or remove the line")
    if name.casefold() in _TAKEN:
        raise ManifestError(f"{where}, column 'class': is {name!r}, which tables of scores call another column; rename")
    return MappedDiagnosis(diagnosis, name or None, _is_malignant(where, malignant))


def _is_malignant(where: str, text: str) -> bool:
    word = text.casefold()
    if word in _KINDS:
        return _KINDS[word]
    with suppress(ValueError):
        if word:  # an empty cell would say no
            return yes_or_no(word)
    raise ManifestError(f"{where}, column 'malignant': is {text!r}; it must be yes or no")


def _require_sound(path: Path, rows: Sequence[MappedDiagnosis]) -> None:
    spellings: dict[str, str] = {}
    for name in (row.lesion_class for row in rows if row.lesion_class):
        first = spellings.setdefault(spelt_alike(name), name)
        if first != name:
            raise ManifestError(f"{path}, column 'class': has both {first!r} and {name!r}; spell one class alike")
    if len(spellings) < 2:
        raise ManifestError(f"{path}, column 'class': names {len(spellings)} classes; there must be two or more")
    if len({row.malignant for row in rows}) < 2:
        kind = "malignant" if rows[0].malignant else "benign"
        raise ManifestError(f"{path}, column 'malignant': all diagnoses are {kind}; there must be of both")
