"""What may be said of a reader study, in sentences that stay true when they are quoted alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnunet_amt.statistics.reader_means import MeanComparison
from nnunet_amt.statistics.readers import ReaderStudy
from nnunet_amt.statistics.tests import SIGNIFICANT_P
from nnunet_amt.writing.numbers import counted, difference_words, interval_words, short_p_text

if TYPE_CHECKING:
    from nnunet_amt.risk.reading.reader_analysis import ReaderAnalysis
    from nnunet_amt.risk.reading.reader_question import ReaderQuestion


def reader_sentences(result: ReaderAnalysis) -> tuple[str, ...]:
    """Say who read what, the answer over readers and cases, that of each level, and how many readers changed."""
    high, question = int(result.readings.high.sum()), result.question
    who = "simulated reader" if result.simulated else "reader"
    cases = len(result.readings.cases)
    low_title, high_title = question.classes
    found = [
        f"{counted(len(result.readers), who)} read {counted(cases, 'case')}{question.asked} ({cases - high} "
        f"{low_title}, {high} {high_title}) without and with {question.help}.",
        _answer(f"all {who}s", result.study, question, few=result.few),
    ]
    found += [
        _answer(f"{who}s of level {level}", study, question, few=result.few) for level, study in result.of_level.items()
    ]
    if result.few:
        return (
            *found,
            f"{cases} cases are too few to tell whether {who}s are better{question.asked} with {question.help}.",
        )
    better = sum(
        one.p_holm is not None and one.p_holm < SIGNIFICANT_P and one.comparison.difference.difference > 0
        for one in result.readers
    )
    found.append(
        f"Of single {who}s, {better} of {len(result.readers)} have a higher AUC{question.asked} with {question.help} "
        f"(p < {SIGNIFICANT_P:g}, DeLong, corrected by Holm)."
    )
    return tuple(found)


def _answer(who: str, study: ReaderStudy, question: ReaderQuestion, *, few: bool) -> str:
    answer = study.answer
    scope = "for readers like these" if answer is study.random_readers else "for these readers alone"
    first, second = answer.means
    change = difference_words(answer.difference, "lower", "higher", "no higher")
    means = (
        f"The mean AUC of {who}{question.asked} is {second.auc:.3f} with {question.help} and {first.auc:.3f} without, "
        f"{change} with it"
    )
    if few:
        return f"{means} (no interval)."
    return (
        f"{means} ({interval_words(answer.interval, 'lower', 'higher')}; {_p(answer)}, Obuchowski-Rockette, {scope})."
    )


def _p(answer: MeanComparison) -> str:
    text = short_p_text(answer.p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
