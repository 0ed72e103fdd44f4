"""What must be said beside each table of a comparison."""

from __future__ import annotations

from nnunet_amt import paper
from nnunet_amt.evaluation.comparison.comparison import Comparison
from nnunet_amt.evaluation.summary.cohort_groups import FEWEST_CLUSTERS
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES

_RULES = {
    "unmatched": "a predicted lesion without a partner is a false positive",
    "no_overlap": "a predicted lesion that overlaps no reference lesion is a false positive",
}


def accuracy_notes(comparison: Comparison) -> tuple[str, ...]:
    """Say what the values and their intervals are."""
    settings = comparison.first.settings
    notes = [
        f"Mean (95% CI) of {comparison.cases} cases, pooled over {comparison.lesions} reference lesions. "
        f"{_interval_note(comparison)}",
        f"Lesions: components of {settings['connectivity']}-connectivity, predicted ones under "
        f"{settings['minimum_predicted_voxels']} voxels dropped; {_RULES[str(settings['false_positive_rule'])]}.",
    ]
    if comparison.settings.published:
        notes.append(
            f"Published: {paper.CITATION}, doi:{paper.DOI}, {paper.EXTERNAL_CASES} cases. Other patients: not paired, "
            "no test, and a difference from that column is not a difference between models."
        )
    return tuple(notes)


def difference_notes(comparison: Comparison) -> tuple[str, ...]:
    """Say what was subtracted, resampled, tested and corrected."""
    return (
        f"Other model minus {comparison.first.name}: above 0 the other has the higher value, which is better for all "
        "but false positives. Intervals are of the paired difference: each resample draws the same cases for both.",
        "n: cases in which both models have the metric (precision is undefined without a prediction, all four without "
        "tumour and prediction), reference lesions for sensitivity, scans for false positives.",
        "Wilcoxon: signed rank test over cases, two-sided, zeros by Pratt's method; for false positives over the "
        "number in each scan. McNemar: exact test over reference lesions. The means over the thresholds have no test.",
        f"p (Holm): corrected for all {comparison.tests} tests of this comparison, over models and metrics.",
    )


def lesion_notes() -> tuple[str, ...]:
    """Say what McNemar's test takes for granted."""
    return (
        "p: McNemar's exact test, two-sided, of the lesions that one model alone finds. It takes lesions for "
        "independent, which those of one patient are not quite: where cases have several lesions p is somewhat too "
        "small.",
    )


def verdict_notes(comparison: Comparison) -> tuple[str, ...]:
    """Say what a win, a tie and a loss are."""
    margin = comparison.settings.tie_margin
    tie = f"the two Dice scores differ by less than {margin:g}" if margin else "the two Dice scores are equal"
    return (
        f"Win: the other model has the higher Dice. Tie: {tie}. In a case without tumour a model that predicts "
        "nothing has no Dice: it wins against one that predicts something, and ties with its like.",
        "Every case is in comparison_cases.csv.",
    )


def cost_notes(comparison: Comparison) -> tuple[str, ...]:
    """Say where the costs were read, and what is not in them."""
    published = " The paper does not state the costs of its model." if comparison.settings.published else ""
    return (
        "Training: the time of all epochs in nnU-Net's logs of this training, with those that were done again after "
        "a stop; start-up, the validation at the end and a broken-off epoch are not in it. Seconds per CT: prediction "
        "from file to file, with the start of the program. Memory: main memory of the largest single process, not that "
        f"of a GPU.{published}",
        "Times of different machines or devices cannot be compared. Not recorded: predicted or trained without "
        "nnunet_amt, or its records are gone.",
    )


def subgroup_notes(comparison: Comparison) -> tuple[str, ...]:
    """Say why subgroups have no tests."""
    withheld = "" if comparison.settings.ci_always else f" Intervals are withheld under {FEWEST_CASES} cases."
    return (
        "Difference (95% CI). Subgroups are not tested: there are many, and few cases in each; an interval apart from "
        f"0 is a question for other data, not an answer.{withheld}",
    )


def sweep_notes() -> tuple[str, ...]:
    """Say that the intervals are pointwise."""
    return ("Difference (95% CI); the intervals hold for one threshold at a time, and none is tested by its own.",)


def _interval_note(comparison: Comparison) -> str:
    settings, clusters = comparison.settings, comparison.clusters
    drawn = "cases" if clusters is None else f"{clusters} institutions with all of their cases"
    note = f"CI: percentile bootstrap over {drawn}, {settings.bootstrap_resamples} resamples, seed {settings.seed}; "
    if settings.ci_always:
        note += f"under {FEWEST_CASES} cases it is too narrow to rely on."
    else:
        note += f"withheld under {FEWEST_CASES} cases, where it is too narrow to rely on."
    if clusters is not None and clusters < FEWEST_CLUSTERS:
        note += f" It is too narrow here everywhere: {FEWEST_CLUSTERS} institutions are the fewest to resample."
    return note
