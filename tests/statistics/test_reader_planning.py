"""Power of planned reader studies against published software, and simulated readers against what was put in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.statistics.reader_planning import PlannedStudy, plan_study, simulate_readings, study_power
from nnunet_amt.statistics.reader_table import Readings
from nnunet_amt.statistics.readers import ReaderStudy, analyse_readers
from tests.statistics.van_dyke import HIGH, RATINGS


@pytest.fixture(scope="module")
def pilot() -> ReaderStudy:
    names = tuple("12345"), tuple(map(str, range(114)))
    return analyse_readers(Readings(("1", "2"), *names, RATINGS, HIGH), covariance="jackknife")


def test_published_power(pilot: ReaderStudy) -> None:
    """RJafroc on Van Dyke's ratings, 6 readers of 112 cases: SsPowerGivenJK gives a power of 0.5555789."""
    observed = pilot.fixed_readers.difference
    assert study_power(pilot.components, difference=observed, readers=6, cases=112) == pytest.approx(
        0.5555789, abs=5e-8
    )
    assert study_power(pilot.components, difference=-observed, readers=6, cases=112) == pytest.approx(
        0.5555789, abs=5e-8
    )


@pytest.mark.parametrize(
    ("readers", "power", "cases", "reached"),
    [
        (4, 0.8, 1089, 0.800),
        (5, 0.8, 344, 0.801),
        (6, 0.8, 251, 0.801),
        (10, 0.8, 163, 0.8015625),
        (20, 0.8, 126, 0.802),
        (10, 0.9, 236, 0.9003501),
    ],
)
def test_published_sample_sizes(pilot: ReaderStudy, readers: int, power: float, cases: int, reached: float) -> None:
    """RJafroc's SsPowerTable and SsSampleSizeKGivenJ on the same ratings, random readers and cases."""
    observed = pilot.fixed_readers.difference
    found = plan_study(pilot.components, difference=observed, readers=readers, power=power)
    assert (found.readers, found.cases) == (readers, cases)
    assert found.power == pytest.approx(reached, abs=6e-4)


def test_too_few_readers_have_no_number_of_cases(pilot: ReaderStudy) -> None:
    """RJafroc's table says >2000 of 3 readers: their own differences alone are too wide."""
    found = plan_study(pilot.components, difference=pilot.fixed_readers.difference, readers=3)
    assert found == PlannedStudy(3, None, None)


def test_fixed_readers_on_paper(pilot: ReaderStudy) -> None:
    """A variance of 2/4 x 0.0004 of the difference and a difference of 2.8016 standard errors: a power of 0.8."""
    parts = replace(pilot.components, error=0.0006, covariance_1=0.0002, covariance_2=0.0, covariance_3=0.0, cases=100)
    difference = 2.8016 * np.sqrt(0.0002)
    as_planned = study_power(parts, difference=difference, readers=4, cases=100, random_readers=False)
    assert as_planned == pytest.approx(0.8, abs=1e-4)
    found = plan_study(parts, difference=difference, readers=4, power=0.7999, random_readers=False)
    assert found.cases == 100
    # four times the cases, half the error
    twice = study_power(parts, difference=difference / 2, readers=4, cases=400, random_readers=False)
    assert twice == pytest.approx(as_planned)


def test_no_difference_has_the_power_of_the_error(pilot: ReaderStudy) -> None:
    for random_readers in (True, False):
        power = study_power(pilot.components, difference=0.0, readers=6, cases=100, random_readers=random_readers)
        assert power == pytest.approx(0.05)


def test_bad_plans_are_refused(pilot: ReaderStudy) -> None:
    with pytest.raises(BadInputError, match=r"1 reader.*2"):
        study_power(pilot.components, difference=0.05, readers=1, cases=100)
    with pytest.raises(BadInputError, match=r"power of 1\b"):
        plan_study(pilot.components, difference=0.05, readers=5, power=1.0)
    with pytest.raises(BadInputError, match="difference of 0"):
        plan_study(pilot.components, difference=0.0, readers=5)
    alike = replace(pilot.components, error=0.0, covariance_1=0.0, condition_by_reader=0.0, covariance_2=0.0)
    with pytest.raises(BadInputError, match="no variance"):
        study_power(alike, difference=0.05, readers=5, cases=100)


CASES = {f"c{at:04}": at % 2 == 0 for at in range(4000)}
PUBLISHED = {"junior": (0.702, 0.814), "senior": (0.838, 0.863)}


@pytest.mark.parametrize("levels", [None, 2, 5])
def test_simulated_readers_have_the_aucs_that_were_asked_for(levels: int | None) -> None:
    """Of 2000 cases of each class an AUC of 0.7 has a standard error of 0.008."""
    found = simulate_readings(CASES, PUBLISHED, levels=levels, seed=3)
    assert (found.conditions, found.readers, found.cases) == (("without AI", "with AI"), tuple(PUBLISHED), tuple(CASES))
    study = analyse_readers(found)
    for reader in study.readers:
        assert (reader.first.auc, reader.second.auc) == pytest.approx(PUBLISHED[reader.reader], abs=0.025)


def test_ratings_are_yes_and_no_or_levels() -> None:
    assert np.unique(simulate_readings(CASES, PUBLISHED, levels=2, seed=1).ratings).tolist() == [0, 1]
    assert np.unique(simulate_readings(CASES, PUBLISHED, levels=5, seed=1).ratings).tolist() == [1, 2, 3, 4, 5]


def test_simulated_readers_find_the_same_cases_hard() -> None:
    """Roe and Metz's structure HH: of the variance .3 is the case's, .3 its in a condition, .2 its for a reader.

    So two readers share .6 in one condition and .3 across, and one reader shares .5 across.
    """
    found = simulate_readings(CASES, {"a": (0.8, 0.8), "b": (0.8, 0.8)}, seed=5)
    low = found.ratings[:, :, ~found.high].reshape(4, -1)  # a and b without, a and b with
    shared = np.asarray(np.corrcoef(low))
    assert shared[0, 1] == pytest.approx(0.6, abs=0.05)
    assert shared[0, 3] == pytest.approx(0.3, abs=0.06)
    assert shared[0, 2] == pytest.approx(0.5, abs=0.05)


def test_the_seed_decides() -> None:
    one, again, other = (simulate_readings(CASES, PUBLISHED, seed=seed).ratings for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()


@pytest.mark.parametrize("auc", [0.0, 1.0, float("nan")])
def test_no_simulated_reader_is_perfect(auc: float) -> None:
    with pytest.raises(BadInputError, match=r"reader a.*between 0 and 1"):
        simulate_readings(CASES, {"a": (0.8, auc)}, seed=1)


def test_one_level_is_no_rating() -> None:
    with pytest.raises(BadInputError, match="1 level"):
        simulate_readings(CASES, PUBLISHED, levels=1, seed=1)
