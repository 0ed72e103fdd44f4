"""What belongs to other rooms and is not there yet, in one place: to be replaced by theirs when they are merged.

`icc_agreement` by `statistics.agreement`, `grouped_folds` by `risk.folds`, `ScoreRow` and `write_scores` by
`risk.scores`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.files import write_csv


@dataclass(frozen=True)
class ScoreRow:
    """The score of a case by a model; `kind` is ``out_of_fold``, ``external`` or ``training``."""

    model: str
    kind: str
    fold: int | None
    case_id: str
    high: int
    score: float


def write_scores(path: Path, rows: Sequence[ScoreRow]) -> None:
    """Write ``scores.csv``."""
    write_csv(path, [field.name for field in fields(ScoreRow)], map(astuple, rows))


def icc_agreement(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """ICC(A,1) of each feature: two-way random effects, absolute agreement, single reader (McGraw and Wong 1996).

    Parameters
    ----------
    values
        (cases, readers, features), at least two cases and two readers.

    Returns
    -------
    (features,)
        At most 1; NaN for a feature that is the same in all.
    """
    cases, readers, _ = values.shape
    total = values.mean((0, 1))
    of_cases, of_readers = values.mean(1), values.mean(0)
    between_cases = readers * ((of_cases - total) ** 2).sum(0) / (cases - 1)
    between_readers = cases * ((of_readers - total) ** 2).sum(0) / (readers - 1)
    rest = values - of_cases[:, None] - of_readers[None] + total
    error = (rest**2).sum((0, 1)) / ((cases - 1) * (readers - 1))
    all_of_it = between_cases + (readers - 1) * error + readers * (between_readers - error) / cases
    with np.errstate(divide="ignore", invalid="ignore"):
        icc: NDArray[np.float64] = (between_cases - error) / all_of_it
    return icc


def grouped_folds(
    patients: Sequence[str], high: NDArray[np.bool_], *, folds: int, seed: int
) -> list[tuple[NDArray[np.int_], NDArray[np.int_]]]:
    """Split cases into training and test, all of a patient together, and the risks in each as in all."""
    from sklearn.model_selection import StratifiedGroupKFold

    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return [(train, test) for train, test in split.split(np.zeros(len(high)), high, list(patients))]
