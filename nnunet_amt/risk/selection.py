"""What is chosen by the folds, such as the number of epochs, without the choice touching the scores that judge it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Selection:
    """A choice among candidates, and the out-of-fold scores that come with it.

    Attributes
    ----------
    chosen
        The candidate with the smallest mean loss of all held-out cases: for the final model.
    chosen_of_fold
        For each fold the candidate with the smallest mean loss of the cases that the *other* folds held out.
    scores : numpy.ndarray of float, (cases,)
        Probability of high risk of each case, by the candidate of its fold.
    """

    chosen: int
    chosen_of_fold: tuple[int, ...]
    scores: np.ndarray


def choose_by_folds(logits: np.ndarray, *, high: np.ndarray, fold: np.ndarray) -> Selection:
    """Choose one of several candidates by cross-entropy on held-out cases.

    The score of a case is of the candidate that the other folds prefer, so that no case helps to choose what it is
    scored by: the smallest of 500 losses looks better than it is. Of equal candidates the first is taken.

    Parameters
    ----------
    logits : numpy.ndarray of float, (candidates, cases)
        Logit of high risk of every case, held out.
    high : numpy.ndarray of bool, (cases,)
        Whether it is of high risk.
    fold : numpy.ndarray of int, (cases,)
        The fold that held it out, from 0 on; two or more of them.
    """
    losses = held_out_losses(logits, high)
    chosen_of_fold = tuple(
        int(np.argmin(losses[:, fold != number].mean(axis=1))) for number in range(int(fold.max()) + 1)
    )
    own = logits[np.array(chosen_of_fold)[fold], np.arange(fold.size)]
    return Selection(int(np.argmin(losses.mean(axis=1))), chosen_of_fold, probability(own))


def held_out_losses(logits: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Cross-entropy of each logit of high risk, (..., cases), against what the cases are, (cases,)."""
    return np.logaddexp(0, np.where(high, -logits, logits))


def probability(logits: np.ndarray) -> np.ndarray:
    """Probability of high risk for its logits, whatever their size."""
    return np.exp(-np.logaddexp(0, -np.asarray(logits, dtype=float)))
