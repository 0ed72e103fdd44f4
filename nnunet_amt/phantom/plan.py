"""The plan of a phantom cohort: institutions, patients, diagnoses, sizes and scanners in the paper's proportions.

What a case looks like depends on the seed and on its number within its split alone, so a cohort can grow, and any case
can be made again by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, TypeVar

import numpy as np

from nnunet_amt import paper
from nnunet_amt.errors import BadInputError
from nnunet_amt.phantom.render import PhantomRequest
from nnunet_amt.phantom.scanner import Sex
from nnunet_amt.phantom.tumour import TumourRequest

_Choice = TypeVar("_Choice", str, float)

Split = Literal["training", "tuning", "external"]

_FIRST_INDEX: dict[str, int] = {
    "training": 0,
    "tuning": 100_000,
    "external": 200_000,
    "excluded": 300_000,
    "no_tumour": 400_000,
}
_EXCLUSION_REASONS = ("incomplete CT", "missing clinical data", "poor CT image quality")
# Shares of slice thickness in mm over development cases; external cases are all 5 mm, as in the paper
_DEVELOPMENT_THICKNESS = ((5.0, 0.70), (7.0, 0.25), (10.0, 0.05))
_TWO_LESIONS = 0.12  # share of cases


@dataclass(frozen=True)
class CohortDesign:
    """How large a phantom cohort is to be; the defaults are those of the demo."""

    training: int = 48
    tuning: int = 4
    external: int = 12
    excluded: int = 3  # rows with a reason for exclusion and no files
    development_institutions: int = 4  # institutions of the training cases; the tuning cases come from some of them
    external_institutions: int = 9  # institutions of the external cases, none of them a development institution
    in_plane_pixels: int = 104  # rows and columns of the images
    seed: int = 0
    no_tumour: int = 0  # cases without a tumour besides, one after the other for training, external and tuning
    beside_tumours: float | None = None  # mm that a scan covers above and below the tumours; None: all of the thorax

    def __post_init__(self) -> None:
        rules = (
            ("training", self.training, 1, None),
            ("tuning", self.tuning, 0, None),
            ("external", self.external, 0, None),
            ("excluded", self.excluded, 0, None),
            ("no_tumour", self.no_tumour, 0, None),
            ("development_institutions", self.development_institutions, 1, self.training),
            ("external_institutions", self.external_institutions, min(1, self.external), self.external),
            ("in_plane_pixels", self.in_plane_pixels, 32, 1024),
            ("seed", self.seed, 0, None),
            ("beside_tumours", self.beside_tumours or 0, 0, None),
        )
        for name, value, lowest, highest in rules:
            if value < lowest or (highest is not None and value > highest):
                allowed = f"at least {lowest}" if highest is None else f"from {lowest} to {highest}"
                raise BadInputError(f"phantom cohort: {name} is {value}; it must be {allowed}")


@dataclass(frozen=True)
class PlannedCase:
    """One row of the manifest and what is to be rendered for it (nothing for an excluded row)."""

    case_id: str
    patient_id: str
    institution: str
    split: Split | None
    index: int
    request: PhantomRequest
    exclusion_reason: str = ""
    who_type: str = ""  # of a thymic epithelial tumour whose appearance is laid out; a second reader outlines it too
    more: tuple[tuple[str, str], ...] = ()  # further columns of the manifest, each with this case's text

    @property
    def image(self) -> str:
        """Path of the image below the manifest's folder; empty for an excluded case."""
        return "" if self.exclusion_reason else f"images/{self.case_id}.nii.gz"

    @property
    def mask(self) -> str:
        """Path of the mask below the manifest's folder; empty for an excluded case, and for one without a tumour."""
        return "" if self.exclusion_reason or self.no_tumour else f"masks/{self.case_id}.nii.gz"

    @property
    def mask_2(self) -> str:
        """Path of the second reader's mask below the manifest's folder; empty where there is none."""
        return f"second_masks/{self.case_id}.nii.gz" if self.who_type else ""

    @property
    def no_tumour(self) -> bool:
        """Whether the patient has none."""
        return not self.request.tumours


