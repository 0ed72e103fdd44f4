"""The top of the page: the result in plain words, and the worst case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from nnunet_amt import paper
from nnunet_amt.evaluation.measure.lesions import threshold_index
from nnunet_amt.evaluation.results.read_results import EvaluatedCase
from nnunet_amt.evaluation.results.tables import subgroup_title
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES, GroupSummary, MetricSummary
from nnunet_amt.report.case_story import failure_kind
from nnunet_amt.report.sections.failing import CaseCard
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.study.facts import ModelFacts
from nnunet_amt.writing.numbers import counted, value_text

STANDARD_EPOCHS = 1000  # of nnU-Net, and of our trainer
_FIRST_FIGURES = 3  # Dice, sensitivity, false positives
NamedGroup = tuple[str, str, GroupSummary]


@dataclass(frozen=True)
class KeyFigure:
    """A figure that everybody looks for first, as text: ours, its 95% interval (empty if withheld), and the paper's.

    `published` is empty where the paper has none, or its patients are nothing to hold these cases against; `span` tells
    the lowest and the highest case where there is no interval of a Dice.
    """

    name: str
    meaning: str
    ours: str
    interval: str
    published: str
    span: str = ""


@dataclass(frozen=True)
class Opening:
    """What stands before the sections.

    Attributes
    ----------
    subjects
        What the cases are, where they are no patients; else empty.
    sentences, figures
        The result in two or three sentences and in three figures, for the first screen.
    more_sentences, more_figures
        What belongs to it and has no room there.
    kinds
        How many cases fail how, in a sentence.
    worst
        The worst case; None if no case has a Dice.
    equals
        Other cases of the same lowest Dice.
    reasons
        Why a case like the worst may fail, of what holds beyond it: its size class, a short training; may be empty.
    """

    title: str
    subjects: str
    sentences: tuple[str, ...]
    figures: tuple[KeyFigure, ...]
    more_sentences: tuple[str, ...]
    more_figures: tuple[KeyFigure, ...]
    kinds: str
    worst: CaseCard | None
    equals: tuple[str, ...]
    reasons: tuple[str, ...]


def opening(content: StudyContent, *, title: str, worst: CaseCard | None) -> Opening:
    """Tell the result, and which case failed worst."""
    equals: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    if worst is not None:
        lowest = content.cases[0].dice
        equals = tuple(case.case_id for case in content.cases[1:] if case.dice == lowest)
        of_others = peers_of(content.cases[0], content.cases), short_training(content.facts.model)
        reasons = tuple(filter(None, of_others)) if worst.story.failed else ()
    figures = _figures(content)
    return Opening(
        title=title,
        subjects=content.subjects_sentence,
        sentences=_sentences(content),
        figures=figures[:_FIRST_FIGURES],
        more_sentences=_more_sentences(content),
        more_figures=figures[_FIRST_FIGURES:],
        kinds=_kinds(content),
        worst=worst,
        equals=equals,
        reasons=reasons,
    )


def short_training(model: ModelFacts | None) -> str:
    """Say that a model was trained for fewer epochs than nnU-Net's standard; else nothing."""
    epochs = _few_epochs(model)
    if not epochs:
        return ""
    return (
        f"The network was trained for {counted(epochs, 'epoch')}, where nnU-Net's standard is "
        f"{STANDARD_EPOCHS}: these figures show what it had learned by then, not what the method can do."
    )


def _few_epochs(model: ModelFacts | None) -> int:
    """Give the epochs of a training that was shorter than nnU-Net's standard; 0 of any other, or if not known."""
    epochs = 0 if model is None else model.epochs or 0
    return epochs if epochs < STANDARD_EPOCHS else 0


def dice_by_size(subgroups: Sequence[NamedGroup]) -> str:
    """Give the mean Dice of each class of tumour size in a sentence; nothing for fewer than two classes."""
    parts = [
        f"{summary.voxel['dice'].mean:.2f} in {subgroup_title(group, name)}, {counted(summary.cases, 'case')}"
        for group, name, summary in subgroups
        if group == "tumour_size" and summary.voxel["dice"].mean is not None
    ]
    return f"By tumour size the mean Dice score is {'; '.join(parts)}." if len(parts) > 1 else ""


