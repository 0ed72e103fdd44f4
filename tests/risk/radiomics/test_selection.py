"""The steps of the selection: what each keeps, and what each does where it finds nothing."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LassoCV

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")

from nnunet_amt.risk.radiomics.selection import (
    FewCasesSMOTE,
    LassoFeatures,
    RepeatableFeatures,
    SelectionWarning,
    UncorrelatedFeatures,
)


def test_features_above_the_icc_are_kept_the_best_first() -> None:
    step = RepeatableFeatures().fit(np.zeros((3, 5)), icc=np.array([0.9, 0.85, 0.99, np.nan, 0.86]))
    assert step.columns_.tolist() == [2, 0, 4]
    assert step.transform(np.arange(5.0)[None]).tolist() == [[2, 0, 4]]


def test_without_an_icc_above_the_threshold_the_best_feature_is_kept_with_a_warning() -> None:
    with pytest.warns(SelectionWarning, match="no feature has an ICC above 0.85"):
        assert RepeatableFeatures().fit(np.zeros((3, 3)), icc=np.array([0.1, 0.8, np.nan])).columns_.tolist() == [1]


def test_without_second_readings_all_features_are_kept_with_a_warning() -> None:
    with pytest.warns(SelectionWarning, match="fewer than three cases were read twice"):
        assert RepeatableFeatures().fit(np.zeros((3, 3))).columns_.tolist() == [0, 1, 2]


def test_of_two_correlated_features_the_first_is_kept_and_a_constant_one_never() -> None:
    """The second is the first, turned round; the third correlates with neither (0); the fourth is 1 throughout."""
    values = np.array([[1.0, -1, 1, 1], [2, -2, -1, 1], [3, -3, -1, 1], [4, -4, 1, 1]])
    assert UncorrelatedFeatures().fit(values).columns_.tolist() == [0, 2]
    assert UncorrelatedFeatures().fit(values[:, 3:]).columns_.tolist() == [0]
    assert UncorrelatedFeatures().fit(values[:, :1]).columns_.tolist() == [0]


@pytest.mark.parametrize(("correlation", "kept"), [(0.89, [0, 1]), (0.91, [0]), (-0.91, [0])])
def test_features_may_correlate_up_to_nine_tenths(correlation: float, kept: list[int]) -> None:
    """Of two patterns of mean 0 that do not correlate, the second feature takes the first by so much."""
    first, other = np.array([1.0, 1, -1, -1]), np.array([1.0, -1, 1, -1])
    second = correlation * first + (1 - correlation**2) ** 0.5 * other
    assert UncorrelatedFeatures().fit(np.stack([first, second], axis=1)).columns_.tolist() == kept


def test_the_penalty_is_chosen_by_five_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def lasso(*, cv: list[object], **rest: object) -> LassoCV:
        asked.append(len(cv))
        return LassoCV(cv=cv, **rest)

    monkeypatch.setattr("nnunet_amt.risk.radiomics.selection.LassoCV", lasso)
    LassoFeatures().fit(*informative(40, 6))
    assert asked == [5]


def informative(cases: int, features: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise, but for the third feature, which is 3 SD higher in the cases of high risk, every other one."""
    values = np.random.default_rng(seed).normal(size=(cases, features))
    high = np.arange(cases) % 2
    values[:, 2] += 3 * high
    return values, high


def test_lasso_keeps_the_feature_that_tells_the_risks_apart() -> None:
    values, high = informative(40, 6)
    step = LassoFeatures().fit(values, high)
    assert np.argmax(step.coefficients_) == 2
    assert 2 in step.columns_


def test_lasso_without_anything_to_select_takes_the_features_that_it_drops_last() -> None:
    """Noise of this seed leaves no coefficient at the best penalty."""
    values = np.random.default_rng(1).normal(size=(40, 30))
    with pytest.warns(SelectionWarning, match=r"LASSO selects no feature: the \d+ are taken that it drops last"):
        step = LassoFeatures().fit(values, np.arange(40) % 2)
    assert 5 <= len(step.columns_) <= 8


def test_lasso_of_one_patient_of_a_risk_takes_them_too() -> None:
    values, high = informative(12, 6)
    with pytest.warns(SelectionWarning, match="LASSO selects no feature"):
        step = LassoFeatures(fallback=1).fit(
            values, high, patients=["p" if risk else str(n) for n, risk in enumerate(high)]
        )
    assert step.columns_.tolist() == [2]


def test_lasso_of_features_that_are_all_alike_still_keeps_one() -> None:
    with pytest.warns(SelectionWarning):
        assert LassoFeatures().fit(np.zeros((10, 3)), np.arange(10) % 2).columns_.tolist() == [0]


@pytest.mark.parametrize(("smaller", "neighbours"), [(6, None), (5, 4), (2, 1)])
def test_smote_makes_both_risks_equal_with_fewer_neighbours_of_few_cases(smaller: int, neighbours: int | None) -> None:
    """Five neighbours take six cases."""
    values, high = np.random.default_rng(0).normal(size=(20, 2)), (np.arange(20) < smaller).astype(int)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        step = FewCasesSMOTE(random_state=0)
        _, risks = step.fit_resample(values, high)
    assert np.bincount(risks).tolist() == [20 - smaller] * 2
    assert step.k_neighbors == 5
    said = [str(one.message) for one in caught if one.category is SelectionWarning]
    expected = f"the smaller class has {smaller} cases: SMOTE takes {neighbours} neighbours in place of 5"
    assert said == ([] if neighbours is None else [expected])


def test_smote_makes_up_nothing_of_a_single_case() -> None:
    values, high = np.zeros((5, 2)), np.array([1, 0, 0, 0, 0])
    with pytest.warns(SelectionWarning, match="a single case"):
        assert FewCasesSMOTE(random_state=0).fit_resample(values, high)[1].tolist() == high.tolist()
