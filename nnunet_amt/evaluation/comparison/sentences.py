"""The result in plain words: one paragraph for each other model."""

from __future__ import annotations

from nnunet_amt import paper
from nnunet_amt.evaluation.comparison.comparison import Comparison, ModelComparison
from nnunet_amt.evaluation.comparison.paired import PairedTest
from nnunet_amt.writing.numbers import difference_words, interval_words, p_text
from nnunet_amt.writing.words import counted

_IOU = paper.OPERATING_POINT.iou_threshold
TEST_NAMES = {"wilcoxon": "Wilcoxon", "mcnemar": "McNemar"}


def plain_sentences(comparison: Comparison) -> tuple[str, ...]:
    """Say of each other model how it compares with the first: Dice, lesions, single cases."""
    return tuple(
        " ".join([_dice(comparison, other), *_lesions(comparison, other), _cases(comparison, other)])
        for other in comparison.others
    )


def _dice(comparison: Comparison, other: ModelComparison) -> str:
    difference, first = other.difference("dice"), comparison.first.name
    if difference.value is None:
        return f"No case has a Dice by both {other.name} and {first}."
    how = difference_words(difference.value, "lower than", "higher than", "the same to three decimals as")
    where = f"On {counted(difference.n, 'case')}"
    return f"{where} the mean Dice of {other.name} is {how} that of {first} ({_evidence(other, 'dice', None)})."


def _lesions(comparison: Comparison, other: ModelComparison) -> list[str]:
    test, rate = other.test("sensitivity", _IOU), other.difference("fp_per_scan", _IOU)
    sentences = []
    if test is not None and test.lesions is not None and test.n:
        found = test.lesions.both + test.lesions.only_other
        found_first = test.lesions.both + test.lesions.only_first
        sentences.append(
            f"Of {counted(test.n, 'reference lesion')} it finds {found} at IoU > {_IOU:g}, {comparison.first.name} "
            f"{found_first} ({_p_values(test)})."
        )
    if rate.value is not None:
        how = difference_words(rate.value, "fewer", "more", "the same number of")
        evidence = _evidence(other, "fp_per_scan", _IOU, "fewer", "more")
        sentences.append(f"It marks {how} false positives per scan at IoU > {_IOU:g} ({evidence}).")
    return sentences


def _cases(comparison: Comparison, other: ModelComparison) -> str:
    margin, tally = comparison.settings.tie_margin, other.tally
    tied = f"differs by less than {margin:g}" if margin else "is equal"
    return (
        f"Case by case its Dice is better in {tally['win']}, worse in {tally['loss']}, and {tied} in {tally['tie']} "
        f"of {comparison.cases}."
    )


def _evidence(
    other: ModelComparison, metric: str, threshold: float | None, less: str = "lower", more: str = "higher"
) -> str:
    interval = interval_words(other.difference(metric, threshold).ci95, less, more)
    test = other.test(metric, threshold)
    return interval if test is None else f"{interval}; {_p_values(test)}"


def _p_values(test: PairedTest) -> str:
    p, holm = (text if text.startswith("<") else f"= {text}" for text in (p_text(test.p), p_text(test.p_holm)))
    return f"{TEST_NAMES[test.test]} p {p}, Holm {holm.removeprefix('= ')}"
