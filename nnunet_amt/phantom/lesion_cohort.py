"""Phantoms of the study of CT with circulating tumour cells (CTC): 20 diagnoses, and levels of CTC as in its Table 2.

Each split has the diagnoses of Table 2 at that split's rates. Levels are of a normal distribution with the mean and SD
of their diagnosis, cut off at 0, and evenly spread over it, so that a small cohort is near to the published difference.
With the `shift` levels of a split are multiplied by one number, as by another laboratory's calibration, so that their
mean becomes that of Table 1: there splits differ by more than diagnoses do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import exp, log, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import TypeVar, get_args

import numpy as np

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.cohort.lesion_findings import LESION_COLUMNS, LOCATIONS
from nnunet_amt.phantom.cohort import write_planned_cohort
from nnunet_amt.phantom.lesion_looks import LESION_KINDS
from nnunet_amt.phantom.plan import CohortDesign, PlannedCase, Split, plan_cohort
from nnunet_amt.phantom.tumour import TumourRequest
from nnunet_amt.statistics.consistency.papers import publication

LESION_DESIGN = CohortDesign(
    training=56,
    tuning=16,
    external=48,
    excluded=4,
    development_institutions=3,
    external_institutions=2,
    in_plane_pixels=144,
)
DIAGNOSIS, LOCATION, CTC_LEVEL = LESION_COLUMNS

_PUBLISHED = {"training": "training", "tuning": "validation", "external": "test"}  # names of the paper's splits
_MISSING_LEVELS = 0.08  # share of cases without a level
_SMALLEST_MM, _LARGEST_MM = 12.0, {"anterior": 112.0, "middle": 65.0, "posterior": 80.0}
_YOUNGEST, _OLDEST = 18, 87  # years
_BESIDE_TUMOUR_MM = 20.0  # the scan ends there: the rest of the thorax would take more than half of the time
_SCANNERS = ("Siemens", "Philips Healthcare")  # the paper's
_EXCLUSION_REASONS = (
    *("poor CT image quality", "no CTC level", "lesion outside the mediastinum", "another major illness"),
)
_STREAM = 10  # of random numbers; others are those of the plan, of the phantom and of other cohorts

_Item = TypeVar("_Item", str, bool)


@dataclass(frozen=True)
class _Tables:
    """Table 2: cases by split and diagnosis, mean and SD of the level by diagnosis; Table 1: mean level by split."""

    cases: Mapping[str, Mapping[str, int]]
    levels: Mapping[str, tuple[float, float]]
    means: Mapping[str, float]

    def factor(self, split: Split) -> float:
        """Give what levels of a split are multiplied with for its mean to be that of Table 1."""
        cases = self.cases[split]
        expected = sum(number * self.levels[name][0] for name, number in cases.items()) / sum(cases.values())
        return self.means[split] / expected


@cache
def _tables() -> _Tables:
    """Read the tables that the package holds."""
    first, second = (
        next(table for table in publication("wang").shown if table.title.startswith(title))
        for title in ("Table 1", "Table 2")
    )
    of_split = {split: second.columns.index(column) for split, column in _columns(second.columns).items()}
    rows = {row[0].removeprefix("diagnosis: "): row for row in second.rows}
    levels = next(row for row in first.rows if row[0].startswith("CTCs"))
    return _Tables(
        cases={split: {name: int(row[place]) for name, row in rows.items()} for split, place in of_split.items()},
        levels={name: _mean_and_sd(row[-1]) for name, row in rows.items()},
        means={split: _mean_and_sd(levels[place])[0] for split, place in of_split.items()},
    )


def write_lesion_cohort(
    folder: Path,
    *,
    design: CohortDesign = LESION_DESIGN,
    shift: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> Path:
    """Write images, masks and the manifest of a cohort of 20 diagnoses; see `write_phantom_cohort`.

    The manifest has the columns ``ctc_level`` (pg/ml as in the paper; empty where none was measured), ``location`` and
    ``diagnosis``. `shift` gives levels the paper's shift between splits; the images are the same.
    """
    cases = plan_lesion_cohort(design, shift=shift)
    difficulty = "20 diagnoses with CTC levels" + (" that shift between splits" if shift else "")
    return write_planned_cohort(folder, design=design, cases=cases, difficulty=difficulty, jobs=jobs, progress=progress)


def plan_lesion_cohort(design: CohortDesign = LESION_DESIGN, *, shift: bool = False) -> list[PlannedCase]:
    """Lay out every row of the cohort's manifest without rendering anything.

    It is `plan_cohort`'s, with another lesion in every case of a split that has one. A case does not depend on how many
    others come after it.
    """
    given: Counter[tuple[Split, str]] = Counter()
    diagnoses = {split: _diagnoses(design.seed, number, split) for number, split in enumerate(get_args(Split))}
    reasons = iter(_EXCLUSION_REASONS * design.excluded)
    cases = []
    for case in plan_cohort(design):
        if case.split is None:
            case = replace(case, exclusion_reason=next(reasons))
        elif not case.no_tumour:
            diagnosis = next(diagnoses[case.split])
            place = _place(design.seed, case.split, diagnosis, given[case.split, diagnosis])
            given[case.split, diagnosis] += 1
            level = _level(diagnosis, place) * (_tables().factor(case.split) if shift else 1.0)
            case = _lesion(case, design.seed, diagnosis, level)
        cases.append(case)
    return cases


def _columns(columns: Sequence[str]) -> dict[Split, str]:
    """Find the column of each split: that of the paper's ``"validation (n = 288)"``."""
    return {
        split: next(column for column in columns if column.startswith(_PUBLISHED[split])) for split in get_args(Split)
    }


