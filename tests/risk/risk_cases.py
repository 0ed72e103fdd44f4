"""Small cases for the risk models, drawn in memory: the tumours of high risk are mottled, those of low risk smooth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nnunet_amt.risk.rois import Roi


@dataclass(frozen=True)
class Case:
    case_id: str
    patient: str
    high: bool
    age: float | None = 50.0
    diameter_cm: float | None = 5.0
    findings: Mapping[str, str] = field(default_factory=dict)


def cases_of(patients: int, *, first: int = 0) -> list[Case]:
    """One case a patient, every second one of high risk."""
    return [Case(f"case_{p:03d}", f"patient_{p}", p % 2 == 1) for p in range(first, first + patients)]


def roi_of(case: Case, *, signal: float = 0.3) -> Roi:
    """A disc of 16 mm in a crop of (20, 24) pixels of 1 mm; noise of an SD of `signal` in those of high risk."""
    generator = np.random.default_rng(int(case.case_id[-3:]))
    y, x = np.mgrid[:20, :24]
    mask = (y - 9.5) ** 2 + (x - 11.5) ** 2 <= 64

    def crop() -> np.ndarray:
        noise = generator.normal(size=mask.shape) * (signal if case.high else 0.02)
        return np.clip(0.3 + mask * (0.3 + noise), 0, 1).astype(np.float32)

    return Roi(case.case_id, crop(), crop(), mask, mask, (1.0, 1.0))


def rois_of(cases: list[Case], *, signal: float = 0.3) -> dict[str, Roi]:
    return {case.case_id: roi_of(case, signal=signal) for case in cases}
