"""A case in words: how it failed, from the counts of the evaluation, and what is unusual in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from nnunet_amt import paper
from nnunet_amt.evaluation.results.read_results import EvaluatedCase, FailedCase, FalsePositiveLesion
from nnunet_amt.writing.numbers import counted, share_text, value_text

CohortRow = Mapping[str, str]

_SUCCESS, _NOTHING = "success", "nothing there, nothing predicted"
_NO_FAILURES = (_SUCCESS, _NOTHING)

_FEWEST_CASES = 10  # fewer have no outer tenth
_RARE_SHARE = 0.05  # of the training cases
# Of smaller tumours the surface, and with it the sphericity, is too coarse an estimate: it may come out above 1.
SHAPE_VOXELS = 100
# Features of failure_cases.csv that say something each of their own: name, what, unit, digits, and at which end a value
# can make a tumour hard to outline. An even density or a round shape makes none.
_FEATURES: tuple[tuple[str, str, str, int, tuple[str, ...]], ...] = (
    ("mean_hu", "mean density", "HU", 0, ("lowest", "highest")),
    ("sd_hu", "spread of density (SD)", "HU", 0, ("highest",)),
    ("sphericity", "sphericity (1 is a ball)", "", 2, ("lowest",)),
)


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
    failed
        Whether the case failed, see `has_failed`.
    sentences
        What is wrong, in full; the first says the most.
    """

    case_id: str
    dice: str
    kind: str
    failed: bool
    sentences: tuple[str, ...]

    @property
    def headline(self) -> str:
        """Name what the case of the lowest Dice is: one of the failures only where it is one."""
        return "Failed worst" if self.failed else "Lowest Dice"


@dataclass(frozen=True)
class Background:
    """What a case is held against.

    Attributes
    ----------
    cases
        All evaluated cases.
    failed
        The failure analysis by case; empty without one.
    cohort
        Rows of the evaluated cases in cohort.csv, by case; empty without one.
    training
        Rows of the training cases in the dataset's cohort.csv.
    """

    cases: Sequence[EvaluatedCase]
    failed: Mapping[str, FailedCase] = field(default_factory=dict)
    cohort: Mapping[str, CohortRow] = field(default_factory=dict)
    training: Sequence[CohortRow] = ()


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
    kind = failure_kind(case)
    return CaseStory(case.case_id, value_text(case.dice, digits=2), kind, has_failed(case), tuple(sentences))


def circumstances(case: EvaluatedCase, background: Background) -> tuple[str, ...]:
    """Say what stands out in a case that failed; nothing of another.

    The size, density and shape of its tumour where they are in the outer tenth of all cases (of ten cases or more), at
    an end that can make a tumour hard to outline; its diagnosis, scanner and slice thickness where the training cases
    had few or none like it and most of the other cases did not share that. Nothing is said of what was looked at and is
    not unusual.
    """
    if not has_failed(case):
        return ()
    return (
        *_size(case, background.cases),
        *_features(case, background),
        *_training(background.cohort.get(case.case_id, {}), background),
    )


def failure_kind(case: EvaluatedCase) -> str:
    """Name what is wrong, in the words of the whole page: a failure by whether more voxels are added or missed."""
    if not case.tp + case.fn:
        return "false positive" if case.fp else _NOTHING
    if not case.tp:
        return "missed completely"
    if case.dice is not None and case.dice > paper.SUCCESSFUL_DICE:
        return _SUCCESS
    if case.fp == case.fn:
        return "as much added as missed"
    return "over-segmentation" if case.fp > case.fn else "under-segmentation"


def has_failed(case: EvaluatedCase) -> bool:
    """Whether a case failed: a tumour with a Dice of 0.70 or less, or something predicted where there is none."""
    return failure_kind(case) not in _NO_FAILURES


def size_text(size_mm: float | None) -> str:
    """Write a diameter in cm; a dash without a tumour."""
    return "–" if size_mm is None else f"{size_mm / 10:.1f} cm"


def sized(volume_cm3: float) -> str:
    """Write a volume with two significant digits under 10 cm³ and none behind the point above."""
    return f"{volume_cm3:.0f} cm³" if volume_cm3 >= 10 else f"{float(f'{volume_cm3:.2g}'):g} cm³"


