"""The AUC of more than two classes: each against the rest, and each against each other, with a bootstrap over patients.

The classes of a table are numbered. Those that are judged have a share in the means; cases of the others still stand
among the rest that a class is told from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnunet_amt.errors import TooFewCasesError
from nnunet_amt.statistics.intervals import resampled_weights
from nnunet_amt.statistics.roc import roc_points, weighted_auc

# Each class against the rest: the plain mean, and that weighted by their cases; the mean of all pairs of classes.
MULTICLASS_AREAS = ("macro", "weighted", "one_vs_one")
MACRO_RATES = np.linspace(0, 1, 201)  # false-positive rates at which curves of classes are averaged
_RESAMPLES = 2000


def multiclass_auc(probabilities: ArrayLike, reference: ArrayLike, *, judged: Sequence[int]) -> dict[str, float]:
    """Compute `MULTICLASS_AREAS`.

    Each class against the rest is told by its own probability (Provost and Domingos 2000). In a pair of classes it is
    told by the probability of the one, then of the other (Hand and Till 2001).

    Parameters
    ----------
    probabilities
        (cases, classes).
    reference
        (cases,), the number of the class of each.
    judged
        Numbers of the classes that the means are over.

    Raises
    ------
    TooFewCasesError
        If fewer than two classes are judged, or one of them has no case, or no case is of another.
    """
    table, of_class = np.asarray(probabilities, np.float64), np.asarray(reference)
    _require_classes(of_class, judged)
    areas = _weighted_areas(table, of_class, np.ones((1, len(of_class))), judged)
    return dict(zip(MULTICLASS_AREAS, areas[:, 0].tolist(), strict=True))


def macro_curve(probabilities: ArrayLike, reference: ArrayLike, *, judged: Sequence[int]) -> NDArray[np.float64]:
    """Give the mean sensitivity of judged classes, each against the rest, at `MACRO_RATES`; as `multiclass_auc`."""
    table, of_class = np.asarray(probabilities, np.float64), np.asarray(reference)
    curves = [roc_points(table[:, one], of_class == one) for one in judged]
    return np.mean([np.interp(MACRO_RATES, one.false_positive_rate, one.sensitivity) for one in curves], axis=0)


def bootstrap_multiclass_auc(
    tables: Sequence[ArrayLike],
    reference: ArrayLike,
    patients: Iterable[object],
    *,
    judged: Sequence[int],
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Compute `MULTICLASS_AREAS` of several models of the same cases in resamples of patients, drawn with all cases.

    All models see the same resamples, so that their differences are paired.

    Parameters
    ----------
    tables
        Probabilities, (cases, classes), of each model.
    reference, judged
        As `multiclass_auc`.
    patients
        Of each case.

    Returns
    -------
    numpy.ndarray of float, (models, areas, resamples)
        NaN where a resample lacks a class that is judged.

    Raises
    ------
    TooFewCasesError
        As `multiclass_auc`.
    """
    of_class = np.asarray(reference)
    _require_classes(of_class, judged)
    arrays = [np.asarray(table, np.float64) for table in tables]
    _, patient = np.unique([str(each) for each in patients], return_inverse=True)
    blocks = [
        np.stack([_weighted_areas(table, of_class, weights[:, patient], judged) for table in arrays])
        for weights in resampled_weights(int(patient.max()) + 1, resamples=resamples, seed=seed)
    ]
    return np.concatenate(blocks, axis=2)


def bootstrap_p(differences: NDArray[np.float64]) -> float | None:
    """Give the two-sided p-value of resampled differences: twice the share on the rarer side of zero.

    Below 0.05 it says that the 95% percentile interval excludes zero. Undefined differences (NaN) are left out; None of
    nothing else. The one observed counts as a resample (Davison and Hinkley 1997), so that it is never 0.
    """
    defined = differences[~np.isnan(differences)]
    if not defined.size:
        return None
    rarer = min(np.count_nonzero(defined <= 0), np.count_nonzero(defined >= 0))
    return min(1.0, 2 * (int(rarer) + 1) / (defined.size + 1))


def _weighted_areas(
    table: NDArray[np.float64], of_class: NDArray[np.intp], weights: NDArray[np.float64], judged: Sequence[int]
) -> NDArray[np.float64]:
    """Give the areas, (areas, rows of weights)."""
    is_of = {one: of_class == one for one in judged}

    def area(one: int, among: NDArray[np.bool_]) -> NDArray[np.float64]:
        own = is_of[one]
        return weighted_auc(table[own, one], table[among, one], weights[:, own], weights[:, among])

    against_rest = np.stack([area(one, ~is_of[one]) for one in judged])  # (judged, rows of weights)
    sizes = np.stack([weights[:, is_of[one]].sum(axis=1) for one in judged])
    with np.errstate(invalid="ignore"):
        weighted = (against_rest * sizes).sum(axis=0) / sizes.sum(axis=0)
    pairs = np.stack([area(one, is_of[other]) for one, other in permutations(judged, 2)])
    return np.stack([against_rest.mean(axis=0), weighted, pairs.mean(axis=0)])


def _require_classes(of_class: NDArray[np.intp], judged: Sequence[int]) -> None:
    counts = [int(np.count_nonzero(of_class == one)) for one in judged]
    if len(counts) < 2 or not all(counts):
        raise TooFewCasesError(
            f"{len(counts)} classes are judged, which have {', '.join(map(str, counts)) or 'no'} cases: a mean over "
            "classes takes two or more, each with a case"
        )
