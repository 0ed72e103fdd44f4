"""Tables of models against each other, and of what the level of circulating tumour cells adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.evaluation.subgroups import FEWEST_OF_CLASS
from nnunet_amt.risk.fusion.evaluation.comparison import GAINS, AreaDifference, Comparison, RateDifference, gains_of
from nnunet_amt.risk.fusion.evaluation.ctc_value import FEWEST_OF_EITHER, CtcSubgroup, NestedCtc
from nnunet_amt.risk.fusion.evaluation.lesion_scores import SPLIT_TITLES
from nnunet_amt.risk.fusion.evaluation.performance import AREA_TITLES, AREA_WORDS, MAIN_AREA, RATE_TITLES
from nnunet_amt.risk.fusion.evaluation.tables import COLUMNS, area_text, cases_text, rate_text
from nnunet_amt.risk.fusion.fusion_settings import DMFN, TITLES
from nnunet_amt.risk.fusion.lesion_case import Task
from nnunet_amt.statistics.rates import Rate
from nnunet_amt.writing.numbers import UNDEFINED, difference_text, short_p_text, value_text
from nnunet_amt.writing.table import Row, Table

_TESTS: dict[Task, str] = {
    "binary": "DeLong's paired test, two-sided (of patients with several cases Obuchowski's)",
    "multiclass": "a paired bootstrap over patients, two-sided",
}


def monomodal_table(comparisons: Sequence[Comparison], task: Task) -> Table | None:
    """Lay out the DMFN against the monomodal network; None where there is no comparison."""
    rows: list[Row] = []
    for one in comparisons:
        rows.append(Row(SPLIT_TITLES[one.split], kind="group"))
        if one.area is not None:
            difference, title = one.area.difference, AREA_TITLES[MAIN_AREA[task]]
            apart = difference_text(difference.difference, difference.interval)
            cells = *map(value_text, one.area.areas), apart, UNDEFINED
            p_values = short_p_text(difference.p), short_p_text(one.area.p_holm)
            rows.append(Row(title, (str(one.cases), *cells, *p_values)))
        rows += [Row(RATE_TITLES[rate.rate], _rate_cells(rate)) for rate in one.rates]
    if not rows:
        return None
    titles = ("Cases", "DMFN", "Monomodal", "Difference (95% CI)", "DMFN alone / monomodal alone", "p", "p, Holm")
    return Table(
        "DMFN against the monomodal network",
        "Measure",
        titles,
        tuple(rows),
        (
            f"The AUC has {_TESTS[task]}; its interval and p are withheld under {FEWEST_CASES} cases. Rates have "
            "McNemar's exact test of the cases that one network alone counts, which takes cases for independent. Holm "
            "is over the tests of a set.",
        ),
    )


def difference_table(differences: Sequence[AreaDifference], task: Task) -> Table | None:
    """Lay out the area of the DMFN less that of each other model; None where nothing could be compared."""
    rows = _difference_rows(
        [one for one in differences if one.model == DMFN], lambda one: TITLES.get(one.other, one.other)
    )
    if not rows:
        return None
    return Table(
        f"{AREA_TITLES[MAIN_AREA[task]]} of the DMFN less that of each other model",
        "Other model",
        ("Cases", "Difference (95% CI)", "p", "p, Holm"),
        rows,
        (f"By {_TESTS[task]}; withheld under {FEWEST_CASES} cases. Holm is over the models of a set.",),
    )


def gain_table(differences: Sequence[AreaDifference], task: Task) -> Table | None:
    """Lay out what the DMFN gains over CT alone, what it gains with shuffled levels, and what is left for the levels.

    None where no network with shuffled levels was trained.
    """
    rows = _difference_rows(gains_of(differences), lambda one: GAINS[one.model, one.other], holm=False)
    if not rows:
        return None
    return Table(
        f"What CTC adds: gain in {AREA_WORDS[task]}",
        "Gain",
        ("Cases", "Difference (95% CI)", "p"),
        rows,
        (
            "With levels shuffled between the patients of a set, in training as in tests, they say nothing: what the "
            "DMFN gains then over CT alone is not from CTC, but from age, sex, location and other clinical data, or "
            "from chance. The last row of a set is what the levels themselves add.",
        ),
    )


def nested_table(found: Sequence[NestedCtc]) -> Table | None:
    """Lay out the likelihood ratio of the level beside the monomodal score; None where it was not tried."""
    if not found:
        return None
    rows = []
    for one in found:
        cases = f"{one.cases} ({one.benign} benign, {one.malignant} malignant)"
        if one.test is None or one.odds_ratio is None:
            rows.append(Row(SPLIT_TITLES[one.split], (cases, str(one.without_level), UNDEFINED, UNDEFINED, UNDEFINED)))
            continue
        ratio = value_text(*one.odds_ratio, digits=2)
        cells = ratio, f"{one.test.statistic:.2f}", short_p_text(one.test.p)
        rows.append(Row(SPLIT_TITLES[one.split], (cases, str(one.without_level), *cells)))
    notes = [
        "Two logistic regressions of malignancy: on the logit of the monomodal network's score, and on that and the "
        "level. Chi-squared (1 degree of freedom) is twice the gain in log-likelihood; the odds ratio is of a level "
        "that is higher by one standard deviation, with Wald's interval. It is made of cases that have a level, and "
        f"takes {FEWEST_OF_EITHER} of either class.",
        *(f"{SPLIT_TITLES[one.split]}: {one.why_not}, so there is no test." for one in found if one.why_not),
    ]
    columns = ("Cases with a level", "Without", "Odds ratio (95% CI)", "Chi-squared", "p")
    return Table("What CTC adds to the monomodal score", "Cases", columns, tuple(rows), tuple(notes))


def subgroup_table(found: Sequence[CtcSubgroup], task: Task) -> Table | None:
    """Lay out the DMFN on patients with and without a level; None where all have one."""
    if not found:
        return None
    rates = [name for name in COLUMNS[task] if name in RATE_TITLES and name not in ("ppv", "npv")]
    rows = []
    for one in found:
        known = one.performance.rates
        cells = (rate_text(known[name]) if name in known else UNDEFINED for name in rates)
        title = f"{SPLIT_TITLES[one.performance.split]}, CTC {'measured' if one.measured else 'not measured'}"
        area = area_text(one.performance.areas[MAIN_AREA[task]])
        rows.append(Row(title, (cases_text(one.performance), area, *cells)))
    return Table(
        "The DMFN with and without a CTC level",
        "Cases",
        ("Cases", AREA_TITLES[MAIN_AREA[task]], *(RATE_TITLES[name] for name in rates)),
        tuple(rows),
        (f"Areas are withheld under {FEWEST_OF_CLASS} cases of a class, their intervals under {FEWEST_CASES} cases.",),
    )


def _difference_rows(
    differences: Sequence[AreaDifference], title_of: Callable[[AreaDifference], str], *, holm: bool = True
) -> tuple[Row, ...]:
    rows: list[Row] = []
    for split in dict.fromkeys(one.split for one in differences):
        rows.append(Row(SPLIT_TITLES[split], kind="group"))
        for one in (one for one in differences if one.split == split):
            apart = difference_text(one.difference.difference, one.difference.interval)
            p_values = short_p_text(one.difference.p), *([short_p_text(one.p_holm)] if holm else [])
            rows.append(Row(title_of(one), (str(one.cases), apart, *p_values)))
    return tuple(rows)


def _rate_cells(one: RateDifference) -> tuple[str, ...]:
    ours, theirs = Rate(one.k, one.cases), Rate(one.other_k, one.cases)
    apart = None if ours.value is None or theirs.value is None else ours.value - theirs.value
    alone = f"{one.only} / {one.only_other}"
    values = rate_text(ours), rate_text(theirs), difference_text(apart), alone
    return str(one.cases), *values, short_p_text(one.p), short_p_text(one.p_holm)
