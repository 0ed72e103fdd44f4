"""Logistic regression on standardised features, as plain numbers that a JSON file can hold."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

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
    mean, sd, standardised = _standardised(features)
    fitted = _fitted(standardised, high, inverse_penalty)
    return LogisticModel(mean, sd, fitted.coef_[0].astype(float), float(fitted.intercept_[0]))


@dataclass(frozen=True)
class MultinomialModel:
    """A fitted regression of several classes.

    Attributes
    ----------
    mean, sd : numpy.ndarray of float, (features,)
        Of the cases that it was fitted on.
    coefficients : numpy.ndarray of float, (classes, features)
        Of the standardised features.
    intercepts : numpy.ndarray of float, (classes,)
        Minus infinity for a class of which it was fitted on no case.
    """

    mean: np.ndarray
    sd: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Give those of features (cases, features), (cases, classes); what is missing (NaN) counts as the mean."""
        standardised = np.nan_to_num((features - self.mean) / self.sd, nan=0.0)
        logits = standardised @ self.coefficients.T + self.intercepts
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: np.ndarray = weights / weights.sum(axis=1, keepdims=True)
        return result


def fit_multinomial(
    features: np.ndarray, labels: np.ndarray, *, classes: int, inverse_penalty: float
) -> MultinomialModel:
    """Fit a multinomial regression with an L2 penalty; of two classes it is that of `fit_logistic`.

    Parameters
    ----------
    features : numpy.ndarray of float, (cases, features)
        See `fit_logistic`.
    labels : numpy.ndarray of int, (cases,)
        Numbers of the classes, from 0 on; at least two of them must be there.
    classes
        How many there are. One without a case has a probability of zero.
    inverse_penalty
        See `fit_logistic`.
    """
    mean, sd, standardised = _standardised(features)
    fitted = _fitted(standardised, labels, inverse_penalty)
    coefficients, intercepts = np.zeros((classes, features.shape[1])), np.full(classes, -np.inf)
    intercepts[fitted.classes_] = 0.0
    seen = fitted.classes_ if len(fitted.classes_) > 2 else fitted.classes_[1:]  # of two there is one logit
    coefficients[seen], intercepts[seen] = fitted.coef_, fitted.intercept_
    return MultinomialModel(mean, sd, coefficients, intercepts)


def _standardised(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give mean and SD of each feature, 0 and 1 where it has none, and the features by them, 0 where missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of features that no case has
        mean, sd = np.nanmean(features, axis=0), np.nanstd(features, axis=0)
    mean, sd = np.nan_to_num(mean, nan=0.0), np.where(np.nan_to_num(sd, nan=0.0) > 0, sd, 1.0)
    return mean, sd, np.nan_to_num((features - mean) / sd, nan=0.0)


def _fitted(standardised: np.ndarray, labels: np.ndarray, inverse_penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=inverse_penalty, max_iter=_STEPS).fit(standardised, labels)
