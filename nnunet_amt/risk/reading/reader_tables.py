"""Table 3 and the answer of a reader study: readers one by one, over readers and cases, by level, and its planning."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.evaluation.performance import AucEstimate
from nnunet_amt.risk.evaluation.tables import RATE_TITLES, auc_text, rate_cells
from nnunet_amt.statistics.rates import Rate
from nnunet_amt.statistics.reader_means import MeanComparison
from nnunet_amt.statistics.reader_planning import PlannedStudy
from nnunet_amt.writing.numbers import UNDEFINED, difference_text, short_p_text, value_text
from nnunet_amt.writing.table import Row, Table

if TYPE_CHECKING:
    from nnunet_amt.risk.reading.reader_analysis import ReaderAnalysis

_NO_P = ("", "")


def table_3(result: ReaderAnalysis) -> Table:
    """Lay out Table 3: the model, then each reader without and with the help; the paper's readers below."""
    question, (without, helped) = result.question, result.question.conditions
    rows: list[Row] = []
    if result.model is not None:
        rows.append(_row(question.model, result.model.estimate, result.model.rates, _NO_P))
    for level in result.levels:
        rows.append(Row(level, kind="group"))
        for one in (one for one in result.readers if one.level == level):
            known = (None, None) if result.few else (one.comparison.difference.p, one.p_holm)
            p_values = short_p_text(known[0]), short_p_text(known[1])
            rows.append(_row(f"{one.name}, {without}", one.first.estimate, one.first.rates, _NO_P))
            rows.append(_row(f"{one.name}, {helped}", one.second.estimate, one.second.rates, p_values))
    rows += [Row(row.title, (*row.cells, *_NO_P), "published") for row in question.published()]
    return Table(
        f"Table 3: {readers_word(result)} without and with {question.help}{question.asked}, "
        f"{len(result.readings.cases)} cases",
        "Reader",
        ("AUC (95% CI)", *RATE_TITLES.values(), "p, with against without", "p, Holm"),
        tuple(rows),
        (
            f"AUC by DeLong, p by DeLong's paired test of a reader with against {without}, Holm over the readers; "
            f"rates with Wilson's interval. Intervals of the AUC, and p, are withheld under {FEWEST_CASES} cases.",
            _called(result),
            question.published_note(),
        ),
    )


def _called(result: ReaderAnalysis) -> str:
    if result.high_from == 1 and not result.graded:
        return "Readers say yes or no, so an AUC is the mean of sensitivity and specificity."
    high = result.question.classes[1]
    return f"Readers give ratings; one of {result.high_from:g} or more counts as {high} in the rates."


def readers_word(result: ReaderAnalysis) -> str:
    """Say of what people a table is, or that they are none."""
    return "simulated readers" if result.simulated else "readers"


def answer_table(result: ReaderAnalysis) -> Table:
    """Lay out the comparison of mean AUCs without and with AI, of all readers and of each level."""
    rows: list[Row] = []
    for group, study in (("all readers", result.study), *result.of_level.items()):
        rows.append(Row(f"{group} (n = {len(study.readers)})", kind="group"))
        if study.random_readers is not None:
            title = "random readers: also readers like these"
            rows.append(_comparison_row(title, study.random_readers, few=result.few))
        rows.append(_comparison_row("fixed readers: these alone", study.fixed_readers, few=result.few))
    return Table(
        f"Mean AUC of {readers_word(result)} with {result.question.help} less without{result.question.asked} "
        "(Obuchowski and Rockette)",
        "Readers taken as",
        ("Mean AUC without", "Mean AUC with", "Difference (95% CI)", "F (degrees of freedom)", "p"),
        tuple(rows),
        (
            "Random readers are the answer: it holds for other readers and cases like these. One reader tells nothing "
            "of others; where random readers seem surer than fixed ones, as two or three can by chance, these are the "
            f"answer. Intervals, F and p are withheld under {FEWEST_CASES} cases.",
        ),
    )


def group_table(result: ReaderAnalysis) -> Table | None:
    """Lay out the comparisons of levels; None of one level."""
    if not result.between_levels:
        return None
    rows = []
    for title, comparison in result.between_levels.items():
        rows.append(_comparison_row(title, comparison.answer, few=result.few))
    return Table(
        f"Mean AUC of levels compared{result.question.asked}: second less first",
        "Levels",
        ("Mean AUC, first", "Mean AUC, second", "Difference (95% CI)", "F (degrees of freedom)", "p"),
        tuple(rows),
        ("A p-value over 0.05 does not show that two levels are alike; the interval says how far apart they may be.",),
    )


def planning_table(planned: Sequence[PlannedStudy], *, difference: float, power: float) -> Table:
    """Lay out how many cases a planned study takes with so many readers."""
    rows = tuple(
        Row(str(one.readers), (UNDEFINED if one.cases is None else str(one.cases), value_text(one.power, digits=3)))
        for one in planned
    )
    return Table(
        f"Planned study: cases to find a difference of {difference:g} in mean AUC with a power of {power:g}",
        "Readers",
        ("Cases", "Power"),
        rows,
        (
            "From this study's variances (Hillis, Obuchowski and Berbaum 2011), with random readers, who read all "
            "cases twice, and the same share of either class; – where 2000 cases are not enough. Variances of a small "
            "study are themselves uncertain.",
        ),
    )


def _row(title: str, estimate: AucEstimate, rates: Mapping[str, Rate], p_values: tuple[str, str]) -> Row:
    return Row(title, (auc_text(estimate), *rate_cells(rates), *p_values))


def _comparison_row(title: str, comparison: MeanComparison, *, few: bool) -> Row:
    if few:
        aucs = (value_text(mean.auc) for mean in comparison.means)
        return Row(title, (*aucs, difference_text(comparison.difference), UNDEFINED, UNDEFINED))
    first, second = (value_text(mean.auc, mean.interval) for mean in comparison.means)
    degrees = "infinite" if math.isinf(comparison.ddf) else f"{comparison.ddf:.1f}"
    f_text = UNDEFINED if comparison.f is None else f"{comparison.f:.2f} (1, {degrees})"
    change = difference_text(comparison.difference, comparison.interval)
    return Row(title, (first, second, change, f_text, short_p_text(comparison.p)))
