"""Tables of right decisions and classes, and of the model against readers on the same patients."""

from __future__ import annotations

from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.evaluation.subgroups import FEWEST_OF_CLASS
from nnunet_amt.risk.fusion.reading.lesion_questions import (
    CLASSIFIED,
    MANAGED,
    MANAGEMENT,
    published_note,
    published_rows,
    published_title,
)
from nnunet_amt.risk.fusion.reading.macro_points import MacroPoints
from nnunet_amt.risk.fusion.reading.model_comparison import AgainstGroup, ModelComparison
from nnunet_amt.risk.fusion.reading.right_answers import RightAlone, RightAnswers, ShareComparison
from nnunet_amt.risk.reading.reader_analysis import ReaderAnalysis
from nnunet_amt.statistics.rates import Rate
from nnunet_amt.writing.numbers import UNDEFINED, difference_text, joined, short_p_text, value_text
from nnunet_amt.writing.table import Row, Table

_NO_TEST = (UNDEFINED,) * 3
_ALONE = "p by McNemar's exact test of the cases that one of two has right alone, Holm over the rows of readers"
_SHARES = (
    "Intervals are the bootstrap's over patients, p that of a permutation of each patient's two shares, Holm over the "
    f"rows; withheld under {FEWEST_CASES} patients. They hold for these readers, not for others."
)


def right_word(result: RightAnswers) -> str:
    """Say what is right or wrong."""
    return "decisions" if result.question.name == MANAGEMENT.name else "classes"


def right_table(result: RightAnswers, macro: MacroPoints | None) -> Table:
    """Lay out how often each reader is right without and with CTC, and the model's first answer; the paper's below.

    Of classes, which `macro` is given for, the macro AUC stands beside.
    """
    of_classes = result.question.name != MANAGEMENT.name
    (without, helped), rows = result.question.conditions, list[Row]()

    def row(title: str, rate: Rate, area: float | None, tests: tuple[str, ...]) -> Row:
        areas = (value_text(area),) if of_classes else ()
        return Row(title, (value_text(rate.value, rate.interval), *areas, *tests))

    if result.model is not None:
        area = None if macro is None else macro.model_auc
        rows.append(row(result.question.model, result.model.rate, area, _NO_TEST))
    for level in dict.fromkeys(one.level for one in result.readers):
        rows.append(Row(level, kind="group"))
        for one in (one for one in result.readers if one.level == level):
            areas = [None if macro is None else macro.area(one.name, condition) for condition in (without, helped)]
            rows.append(row(f"{one.name}, {without}", one.rates[0], areas[0], _NO_TEST))
            rows.append(row(f"{one.name}, {helped}", one.rates[1], areas[1], _alone_cells(one.change)))
    rows += _published(of_classes)
    columns = ("Right alone, without / with", "p", "p, Holm")
    return Table(
        f"Right {right_word(result)} of {_readers(result.simulated)} without and with {result.question.help}, "
        f"{len(result.readings.cases)} cases",
        "Reader",
        ("Right (95% CI)", *(("Macro AUC",) if of_classes else ()), *columns),
        tuple(rows),
        (
            f"{_what(result)} Rates with Wilson's interval; {_ALONE}.",
            *((_macro_note(result, macro),) if of_classes else ()),
            published_note(),
        ),
    )


def share_table(result: RightAnswers) -> Table:
    """Lay out the mean shares of right answers of all readers, and of each level."""
    rows = []
    for group, one in result.groups.items():
        change = difference_text(one.difference, one.interval)
        shares = value_text(one.shares[0]), value_text(one.shares[1])
        rows.append(Row(group, (*shares, change, *_p_cells(one))))
    return Table(
        f"Mean share of right {right_word(result)}, with {result.question.help} less without",
        "Readers",
        ("Without", "With", "Difference (95% CI)", "p", "p, Holm"),
        tuple(rows),
        (_SHARES,),
    )


def model_right_table(result: RightAnswers) -> Table | None:
    """Lay out the model's first answers against readers; None without a model."""
    if result.model is None:
        return None
    rows = [Row("mean of readers", kind="group")]
    for (group, condition), one in result.model.groups.items():
        change = difference_text(one.difference, one.interval)
        rows.append(Row(f"{group}, {condition}", (value_text(one.shares[0]), change, *_p_cells(one), UNDEFINED)))
    rows.append(Row("single readers", kind="group"))
    model_share = result.model.rate.value or 0.0
    for reader in result.readers:
        for condition, rate in zip(result.question.conditions, reader.rates, strict=True):
            alone, share = result.model.readers[reader.name, condition], rate.value or 0.0
            cells = value_text(share), difference_text(model_share - share), *_alone_cells(alone)[1:]
            rows.append(Row(f"{reader.name}, {condition}", (*cells, f"{alone.second} / {alone.first}")))
    model = result.question.model
    return Table(
        f"{model}'s first answer against {_readers(result.simulated)}, on the same {len(result.readings.cases)} cases",
        "Readers",
        ("Right, readers", f"{model} less readers (95% CI)", "p", "p, Holm", f"Right alone, {model} / reader"),
        tuple(rows),
        (f"Groups: {_SHARES}", f"Single readers: {_ALONE}. {_unequal(model, result.question.help)}"),
    )


