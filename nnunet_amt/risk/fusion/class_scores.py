"""The probabilities of all models in one table a task, ``class_scores.csv``, which every table and figure reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from nnunet_amt.base.files import files_together, read_rows, write_csv
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion.lesion_case import BINARY_CLASSES, MALIGNANT, LesionSplit
from nnunet_amt.statistics.roc import youden_threshold

CLASS_SCORES_FILE = "class_scores.csv"
SPLITS: tuple[LesionSplit, ...] = get_args(LesionSplit)
_KEYS = ("model", "seed", "split", "case_id", "reference")
_SUM_TOLERANCE = 1e-4
_AGAIN = "train the models again"


@dataclass(frozen=True)
class ClassScore:
    """What one training of a model says of a case.

    Attributes
    ----------
    model
        ``dmfn``, ``regnet``, ``plain-cnn``, ...
    seed
        Of the training: each model is trained with several.
    split
        The case's.
    case_id
        Name of the case in the dataset.
    reference
        Its class, one of those of the table.
    probabilities
        Of the classes of the table, in their order; they sum to 1.
    """

    model: str
    seed: int
    split: LesionSplit
    case_id: str
    reference: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class ClassScoreTable:
    """The scores of one task."""

    classes: tuple[str, ...]
    rows: tuple[ClassScore, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in the order of the table."""
        return tuple(dict.fromkeys(row.model for row in self.rows))

    def seeds(self, model: str) -> tuple[int, ...]:
        """Give the seeds that a model was trained with."""
        return tuple(sorted({row.seed for row in self.rows if row.model == model}))

    def of(self, model: str, split: LesionSplit, seed: int | None = None) -> tuple[ClassScore, ...]:
        """Give the rows of a model and split by case; without a seed the mean of the probabilities over all seeds.

        The mean of seeds, their ensemble, has the lowest seed in its rows.
        """
        rows = [row for row in self.rows if (row.model, row.split) == (model, split)]
        if seed is not None:
            return tuple(sorted((row for row in rows if row.seed == seed), key=lambda row: row.case_id))
        by_case: dict[str, list[ClassScore]] = {}
        for row in sorted(rows, key=lambda row: (row.case_id, row.seed)):
            by_case.setdefault(row.case_id, []).append(row)
        return tuple(_mean(of_case) for of_case in by_case.values())


def tuning_threshold(table: ClassScoreTable, model: str) -> float | None:
    """Give Youden's threshold of a model's ensemble on the tuning cases, from which on it calls a lesion malignant.

    None of a task of several classes, and where the tuning cases are not of both.
    """
    if table.classes != BINARY_CLASSES:
        return None
    tuning, place = table.of(model, "tuning"), table.classes.index(MALIGNANT)
    malignant = [row.reference == MALIGNANT for row in tuning]
    return youden_threshold([row.probabilities[place] for row in tuning], malignant) if len({*malignant}) == 2 else None


def write_class_scores(folder: Path, table: ClassScoreTable, *, alone: bool = False) -> None:
    """Put the rows of a table into that of a folder, in place of earlier ones of the same models, or `alone` of all.

    Raises
    ------
    BadInputError
        If a row cannot be, stands twice or contradicts another, a seed of a model lacks cases of another, or the folder
        has scores of other classes.
    """
    earlier: tuple[ClassScore, ...] = ()
    path = folder / CLASS_SCORES_FILE
    if path.exists() and not alone:
        found = read_class_scores(folder)
        if found.classes != table.classes:
            raise BadInputError(
                f"{path}: has the classes {', '.join(found.classes)}, not {', '.join(table.classes)}; give another "
                "folder, or the class map of before"
            )
        earlier = tuple(row for row in found.rows if row.model not in table.models)
    together = ClassScoreTable(table.classes, (*earlier, *table.rows))
    _require_sound(path, together)
    rows = sorted(together.rows, key=lambda row: (row.model, row.seed, SPLITS.index(row.split), row.case_id))
    with files_together(folder) as staging:
        write_csv(
            staging / CLASS_SCORES_FILE,
            (*_KEYS, *table.classes),
            ((row.model, row.seed, row.split, row.case_id, row.reference, *row.probabilities) for row in rows),
        )


