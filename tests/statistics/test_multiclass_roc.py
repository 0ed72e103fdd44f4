"""Means of AUCs over classes: on paper, against scikit-learn, and in resamples."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.errors import TooFewCasesError
from nnunet_amt.statistics.multiclass_roc import bootstrap_multiclass_auc, bootstrap_p, macro_curve, multiclass_auc

# Two cases of class 0, one of class 1, one of class 2.
TABLE = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.3, 0.4, 0.3], [0.1, 0.1, 0.8]])
REFERENCE = np.array([0, 0, 1, 2])


def test_each_class_is_told_from_the_rest() -> None:
    """Class 0: of 4 pairs 0.6 wins both, 0.2 one: 3/4. Class 1: 0.4 is over 0.3 and 0.1: 2/3. Class 2: all, 1."""
    found = multiclass_auc(TABLE, REFERENCE, judged=[0, 1, 2])
    assert found["macro"] == pytest.approx((3 / 4 + 2 / 3 + 1) / 3)
    assert found["weighted"] == pytest.approx((2 * 3 / 4 + 2 / 3 + 1) / 4)


def test_each_class_is_told_from_each_other() -> None:
    """0 from 1: 1/2, 1 from 0: 1/2, 0 from 2: 1, 2 from 0: 1, 1 from 2: 1, 2 from 1: 1."""
    assert multiclass_auc(TABLE, REFERENCE, judged=[0, 1, 2])["one_vs_one"] == pytest.approx(5 / 6)


def test_a_class_that_is_not_judged_stays_among_the_rest() -> None:
    """Without class 2 in the mean its case is still one that class 0 is told from."""
    found = multiclass_auc(TABLE, REFERENCE, judged=[0, 1])
    assert found["macro"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert found["one_vs_one"] == pytest.approx(1 / 2)


def test_scikit_learn_has_the_same_means() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    reference = random.integers(4, size=60)
    table = random.dirichlet(np.ones(4), size=60)
    found = multiclass_auc(table, reference, judged=range(4))
    for name, (way, average) in {
        "macro": ("ovr", "macro"),
        "weighted": ("ovr", "weighted"),
        "one_vs_one": ("ovo", "macro"),
    }.items():
        assert found[name] == pytest.approx(roc_auc_score(reference, table, multi_class=way, average=average))


def test_models_are_resampled_together() -> None:
    """A model less itself is nothing in every resample, whoever was drawn."""
    random = np.random.default_rng(1)
    reference, table = np.arange(30) % 3, random.dirichlet(np.ones(3), size=30)
    samples = bootstrap_multiclass_auc([table, table], reference, range(30), judged=[0, 1, 2], resamples=50)
    assert samples.shape == (2, 3, 50)
    assert not (samples[0] - samples[1]).any()


def test_patients_are_drawn_with_all_their_cases() -> None:
    """Of two patients with a case of each class, every resample holds each class as often as each other."""
    reference, patients = np.array([0, 1, 0, 1]), ["a", "a", "b", "b"]
    table = np.array([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6], [0.6, 0.4]])
    samples = bootstrap_multiclass_auc([table], reference, patients, judged=[0, 1], resamples=200)
    assert not np.isnan(samples).any()
    # twice the first patient is in order, twice the second is not, and of both 0.9 and 0.4 against 0.1 and 0.6: 3 of 4
    assert set(np.round(samples[0, 0], 9).tolist()) == {0.0, 0.75, 1.0}


def test_resamples_without_a_class_are_undefined() -> None:
    """A class of one case is not drawn in a third of the resamples."""
    samples = bootstrap_multiclass_auc([TABLE], REFERENCE, range(4), judged=[0, 1, 2], resamples=200)
    assert np.isnan(samples).any()
    assert (np.isnan(samples[0, 0]) == np.isnan(samples[0, 1])).all()


@pytest.mark.parametrize(
    ("differences", "p"),
    [([1.0] * 19, 2 / 20), ([1.0] * 18 + [-1.0], 4 / 20), ([0.0] * 19, 1.0), ([np.nan, 1.0], 1.0), ([np.nan], None)],
)
def test_p_is_twice_the_rarer_side(differences: list[float], p: float | None) -> None:
    """The one observed counts: of 19 resamples on one side p is 2 / 20."""
    assert bootstrap_p(np.array(differences)) == (None if p is None else pytest.approx(p))


@pytest.mark.parametrize("judged", [[], [0], [0, 3]])
def test_a_mean_takes_two_classes_that_have_cases(judged: list[int]) -> None:
    with pytest.raises(TooFewCasesError, match="a mean over classes takes two or more, each with a case"):
        multiclass_auc(np.full((4, 4), 0.25), REFERENCE, judged=judged)


def test_the_curve_of_answers_has_the_area_of_their_point() -> None:
    """An answer is a probability of 1: one point a class, sensitivities .8 and 1 at 1/7, then straight to 1."""
    reference = np.array([0] * 5 + [1] * 5 + [2] * 2)
    answers = np.array([0] * 4 + [1] + [1] * 5 + [0, 2])
    probabilities = np.eye(3)[answers]
    expected = (0.9 + 1 - 1 / 7) / 2
    assert multiclass_auc(probabilities, reference, judged=(0, 1))["macro"] == pytest.approx(expected)
    curve = macro_curve(probabilities, reference, judged=(0, 1))
    assert curve[-1] == 1.0 and np.all(np.diff(curve) >= 0)
    assert curve.mean() == pytest.approx(expected, abs=0.01)