def peers_of(worst: EvaluatedCase, cases: Sequence[EvaluatedCase]) -> str:
    """Set a case beside the others of its class of tumour size, if these did worse than the other sizes.

    The case itself is no witness. Nothing where it is the only one of its size, or there are no others.
    """
    known = [case for case in cases if case.reference_lesions and case.case_id != worst.case_id]
    alike = [case.dice for case in known if case.dice is not None and case.tumour_size == worst.tumour_size]
    unlike = [case.dice for case in known if case.dice is not None and case.tumour_size != worst.tumour_size]
    if not worst.reference_lesions or not alike or not unlike or round(fmean(alike) - fmean(unlike), 2) >= 0:
        return ""  # its size makes no case hard
    others = "The only other tumour" if len(alike) == 1 else f"The {len(alike)} other tumours"
    size = subgroup_title("tumour_size", worst.tumour_size)
    has = "has a Dice score" if len(alike) == 1 else "have a mean Dice score"
    return f"{others} of its size, {size}, {has} of {fmean(alike):.2f}, those of other sizes {fmean(unlike):.2f}."


def _sentences(content: StudyContent) -> tuple[str, ...]:
    overall, dice = content.summary.overall, content.summary.tumour_dice
    at, strict = threshold_index(0.1), threshold_index(0.5)
    lesion, epochs = overall.lesion, _few_epochs(content.facts.model)
    training = f", trained for {counted(epochs, 'epoch')}," if epochs else ""
    drawn, made_up = (" drawn", "made-up ") if content.facts.synthetic else ("", "")
    whom = f"The model{training} was tested on {overall.cases}{drawn} CT{'' if overall.cases == 1 else 's'}"
    if content.institutions is not None:
        whom += f" of {counted(content.institutions, f'{made_up}institution')}"
    sentences = [f"{whom}{content.whose}."]
    if dice.mean is not None:
        sentences.append(
            f"On average {'of the CTs with a tumour ' if overall.specificity else ''}its outline of the tumour and the "
            f"reference agree with a Dice score of {dice.mean:.2f}{_interval_words(dice)}; 1 is perfect agreement, 0 "
            "none."
        )
    if lesion.references:
        sentences.append(
            f"It found {lesion.tp[at]} of {counted(lesion.references, 'lesion')}, with "
            f"{counted(lesion.fp[at], 'false positive')}, if sharing a tenth of what either outline covers is enough "
            f"(IoU > 0.1), and {lesion.tp[strict]}, with {lesion.fp[strict]}, if it must be half (IoU > 0.5)."
        )
    return tuple(sentences)


def _more_sentences(content: StudyContent) -> tuple[str, ...]:
    sentences = []
    if (scans := content.summary.overall.specificity) is not None:
        sentences.append(
            f"Of {counted(scans.scans, 'CT')} without a tumour, {scans.negative} "
            f"{'is' if scans.negative == 1 else 'are'} free of false positives: a specificity by scan of "
            f"{scans.value:.2f} (95% CI, Wilson, "
            f"{scans.wilson95[0]:.2f} to {scans.wilson95[1]:.2f})."
        )
    if content.facts.of_patients:
        voxel_row, lesion_row = paper.TABLE_3[0], paper.TABLE_4[0]
        sentences.append(
            f"The paper ({paper.CITATION}) reports a Dice score of {voxel_row.dice.mean:.2f}, a sensitivity of "
            f"{lesion_row.sensitivity_01.mean:.2f} and {lesion_row.fp_per_scan_01.mean:.2f} false positives per scan "
            f"on {voxel_row.cases} CTs. Those are other cases: a difference from them is not one of the models alone."
        )
    return tuple(sentences)


def _interval_words(metric: MetricSummary) -> str:
    if metric.ci95 is None:
        few = f" (no interval of a mean under {FEWEST_CASES} cases)"
        return few if 1 < metric.n < FEWEST_CASES else ""
    return f" (95% CI {metric.ci95[0]:.2f} to {metric.ci95[1]:.2f})"


