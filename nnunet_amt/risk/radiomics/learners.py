"""The paper's five learners, and the one pipeline that leads to them."""

# scikit-learn passes X by name.
# ruff: noqa: N803

from __future__ import annotations

import warnings

import numpy as np
from imblearn.pipeline import Pipeline
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from nnunet_amt.risk.radiomics.selection import FewCasesSMOTE, LassoFeatures, RepeatableFeatures, UncorrelatedFeatures

_NEIGHBOURS = 5  # scikit-learn's default


class Learners(BaseEstimator):
    """The learners of `names` side by side, fitted on the same cases."""

    def __init__(self, names: tuple[str, ...], seed: int = 0) -> None:
        self.names = names
        self.seed = seed

    def fit(self, X: NDArray[np.float64], y: NDArray[np.int_]) -> Learners:
        """Fit each of them."""
        self.fitted_ = [_learner(name, self.seed, len(y)).fit(X, y) for name in self.names]
        return self

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give scores from 0 to 1, higher for high risk, (cases, learners).

        That of the SVM is the logistic function of its decision function: its own decision is at .5, the order of cases
        and so its AUC are its own, and no case is needed for a calibration. It is no calibrated probability;
        scikit-learn's own (``probability=True``) would fit one on folds that hold SMOTE's made-up neighbours of the
        cases that it is tested on.
        """
        scores = [
            expit(learner.decision_function(X)) if isinstance(learner, SVC) else learner.predict_proba(X)[:, 1]
            for learner in self.fitted_
        ]
        return np.stack(scores, axis=1)


def _learner(name: str, seed: int, cases: int) -> BaseEstimator:
    """Make a learner; everything that is not said here is scikit-learn's default, as the paper gives no settings."""
    if name == "Rad_LR":
        return LogisticRegression(max_iter=1000)
    if name == "Rad_SVM":
        return SVC(kernel="rbf")
    if name == "Rad_KNN":
        if cases < _NEIGHBOURS:
            warnings.warn(f"KNN looks at all {cases} cases, as there are not {_NEIGHBOURS}", stacklevel=2)
        return KNeighborsClassifier(min(_NEIGHBOURS, cases))
    if name == "Rad_ExtraTrees":
        return ExtraTreesClassifier(random_state=seed)
    return MLPClassifier(max_iter=1000, random_state=seed)


def radiomics_pipeline(*, learners: tuple[str, ...], seed: int) -> Pipeline:
    """Make the paper's steps in its order: z-score, ICC, Pearson, LASSO, SMOTE 1:1, learners.

    Fit it with ``repeatable__icc`` and ``lasso__patients`` of the same cases.
    """
    return Pipeline(
        [
            ("z_score", StandardScaler()),
            ("repeatable", RepeatableFeatures()),
            ("uncorrelated", UncorrelatedFeatures()),
            ("lasso", LassoFeatures(seed=seed)),
            ("smote", FewCasesSMOTE(random_state=seed)),
            ("learners", Learners(learners, seed)),
        ]
    )


def selected_columns(pipeline: Pipeline) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Give the columns of the table that a fitted pipeline has selected, and their LASSO coefficients."""
    columns = np.arange(pipeline["z_score"].n_features_in_)
    for step in ("repeatable", "uncorrelated", "lasso"):
        columns = columns[pipeline[step].columns_]
    return columns, pipeline["lasso"].coefficients_[pipeline["lasso"].columns_]
