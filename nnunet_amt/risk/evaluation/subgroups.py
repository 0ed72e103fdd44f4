"""How well a model does in parts of the cohort: by institution, scanner and tumour size, as table and forest plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.summary.cohort_groups import NOT_STATED
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.cases import RiskCase
from nnunet_amt.risk.evaluation.model_scores import JUDGED, KIND_TITLES, ScoredCases, ScoredModel
from nnunet_amt.risk.evaluation.performance import AucEstimate, auc_estimate
from nnunet_amt.risk.scores import Kind
from nnunet_amt.writing.figure_style import BLUE, GREY, PAGE_MM, SMALL_FONT_SIZE, new_figure, plain_axes, plain_text
from nnunet_amt.writing.numbers import value_text
from nnunet_amt.writing.table import Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALL = "all cases"
FEWEST_OF_CLASS = 5
_ROW_MM, _FRAME_MM = 4.4, 18.0
_MOST_ROWS, _LONGEST_NAME = 40, 30
_SIZES = ("small (< 5 cm)", "medium (5 to 8 cm)", "large (> 8 cm)")


@dataclass(frozen=True)
class RiskSubgroup:
    """Cases of one kind of score that share a property, such as an institution."""

    kind: Kind
    group: str
    name: str
    estimate: AucEstimate


def _size(case: RiskCase) -> str:
    small_below, large_above = paper.SIZE_LIMITS_CM
    if case.diameter_cm < small_below:
        return _SIZES[0]
    return _SIZES[2] if case.diameter_cm > large_above else _SIZES[1]


_GROUPS: Mapping[str, Callable[[RiskCase], str]] = {
    "institution": lambda case: case.institution,
    "manufacturer": lambda case: case.manufacturer or NOT_STATED,
    "size": _size,
}


def risk_subgroups(model: ScoredModel, kinds: Sequence[Kind], *, seed: int = 0) -> tuple[RiskSubgroup, ...]:
    """Compute the AUC of a model in all cases of each kind, and in each subgroup of them.

    It is withheld, None, in a subgroup with fewer than `FEWEST_OF_CLASS` cases of either class.
    """
    found = []
    for kind in kinds:
        if kind not in model.of_kind:
            continue
        scored = model.of_kind[kind]
        found.append(RiskSubgroup(kind, ALL, ALL, auc_estimate(scored, seed=seed)))
        for group, name_of in _GROUPS.items():
            names = [name_of(case) for case in scored.cases]
            for name in _in_order(names):
                estimate = auc_estimate(_part(scored, [one == name for one in names]), seed=seed)
                if min(estimate.high, estimate.cases - estimate.high) < FEWEST_OF_CLASS:
                    estimate = replace(estimate, auc=None, interval=None)
                found.append(RiskSubgroup(kind, group, name, estimate))
    return tuple(found)


def subgroup_table(model: ScoredModel, subgroups: Sequence[RiskSubgroup]) -> Table:
    """Lay out the subgroups of a model."""
    rows: list[Row] = []
    for kind in dict.fromkeys(one.kind for one in subgroups):
        rows.append(Row(KIND_TITLES[kind], kind="group"))
        rows += [
            Row(_label(one), (str(one.estimate.cases), str(one.estimate.high), _auc_text(one.estimate)))
            for one in subgroups
            if one.kind == kind
        ]
    return Table(
        f"Subgroups: {model.title}",
        "Subgroup",
        ("Cases", "High risk", "AUC (95% CI)"),
        tuple(rows),
        (
            f"The AUC of a subgroup is withheld under {FEWEST_OF_CLASS} cases of either class, its interval under "
            f"{FEWEST_CASES} cases.",
        ),
    )


def subgroup_figure(model: ScoredModel, subgroups: Sequence[RiskSubgroup]) -> Figure:
    """Draw the AUC of each subgroup with its interval, external cases above; open where the interval is withheld."""
    shown = [one for one in subgroups if one.estimate.auc is not None]
    order = [kind for kind in reversed(JUDGED) if any(one.kind == kind for one in shown)]
    kept = [one for kind in order for one in shown if one.kind == kind][:_MOST_ROWS]
    height = _FRAME_MM + _ROW_MM * (len(kept) + len(order))
    with new_figure(PAGE_MM, height) as figure:
        axes = figure.add_subplot()
        place, ticks, labels = 0, list[int](), list[str]()
        for kind in order:
            axes.text(0, place, KIND_TITLES[kind], fontsize=SMALL_FONT_SIZE, fontweight="bold", va="center")
            for one in (one for one in kept if one.kind == kind):
                place += 1
                _draw(axes, one, place)
                ticks.append(place)
                labels.append(plain_text(_label(one)))
            place += 1
        axes.set_yticks(ticks, labels)
        axes.set_ylim(place - 0.3, -0.7)
        axes.set_xlim(0, 1)
        axes.set_xlabel(f"AUC of {plain_text(model.title)} (95% CI), cases of low + high risk")
        axes.axvline(0.5, color=GREY, linewidth=0.6, linestyle=(0, (2, 2)), zorder=0)
        plain_axes(axes)
        axes.tick_params(axis="y", length=0, labelsize=SMALL_FONT_SIZE)
    return figure


def _draw(axes: Axes, one: RiskSubgroup, place: int) -> None:
    estimate, auc = one.estimate, one.estimate.auc
    assert auc is not None  # the others are not drawn
    if estimate.interval is not None:
        axes.plot(estimate.interval, [place, place], color=BLUE, linewidth=1.0)
    face = BLUE if estimate.interval is not None else "white"
    marker = "D" if one.group == ALL else "o"
    axes.plot(auc, place, marker, color=BLUE, markerfacecolor=face, markersize=4.5, markeredgewidth=0.8, clip_on=False)
    text = f"{_auc_text(estimate)}, {estimate.cases - estimate.high} + {estimate.high}"
    axes.annotate(
        text, (1, place), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points", va="center",
        fontsize=SMALL_FONT_SIZE,
    )  # fmt: skip


def _label(one: RiskSubgroup) -> str:
    name = one.name if len(one.name) <= _LONGEST_NAME else f"{one.name[: _LONGEST_NAME - 1]}…"
    return name if one.group == ALL else f"{one.group}: {name}"


def _auc_text(estimate: AucEstimate) -> str:
    return value_text(estimate.auc, estimate.interval, digits=2)


def _in_order(names: Sequence[str]) -> list[str]:
    """Sort names; sizes by size, and those who say nothing last."""
    rank = {name: place for place, name in enumerate(_SIZES)}
    return sorted(set(names), key=lambda name: (name == NOT_STATED, rank.get(name, 0), name))


def _part(scored: ScoredCases, kept: Sequence[bool]) -> ScoredCases:
    chosen = np.flatnonzero(kept)
    return ScoredCases(tuple(scored.cases[place] for place in chosen), scored.scores[chosen])