def _figures(content: StudyContent) -> tuple[KeyFigure, ...]:
    overall, theirs, beside = content.summary.overall, paper.TABLE_4[0], content.facts.of_patients
    dice, what = content.summary.tumour_dice, "mean agreement of the outlines"
    what += ", cases with a tumour" if overall.specificity else ""
    rows: list[tuple[str, str, MetricSummary, paper.Estimate]] = [("Dice score", what, dice, paper.TABLE_3[0].dice)]
    for iou, sensitivity, fp_per_scan in (
        (0.1, theirs.sensitivity_01, theirs.fp_per_scan_01),
        (0.5, theirs.sensitivity_05, theirs.fp_per_scan_05),
    ):
        at, where = threshold_index(iou), f"IoU\u00a0>\u00a0{iou:g}"
        found, added = overall.lesion.sensitivity[at], overall.lesion.fp_per_scan[at]
        rows.append((f"Sensitivity, {where}", "share of the lesions that are found", found, sensitivity))
        false = "false positives: they match no lesion"
        rows.append((f"FP per scan, {where}", false, added, fp_per_scan))
    figures = [
        KeyFigure(
            name=name,
            meaning=meaning,
            ours=value_text(metric.mean, digits=2),
            interval="" if metric.ci95 is None else f"{metric.ci95[0]:.2f} to {metric.ci95[1]:.2f}",
            span=_span(content) if metric is dice and metric.ci95 is None else "",
            published=f"{published.mean:.2f} ({published.ci_low:.2f} to {published.ci_high:.2f})" if beside else "",
        )
        for name, meaning, metric, published in rows
    ]
    if (scans := overall.specificity) is not None:
        low, high = scans.wilson95
        meaning = f"share of the {counted(scans.scans, 'CT')} without a tumour that have no false positive"
        specificity = value_text(scans.value, digits=2)
        figures.append(KeyFigure("Specificity by scan", meaning, specificity, f"{low:.2f} to {high:.2f}", ""))
    return tuple(figures)


def _span(content: StudyContent) -> str:
    dice = [case.dice for case in content.cases if case.dice is not None and case.reference_lesions]
    return f"{min(dice):.2f} to {max(dice):.2f}" if len(dice) > 1 else ""


def _kinds(content: StudyContent) -> str:
    counts = Counter(failure_kind(case) for case in content.cases)
    parts, failed = [], f"Dice {paper.SUCCESSFUL_DICE:.2f} or less"
    for kind, words in (
        ("success", f"succeed (Dice above {paper.SUCCESSFUL_DICE:.2f}, as the paper's examples)"),
        ("under-segmentation", f"are under-segmented ({failed}, more voxels missed than added)"),
        ("over-segmentation", f"are over-segmented ({failed}, more voxels added than missed)"),
        ("as much added as missed", "fail with as many voxels added as missed"),
        ("missed completely", "are missed completely"),
        ("false positive", "hold no tumour, yet something is predicted"),
        ("nothing there, nothing predicted", "hold no tumour, and nothing is predicted"),
    ):
        if counts[kind]:
            parts.append(f"{counts[kind]} {words if counts[kind] > 1 else _singular(words)}")
    told = (f"Of {counted(len(content.cases), 'case')}, {'; '.join(parts)}.", leaning(content.cases))
    return " ".join(filter(None, (*told, dice_by_size(content.summary.subgroups))))


def leaning(cases: Sequence[EvaluatedCase]) -> str:
    """Say whether more is missed or added in most of the tumours that were found at all, successes too.

    Nothing where less than two thirds of them agree.
    """
    found = [case for case in cases if case.tp]
    missed, added = "more voxels are missed than added", "more voxels are added than missed"
    ways = Counter(missed if case.fn > case.fp else added for case in found if case.fp != case.fn)
    (way, number), *rest = ways.most_common() or [("", 0)]
    if len(found) < 3 or 3 * number < 2 * len(found):
        return ""
    other = f", {rest[0][0].replace('voxels ', '')} in {rest[0][1]}" if rest else ""
    return f"Failed or not, {way} in {number} of the {len(found)} tumours that were not missed{other}."


def _singular(words: str) -> str:
    for plural, singular in (("succeed", "succeeds"), ("are ", "is "), ("fail ", "fails "), ("hold ", "holds ")):
        if words.startswith(plural):
            return words.replace(plural, singular, 1)
    return words
