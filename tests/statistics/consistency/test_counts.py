"""Sums, percentages and p-values of counts; all on paper or by scipy's own tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, fisher_exact

from nnunet_amt.statistics.consistency.counts import Total, Variable, check_total, check_variable
from nnunet_amt.statistics.consistency.printed import printed
from nnunet_amt.statistics.consistency.usual_tests import usual_p_values

GROUPS = {"low": 20, "high": 41}


def variable(*, p: str = "", **levels: tuple[int, int]) -> Variable:
    p_values = {tuple(GROUPS): printed(p)} if p else {}
    return Variable("Table 1", "sex", levels, GROUPS, p_values=p_values)


def test_the_whole_is_the_sum_of_its_parts() -> None:
    parts = {"training": 197, "validation": 127, "test": 162}
    assert not [*check_total(Total("", "male", 486, parts))]
    (finding,) = check_total(Total("Text", "male", 501, parts, printed("46.65%"), of=1074))
    assert str(finding) == "Text, male, number 501: 197 + 127 + 162 is 486"
    (finding,) = check_total(Total("Text", "male", 501, {}, printed("45.25%"), of=1074))
    assert finding.reason == "501 of 1074 is 46.65%"


def test_levels_add_up_to_their_group() -> None:
    assert not [*check_variable(variable(male=(9, 29), female=(11, 12)))]
    (more,) = check_variable(variable(male=(10, 29), female=(11, 12)))
    assert (more.certainty, more.reason) == ("cannot be", "its levels have 21 patients, the group has 20")
    (fewer,) = check_variable(variable(male=(9, 29), female=(11, 11)))
    assert (fewer.certainty, fewer.column) == ("doubtful", "high")


def test_a_percentage_is_of_the_group_of_the_known_or_of_the_row() -> None:
    """9 of 20 are 45%, 9 of the 38 males 24%; 46% is of neither."""
    for text, right in (("45%", True), ("24%", True), ("23.7%", True), ("46%", False)):
        percentages = {"male": (printed(text), None)}
        counts = {"male": (9, 29), "female": (11, 12)}
        found = [*check_variable(Variable("", "sex", counts, GROUPS, percentages))]
        assert (found == []) is right


@pytest.mark.parametrize("p", ["0.051", "0.052", "0.090", "0.096", "<0.1", "0.05"])
def test_a_p_value_of_a_usual_test(p: str) -> None:
    """9 of 20 and 29 of 41: chi-square .0516, Fisher .0899, with Yates' correction .0959."""
    assert not [*check_variable(variable(male=(9, 29), female=(11, 12), p=p))]


@pytest.mark.parametrize("p", ["0.015", "0.30", "<0.001", "0.000"])
def test_a_p_value_of_no_test(p: str) -> None:
    (finding,) = check_variable(variable(male=(9, 29), female=(11, 12), p=p))
    assert finding.reason == "no usual test of these counts gives it: chi-square 0.052, Fisher 0.090"


def test_the_exact_test_is_scipys() -> None:
    for table in ([[9, 29], [11, 12]], [[1, 26], [19, 15]]):
        usual = usual_p_values(table)
        assert usual is not None
        assert usual.exact["Fisher"] == pytest.approx(fisher_exact(np.array(table)).pvalue)
        assert usual.asymptotic["chi-square"] == pytest.approx(chi2_contingency(table, correction=False).pvalue)


def test_the_exact_test_of_three_levels_on_paper() -> None:
    """2, 0, 0 and 0, 1, 1: of the 6 ways to choose 2 of 4, 1 is this one; as far are those with both or none of the 2.

    Probabilities are 1/6 for (2, 0, 0), 1/6 for (0, 1, 1) and 1/3 for (1, 1, 0) and (1, 0, 1): p is 1/6 + 1/6.
    """
    usual = usual_p_values([[2, 0], [0, 1], [0, 1]])
    assert usual is not None
    assert usual.exact["Fisher"] == pytest.approx(1 / 3)
    assert usual.exact["chi-square, exact"] == pytest.approx(1 / 3)


def test_a_simulated_p_value_may_be_a_little_off() -> None:
    """2000 simulated tables of an exact p of 0.056 give 0.058 now and then; 0.080 is five standard errors away."""
    usual = usual_p_values([[16, 63], [25, 46], [20, 35]])
    assert usual is not None
    assert usual.exact["Fisher"] == pytest.approx(0.05596, abs=1e-5)
    assert usual.include(printed("0.058")) and not usual.include(printed("0.090"))


def test_nothing_to_compare() -> None:
    assert usual_p_values([[3, 4]]) is None
    assert usual_p_values([[3, 0], [5, 0]]) is None


def test_a_large_table_is_judged_with_care() -> None:
    """The exact test is left out, so that what lies close to the others is not accused."""
    usual = usual_p_values([[400, 380], [300, 310], [200, 240], [100, 120]])
    assert usual is not None and not usual.exact
    p = usual.asymptotic["chi-square"]
    assert usual.include(printed(f"{p + 0.03:.3f}")) and not usual.include(printed("0.900"))
