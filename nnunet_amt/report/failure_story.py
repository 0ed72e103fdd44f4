"""How a case failed, in words, from the counts of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnunet_amt.evaluation.results.read_results import EvaluatedCase, FailedCase, FalsePositiveLesion

SUCCESS_ABOVE = 0.7  # Dice of the cases that the paper's Fig. 5 shows as successes


@dataclass(frozen=True)
class CaseStory:
    """What happened in a case.

    Attributes
    ----------
    case_id
        Name of the case.
    dice
        As text.
    kind
        In two or three words.
    sentences
        What is wrong, in full; the first says the most.
    """

    case_id: str
    dice: str
    kind: str
    sentences: tuple[str, ...]


def case_story(case: EvaluatedCase, failed: FailedCase | None = None) -> CaseStory:
    """Tell what happened in a case.

    Parameters
    ----------
    case
        As the evaluation counted it.
    failed
        As the failure analysis found it, for the distances of its false positives; None without one.
    """
    sentences = [_main_sentence(case), *_lesion_sentences(case), *_false_positive_sentences(case, failed)]
    sentences.append(_sizes_sentence(case))
    return CaseStory(case.case_id, dice_text(case), failure_kind(case), tuple(sentences))


def failure_kind(case: EvaluatedCase) -> str:
    """Name what is wrong: by voxels, as the failure analysis does; a success, and what is missed, have their own."""
    if not case.tp + case.fn:
        return "false positive" if case.fp else "nothing there, nothing predicted"
    if not case.tp:
        return "missed completely"
    if case.dice is not None and case.dice > SUCCESS_ABOVE:
        return "success"
    if case.fp == case.fn:
        return "as much added as missed"
    return "over-segmentation" if case.fp > case.fn else "under-segmentation"


def dice_text(case: EvaluatedCase) -> str:
    """Write the Dice score with two decimals; a dash where it is undefined."""
    return "–" if case.dice is None else f"{case.dice:.2f}"


def size_text(size_mm: float | None) -> str:
    """Write a diameter in cm; a dash without a tumour."""
    return "–" if size_mm is None else f"{size_mm / 10:.1f} cm"


def counted(number: int, noun: str) -> str:
    """Write a number and its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def sized(volume_ml: float) -> str:
    """Write a volume with two significant digits under 10 ml and none behind the point above."""
    return f"{volume_ml:.0f} ml" if volume_ml >= 10 else f"{float(f'{volume_ml:.2g}'):g} ml"


def _main_sentence(case: EvaluatedCase) -> str:
    tumour, predicted = case.tp + case.fn, case.tp + case.fp
    if not tumour:
        if not predicted:
            return "There is no tumour in the reference, and nothing was predicted."
        return f"There is no tumour in the reference, yet {sized(case.prediction_ml)} are predicted."
    if not case.tp:
        if not predicted:
            return "The tumour is missed completely: nothing at all was predicted."
        return f"The tumour is missed completely: what was predicted ({sized(case.prediction_ml)}) lies elsewhere."
    missed = f"{_share(case.fn, tumour)} of the tumour's voxels are missed"
    added = f"{_share(case.fp, predicted)} of the predicted voxels lie outside of the tumour"
    first, second = (added, missed) if case.fp > case.fn else (missed, added)
    kind = failure_kind(case)
    if kind in ("over-segmentation", "under-segmentation"):
        return f"{kind.capitalize()}: {first}; {second}."
    return f"{first[0].upper()}{first[1:]}; {second}."


def _lesion_sentences(case: EvaluatedCase) -> list[str]:
    total = case.reference_lesions
    lost = total - case.found_01
    if not total or not case.tp:
        return []
    if not lost:
        if case.found_05 == total:
            return []
        few = "It is" if total == 1 else f"{_of(case.found_01 - case.found_05, total)} {'is' if total == 1 else 'are'}"
        return [f"{few} found at IoU > 0.1 but not at IoU > 0.5."]
    if total == 1:
        return ["Its only lesion is not found at IoU > 0.1: the overlap is too small."]
    return [f"{_of(lost, total)} {'is' if lost == 1 else 'are'} not found at IoU > 0.1."]


def _of(number: int, total: int) -> str:
    return f"{number} of its {total} lesions"


def _false_positive_sentences(case: EvaluatedCase, failed: FailedCase | None) -> list[str]:
    lesions = case.false_positives
    if not lesions:
        return []
    text = counted(len(lesions), "false positive lesion") + (", the largest of " if len(lesions) > 1 else " of ")
    text += sized(lesions[0].volume_ml)
    apart = [lesion for lesion in lesions if not lesion.overlaps]
    if apart and case.reference_lesions:
        all_apart = len(apart) == len(lesions)
        text += ", " if all_apart else f"; {len(apart)} of them "
        text += f"{'' if all_apart else 'lies ' if len(apart) == 1 else 'lie '}{_distance(apart, failed)}"
        if case.tp:
            verb = "makes" if len(apart) == 1 else "make"
            share = _share(sum(lesion.voxels for lesion in apart), case.fp)
            who = f"; {'it' if len(apart) == 1 else 'they'} {verb}" if all_apart else f" and {verb}"
            text += f"{who} up {share} of the voxels predicted too much"
    return [f"{text}."]


def _distance(apart: Sequence[FalsePositiveLesion], failed: FailedCase | None) -> str:
    """Say how far lesions lie from the tumour, as far as the failure analysis measured it."""
    distances = failed.distances_mm if failed is not None else {}
    known = [distances[lesion.lesion] for lesion in apart if lesion.lesion in distances]
    if not known:
        return "apart from the tumour"
    ends = dict.fromkeys(f"{end:.0f}" for end in (min(known), max(known)))
    return f"{' to '.join(ends)} mm from the tumour"


def _sizes_sentence(case: EvaluatedCase) -> str:
    predicted = f"prediction {sized(case.prediction_ml)}" if case.tp + case.fp else "no prediction"
    if case.size_mm is None:
        return f"Reference: no tumour; {predicted}."
    size = f"largest axial diameter {size_text(case.size_mm)}"
    return f"Reference {sized(case.reference_ml)} ({size}), {predicted}."


def _share(part: int, whole: int) -> str:
    """Write a share: ``"none"`` and ``"all"`` only where it is."""
    percent = 100 * part / whole
    if part in (0, whole):
        return "all" if part else "none"
    if percent < 1:
        return "under 1%"
    return "over 99%" if percent > 99 else f"{percent:.0f}%"
