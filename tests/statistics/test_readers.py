"""The analysis of reader studies, against published software on published ratings, and on paper."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.statistics.reader_covariances import auc_covariances
from nnunet_amt.statistics.reader_groups import compare_groups
from nnunet_amt.statistics.reader_means import ConditionMean, compare_means
from nnunet_amt.statistics.reader_table import Readings
from nnunet_amt.statistics.readers import analyse_readers
from nnunet_amt.statistics.roc import delong, delong_test
from tests.statistics.van_dyke import HIGH, RATINGS

VAN_DYKE = Readings(("1", "2"), ("1", "2", "3", "4", "5"), tuple(map(str, range(114))), RATINGS, HIGH)


def study(ratings: np.ndarray, high: np.ndarray) -> Readings:
    """A study of as many readers and cases as there are ratings of, (2, readers, cases)."""
    readers, cases = (tuple(str(at) for at in range(number)) for number in ratings.shape[1:])
    return Readings(("without", "with"), readers, cases, np.asarray(ratings, float), np.asarray(high, bool))


# OR-DBM MRMC 2.51 of the University of Iowa (Schartz, Hillis, Pesce and Berbaum) on these ratings, trapezoidal AUCs and
# jackknife: RJafroc, inst/IowaResults/VanDyke_trap_area_jackknife_anova.txt, whose differences are first less second.
def test_or_dbm_mrmc_with_the_jackknife() -> None:
    found = analyse_readers(VAN_DYKE, covariance="jackknife")
    aucs = [[reader.first.auc, reader.second.auc] for reader in found.readers]
    assert aucs == pytest.approx(
        np.array(
            [
                [0.91964573, 0.94782609],
                [0.85877617, 0.90531401],
                [0.90386473, 0.92173913],
                [0.97310789, 0.99935588],
                [0.82979066, 0.92995169],
            ]
        ),
        abs=5e-9,
    )
    parts = found.components
    variances = (parts.reader, parts.condition_by_reader, parts.error)
    assert variances == pytest.approx((0.00153500, 0.00020040, 0.00080229), abs=5e-9)
    shared = (parts.covariance_1, parts.covariance_2, parts.covariance_3)
    assert shared == pytest.approx((0.00034661, 0.00034407, 0.00023903), abs=5e-9)
    assert parts.cases == 114

    random = found.random_readers
    assert random is not None
    assert random.difference == pytest.approx(0.04380032, abs=5e-9)
    assert (random.f, random.ddf, random.p) == (
        pytest.approx(4.46, abs=5e-3),
        pytest.approx(15.26, abs=5e-3),
        pytest.approx(0.0517, abs=5e-5),
    )
    assert random.interval == pytest.approx((-0.00036, 0.08796), abs=5e-6)
    assert [mean.auc for mean in random.means] == pytest.approx([0.89703704, 0.94083736], abs=5e-9)
    assert random.means[0].interval == pytest.approx((0.82522360, 0.96885048), abs=5e-7)
    assert random.means[1].interval == pytest.approx((0.89413783, 0.98753689), abs=5e-7)

    fixed = found.fixed_readers
    assert (fixed.f, fixed.p) == (pytest.approx(5.47595, abs=5e-5), pytest.approx(0.0193, abs=5e-5))
    assert fixed.interval == pytest.approx((0.00711, 0.08049), abs=5e-6)
    assert fixed.means[0].interval == pytest.approx((0.84943008, 0.94464399), abs=5e-7)
    assert fixed.means[1].interval == pytest.approx((0.90795637, 0.97371835), abs=5e-7)


# MRMCaov (Smith and Hillis), empirical AUC with cov = DeLong on the same ratings: docs/jss/MRMCaov.tex
def test_mrmcaov_with_delong() -> None:
    found = analyse_readers(VAN_DYKE)
    parts = found.components
    assert (parts.reader, parts.condition_by_reader) == pytest.approx((0.0015364254, 0.0002045840), abs=5e-11)
    assert (parts.error, parts.covariance_1, parts.covariance_2, parts.covariance_3) == pytest.approx(
        (0.0007921325, 0.0003420090, 0.0003395265, 0.0002358497), abs=5e-11
    )
    random = found.random_readers
    assert random is not None
    assert (random.f, random.ddf, random.p) == (
        pytest.approx(4.484854, abs=5e-7),
        pytest.approx(15.06611, abs=5e-6),
        pytest.approx(0.05123303, abs=5e-9),
    )
    assert random.interval == pytest.approx((-0.0002665519, 0.0878671960), abs=5e-11)
    assert random.means[0].interval == pytest.approx((0.8253461, 0.9687280), abs=5e-8)
    assert random.means[1].interval == pytest.approx((0.8942155, 0.9874592), abs=5e-8)


def test_one_reader_is_delongs_test() -> None:
    """Of others it tells nothing: there are no random readers, and the fixed one is compared by DeLong's test."""
    found = analyse_readers(VAN_DYKE.of(["3"]))
    alone = delong_test(RATINGS[0, 2], RATINGS[1, 2], HIGH)
    assert found.random_readers is None
    assert found.fixed_readers.p == pytest.approx(alone.p)
    assert found.fixed_readers.interval == pytest.approx(alone.interval)
    assert found.readers[0].difference == alone
    assert found.readers[0].first == delong(RATINGS[0, 2], HIGH)


