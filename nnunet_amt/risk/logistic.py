"""Logistic regression on standardised features, as plain numbers that a JSON file can hold."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

_STEPS = 2000


@dataclass(frozen=True)
class LogisticModel:
    """A fitted regression.

    Attributes
    ----------
    mean, sd : numpy.ndarray of float, (features,)
        Of the cases that it was fitted on.
    coefficients : numpy.ndarray of float, (features,)
        Of the standardised features.
    intercept
        Logit of high risk where all features have their mean.
    """

    mean: np.ndarray
    sd: np.ndarray
    coefficients: np.ndarray
    intercept: float

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Give the logit of high risk for features (cases, features); what is missing (NaN) counts as the mean."""
        standardised = np.nan_to_num((features - self.mean) / self.sd, nan=0.0)
        return standardised @ self.coefficients + self.intercept


def fit_logistic(features: np.ndarray, high: np.ndarray, *, inverse_penalty: float) -> LogisticModel:
    """Fit a regression with an L2 penalty.

    Parameters
    ----------
    features : numpy.ndarray of float, (cases, features)
        NaN where missing: the mean of the others stands in for it. A feature with one value has no say.
    high : numpy.ndarray of bool, (cases,)
        Both classes must be there.
    inverse_penalty
        scikit-learn's C: small ones hold the coefficients near zero.
    """
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of features that no case has
        mean, sd = np.nanmean(features, axis=0), np.nanstd(features, axis=0)
    mean, sd = np.nan_to_num(mean, nan=0.0), np.where(np.nan_to_num(sd, nan=0.0) > 0, sd, 1.0)
    standardised = np.nan_to_num((features - mean) / sd, nan=0.0)
    fitted = LogisticRegression(C=inverse_penalty, max_iter=_STEPS).fit(standardised, high)
    return LogisticModel(mean, sd, fitted.coef_[0].astype(float), float(fitted.intercept_[0]))
