"""Whether levels of circulating tumour cells (CTC) differ between the splits among lesions of one class.

Where they do, the difference is of laboratories, lots or years, not of the lesions: a model that is given levels may
take it for a sign of the diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from nnunet_amt.risk.fusion.class_scores import SPLITS
from nnunet_amt.risk.fusion.evaluation.cohort_tables import SPLIT_TITLES, level_title
from nnunet_amt.risk.fusion.lesion_case import LesionCase, LesionCohort, LesionSplit
from nnunet_amt.statistics.tests import SIGNIFICANT_P, holm
from nnunet_amt.writing.figure_style import (
    BLUE,
    GREY,
    ORANGE,
    PAGE_MM,
    SMALL_FONT_SIZE,
    new_figure,
    plain_axes,
    plain_text,
)
from nnunet_amt.writing.numbers import UNDEFINED, joined, short_p_text, signed
from nnunet_amt.writing.table import Row, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WITHIN_CLASSES = "all classes, each about its own mean"
FEWEST = 5  # patients with a level, of a class, in each of the two splits
_MOST_TOLD = 3
_STYLES: Mapping[LesionSplit, tuple[str, str]] = {
    "training": (BLUE, "o"),
    "tuning": (GREY, "^"),
    "external": (ORANGE, "s"),
}
_CLASS_MM, _FRAME_MM = 9.0, 26.0
_LANES = {"training": -0.25, "tuning": 0.0, "external": 0.25}  # of a class whose row is 1 high
_ALIKE = 1e-12
Pair = tuple[np.ndarray, np.ndarray]  # levels (patients,) of two groups


@dataclass(frozen=True)
class CtcShift:
    """The levels of one class in two splits.

    Attributes
    ----------
    lesion_class
        A class of the multi-class task, ``"malignant, no class"`` or the like for the diagnoses that have none, or
        `WITHIN_CLASSES`.
    first, other
        The splits.
    patients
        With a level, of either; a patient counts once.
    means
        Of either; None of `WITHIN_CLASSES`.
    effect
        Difference of the means, other less first, in standard deviations within a split and class; of `WITHIN_CLASSES`
        the mean of those of the classes. None where there is no spread.
    distance
        Of Kolmogorov and Smirnov: the largest difference of the two distribution functions.
    p, p_holm
        Two-sided, and after Holm over all tests.
    """

    lesion_class: str
    first: LesionSplit
    other: LesionSplit
    patients: tuple[int, int]
    means: tuple[float, float] | None
    effect: float | None
    distance: float
    p: float
    p_holm: float

    @property
    def found(self) -> bool:
        """Whether the levels differ by more than chance."""
        return self.p_holm < SIGNIFICANT_P


def ctc_shifts(cohort: LesionCohort) -> tuple[CtcShift, ...]:
    """Compare the levels of each class between each two splits, by the test of Kolmogorov and Smirnov.

    Parameters
    ----------
    cohort
        All cases. Where a patient has several of one class, the first with a level counts.

    Returns
    -------
    tuple of CtcShift
        Of each pair of splits all classes together, then those with `FEWEST` patients or more in both; empty where no
        class has.
    """
    by_class = _levels_by_class(cohort.cases)
    found: list[CtcShift] = []
    for first, other in combinations(SPLITS, 2):
        pairs = {name: (of[first], of[other]) for name, of in by_class.items()}
        compared = {name: pair for name, pair in pairs.items() if min(pair[0].size, pair[1].size) >= FEWEST}
        if len(compared) > 1:
            found.append(_within_classes(first, other, list(compared.values())))
        for name, (one, two) in compared.items():
            means = float(one.mean()), float(two.mean())
            effect = _standard_difference([(one, two)])
            found.append(CtcShift(name, first, other, (one.size, two.size), means, effect, *_distance(one, two), 1.0))
    corrected = holm([shift.p for shift in found]) if found else []
    return tuple(replace(shift, p_holm=p) for shift, p in zip(found, corrected, strict=True))


def ctc_signal(cohort: LesionCohort) -> float | None:
    """Give the difference of malignant and benign lesions' levels within the splits, in standard deviations.

    What a shift is to be compared with; None where it cannot be told. A patient counts once in each.
    """
    pairs = []
    for split in SPLITS:
        benign, malignant = (
            _first_levels([case for case in cohort.of_split(split) if case.malignant == kind]) for kind in (False, True)
        )
        if min(benign.size, malignant.size) >= FEWEST:
            pairs.append((benign, malignant))
    return _standard_difference(pairs)


def ctc_shift_table(shifts: Sequence[CtcShift]) -> Table:
    """Lay the comparisons out, a group for each pair of splits."""
    rows: list[Row] = []
    for first, other in dict.fromkeys((shift.first, shift.other) for shift in shifts):
        rows.append(Row(f"{SPLIT_TITLES[first]} and {SPLIT_TITLES[other].lower()}", kind="group"))
        rows += [_row(shift) for shift in shifts if (shift.first, shift.other) == (first, other)]
    return Table(
        "CTC levels of lesions of one class, compared between the splits",
        "Class",
        ("Patients", "Means", "Difference, SD", "Kolmogorov-Smirnov D", "p", "p, Holm"),
        tuple(rows),
        (
            f"Classes with {FEWEST} patients with a level or more in both splits; a patient counts once. "
            "Difference: the second split less the first, in "
            "standard deviations within class and split.",
            "Holm over all tests of the table. A class of few patients may be shifted without being found.",
        ),
    )


def ctc_shift_sentences(cohort: LesionCohort, shifts: Sequence[CtcShift]) -> tuple[str, ...]:
    """Say whether the levels are shifted, by how much against what they tell, and what follows from it."""
    measured = sum(case.ctc_level is not None for case in cohort.cases)
    if not measured:
        return ("No case has a level of circulating tumour cells (CTC).",)
    if not shifts:
        return (
            f"Whether CTC levels are shifted between the splits cannot be told: no class has {FEWEST} patients with a "
            f"level in two of them. {_WARNING}",
        )
    found = [shift for shift in shifts if shift.found]
    if not found:
        smallest = short_p_text(min(shift.p_holm for shift in shifts))
        return (
            f"No shift of the CTC levels between the splits was found ({len(shifts)} tests of Kolmogorov and Smirnov "
            f"by class, smallest p after Holm {smallest}); small ones may be there. {_WARNING}",
        )
    told = joined(map(_in_words, sorted(found, key=_weight, reverse=True)[:_MOST_TOLD]))
    return (
        f"CTC levels are shifted between the splits among lesions of one class ({len(found)} of {len(shifts)} tests): "
        f"{told}. {_WARNING}",
        *_beside(cohort, found),
    )


_WARNING = (
    "Levels that differ by laboratory, lot or year look like a signal: where the share of malignant lesions differs "
    "too, a model that is given them learns the laboratory."
)


def ctc_figure(cohort: LesionCohort, *, ctc_unit: str | None = None) -> Figure:
    """Draw every measured level by class and split, with the median of each as a line."""
    by_class = {
        name: of for name, of in _levels_by_class(cohort.cases).items() if any(group.size for group in of.values())
    }
    with new_figure(PAGE_MM, _FRAME_MM + _CLASS_MM * max(1, len(by_class))) as figure:
        axes = figure.add_subplot()
        for split, (colour, marker) in _STYLES.items():
            heights, values = _points(by_class, split)
            axes.plot(
                values, heights, marker, color=colour, markersize=2.6, markeredgewidth=0, alpha=0.55,
                label=f"{SPLIT_TITLES[split].lower()} (n = {values.size})",
            )  # fmt: skip
            for place, of in enumerate(by_class.values()):
                if of[split].size:
                    middle = float(np.median(of[split]))
                    at = place + _LANES[split]
                    axes.plot([middle, middle], [at - 0.13, at + 0.13], color=colour, linewidth=1.6)
        axes.set_yticks(range(len(by_class)), [plain_text(name) for name in by_class])
        axes.set_ylim(max(1, len(by_class)) - 0.4, -0.6)
        axes.set_xlabel(plain_text(f"{level_title(ctc_unit)}; lines: medians"))
        plain_axes(axes)
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper left", ncols=len(_STYLES), frameon=False, fontsize=SMALL_FONT_SIZE)
    return figure


def _levels_by_class(cases: Sequence[LesionCase]) -> dict[str, dict[LesionSplit, np.ndarray]]:
    """Give the levels (patients,) by class, benign ones first, and split."""
    ordered = sorted(cases, key=lambda case: (case.malignant, case.lesion_class is None))
    of_class: dict[str, list[LesionCase]] = {}
    for case in ordered:
        name = case.lesion_class or f"{case.class_of('binary')}, no class"
        of_class.setdefault(name, []).append(case)
    return {
        name: {split: _first_levels([case for case in found if case.split == split]) for split in SPLITS}
        for name, found in of_class.items()
    }


def _first_levels(cases: Sequence[LesionCase]) -> np.ndarray:
    """Give the first level (patients,) of each patient who has one."""
    by_patient: dict[str, float] = {}
    for case in cases:
        if case.ctc_level is not None:
            by_patient.setdefault(case.patient, case.ctc_level)
    return np.array(list(by_patient.values()), dtype=float)


def _within_classes(first: LesionSplit, other: LesionSplit, pairs: Sequence[Pair]) -> CtcShift:
    """Compare all classes at once, each about its mean in both splits, so that another mix of classes is no shift."""
    middles = [np.concatenate(pair).mean() for pair in pairs]
    one, two = (
        np.concatenate([pair[side] - middle for pair, middle in zip(pairs, middles, strict=True)]) for side in (0, 1)
    )
    effect = _standard_difference(pairs)
    return CtcShift(WITHIN_CLASSES, first, other, (one.size, two.size), None, effect, *_distance(one, two), 1.0)


def _distance(one: np.ndarray, two: np.ndarray) -> tuple[float, float]:
    """Give the distance of Kolmogorov and Smirnov of two groups of levels (patients,), and its two-sided p-value."""
    from scipy.stats import ks_2samp  # slow to import

    test = ks_2samp(one, two)
    return float(test.statistic), float(test.pvalue)


def _standard_difference(pairs: Iterable[Pair]) -> float | None:
    """Average the differences of pairs, other less first, each by n1 n2 / (n1 + n2), in pooled standard deviations."""
    known = list(pairs)
    groups = [group for pair in known for group in pair]
    if not known:
        return None
    squares = sum(float(np.square(group - group.mean()).sum()) for group in groups)
    spread = np.sqrt(squares / (sum(group.size for group in groups) - len(groups)))
    if spread <= _ALIKE:
        return None
    weights = [one.size * two.size / (one.size + two.size) for one, two in known]
    return float(np.average([two.mean() - one.mean() for one, two in known], weights=weights) / spread)


def _points(by_class: Mapping[str, Mapping[LesionSplit, np.ndarray]], split: LesionSplit) -> Pair:
    """Give height and level of every point of a split, those of a class beside each other so that they are seen."""
    values = [np.zeros(0), *(np.sort(of[split]) for of in by_class.values())]
    heights = [
        place + _LANES[split] + 0.08 * (np.arange(ordered.size) % 3 - 1)
        for place, ordered in enumerate(values, start=-1)
    ]
    return np.concatenate(heights), np.concatenate(values)


def _row(shift: CtcShift) -> Row:
    means = UNDEFINED if shift.means is None else f"{shift.means[0]:.2f} and {shift.means[1]:.2f}"
    effect = UNDEFINED if shift.effect is None else signed(shift.effect, digits=2)
    cells = (f"{shift.patients[0]} and {shift.patients[1]}", means, effect, f"{shift.distance:.2f}")
    return Row(shift.lesion_class, (*cells, short_p_text(shift.p), short_p_text(shift.p_holm)))


def _weight(shift: CtcShift) -> tuple[bool, float]:
    """Put the shift of all classes before that of one, which may be large by chance, and then the larger one."""
    return shift.lesion_class == WITHIN_CLASSES, abs(shift.effect or 0.0)


def _in_words(shift: CtcShift) -> str:
    by = "other in shape"
    if shift.effect is not None:
        by = f"{abs(shift.effect):.2f} SD {'lower' if shift.effect < 0 else 'higher'}"
    which = "all classes together" if shift.lesion_class == WITHIN_CLASSES else shift.lesion_class
    return (
        f"{which}, {by} in the {shift.other} than in the {shift.first} set (p after Holm {short_p_text(shift.p_holm)})"
    )


def _beside(cohort: LesionCohort, found: Sequence[CtcShift]) -> Iterator[str]:
    """Compare the shift with what levels tell of malignant lesions."""
    signal, largest = ctc_signal(cohort), max(found, key=_weight)
    if signal is not None and largest.effect is not None:
        more = "more" if abs(largest.effect) > abs(signal) else "no more"
        yield (
            f"Within a split malignant lesions differ from benign ones by {signed(signal, digits=2)} SD of the level; "
            f"a shift by {signed(largest.effect, digits=2)} SD is {more} than that."
        )