def test_equal_ratings_are_no_difference() -> None:
    """All readers rate alike in both conditions: p is 1 and no interval is stated."""
    found = analyse_readers(study(np.stack([RATINGS[0], RATINGS[0]]), HIGH))
    for compared in (found.random_readers, found.fixed_readers):
        assert compared is not None
        assert (compared.difference, compared.p, compared.interval) == (0.0, 1.0, None)


def test_readers_who_are_one() -> None:
    """Five times the same reader: random or fixed, the difference is as sure as that of the one."""
    alone = delong_test(RATINGS[0, 0], RATINGS[1, 0], HIGH)
    found = analyse_readers(study(np.repeat(RATINGS[:, :1], 5, axis=1), HIGH))
    for compared in (found.random_readers, found.fixed_readers):
        assert compared is not None
        assert compared.p == pytest.approx(alone.p)
        assert compared.interval == pytest.approx(alone.interval)
    assert found.random_readers is not None and found.random_readers.ddf > 1e6


def test_a_difference_without_a_variance_has_no_p() -> None:
    """One rating for all without the model, all in order with it: nothing varies that could say how sure that is."""
    ratings = np.array([[[1, 1, 1, 1]] * 2, [[1, 2, 3, 4]] * 2])
    found = analyse_readers(study(ratings, np.array([0, 0, 1, 1])))
    assert found.random_readers is not None
    assert (found.random_readers.difference, found.random_readers.p, found.random_readers.f) == (0.5, None, None)
    assert [mean.interval for mean in found.random_readers.means] == [None, None]


def counts_study(rows: dict[str, tuple[tuple[int, int], tuple[int, int]]]) -> Readings:
    """Yes/no readings by true positives of 41 and true negatives of 20, without and with the model.

    Which cases a reader got right is not published; here two readings are right in the same ones as far as they can be.
    """
    ratings = [
        [np.concatenate([np.arange(41) < both[at][0], np.arange(20) >= both[at][1]]) for both in rows.values()]
        for at in (0, 1)
    ]
    cases = tuple(str(at) for at in range(61))
    return Readings(("without", "with"), tuple(rows), cases, np.array(ratings, float), np.arange(61) < 41)


# Table 3 of the paper
PUBLISHED = counts_study(
    {
        "junior 1": ((35, 11), (36, 15)),
        "junior 2": ((34, 12), (36, 16)),
        "junior 3": ((35, 12), (36, 15)),
        "senior 1": ((37, 15), (37, 16)),
        "senior 2": ((38, 15), (38, 16)),
        "senior 3": ((38, 15), (38, 16)),
    }
)
JUNIORS, SENIORS = PUBLISHED.readers[:3], PUBLISHED.readers[3:]


def test_juniors_of_the_paper_with_the_model() -> None:
    """Mean AUCs of .714 without and .822 with it, as the abstract says of the latter."""
    found = analyse_readers(PUBLISHED.of(JUNIORS))
    assert found.random_readers is not None
    assert [round(mean.auc, 3) for mean in found.random_readers.means] == [0.714, 0.822]
    assert (found.random_readers.p or 1) < 0.05


def test_juniors_and_seniors_of_the_paper_with_the_model() -> None:
    """The abstract's .822 against .859, p > .05: the seniors' mean is that with the model, not their own."""
    found = compare_groups(PUBLISHED, ("with", JUNIORS), ("with", SENIORS))
    assert found.random_readers is not None
    for compared in (found.random_readers, found.fixed_readers):
        assert [round(mean.auc, 3) for mean in compared.means] == [0.822, 0.859]
        assert compared.p is not None and compared.p > 0.05
    unaided = compare_groups(PUBLISHED, ("with", JUNIORS), ("without", SENIORS)).fixed_readers
    assert [round(mean.auc, 3) for mean in unaided.means] == [0.822, 0.834]