def plan_cohort(design: CohortDesign) -> list[PlannedCase]:
    """Lay out every row of the cohort's manifest without rendering anything."""
    development = [f"development_{number + 1:02d}" for number in range(design.development_institutions)]
    outside = [f"external_{number + 1:03d}" for number in range(design.external_institutions)]
    shared = development[: max(1, len(development) // 2)]
    cases = [_plan_case(design, "training", n, development[n % len(development)]) for n in range(design.training)]
    cases += [_plan_case(design, "tuning", n, shared[n % len(shared)]) for n in range(design.tuning)]
    for n in range(design.external):
        # one case each, then two thirds of the rest to the first institution, a third to the second, as large centres
        place = n if n < len(outside) else (n - len(outside)) % 3 // 2 % len(outside)
        cases.append(_plan_case(design, "external", n, outside[place]))
    cases += _plan_without_tumour(design, {"training": development, "external": outside, "tuning": shared})
    homes = development + outside
    cases += [_plan_excluded(design, n, homes[(3 * n) % len(homes)]) for n in range(design.excluded)]
    return cases


def _plan_case(design: CohortDesign, split: Split, number: int, institution: str) -> PlannedCase:
    index = _FIRST_INDEX[split] + number
    spread = _Spread(design.seed, split, number)
    column = 2 if split == "external" else 0
    histology = spread.pick([(name, counts[column]) for name, counts in paper.DIAGNOSES.items()])
    thickness = 5.0 if split == "external" else spread.pick(_DEVELOPMENT_THICKNESS)
    rng = np.random.default_rng([design.seed, index, 2])
    return PlannedCase(
        case_id=f"{split}_{number + 1:03d}",
        patient_id=f"patient_{split}_{number + 1:03d}",
        institution=institution,
        split=split,
        index=index,
        request=PhantomRequest(
            tumours=_plan_tumours(histology, spread, rng),
            age=_draw_age(histology, rng),
            sex=_draw_sex(rng),
            manufacturer=spread.pick(list(paper.MANUFACTURERS.items())),
            slice_thickness=thickness,
            in_plane_pixels=design.in_plane_pixels,
            beside_tumours=design.beside_tumours,
        ),
    )


def _plan_without_tumour(design: CohortDesign, homes: Mapping[Split, Sequence[str]]) -> list[PlannedCase]:
    """Lay out the cases without a tumour over the splits that have others, in institutions of these (`homes`)."""
    splits = [split for split in homes if getattr(design, split)]
    cases = []
    for number in range(design.no_tumour):
        index = _FIRST_INDEX["no_tumour"] + number
        rng = np.random.default_rng([design.seed, index, 2])
        split, place = splits[number % len(splits)], number // len(splits)
        request = PhantomRequest(
            tumours=(),
            age=_draw_age("thymoma", rng),
            sex=_draw_sex(rng),
            manufacturer=list(paper.MANUFACTURERS)[int(rng.integers(len(paper.MANUFACTURERS)))],
            in_plane_pixels=design.in_plane_pixels,
        )
        names = f"no_tumour_{number + 1:03d}", f"patient_no_tumour_{number + 1:03d}"
        cases.append(PlannedCase(*names, homes[split][place % len(homes[split])], split, index, request))
    return cases


def _plan_excluded(design: CohortDesign, number: int, institution: str) -> PlannedCase:
    index = _FIRST_INDEX["excluded"] + number
    rng = np.random.default_rng([design.seed, index, 2])
    return PlannedCase(
        case_id=f"excluded_{number + 1:03d}",
        patient_id=f"patient_excluded_{number + 1:03d}",
        institution=institution,
        split=None,
        index=index,
        request=PhantomRequest(age=_draw_age("thymoma", rng), sex=_draw_sex(rng)),
        exclusion_reason=_EXCLUSION_REASONS[number % len(_EXCLUSION_REASONS)],
    )


class _Spread:
    """Evenly spread numbers in [0, 1), one sequence an attribute, so that small cohorts keep the proportions."""

    # Multiples of powers of the root of g^5 = g + 1: a low-discrepancy sequence in four dimensions
    _STEPS = tuple(1.1673039782614187**-power for power in range(1, 5))

    def __init__(self, seed: int, split: str, number: int) -> None:
        offsets = np.random.default_rng([seed, _FIRST_INDEX[split], 3]).random(len(self._STEPS))
        self._values = iter([(offset + number * step) % 1.0 for offset, step in zip(offsets, self._STEPS, strict=True)])

    def next(self) -> float:
        return float(next(self._values))

    def pick(self, shares: Sequence[tuple[_Choice, float]]) -> _Choice:
        limits = list(accumulate(share for _, share in shares))
        place = int(np.searchsorted(limits, self.next() * limits[-1], side="right"))
        return shares[place][0]


def _plan_tumours(histology: str, spread: _Spread, rng: np.random.Generator) -> tuple[TumourRequest, ...]:
    """Small below 5 cm in 24% of cases, medium to 8 cm in 35%, large in 41%, as in the paper's Table 3."""
    place = spread.next()
    if histology == "lymphoma":
        place = place**0.6  # lymphomas are large when found
    elif histology == "thymic cyst":
        place = 0.75 * place
    diameter = float(np.interp(place, [0.0, 0.06, 0.24, 0.59, 1.0], [15.0, 30.0, 50.0, 80.0, 110.0]))
    tumours = [TumourRequest(histology, round(diameter, 1))]
    if rng.random() < _TWO_LESIONS:
        tumours.append(TumourRequest(histology, round(float(rng.uniform(18.0, 34.0)), 1)))
    return tuple(tumours)


def _draw_age(histology: str, rng: np.random.Generator) -> int:
    middle = {"lymphoma": 40.0, "teratoma": 36.0, "thymic cyst": 57.0, "thymic carcinoma": 64.0}.get(histology, 59.0)
    return int(np.clip(np.rint(rng.normal(middle, 13.0)), 20, 87))


def _draw_sex(rng: np.random.Generator) -> Sex:
    return "F" if rng.random() < 0.48 else "M"
