"""The bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nnunet_amt.statistics import intervals
from nnunet_amt.statistics.intervals import (
    percentile_interval,
    poisson_interval,
    resampled_sums,
    resampled_weights,
    several_each,
    standard_deviation,
    sums_of_clusters,
    wilson_interval,
    with_width,
)


def test_two_cases_resample_as_two_coins() -> None:
    # Values 0 and 1: the sum of two draws is 0, 1 or 2 with probability 1/4, 1/2 and 1/4.
    sums = resampled_sums(np.array([[0.0], [1.0]]), resamples=10_000, seed=1)[:, 0]
    shares = [np.mean(sums == value) for value in (0.0, 1.0, 2.0)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.02)  # four standard errors


def test_every_resample_holds_as_many_cases_and_the_same_for_all_columns() -> None:
    columns = np.column_stack([np.ones(7), np.arange(7.0), 3 * np.arange(7.0)])
    sums = resampled_sums(columns, resamples=50, seed=2)
    assert (sums[:, 0] == 7).all()
    assert sums[:, 2] == pytest.approx(3 * sums[:, 1])


def test_the_seed_decides() -> None:
    columns = np.arange(20.0)[:, None]
    assert (resampled_sums(columns, resamples=100, seed=3) == resampled_sums(columns, resamples=100, seed=3)).all()
    assert (resampled_sums(columns, resamples=100, seed=3) != resampled_sums(columns, resamples=100, seed=4)).any()


def test_blocks_are_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = np.random.default_rng(0).random((5, 2))
    at_once = resampled_sums(columns, resamples=101, seed=5)
    monkeypatch.setattr(intervals, "_BLOCK_WEIGHTS", 50)  # ten resamples a block, one left over
    assert resampled_sums(columns, resamples=101, seed=5) == pytest.approx(at_once)


def test_interval_and_deviation_are_those_of_scipy() -> None:
    values = np.random.default_rng(0).beta(5, 2, size=40)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1))
    samples = resampled_sums(values[:, None], resamples=20_000, seed=6) / len(values)
    low, high = percentile_interval(samples)
    # The two draw different resamples: a limit of 20,000 of them is known to a twentieth of the standard error.
    tolerance = float(theirs.standard_error) / 20
    assert low[0] == pytest.approx(theirs.confidence_interval.low, abs=tolerance)
    assert high[0] == pytest.approx(theirs.confidence_interval.high, abs=tolerance)
    assert standard_deviation(samples)[0] == pytest.approx(theirs.standard_error, rel=0.03)


def test_undefined_resamples_are_left_out() -> None:
    samples = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    low, high = percentile_interval(samples)
    # Of 1 and 3 the percentiles 2.5 and 97.5 lie 5% of 1 inside: 1 + 0.025 * 2 and 3 - 0.025 * 2.
    assert (low[0], high[0]) == pytest.approx((1.05, 2.95))
    assert np.isnan([low[1], high[1]]).all()
    assert standard_deviation(samples)[0] == pytest.approx(np.sqrt(2.0))
    assert np.isnan(standard_deviation(samples)[1])


@given(st.integers(1, 500).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_wilson_is_that_of_scipy(counts: tuple[int, int]) -> None:
    theirs = stats.binomtest(*counts).proportion_ci(0.95, method="wilson")
    assert wilson_interval(*counts) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_is_that_of_statsmodels() -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for found, lesions in ((0, 7), (7, 7), (143, 164)):
        theirs = proportion.proportion_confint(found, lesions, method="wilson")
        assert wilson_interval(found, lesions) == pytest.approx(theirs, abs=1e-12)


def test_wilson_of_all_and_of_none_on_paper() -> None:
    """With z = 1.96 the limit of n of n is n / (n + z^2): 6 / (6 + 3.8415) = 0.6097; none mirrors all."""
    assert wilson_interval(6, 6) == pytest.approx((0.6097, 1.0), abs=1e-4)
    assert wilson_interval(0, 6) == pytest.approx((0.0, 0.3903), abs=1e-4)


def test_wilson_of_nothing_is_refused() -> None:
    for counts in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="is no proportion"):
            wilson_interval(*counts)


def test_poisson_is_that_of_garwoods_table() -> None:
    """No event: 0 to -ln 0.025 = 3.689; one: 0.0253 to 5.572; ten: 4.795 to 18.39."""
    assert poisson_interval(0, 1) == pytest.approx((0.0, 3.6889), abs=1e-4)
    assert poisson_interval(1, 1) == pytest.approx((0.02532, 5.5716), abs=1e-4)
    assert poisson_interval(10, 20) == pytest.approx((4.7954 / 20, 18.3904 / 20), abs=1e-5)


def test_poisson_of_nothing_is_refused() -> None:
    for counts in ((0, 0), (-1, 2)):
        with pytest.raises(ValueError, match="is no rate"):
            poisson_interval(*counts)


def test_cases_of_a_cluster_are_drawn_together() -> None:
    columns = np.array([[1.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    rows = sums_of_clusters(columns, ["b", "a", "b"])
    assert rows.tolist() == [[2.0, 1.0], [5.0, 2.0]]
    # Two draws of two clusters: a and a, a and b, b and b, so 2 to 4 cases with sums 4, 7 or 10.
    drawn = {tuple(row) for row in resampled_sums(rows, resamples=200, seed=7)}
    assert drawn == {(4.0, 2.0), (7.0, 3.0), (10.0, 4.0)}


def test_weights_are_those_of_the_sums() -> None:
    """Of an identity matrix the sums are the weights; each resample draws as many as there are."""
    weights = np.concatenate(list(resampled_weights(5, resamples=40, seed=3)))
    assert weights.tolist() == resampled_sums(np.eye(5), resamples=40, seed=3).tolist()
    assert (weights.sum(axis=1) == 5).all()


@pytest.mark.parametrize(
    ("interval", "given"),
    [
        ((0.1, 0.2), True),
        ((1.0, 1.0), False),
        ((0.3 - 0.2, 0.2 - 0.1), False),  # equal on paper
        ((float("nan"), float("nan")), False),
        (None, False),
    ],
)
def test_an_interval_without_a_width_is_none(interval: tuple[float, float] | None, given: bool) -> None:
    assert with_width(interval) == (interval if given else None)


def test_clusters_of_one_case_each_are_cases() -> None:
    assert several_each(None) is several_each(["a", "b"]) is several_each([]) is None
    assert several_each(["a", "b", "a"]) == ["a", "b", "a"]