def test_groups_of_one_reader_are_delongs_test() -> None:
    found = compare_groups(VAN_DYKE, ("1", ["1"]), ("2", ["2"]))
    alone = delong_test(RATINGS[0, 0], RATINGS[1, 1], HIGH)
    assert found.random_readers is None
    assert found.fixed_readers.p == pytest.approx(alone.p)
    assert found.fixed_readers.interval == pytest.approx(alone.interval)


def test_groups_on_paper() -> None:
    """Random readers: the variance is that of two means, and what the readers of a group share beyond those of two.

    AUCs of readers 1 and 2 are .9196 and .8588, of 3, 4 and 5 .9039, .9731 and .8298.
    """
    found = compare_groups(VAN_DYKE, ("1", ["1", "2"]), ("1", ["3", "4", "5"])).random_readers
    aucs, covariances = auc_covariances(RATINGS[:1], HIGH)
    shared = covariances[0, :, 0]
    within = shared[0, 1] + (shared[2, 3] + shared[2, 4] + shared[3, 4]) / 3
    spreads = aucs[0, :2].var(ddof=1) / 2, aucs[0, 2:].var(ddof=1) / 3
    variance = sum(spreads) + max(within - 2 * shared[:2, 2:].mean(), 0)
    assert found is not None and found.f is not None
    assert found.difference == pytest.approx(aucs[0, 2:].mean() - aucs[0, :2].mean())
    assert found.f == pytest.approx(found.difference**2 / variance)
    assert found.ddf == pytest.approx(variance**2 / (spreads[0] ** 2 / 1 + spreads[1] ** 2 / 2))


def test_groups_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadInputError, match="reader 2 is in both"):
        compare_groups(VAN_DYKE, ("1", ["1", "2"]), ("2", ["2", "3"]))
    with pytest.raises(BadInputError, match="no condition 3; the study has 1 and 2"):
        compare_groups(VAN_DYKE, ("1", ["1"]), ("3", ["2"]))
    with pytest.raises(TooFewCasesError, match="no reader"):
        compare_groups(VAN_DYKE, ("1", []), ("2", ["2"]))


def test_a_reader_who_says_the_same_of_all_is_analysed() -> None:
    """An AUC of .5 without a variance of its own, among readers who have one."""
    ratings = RATINGS.copy()
    ratings[:, 1] = 3
    found = analyse_readers(study(ratings, HIGH))
    assert (found.readers[1].first.auc, found.readers[1].first.interval) == (0.5, None)
    assert (found.readers[1].difference.p, found.readers[1].difference.interval) == (1.0, None)
    assert found.random_readers is not None and 0 < (found.random_readers.p or 0) < 1


def test_too_few_cases_and_no_reader_are_refused() -> None:
    with pytest.raises(TooFewCasesError, match="1 high-risk and 2 low-risk"):
        analyse_readers(study(np.ones((2, 2, 3)), np.array([0, 0, 1])))
    with pytest.raises(TooFewCasesError, match="no reader"):
        analyse_readers(VAN_DYKE.of([]))
    with pytest.raises(BadInputError, match="shape"):
        analyse_readers(Readings(("a", "b"), ("1",), ("c",), RATINGS, HIGH))


def test_the_answer_is_no_surer_of_other_readers_than_of_these() -> None:
    """Two readers who gain as much, each in other cases, leave random readers no variance at all; they have theirs."""
    high = np.arange(40) < 20
    without, one, other = (np.where(high, 1.0, 0.0) for _ in range(3))
    without[:8] = one[:4] = other[4:8] = 0
    found = analyse_readers(study(np.array([[without, without], [one, other]]), high))
    assert found.random_readers is not None
    assert (found.random_readers.difference, found.random_readers.p) == (pytest.approx(0.1), None)
    assert found.answer is found.fixed_readers
    assert found.answer.interval is not None
    groups = compare_groups(VAN_DYKE, ("1", ["1", "2"]), ("1", ["3", "4"]))
    assert groups.answer is groups.random_readers  # who differ more than one sample of cases from another


def test_an_interval_of_a_difference_stays_within_what_auc_can_differ() -> None:
    """Two means of .5 whose difference has a variance of 1 and one degree of freedom: t is 12.7, beyond either end."""
    half = ConditionMean("without", 0.5, None)
    assert compare_means([half, half], 1.0, 1).interval == (-1.0, 1.0)