def read_class_scores(folder: Path) -> ClassScoreTable:
    """Read the table of a folder; BadInputError if it cannot be read, or holds what `write_class_scores` refuses."""
    path = folder / CLASS_SCORES_FILE
    if not path.is_file():
        raise BadInputError(
            f"{folder}: holds no {CLASS_SCORES_FILE}, no model is trained; run nnunet_amt risk train with the task"
        )
    cells = list(read_rows(path, *_KEYS))
    classes = tuple(name for name in (cells[0] if cells else ()) if name not in _KEYS)
    rows = tuple(_row(path, number, row, classes) for number, row in enumerate(cells, start=1))
    table = ClassScoreTable(classes, rows)
    _require_sound(path, table)
    return table


def _mean(rows: Sequence[ClassScore]) -> ClassScore:
    first = rows[0]
    columns = zip(*(row.probabilities for row in rows), strict=True)
    means = tuple(sum(column) / len(rows) for column in columns)
    return ClassScore(first.model, first.seed, first.split, first.case_id, first.reference, means)


def _row(path: Path, number: int, cells: Mapping[str, str], classes: Sequence[str]) -> ClassScore:
    where = f"{path} row {number}"
    seed, split = cells["seed"], cells["split"]
    if not (seed.isascii() and seed.isdigit()):
        raise BadInputError(f"{where}: seed {seed!r}; must be a whole number; {_AGAIN}")
    if split not in SPLITS:
        raise BadInputError(f"{where}: split {split!r}; must be one of {', '.join(SPLITS)}; {_AGAIN}")
    try:
        probabilities = tuple(float(cells[name]) for name in classes)
    except ValueError as error:
        raise BadInputError(f"{where}: has a probability that is no number; {_AGAIN}") from error
    return ClassScore(cells["model"], int(seed), split, cells["case_id"], cells["reference"], probabilities)


def _require_sound(path: Path, table: ClassScoreTable) -> None:
    if len(table.classes) < 2:
        raise BadInputError(f"{path}: has {len(table.classes)} classes; there must be two or more; {_AGAIN}")
    seen: set[tuple[str, int, str]] = set()
    first: dict[str, ClassScore] = {}
    for row in table.rows:
        where = f"{path}, {row.model}, seed {row.seed}, case {row.case_id}"
        if not row.model or not row.case_id:
            raise BadInputError(f"{where}: a row must have a model and a case; {_AGAIN}")
        if row.reference not in table.classes:
            raise BadInputError(f"{where}: is of class {row.reference!r}, none of {', '.join(table.classes)}; {_AGAIN}")
        if not all(0 <= one <= 1 for one in row.probabilities) or abs(sum(row.probabilities) - 1) > _SUM_TOLERANCE:
            raise BadInputError(f"{where}: probabilities must be 0 to 1 and sum to 1; {_AGAIN}")
        if (key := (row.model, row.seed, row.case_id)) in seen:
            raise BadInputError(f"{where}: stands twice; a training scores a case once; {_AGAIN}")
        seen.add(key)
        other = first.setdefault(row.case_id, row)
        if (other.reference, other.split) != (row.reference, row.split):
            raise BadInputError(f"{where}: its class or split is another than of {other.model}; {_AGAIN}")
    _require_same_cases(path, table.rows)


def _require_same_cases(path: Path, rows: Iterable[ClassScore]) -> None:
    """Refuse a model of which one seed scored other cases than another: their mean would be of neither."""
    scored: dict[tuple[str, int], set[str]] = {}
    for row in rows:
        scored.setdefault((row.model, row.seed), set()).add(row.case_id)
    first: dict[str, tuple[int, set[str]]] = {}
    for (model, seed), cases in scored.items():
        known_seed, known = first.setdefault(model, (seed, cases))
        if cases != known:
            raise BadInputError(f"{path}, {model}: seeds {known_seed} and {seed} scored other cases; {_AGAIN}")