def _mean_and_sd(text: str) -> tuple[float, float]:
    mean, _, sd = text.partition("±")
    return float(mean), float(sd)


def _diagnoses(seed: int, number: int, split: Split) -> Iterator[str]:
    """Give the diagnosis of one case of a split after the other, without end, at the rates of Table 2.

    Of the first two cases, and of the next two, one is benign, one malignant, as far as the rates allow; which is first
    is left to chance, so that institutions, which take cases in turn, do not have one sort each.
    """
    rng = np.random.default_rng([seed, number, _STREAM])
    cases = _tables().cases[split]
    groups = {
        malignant: {name: count for name, count in cases.items() if LESION_KINDS[name].malignant == malignant}
        for malignant in (False, True)
    }
    of_group = {malignant: _in_turn(of_kind) for malignant, of_kind in groups.items()}
    turns = _in_turn({malignant: sum(of_kind.values()) for malignant, of_kind in groups.items()})
    while True:
        pair = [next(of_group[next(turns)]) for _ in range(2)]
        yield from (pair[place] for place in rng.permutation(2).tolist())


def _in_turn(shares: Mapping[_Item, float]) -> Iterator[_Item]:
    """Give one of the names after the other, without end, each as often as its share asks (Sainte-Laguë)."""
    given: Counter[_Item] = Counter()
    while True:
        name = max(shares, key=lambda one: shares[one] / (2 * given[one] + 1))
        given[name] += 1
        yield name


def _lesion(case: PlannedCase, seed: int, diagnosis: str, level: float) -> PlannedCase:
    kind = LESION_KINDS[diagnosis]
    rng = np.random.default_rng([seed, case.index, _STREAM])
    location = LOCATIONS[int(rng.choice(len(LOCATIONS), p=kind.where))]
    median, spread = kind.size
    diameter = float(np.clip(exp(log(median) + spread * rng.normal()), _SMALLEST_MM, _LARGEST_MM[location]))
    names = (diagnosis, *kind.like)
    like = names[int(rng.choice(len(names), p=(1.0 - sum(kind.like.values()), *kind.like.values())))]
    request = replace(
        case.request,
        tumours=(TumourRequest(diagnosis, round(diameter, 1), look=LESION_KINDS[like].look, location=location),),
        age=int(np.clip(np.rint(rng.normal(*kind.age)), _YOUNGEST, _OLDEST)),
        sex="M" if rng.random() < kind.male else "F",
        manufacturer=_SCANNERS[int(rng.integers(len(_SCANNERS)))],
        slice_thickness=5.0,
        contrast="venous",
        beside_tumours=_BESIDE_TUMOUR_MM,
    )
    text = "" if rng.random() < _MISSING_LEVELS else f"{level:.2f}"
    return replace(case, request=request, more=((CTC_LEVEL, text), (LOCATION, location), (DIAGNOSIS, diagnosis)))


def _place(seed: int, split: Split, diagnosis: str, rank: int) -> float:
    """Give the place of a case, 0 to 1, evenly spread over those of its split and diagnosis before it."""
    numbers = get_args(Split).index(split), list(LESION_KINDS).index(diagnosis)
    offset = np.random.default_rng([seed, *numbers, _STREAM]).random()
    return float((offset + rank * sqrt(2)) % 1.0)


def _level(diagnosis: str, place: float) -> float:
    """Give the level of circulating tumour cells below which a share `place` of a diagnosis lies, not under 0."""
    normal = NormalDist(*_tables().levels[diagnosis])
    lowest = normal.cdf(0.0)
    return max(0.0, normal.inv_cdf(lowest + (1.0 - lowest) * float(np.clip(place, 1e-6, 1.0 - 1e-6))))
