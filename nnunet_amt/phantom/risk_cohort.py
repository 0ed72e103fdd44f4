"""Phantoms of thymomas of low and high risk, with the findings of Table 1 of the study of risk at its rates.

LRT and HRT differ in margin, contour, enhancement and calcification, and in age, sex and size, as far as they do in the
table: the training centre's columns are for training and tuning, the testing centre's for external cases. A cohort that
is `null` has the rates of both classes together, whatever the class: there is nothing to be learnt from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from pathlib import Path
from statistics import NormalDist

import numpy as np

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.cohort.thymic_findings import FINDINGS
from nnunet_amt.phantom.cohort import write_planned_cohort
from nnunet_amt.phantom.plan import CohortDesign, PlannedCase, plan_cohort
from nnunet_amt.phantom.scanner import Sex
from nnunet_amt.phantom.tissue import Appearance
from nnunet_amt.phantom.tumour import TumourRequest

RISK_DESIGN = CohortDesign(
    training=24,
    tuning=6,
    external=20,
    excluded=0,
    development_institutions=4,
    external_institutions=3,
    in_plane_pixels=144,
)


@dataclass(frozen=True)
class _Group:
    """A column of Table 1: cases, means and SDs, and cases by value of a finding, in the order of `FINDINGS`."""

    cases: int
    male: int
    age: tuple[float, float]  # years
    diameter: tuple[float, float]  # mm
    findings: Mapping[str, tuple[int, ...]]


def _findings(*counts: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return dict(zip(FINDINGS, counts, strict=True))


# By split and whether the risk is high; findings: margin, enhancement, its degree, contour, calcification
_TABLE_1 = {
    ("training", False): _Group(
        61, 27, (56.85, 9.702), (77.8, 29.19), _findings((52, 9), (25, 36), (16, 25, 20), (21, 28, 12), (52, 9))
    ),
    ("training", True): _Group(
        144, 85, (54.89, 11.085), (80.96, 27.97), _findings((44, 100), (38, 106), (63, 46, 35), (50, 70, 24), (105, 39))
    ),
    ("external", False): _Group(
        20, 9, (56.0, 13.412), (54.54, 36.23), _findings((19, 1), (13, 7), (15, 4, 1), (8, 8, 4), (19, 1))
    ),
    ("external", True): _Group(
        41, 29, (52.93, 12.863), (52.85, 22.13), _findings((15, 26), (26, 15), (33, 6, 2), (18, 14, 9), (32, 9))
    ),
}
# The table does not say how many there were of each type; those of large series are taken.
_TYPES = {False: (("A", 0.2), ("AB", 0.45), ("B1", 0.35)), True: (("B2", 0.6), ("B3", 0.4))}
_SMALLEST_MM, _LARGEST_MM = 12.0, 115.0
_YOUNGEST, _OLDEST = 20, 87  # years
_BESIDE_TUMOUR_MM = 20.0  # the scan ends there: the rest of the thorax would take more than half of the time
_STREAM = 8  # of random numbers; others are those of the plan and of the phantom
_SPLIT_NUMBERS = {"training": 0, "tuning": 1, "external": 2}
# Roots of primes: multiples of them modulo 1 are evenly spread, each in its own way.
_ROOTS = np.sqrt([2.0, 3, 5, 7, 11, 13, 17, 19, 23, 29]).tolist()
_STEPS = dict(zip(("risk", "type", "sex", "age", "size", *FINDINGS), _ROOTS, strict=True))


def write_risk_cohort(
    folder: Path,
    *,
    design: CohortDesign = RISK_DESIGN,
    null: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> Path:
    """Write images, masks of two readers and the manifest of a risk cohort; see `write_phantom_cohort`.

    `null` makes one without any difference between the classes.
    """
    cases = plan_risk_cohort(design, null=null)
    difficulty = "no difference between low and high risk" if null else "low and high risk"
    return write_planned_cohort(folder, design=design, cases=cases, difficulty=difficulty, jobs=jobs, progress=progress)


def plan_risk_cohort(design: CohortDesign = RISK_DESIGN, *, null: bool = False) -> list[PlannedCase]:
    """Lay out every row of a risk cohort's manifest without rendering anything.

    It is `plan_cohort`'s, with another tumour in every case of a split that has one: rates hold within each split and
    class as closely as numbers allow, and a case does not depend on how many others come after it.
    """
    counted: dict[tuple[str, object], int] = {}
    cases = []
    for case in plan_cohort(design):
        if case.split is not None and not case.no_tumour:
            number = _count(counted, (case.split, "all"))
            high = _is_high(design.seed, case.split, number)
            rank = number if null else _count(counted, (case.split, high))
            case = _thymoma(case, design.seed, high, rank, null)
        cases.append(case)
    return cases


def _count(counted: dict[tuple[str, object], int], key: tuple[str, object]) -> int:
    counted[key] = counted.get(key, -1) + 1
    return counted[key]


def _place(seed: int, split: str, group: int, what: str, rank: int) -> float:
    """Give the place of a case, 0 to 1, evenly spread over those of its split and group before it."""
    offsets = np.random.default_rng([seed, _SPLIT_NUMBERS[split], group, _STREAM]).random(len(_STEPS))
    offset = dict(zip(_STEPS, offsets.tolist(), strict=True))[what]
    return float((offset + rank * _STEPS[what]) % 1.0)


def _is_high(seed: int, split: str, number: int) -> bool:
    published = "external" if split == "external" else "training"
    low, high = (_TABLE_1[published, risk].cases for risk in (False, True))
    return _place(seed, split, 3, "risk", number) >= low / (low + high)


def _thymoma(case: PlannedCase, seed: int, high: bool, rank: int, null: bool) -> PlannedCase:
    split = str(case.split)
    group = _group("external" if split == "external" else "training", None if null else high)
    number = 2 if null else int(high)

    def pick(what: str, names: Sequence[str], shares: Sequence[float]) -> str:
        limits = np.cumsum(shares)
        place = _place(seed, split, number, what, rank) * limits[-1]
        return names[int(np.searchsorted(limits, place, side="right"))]

    def quantile(what: str) -> float:
        return NormalDist().inv_cdf(float(np.clip(_place(seed, split, number, what, rank), 1e-6, 1 - 1e-6)))

    (mean, sd), (mean_age, sd_age) = group.diameter, group.age
    spread = log(1 + (sd / mean) ** 2)  # variance of the logarithm: sizes are skewed to the right
    diameter = exp(log(mean) - spread / 2 + spread**0.5 * quantile("size"))
    appearance = Appearance(**{name: pick(name, FINDINGS[name], counts) for name, counts in group.findings.items()})
    sexes: tuple[Sex, Sex] = ("M", "F")
    request = replace(
        case.request,
        tumours=(
            TumourRequest(
                "thymoma", round(float(np.clip(diameter, _SMALLEST_MM, _LARGEST_MM)), 1), appearance=appearance
            ),
        ),
        age=int(np.clip(np.rint(mean_age + sd_age * quantile("age")), _YOUNGEST, _OLDEST)),
        sex=sexes[pick("sex", "01", (group.male, group.cases - group.male)) == "1"],
        slice_thickness=5.0,
        contrast="venous",
        beside_tumours=_BESIDE_TUMOUR_MM,
    )
    types, shares = zip(*_TYPES[high], strict=True)
    return replace(case, request=request, who_type=pick("type", types, shares))


def _group(published: str, high: bool | None) -> _Group:
    """Give a column of Table 1, or what both classes of a centre have together."""
    if high is not None:
        return _TABLE_1[published, high]
    low, other = _TABLE_1[published, False], _TABLE_1[published, True]
    cases = low.cases + other.cases

    def together(one: tuple[float, float], two: tuple[float, float]) -> tuple[float, float]:
        mean = (low.cases * one[0] + other.cases * two[0]) / cases
        squares = low.cases * (one[1] ** 2 + (one[0] - mean) ** 2) + other.cases * (two[1] ** 2 + (two[0] - mean) ** 2)
        return mean, float((squares / cases) ** 0.5)

    counts = {
        name: tuple(a + b for a, b in zip(low.findings[name], other.findings[name], strict=True)) for name in FINDINGS
    }
    return _Group(
        cases, low.male + other.male, together(low.age, other.age), together(low.diameter, other.diameter), counts
    )