def _main_sentence(case: EvaluatedCase) -> str:
    tumour, predicted = case.tp + case.fn, case.tp + case.fp
    if not tumour:
        if not predicted:
            return "There is no tumour in the reference, and nothing was predicted."
        return f"There is no tumour in the reference, yet {sized(case.prediction_cm3)} are predicted."
    if not case.tp:
        if not predicted:
            return "The tumour is missed completely: nothing at all was predicted."
        return f"The tumour is missed completely: what was predicted ({sized(case.prediction_cm3)}) lies elsewhere."
    missed = f"{share_text(case.fn, tumour)} of the tumour's voxels are missed"
    added = f"{share_text(case.fp, predicted)} of the predicted voxels lie outside of the tumour"
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
    text += sized(lesions[0].volume_cm3)
    apart = [lesion for lesion in lesions if not lesion.overlaps]
    if apart and case.reference_lesions:
        all_apart = len(apart) == len(lesions)
        text += ", " if all_apart else f"; {len(apart)} of them "
        text += f"{'' if all_apart else 'lies ' if len(apart) == 1 else 'lie '}{_distance(apart, failed)}"
        if case.tp:
            verb = "makes" if len(apart) == 1 else "make"
            share = share_text(sum(lesion.voxels for lesion in apart), case.fp)
            who = f"; {'it' if len(apart) == 1 else 'they'} {verb}" if all_apart else f" and {verb}"
            text += f"{who} up {share} of the added voxels"
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
    predicted = f"prediction {sized(case.prediction_cm3)}" if case.tp + case.fp else "no prediction"
    if case.size_mm is None:
        return f"Reference: no tumour; {predicted}."
    size = f"largest axial diameter {size_text(case.size_mm)}"
    return f"Reference {sized(case.reference_cm3)} ({size}), {predicted}."


def _size(case: EvaluatedCase, cases: Sequence[EvaluatedCase]) -> Iterator[str]:
    """Tell a tumour that is small, or one that is large and of which much is missed."""
    if case.size_mm is None:
        return
    rank = _outer_rank(case.size_mm, [other.size_mm for other in cases if other.size_mm is not None])
    if "lowest" in rank or ("highest" in rank and case.fn > case.fp):
        rank = rank.replace("lowest", "smallest").replace("highest", "largest")
        yield f"It is {rank} tumours ({size_text(case.size_mm)})."


def _features(case: EvaluatedCase, background: Background) -> Iterator[str]:
    voxels = {other.case_id: other.tp + other.fn for other in background.cases}
    for name, what, unit, digits, ends in _FEATURES:
        least = SHAPE_VOXELS if name == "sphericity" else 0
        values = {
            case_id: failed.features[name]
            for case_id, failed in background.failed.items()
            if name in failed.features and voxels.get(case_id, 0) >= least
        }
        rank = _outer_rank(values[case.case_id], list(values.values())) if case.case_id in values else ""
        if any(end in rank for end in ends):
            shown = f"{values[case.case_id]:.{digits}f}{' ' if unit else ''}{unit}".replace("-", "−")
            yield f"The tumour's {what}, {shown}, is {rank}."


def _outer_rank(value: float, values: Sequence[float]) -> str:
    """Give ``"the 2nd lowest of 24"`` if the value is in the lowest or highest tenth, rounded up; else nothing."""
    total = len(values)
    tenth = -(-total // 10)
    below, above = sum(other < value for other in values), sum(other > value for other in values)
    equal = total - below - above
    if total < _FEWEST_CASES or equal > tenth:
        return ""
    for rank, end in ((below, "lowest"), (above, "highest")):
        if rank < tenth:
            return f"the {_ordinal(rank + 1)}{end} of {total}"
    return ""


def _ordinal(rank: int) -> str:
    if rank == 1:
        return ""
    ending = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{ending} "


def _training(row: CohortRow, background: Background) -> Iterator[str]:
    """Say in what the case is unlike the training cases, unless more than half of the evaluated cases are too."""
    tested = background.cohort.values()
    rare = partial(_rare, "histology", "diagnosis"), partial(_rare, "manufacturer", "scanner's manufacturer")
    for unlike in (*rare, _other_thickness):
        text = unlike(row, background.training)
        if text:
            alike = sum(bool(unlike(other, background.training)) for other in tested)
            if alike <= len(tested) / 2:
                yield f"{text}; so it is in {alike} of the {len(tested)} cases tested."


def _rare(column: str, what: str, row: CohortRow, training: Sequence[CohortRow]) -> str:
    value = row.get(column, "")
    stated = [other[column] for other in training if other.get(column)]
    same = stated.count(value)
    if not value or not stated or same > _RARE_SHARE * len(stated):
        return ""
    return f"Few training cases have its {what} ({value}): {same} of {len(stated)}"


def _other_thickness(row: CohortRow, training: Sequence[CohortRow]) -> str:
    try:
        thickness = float(row.get("slice_thickness_mm", ""))
        known = [float(other["slice_thickness_mm"]) for other in training if other.get("slice_thickness_mm")]
    except ValueError:
        return ""
    if not known or min(known) <= thickness <= max(known):
        return ""
    span = f"{min(known):g} to {max(known):g} mm" if min(known) < max(known) else f"{min(known):g} mm"
    return f"Its slices are {thickness:g} mm thick, beyond those of the training cases ({span})"
