"""A choice by the folds, with losses one can see on paper."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.risk.selection import choose_by_folds, held_out_losses, probability


def test_a_case_is_scored_by_what_the_other_folds_prefer() -> None:
    """Fold 0 fits best after epoch 1, fold 1 after epoch 2: each is scored by the epoch of the other, its worse one.

    All together prefer epoch 2: losses there are log(1 + e^-1) + log(1 + e^-4), in epoch 1 log(1 + e^-2) + log 2.
    """
    logits = np.array([[2.0, -2.0, 0.0, 0.0], [1.0, -1.0, 4.0, -4.0]])
    high, fold = np.array([True, False, True, False]), np.array([0, 0, 1, 1])
    selection = choose_by_folds(logits, high=high, fold=fold)
    assert selection.chosen == 1
    assert selection.chosen_of_fold == (1, 0)
    assert selection.scores == pytest.approx(1 / (1 + np.exp([-1.0, 1.0, 0.0, 0.0])))


def test_of_equal_candidates_the_first_is_taken() -> None:
    selection = choose_by_folds(np.zeros((3, 2)), high=np.array([True, False]), fold=np.array([0, 1]))
    assert (selection.chosen, selection.chosen_of_fold) == (0, (0, 0))


def test_large_logits_stay_numbers() -> None:
    """The loss of a logit of 1000 for the wrong class is 1000; its probability is 1."""
    logits = np.array([1000.0, -1000.0])
    assert held_out_losses(logits, np.array([False, False])) == pytest.approx([1000.0, 0.0])
    assert probability(logits) == pytest.approx([1.0, 0.0])


def test_choice_among_candidates_of_pure_noise_does_not_look_better_than_chance() -> None:
    """Of 500 noises the best agrees with 40 cases by luck; scored by it, these would have an AUC far above .5."""
    generator = np.random.default_rng(0)
    high, fold = np.arange(40) % 2 == 1, np.arange(40) // 2 % 5
    found = []
    for _ in range(20):
        logits = generator.normal(size=(500, 40))
        scores = choose_by_folds(logits, high=high, fold=fold).scores
        found.append(np.mean(scores[high][:, None] > scores[~high][None]))
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)  # the SD of one AUC of 20 and 20 is .09, of 20 of them .02
