"""The paper's steps from 1743 features to a few, as steps of a pipeline that are fitted on its training cases alone.

A step that finds nothing to go on with does what its docstring says, and warns with a `SelectionWarning`.
"""

# scikit-learn passes X by name.
# ruff: noqa: N803

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from imblearn.over_sampling import SMOTE
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoCV, lasso_path
from sklearn.model_selection import StratifiedGroupKFold

Values = NDArray[np.float64]

# Of the largest one: glmnet's, where features outnumber cases. Smaller ones fit every case, and take most of the time.
_SMALLEST_PENALTY = 0.01


class SelectionWarning(UserWarning):
    """A step could not do what the paper says, and did something else."""


def _warn(text: str) -> None:
    warnings.warn(text, SelectionWarning, stacklevel=3)


class _Columns(TransformerMixin, BaseEstimator):
    """A step that keeps columns: their numbers are in `columns_` after the fit, in the order that they are given on."""

    columns_: NDArray[np.intp]

    def transform(self, X: Values) -> Values:
        """Give the columns that are kept."""
        return X[:, self.columns_]


class RepeatableFeatures(_Columns):
    """Keep features that two readers agree on, the best agreement first.

    Where no feature agrees better than `threshold` the one that agrees best is kept; without two readings, all are.
    """

    def __init__(self, threshold: float = 0.85) -> None:
        self.threshold = threshold

    def fit(self, X: Values, y: object = None, *, icc: Values | None = None) -> RepeatableFeatures:
        """Choose columns by `icc`, their intraclass correlation of the training cases; NaN agrees with nothing."""
        if icc is None:
            _warn("fewer than three cases were read twice: no feature is left out by its ICC")
            icc = np.ones(X.shape[1])
        known = np.nan_to_num(icc, nan=-np.inf)
        order = np.argsort(-known, kind="stable")
        self.columns_ = order[known[order] > self.threshold]
        if not len(self.columns_):
            text = f"no feature has an ICC above {self.threshold:g}: the one with the highest is taken"
            _warn(text)
            self.columns_ = order[:1]
        return self


class UncorrelatedFeatures(_Columns):
    """Keep a feature unless it correlates with one kept before it: of two, that with the better agreement is kept."""

    def __init__(self, threshold: float = 0.9) -> None:
        self.threshold = threshold

    def fit(self, X: Values, y: object = None) -> UncorrelatedFeatures:
        """Choose columns, from the first on; one that is the same in all cases is left out."""
        with np.errstate(divide="ignore", invalid="ignore"):
            correlation = np.abs(np.atleast_2d(np.corrcoef(X, rowvar=False)))
        kept: list[int] = []
        for column in range(X.shape[1]):
            if np.isfinite(correlation[column, column]) and not (correlation[column, kept] > self.threshold).any():
                kept.append(column)
        self.columns_ = np.array(kept or [0], np.intp)
        return self


class LassoFeatures(_Columns):
    """Keep features to which the LASSO of risk (0 or 1) gives a coefficient, its penalty by cross-validation.

    On features without signal the best penalty often leaves none. The largest penalty that leaves `fallback` features
    is taken then; so it is where there are too few patients of a class to cross-validate.
    """

    def __init__(self, folds: int = 5, fallback: int = 5, seed: int = 0) -> None:
        self.folds = folds
        self.fallback = fallback
        self.seed = seed

    def fit(self, X: Values, y: NDArray[np.int_], *, patients: Sequence[str] | None = None) -> LassoFeatures:
        """Choose columns; folds keep the cases of a patient together."""
        groups = [str(number) for number in range(len(y))] if patients is None else list(patients)
        high = np.asarray(y) == 1
        folds = min(self.folds, *(len({groups[at] for at in np.flatnonzero(high == risk)}) for risk in (True, False)))
        self.coefficients_ = np.zeros(X.shape[1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of the smallest penalties, which are not chosen
            if folds >= 2:
                divided = StratifiedGroupKFold(folds, shuffle=True, random_state=self.seed)
                splits = list(divided.split(X, high, groups))
                self.coefficients_ = LassoCV(eps=_SMALLEST_PENALTY, cv=splits, max_iter=10_000).fit(X, y).coef_
            chosen = self.coefficients_.any()
            if not chosen:
                self.coefficients_ = _first_of_path(X, high, self.fallback)
        self.columns_ = np.flatnonzero(self.coefficients_)
        if not chosen:
            _warn(f"LASSO selects no feature: the {len(self.columns_)} are taken that it drops last")
        return self


def _first_of_path(values: Values, high: NDArray[np.bool_], number: int) -> Values:
    """Give the coefficients at the largest penalty that leaves a number of features; at the smallest, if none does."""
    centred = values - values.mean(0)
    # (features, penalties), the largest penalty first
    _, paths, _ = lasso_path(centred, high - high.mean(), max_iter=10_000)
    enough = np.count_nonzero(paths, axis=0) >= min(number, values.shape[1])
    found: Values = paths[:, int(np.argmax(enough)) if enough.any() else -1]
    if not found.any():  # no feature differs between the risks at all
        found = np.eye(values.shape[1])[0]
    return found


class FewCasesSMOTE(SMOTE):
    """SMOTE 1:1, with fewer neighbours where the smaller class has too few cases, and none made up of a single one."""

    k_neighbors: int

    def _fit_resample(self, X: Values, y: NDArray[np.int_], **params: Any) -> Any:
        wanted, smallest = self.k_neighbors, int(np.unique(y, return_counts=True)[1].min())
        if smallest < 2:
            _warn("one class has a single case: SMOTE makes up none")
            return X, y
        if smallest <= wanted:
            text = f"the smaller class has {smallest} cases: SMOTE takes {smallest - 1} neighbours in place of {wanted}"
            _warn(text)
            self.k_neighbors = smallest - 1
        try:
            return super()._fit_resample(X, y, **params)
        finally:
            self.k_neighbors = wanted
