"""Cohorts and scores that are made up, with figures that one can work out on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunet_amt.risk.cases import RiskCase, RiskCohort, RiskSplit
from nnunet_amt.risk.scores import Kind, ScoreRow, write_scores

FOLDS = 2


def risk_case(case_id: str, split: RiskSplit, high: bool, **about: object) -> RiskCase:
    """A case that is known but for its images; `about` replaces fields."""
    usual: dict[str, object] = {
        "patient": f"p_{case_id}",
        "institution": "North" if split == "training" else "South",
        "who_type": "B2" if high else "AB",
        "age": 50.0,
        "sex": "F",
        "manufacturer": "GE",
        "diameter_cm": 6.0,
        "findings": {"margin": "unclear" if high else "clear"},
        "clinical": {},
        "mask_2": None,
    }
    none = Path("none.nii.gz")
    return RiskCase(case_id=case_id, split=split, high=high, image=none, mask=none, **(usual | about))  # type: ignore[arg-type]


def cohort_of(external: bool = True, left_out: Mapping[str, tuple[str, ...]] | None = None) -> RiskCohort:
    """Six training cases (t0, t1 ...) and four external ones (x0 ...), every second one of high risk."""
    cases = [risk_case(f"t{place}", "training", place % 2 == 1) for place in range(6)]
    cases += [risk_case(f"x{place}", "external", place % 2 == 1) for place in range(4 if external else 0)]
    return RiskCohort(tuple(cases), left_out or {})


def rows_of(model: str, kind: Kind, scores: Sequence[float]) -> list[ScoreRow]:
    """Scores of the cases of `cohort_of` in their order."""
    letter = "x" if kind == "external" else "t"
    return [
        ScoreRow(
            model, kind, place // 2 % FOLDS if kind == "out_of_fold" else None, f"{letter}{place}", place % 2 == 1, s
        )
        for place, s in enumerate(scores)
    ]


def write_two_models(folder: Path) -> Path:
    """ResNet 101 with AUC 8/9 out of fold and 3/4 external, a worse one, and the clinical baseline."""
    rows = [
        *rows_of("resnet101", "out_of_fold", [0.1, 0.9, 0.2, 0.8, 0.7, 0.6]),
        *rows_of("resnet101", "external", [0.1, 0.9, 0.7, 0.65]),
        *rows_of("vgg11", "out_of_fold", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        *rows_of("vgg11", "external", [0.4, 0.3, 0.2, 0.5]),
        *rows_of("clinical", "out_of_fold", [0.2, 0.8, 0.2, 0.8, 0.8, 0.2]),
        *rows_of("clinical", "external", [0.2, 0.2, 0.2, 0.8]),
    ]
    titles = {"resnet101": "ResNet 101", "vgg11": "VGG 11", "clinical": "Margin, size, age"}
    write_scores(folder, rows, details={name: {"title": title} for name, title in titles.items()})
    return folder
