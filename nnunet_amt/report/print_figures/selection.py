"""Which cases stand in Figures 5 and 6: by a rule that leaves nothing to taste."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnunet_amt import paper
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.failures.failure_case import SegmentationError, failure_mode
from nnunet_amt.evaluation.results.read_results import EvaluatedCase

MOST_SUCCESSES, MOST_OVER, MOST_UNDER = 6, 3, 5  # as in the paper: panels a-f; a-c and d-h


@dataclass(frozen=True)
class FailedCases:
    """Cases of Figure 6; `over` with more voxels falsely positive than falsely negative, `under` all others."""

    over: tuple[EvaluatedCase, ...]
    under: tuple[EvaluatedCase, ...]


def error_of(case: EvaluatedCase) -> SegmentationError | None:
    """Say whether a case has too much or too little; see `nnunet_amt.evaluation.failures.failure_case`."""
    return failure_mode(case.tp, case.fp, case.fn).segmentation


def successful_cases(cases: Sequence[EvaluatedCase], asked: Sequence[str] = ()) -> tuple[EvaluatedCase, ...]:
    """Choose up to six cases with a Dice above 0.70, of all sizes, and neither the best nor the worst of them.

    The cases are ranked by the volume of the reference and divided into six groups of (nearly) equal number; each
    group gives the case of its middle Dice, the lower one of two.

    Parameters
    ----------
    cases
        Of the evaluation.
    asked
        Case ids to take instead, those of them with such a Dice, in that order.

    Returns
    -------
    tuple of EvaluatedCase
        The smallest tumour first, or in the order of `asked`.

    Raises
    ------
    BadInputError
        If there are more of `asked` than panels.
    """
    good = [case for case in cases if case.dice is not None and case.dice > paper.SUCCESSFUL_DICE]
    if asked:
        return _asked(good, asked, MOST_SUCCESSES, f"Figure 5, Dice above {paper.SUCCESSFUL_DICE:g}")
    good.sort(key=lambda case: (case.reference_ml, case.case_id))
    groups = min(MOST_SUCCESSES, len(good))
    return tuple(
        _of_middle_dice(good[len(good) * number // groups : len(good) * (number + 1) // groups])
        for number in range(groups)
    )


def failed_cases(cases: Sequence[EvaluatedCase], asked: Sequence[str] = ()) -> FailedCases:
    """Choose the cases of lowest Dice, none of them above 0.70: up to three with too much and five with too little.

    Parameters
    ----------
    cases
        Of the evaluation.
    asked
        Case ids to take instead, those of them with such a Dice.

    Returns
    -------
    FailedCases
        Too much: the worst first. Too little: those of which most was found first, a missed tumour last, as in the
        paper.

    Raises
    ------
    BadInputError
        If there are more of `asked` than panels.
    """
    bad = [case for case in cases if case.dice is not None and case.dice <= paper.SUCCESSFUL_DICE]
    bad.sort(key=lambda case: (case.dice, case.case_id))
    over = [case for case in bad if error_of(case) == "over"]
    under = [case for case in bad if error_of(case) != "over"]
    if asked:
        limit = f"Dice up to {paper.SUCCESSFUL_DICE:g}"
        return FailedCases(
            _asked(over, asked, MOST_OVER, f"over-segmentation in Figure 6, {limit}"),
            _asked(under, asked, MOST_UNDER, f"under-segmentation in Figure 6, {limit}"),
        )
    worst_under = sorted(under[:MOST_UNDER], key=lambda case: (-(case.recall or 0.0), case.case_id))
    return FailedCases(tuple(over[:MOST_OVER]), tuple(worst_under))


def _of_middle_dice(group: Sequence[EvaluatedCase]) -> EvaluatedCase:
    ranked = sorted(group, key=lambda case: (case.dice or 0.0, case.case_id))
    return ranked[(len(ranked) - 1) // 2]


def _asked(able: Sequence[EvaluatedCase], asked: Sequence[str], most: int, what: str) -> tuple[EvaluatedCase, ...]:
    by_id = {case.case_id: case for case in able}
    chosen = tuple(by_id[case_id] for case_id in dict.fromkeys(asked) if case_id in by_id)
    if len(chosen) > most:
        names = ", ".join(case.case_id for case in chosen)
        raise BadInputError(f"--cases: {len(chosen)} are for {what} ({names}); it has room for {most}")
    return chosen