def comparison_table(comparison: ModelComparison, result: ReaderAnalysis) -> Table:
    """Lay out the model's AUC, sensitivity and specificity against readers."""
    question, rows = result.question, [Row("mean of readers", kind="group")]
    for group in comparison.groups:
        rows.append(_group_row(group, few=comparison.few))
    rows.append(Row("single readers", kind="group"))
    for one in comparison.readers:
        difference = one.difference
        tests = (UNDEFINED,) * 2 if comparison.few else (short_p_text(difference.p), short_p_text(one.p_holm))
        change = difference_text(difference.difference, None if comparison.few else difference.interval)
        rates = [_alone_text(rate) for rate in (one.sensitivity, one.specificity)]
        rows.append(Row(f"{one.reader}, {one.condition}", (value_text(one.auc), change, *tests, *rates)))
    low, high = question.classes
    right_alone = f"right alone, {question.model} / reader (p; p, Holm)"
    return Table(
        f"{question.model} against {_readers(result.simulated)}{question.asked}, on the same "
        f"{len(result.readings.cases)} cases",
        "Readers",
        (
            "AUC, readers", f"AUC, {question.model} less readers (95% CI)", "p", "p, Holm",
            f"Of {high}: {right_alone}", f"Of {low}: {right_alone}",
        ),
        tuple(rows),
        (
            "Groups by Obuchowski and Rockette: the model is the one that it is, readers stand for others like them "
            "but where it says these alone. Single readers by DeLong's paired test; sensitivity and specificity by "
            "McNemar's exact test. Holm over the groups, and over the single readers for each test. Intervals and "
            f"p-values of AUCs are withheld under {FEWEST_CASES} cases.",
            ("" if result.graded else f"{_yes_or_no(question.model)} ") + _unequal(question.model, question.help),
        ),
    )  # fmt: skip


def _group_row(group: AgainstGroup, *, few: bool) -> Row:
    readers, one = group.comparison.means[0], group.comparison
    change = difference_text(one.difference, None if few else one.interval)
    tests = (UNDEFINED,) * 2 if few else (short_p_text(one.p), short_p_text(group.p_holm))
    alone = "" if group.random else ", these alone"
    title = f"{group.group}, {group.condition} (n = {group.readers}{alone})"
    return Row(title, (value_text(readers.auc), change, *tests, UNDEFINED, UNDEFINED))


def _published(of_classes: bool) -> list[Row]:
    """Give the paper's rows: of decisions the accuracy; of classes also the macro AUC, which alone is printed."""
    names = ("accuracy", "auc") if of_classes else ("accuracy",)
    rows = []
    for row in published_rows(CLASSIFIED if of_classes else MANAGED):
        cells = (str(row.rates[name]) if name in row.rates else UNDEFINED for name in names)
        rows.append(Row(published_title(row), (*cells, *_NO_TEST), "published"))
    return rows


def _what(result: RightAnswers) -> str:
    if result.question.name == MANAGEMENT.name:
        names = ", ".join(result.question.answers)
        return f"A decision ({names}) is right if it is the reference of the table of readings. No model decides."
    return (
        "A class is right if it is that of the diagnosis; of the model the class of the highest probability counts, as "
        "readers name one."
    )


def _macro_note(result: RightAnswers, macro: MacroPoints | None) -> str:
    if macro is None:
        return f"Fewer than two classes have {FEWEST_OF_CLASS} cases: there is no macro AUC."
    names = joined(result.question.answers[place] for place in macro.judged)
    return (
        f"Macro AUC: the mean over the classes of {FEWEST_OF_CLASS} or more cases ({names}), each against the rest; a "
        "reader's is the mean of sensitivity and specificity, as one answer has no curve."
    )


def _yes_or_no(model: str) -> str:
    return (
        f"An AUC of yes and no is the mean of sensitivity and specificity, that of {model} is of its probabilities: "
        f"the difference favours {model}."
    )


def _unequal(model: str, help_: str) -> str:
    return f"{model} is given {help_}: readers without it know less."


def _readers(simulated: bool) -> str:
    return "simulated readers" if simulated else "readers"


def _alone_cells(one: RightAlone) -> tuple[str, str, str]:
    return f"{one.first} / {one.second}", short_p_text(one.p), short_p_text(one.p_holm)


def _alone_text(one: RightAlone | None) -> str:
    if one is None:
        return UNDEFINED
    return f"{one.second} / {one.first} ({short_p_text(one.p)}; {short_p_text(one.p_holm)})"


def _p_cells(one: ShareComparison) -> tuple[str, str]:
    return short_p_text(one.p), short_p_text(one.p_holm)
