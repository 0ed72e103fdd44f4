"""The paper's figures of its models as rows that stand beside ours."""

from __future__ import annotations

from collections.abc import Sequence

from nnunet_amt.risk.fusion.fusion_settings import DMFN, REGNET
from nnunet_amt.risk.fusion.lesion_case import LesionSplit, Task
from nnunet_amt.statistics.consistency.papers import publication
from nnunet_amt.writing.numbers import UNDEFINED
from nnunet_amt.writing.table import Row

_ROWS = {DMFN: "DMFN model", REGNET: "Monomodal CNN model"}
_TASKS = {"binary": "benign or malignant", "multiclass": "14 classes"}
_SETS = {"tuning": "validation", "external": "test"}


def published_models(model: str, split: LesionSplit, task: Task, columns: Sequence[str]) -> tuple[Row, ...]:
    """Give the paper's rows of a model: those of the set of the split, or those of which the set is not said.

    Parameters
    ----------
    columns
        Names of the paper's rates (``auc``, ``sensitivity`` ...) in the order of the table's cells; another name has an
        empty cell.
    """
    name = f"{_ROWS.get(model)}, {_TASKS[task]}"
    of_model = [row for row in publication("wang").tables.rates if row.row == name]
    of_set = [row for row in of_model if row.set == _SETS.get(split)] or [row for row in of_model if not row.set]
    return tuple(
        Row(
            f"{_ROWS[model]}, published ({row.set or 'set not said'})",
            tuple(str(row.rates[column]) if column in row.rates else UNDEFINED for column in columns),
            "published",
        )
        for row in of_set
    )


def published_note() -> str:
    """Say whose figures the rows in between are; begins as `Table.without_published` wants it."""
    return publication("wang").note(
        "Its validation set is ours for tuning, its test set our external cases, but it is of the same hospital. Not "
        "all of its figures can be true at once: nnunet_amt published --paper wang --check lists what does not add up."
    )
