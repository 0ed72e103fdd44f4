"""``risk_summary.json``: every figure of an evaluation, its sentences and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_amt import __version__
from nnunet_amt.base.files import write_json
from nnunet_amt.risk.evaluation.heat_panel import ShownHeat, heat_summary
from nnunet_amt.statistics.rates import Rate
from nnunet_amt.study.study_files import RISK_SUMMARY
from nnunet_amt.writing.table import Document

if TYPE_CHECKING:
    from nnunet_amt.risk.cases import RiskCase
    from nnunet_amt.risk.evaluation.evaluate_risk import RiskEvaluation
    from nnunet_amt.risk.evaluation.model_scores import ScoredModel
    from nnunet_amt.risk.evaluation.performance import Performance
    from nnunet_amt.risk.fusion.lesion_case import LesionCase


def write_summary(
    path: Path,
    evaluation: RiskEvaluation,
    document: Document,
    *,
    heats: Sequence[ShownHeat],
    subjects: str | None = None,
) -> None:
    """Write everything that was found; undefined and withheld is null."""
    cohort, scored = evaluation.cohort, evaluation.scored
    content = {
        "schema_version": RISK_SUMMARY.version,
        "software": {"name": "nnunet_amt", "version": __version__},
        "subjects": subjects,
        "sentences": list(document.sentences),
        "cases": {
            split: {**counts_json(cases), "high": sum(case.high for case in cases)}
            for split in ("training", "external")
            for cases in [[case for case in cohort.cases if case.split == split]]
        },
        "left_out": {reason: len(ids) for reason, ids in cohort.left_out.items()},
        "external_looks": scored.external_looks,
        "external_looks_with_predicted_masks": evaluation.looks_with_predicted_masks,
        "main_model": evaluation.main.name,
        "models": [_model_json(model, evaluation.performances) for model in scored.models],
        "differences": [asdict(one) for one in evaluation.model_differences],
        "differences_from_clinical": [asdict(one) for one in evaluation.clinical_differences],
        "subgroups": [asdict(one) for one in evaluation.subgroups],
        "segmentation_costs": [asdict(one) for one in evaluation.costs],
        "heat_maps": {"cases": len(heats), "mean_shares": heat_summary(heats)} if heats else None,
        "notes": list(scored.notes),
        "pictures": [{"file": picture.file.name, "text": picture.text} for picture in document.pictures],
        "document": document.as_json(),
    }
    write_json(path, content)


def rates_json(rates: Mapping[str, Rate]) -> dict[str, Any]:
    """Give counts, values and Wilson's intervals of rates."""
    return {
        name: {"k": rate.k, "n": rate.n, "value": rate.value, "interval": rate.interval} for name, rate in rates.items()
    }


def counts_json(cases: Sequence[RiskCase] | Sequence[LesionCase]) -> dict[str, int]:
    """Count cases, patients and institutions."""
    return {
        "cases": len(cases),
        "patients": len({case.patient for case in cases}),
        "institutions": len({case.institution for case in cases}),
    }


def _model_json(model: ScoredModel, performances: Sequence[Performance]) -> dict[str, Any]:
    return {
        "model": model.name,
        "title": model.title,
        "threshold": model.entry.threshold,
        "sensitive_threshold": model.entry.sensitive_threshold,
        "external_looks": model.entry.external_looks,
        "details": dict(model.entry.details),
        **{one.kind: _performance_json(one) for one in performances if one.model == model.name},
    }


def _performance_json(one: Performance) -> dict[str, Any]:
    return {
        **asdict(one.estimate),
        "rates": rates_json(one.rates),
        "sensitive_rates": rates_json(one.sensitive_rates),
        "brier": one.brier,
        "calibration": None if one.calibration is None else asdict(one.calibration),
    }
