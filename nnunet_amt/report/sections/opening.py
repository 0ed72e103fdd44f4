"""The top of the page: the result in plain words, and the worst case."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from nnunet_amt import paper
from nnunet_amt.evaluation.measure.lesions import threshold_index
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES, MetricSummary
from nnunet_amt.report.failure_story import SUCCESS_ABOVE, counted, failure_kind
from nnunet_amt.report.perspective import dice_by_size, peers_of, short_training
from nnunet_amt.report.sections.case_cards import CaseCard
from nnunet_amt.report.study_content import StudyContent


@dataclass(frozen=True)
class KeyFigure:
    """A figure that everybody looks for first.

    Attributes
    ----------
    name, meaning
        What it is, in a few words each.
    ours, interval
        The figure and its 95% interval as text; the interval is empty where it is withheld.
    published
        The paper's, with its interval.
    """

    name: str
    meaning: str
    ours: str
    interval: str
    published: str


@dataclass(frozen=True)
class Opening:
    """What stands before the sections.

    Attributes
    ----------
    title
        Of the page.
    sentences
        The result in plain words.
    figures
        The key figures.
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
    sentences: tuple[str, ...]
    figures: tuple[KeyFigure, ...]
    kinds: str
    worst: CaseCard | None
    equals: tuple[str, ...]
    reasons: tuple[str, ...]


def opening(content: StudyContent, title: str, worst: CaseCard | None) -> Opening:
    """Tell the result, and which case failed worst."""
    equals: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    if worst is not None:
        lowest = content.cases[0].dice
        equals = tuple(case.case_id for case in content.cases[1:] if case.dice == lowest)
        size_class = content.cases[0].tumour_size
        told = peers_of(size_class, content.summary.subgroups), short_training(content.facts.model)
        reasons = tuple(filter(None, told))
    return Opening(title, _sentences(content), _figures(content), _kinds(content), worst, equals, reasons)


def _sentences(content: StudyContent) -> tuple[str, ...]:
    overall = content.summary.overall
    dice = overall.voxel["dice"]
    at = threshold_index(0.1)
    lesion = overall.lesion
    whom = f"The model was tested on {counted(overall.cases, 'CT')}"
    if content.institutions is not None:
        whom += f" of {counted(content.institutions, 'institution')}"
    if content.unseen:
        whom += ", none of which gave a case to its training or tuning"
    sentences = (
        ["The cases are phantoms, drawn by a program; no patient is among them."] if content.facts.synthetic else []
    )
    sentences.append(f"{whom}.")
    if told := short_training(content.facts.model):
        sentences.append(told)
    if dice.mean is not None:
        sentences.append(
            f"On average its outline of the tumour and the reference agree with a Dice score of {dice.mean:.2f}"
            f"{_interval_words(dice)}; 1 is perfect agreement, 0 none."
        )
    if lesion.references:
        rate = lesion.fp_per_scan[at].mean
        per_scan = "" if rate is None else f", with {rate:.2f} false positives per scan"
        sentences.append(
            f"It found {lesion.tp[at]} of {counted(lesion.references, 'lesion')} at an overlap of IoU > 0.1{per_scan}."
        )
    voxel_row, lesion_row = paper.TABLE_3[0], paper.TABLE_4[0]
    sentences.append(
        f"The paper ({paper.CITATION}) reports a Dice score of {voxel_row.dice.mean:.2f}, a sensitivity of "
        f"{lesion_row.sensitivity_01.mean:.2f} and {lesion_row.fp_per_scan_01.mean:.2f} false positives per scan on "
        f"{voxel_row.cases} CTs. Those are other cases: a difference from them is not one of the models alone."
    )
    return tuple(sentences)


def _interval_words(metric: MetricSummary) -> str:
    if metric.ci95 is None:
        return f" (no interval: fewer than {FEWEST_CASES} cases)" if metric.n < FEWEST_CASES else ""
    return f" (95% CI {metric.ci95[0]:.2f} to {metric.ci95[1]:.2f})"


def _figures(content: StudyContent) -> tuple[KeyFigure, ...]:
    overall = content.summary.overall
    lesion = overall.lesion
    low, middle = threshold_index(0.1), threshold_index(0.5)
    voxel_row, lesion_row = paper.TABLE_3[0], paper.TABLE_4[0]
    rows: tuple[tuple[str, str, MetricSummary, paper.Estimate], ...] = (
        ("Dice score", "agreement of the outlines, mean over the cases", overall.voxel["dice"], voxel_row.dice),
        (
            "Sensitivity, IoU\u00a0>\u00a00.1",
            "share of the lesions that are found",
            lesion.sensitivity[low],
            lesion_row.sensitivity_01,
        ),
        (
            "FP per scan, IoU\u00a0>\u00a00.1",
            "predicted lesions that match none",
            lesion.fp_per_scan[low],
            lesion_row.fp_per_scan_01,
        ),
        (
            "Sensitivity, IoU\u00a0>\u00a00.5",
            "share of the lesions that are found",
            lesion.sensitivity[middle],
            lesion_row.sensitivity_05,
        ),
        (
            "FP per scan, IoU\u00a0>\u00a00.5",
            "predicted lesions that match none",
            lesion.fp_per_scan[middle],
            lesion_row.fp_per_scan_05,
        ),
    )
    return tuple(
        KeyFigure(
            name=name,
            meaning=meaning,
            ours="–" if metric.mean is None else f"{metric.mean:.2f}",
            interval="" if metric.ci95 is None else f"{metric.ci95[0]:.2f} to {metric.ci95[1]:.2f}",
            published=f"{published.mean:.2f} ({published.ci_low:.2f} to {published.ci_high:.2f})",
        )
        for name, meaning, metric, published in rows
    )


def _kinds(content: StudyContent) -> str:
    counts = Counter(failure_kind(case) for case in content.cases)
    parts = []
    for kind, words in (
        ("success", f"succeed (Dice above {SUCCESS_ABOVE:.2f}, as the paper's examples)"),
        ("under-segmentation", "are under-segmented: more voxels missed than added"),
        ("over-segmentation", "are over-segmented: more voxels added than missed"),
        ("as much added as missed", "fail with as many voxels added as missed"),
        ("missed completely", "are missed completely"),
        ("false positive", "hold no tumour, yet something is predicted"),
        ("nothing there, nothing predicted", "hold no tumour, and nothing is predicted"),
    ):
        if counts[kind]:
            parts.append(f"{counts[kind]} {words if counts[kind] > 1 else _singular(words)}")
    by_size = dice_by_size(content.summary.subgroups)
    return f"Of {counted(len(content.cases), 'case')}, {'; '.join(parts)}.{f' {by_size}' if by_size else ''}"


def _singular(words: str) -> str:
    for plural, singular in (("succeed", "succeeds"), ("are ", "is "), ("fail ", "fails "), ("hold ", "holds ")):
        if words.startswith(plural):
            return words.replace(plural, singular, 1)
    return words
