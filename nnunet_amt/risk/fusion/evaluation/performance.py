"""What the probabilities of a model are worth on the cases of a split: the same form for two classes and for many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.risk.fusion.lesion_case import LesionSplit, Task
from nnunet_amt.statistics.multiclass_roc import MULTICLASS_AREAS
from nnunet_amt.statistics.rates import Rate

# The area that sentences, seeds and differences are of
MAIN_AREA: Mapping[Task, str] = {"binary": "auc", "multiclass": MULTICLASS_AREAS[0]}
AREA_TITLES: Mapping[str, str] = {
    "auc": "AUC",
    "macro": "Macro AUC",
    "weighted": "Weighted AUC",
    "one_vs_one": "One-against-one AUC",
}
AREA_WORDS: Mapping[Task, str] = {"binary": "AUC", "multiclass": "macro AUC"}  # the main area in a sentence
RATE_TITLES: Mapping[str, str] = {
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "accuracy": "Accuracy",
    "ppv": "PPV",
    "npv": "NPV",
    "top_1": "Top 1",
    "top_3": "Top 3",
    "malignant_as_benign": "Malignant called a benign class",
}


@dataclass(frozen=True)
class Area:
    """An AUC, or a mean of several; None where it is not defined, `interval` (95%) where that is withheld."""

    value: float | None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class ClassPerformance:
    """One of many classes: its AUC against the rest, and how many of its cases are called so, or are among the top 3.

    The AUC is withheld of a class that is not judged, which has too few cases.
    """

    name: str
    cases: int
    judged: bool
    area: Area
    top_1: Rate
    top_3: Rate


@dataclass(frozen=True, eq=False)
class LesionPerformance:
    """The ensemble of a model on the cases of a split.

    Attributes
    ----------
    model, title, split
        Of what.
    cases, benign, malignant
        How many there are.
    areas
        By the names of `AREA_TITLES`.
    rates
        By the names of `RATE_TITLES`; none of two classes where no threshold could be chosen.
    threshold
        A probability of malignancy of this or more is called malignant; of two classes.
    matrix : numpy.ndarray of int, (reference classes, called classes), or None
        Counts of cases; None where `rates` is empty.
    of_class
        Of many classes.
    area_of_seed
        The main area of each training alone, by its seed; None where it is not defined.
    """

    model: str
    title: str
    split: LesionSplit
    cases: int
    benign: int
    malignant: int
    areas: Mapping[str, Area]
    rates: Mapping[str, Rate]
    threshold: float | None
    matrix: NDArray[np.int64] | None
    of_class: tuple[ClassPerformance, ...]
    area_of_seed: Mapping[int, float | None]
