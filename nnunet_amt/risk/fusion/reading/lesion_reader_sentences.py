"""What may be said of a reader study of lesions, in sentences that stay true when they are quoted alone."""

from __future__ import annotations

from nnunet_amt.risk.fusion.reading.lesion_reader_analysis import LesionReaderStudy
from nnunet_amt.risk.fusion.reading.lesion_reader_tables import right_word
from nnunet_amt.risk.fusion.reading.model_comparison import AgainstGroup, ModelComparison
from nnunet_amt.risk.fusion.reading.right_answers import ALL_READERS, RightAnswers, ShareComparison
from nnunet_amt.risk.reading.reader_analysis import ReaderAnalysis
from nnunet_amt.risk.reading.reader_sentences import reader_sentences
from nnunet_amt.statistics.tests import SIGNIFICANT_P
from nnunet_amt.writing.numbers import Interval, counted, difference_words, interval_words, short_p_text


def lesion_reader_sentences(study: LesionReaderStudy) -> tuple[str, ...]:
    """Say what CTC changes for readers, question by question, and how the model stands beside each level."""
    found: list[str] = []
    for name, analysis in study.yes_or_no.items():
        found += reader_sentences(analysis)
        if study.comparison is not None and name == "diagnosis":
            found += _beside(study.comparison, analysis)
    for answers in study.named.values():
        found += _right(answers)
    return tuple(found)


def _beside(comparison: ModelComparison, result: ReaderAnalysis) -> list[str]:
    """Compare the model with each level, or with all readers where there is one."""
    assert result.model_scores is not None
    levels = [one for one in comparison.groups if one.group != ALL_READERS] or list(comparison.groups)
    return [_beside_group(one, result, few=comparison.few) for one in levels]


def _beside_group(one: AgainstGroup, result: ReaderAnalysis, *, few: bool) -> str:
    readers, model = one.comparison.means
    change = difference_words(one.comparison.difference, "lower", "higher", "no higher")
    said = (
        f"On the same {len(result.readings.cases)} cases the AUC of {result.question.model}{result.question.asked} is "
        f"{model.auc:.3f}, {change} than the mean of {_who(one.group, result.simulated)} {one.condition} "
        f"({readers.auc:.3f})"
    )
    scope = "for readers like these" if one.random else "for these readers alone"
    return f"{said}{_tested(one.comparison.interval, one.p_holm, few, f'Obuchowski-Rockette, {scope}')}."


def _right(result: RightAnswers) -> list[str]:
    """Say how often all readers, and each level, are right with CTC and without, and how often the model is."""
    noun, question = right_word(result), result.question
    who = "simulated reader" if result.simulated else "reader"
    found = [
        f"{counted(len(result.readers), who)} named one of {len(question.answers)} {noun} in "
        f"{counted(len(result.readings.cases), 'case')}, without and with {question.help}."
    ]
    for group, one in result.groups.items():
        change = difference_words(one.difference, "lower", "higher", "no higher")
        found.append(
            f"The mean share of right {noun} of {_who(group, result.simulated)} is {one.shares[1]:.3f} with "
            f"{question.help} and {one.shares[0]:.3f} without, {change} with it{_of_shares(one)}."
        )
    better = sum(one.change.p_holm < SIGNIFICANT_P and one.change.second > one.change.first for one in result.readers)
    found.append(
        f"Of single {who}s, {better} of {len(result.readers)} have more right {noun} with {question.help} "
        f"(p < {SIGNIFICANT_P:g}, McNemar, corrected by Holm)."
    )
    if result.model is not None:
        levels = {key: one for key, one in result.model.groups.items() if key[0] != ALL_READERS} or result.model.groups
        for (group, condition), one in levels.items():
            change = difference_words(one.difference, "lower", "higher", "no higher")
            found.append(
                f"On the same {len(result.readings.cases)} cases the share of right {noun} of {question.model} is "
                f"{one.shares[1]:.3f}, {change} than the mean of {_who(group, result.simulated)} {condition} "
                f"({one.shares[0]:.3f}){_of_shares(one)}."
            )
    return found


def _of_shares(one: ShareComparison) -> str:
    return _tested(one.interval, one.p_holm, one.p is None, "permutation, for these readers alone")


def _who(group: str, simulated: bool) -> str:
    named = group if group == ALL_READERS else f"readers of level {group}"
    return named.replace("readers", "simulated readers") if simulated else named


def _tested(interval: Interval | None, p: float | None, few: bool, how: str) -> str:
    if few:
        return " (too few cases for an interval)"
    text = short_p_text(p)
    return f" ({interval_words(interval, 'lower', 'higher')}; p {'' if text[0] == '<' else '= '}{text} by Holm, {how})"
