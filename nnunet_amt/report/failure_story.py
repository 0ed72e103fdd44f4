"""How a case failed, in words, from the counts of the evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_amt.report.evaluated_cases import EvaluatedCase, FailedCase

__all__ = ["CaseStory", "case_story", "counted", "dice_text", "failure_kind", "size_text", "sized"]

_GOOD_DICE = 0.7  # from which on the paper calls a case a success


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
    """Name the failure: by voxels, as the failure analysis does, and apart from it what is missed or not there."""
    if not case.tp + case.fn:
        return "false positive" if case.fp else "nothing there, nothing predicted"
    if not case.tp:
        return "missed completely"
    if case.fp == case.fn:
        return "as much too much as too little" if case.fp else "no voxel wrong"
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
    missed, wrong = f"{_percent(case.fn, tumour)} of the tumour's voxels are missed", ""
    if predicted:
        wrong = f"{_percent(case.fp, predicted)} of the predicted voxels lie outside of the tumour"
    if case.fp > case.fn:
        return f"Over-segmentation: {wrong}; {missed}."
    if case.fn > case.fp:
        return f"Under-segmentation: {missed}; {wrong}."
    return f"As many voxels too many as too few: {missed}; {wrong}."


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
    apart = [lesion for lesion in lesions if not lesion.overlaps]
    text = counted(len(lesions), "false positive lesion")
    largest = lesions[0]
    size = f"the largest of {sized(largest.volume_ml)}" if len(lesions) > 1 else f"of {sized(largest.volume_ml)}"
    parts = [f"{text}, {size}"]
    if failed is not None and apart and case.reference_lesions:
        known = [failed.distances_mm[lesion.lesion] for lesion in apart if lesion.lesion in failed.distances_mm]
        if known:
            near, far = min(known), max(known)
            span = f"{near:.0f} mm" if f"{near:.0f}" == f"{far:.0f}" else f"{near:.0f} to {far:.0f} mm"
            parts.append(f"{span} from the tumour")
    voxels = sum(lesion.voxels for lesion in apart)
    if case.fp and voxels and case.tp:
        parts.append(f"{_percent(voxels, case.fp)} of the voxels predicted too much")
    return [f"{'; '.join(parts)}."]


def _sizes_sentence(case: EvaluatedCase) -> str:
    predicted = f"prediction {sized(case.prediction_ml)}" if case.tp + case.fp else "no prediction"
    if case.size_mm is None:
        return f"Reference: no tumour; {predicted}."
    size = f"largest axial diameter {size_text(case.size_mm)}"
    return f"Reference {sized(case.reference_ml)} ({size}), {predicted}."


def _percent(part: int, whole: int) -> str:
    """Write a share; neither 0% nor 100% for what is not."""
    share = 100 * part / whole
    if 0 < share < 1:
        return "under 1%"
    if 99 < share < 100:
        return "over 99%"
    return f"{share:.0f}%"
