"""``lesion_summary.json``: every figure of an evaluation of lesions, its sentences and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_amt import __version__
from nnunet_amt.base.files import write_json
from nnunet_amt.risk.evaluation.summary_json import counts_json, rates_json
from nnunet_amt.risk.fusion.evaluation.lesion_scores import SPLIT_TITLES
from nnunet_amt.study.study_files import LESION_SUMMARY
from nnunet_amt.writing.table import Document

if TYPE_CHECKING:
    from nnunet_amt.risk.fusion.evaluation.ctc_value import NestedCtc
    from nnunet_amt.risk.fusion.evaluation.evaluate_lesions import LesionEvaluation
    from nnunet_amt.risk.fusion.evaluation.performance import Area, LesionPerformance


def write_summary(path: Path, evaluation: LesionEvaluation, document: Document, *, subjects: str | None = None) -> None:
    """Write everything that was found; undefined and withheld is null."""
    cohort, scores = evaluation.cohort, evaluation.scores
    content = {
        "schema_version": LESION_SUMMARY.version,
        "software": {"name": "nnunet_amt", "version": __version__},
        "task": evaluation.task,
        "subjects": subjects,
        "sentences": list(document.sentences),
        "cases": {
            split: {
                **counts_json(cases),
                "malignant": sum(case.malignant for case in cases),
                "without_ctc": sum(case.ctc_level is None for case in cases),
            }
            for split in SPLIT_TITLES
            for cases in [[case for case in cohort.of_split(split) if case.class_of(evaluation.task) is not None]]
        },
        "excluded": dict(cohort.excluded),
        "left_out": {reason: len(ids) for reason, ids in cohort.left_out.items()},
        "classes": list(scores.classes),
        "models": [
            {
                "model": model.name,
                "title": model.title,
                "seeds": list(model.seeds),
                **{one.split: _performance(one) for one in evaluation.performances if one.model == model.name},
            }
            for model in scores.models
        ],
        "most_frequent_classes": {split: rates_json(rates) for split, rates in evaluation.frequent.items()},
        "differences": [asdict(one) for one in evaluation.differences],
        "dmfn_against_monomodal": [asdict(one) for one in evaluation.comparisons],
        "ctc_beside_monomodal": [_nested(one) for one in evaluation.nested],
        "ctc_unit": evaluation.ctc_unit,
        "ctc_shifts": [asdict(one) for one in evaluation.shifts],
        "by_ctc": [
            {"measured": one.measured, "split": one.performance.split, **_performance(one.performance)}
            for one in evaluation.subgroups
        ],
        "notes": list(scores.notes),
        "pictures": [{"file": picture.file.name, "text": picture.text} for picture in document.pictures],
        "document": document.as_json(),
    }
    write_json(path, content)


def _performance(one: LesionPerformance) -> dict[str, Any]:
    return {
        "cases": one.cases,
        "benign": one.benign,
        "malignant": one.malignant,
        "threshold": one.threshold,
        "areas": _areas(one.areas),
        "area_of_seed": {str(seed): value for seed, value in one.area_of_seed.items()},
        "rates": rates_json(one.rates),
        "matrix": None if one.matrix is None else one.matrix.tolist(),
        "of_class": [
            {
                "class": each.name,
                "cases": each.cases,
                "judged": each.judged,
                "area": asdict(each.area),
                "rates": rates_json({"top_1": each.top_1, "top_3": each.top_3}),
            }
            for each in one.of_class
        ],
    }


def _areas(areas: Mapping[str, Area]) -> dict[str, Any]:
    return {name: asdict(area) for name, area in areas.items()}


def _nested(one: NestedCtc) -> dict[str, Any]:
    ratio = one.odds_ratio
    return {
        "split": one.split,
        "cases": one.cases,
        "benign": one.benign,
        "malignant": one.malignant,
        "without_level": one.without_level,
        "chi_squared": None if one.test is None else one.test.statistic,
        "p": None if one.test is None else one.test.p,
        "odds_ratio_per_sd": None if ratio is None else ratio[0],
        "odds_ratio_interval": None if ratio is None else ratio[1],
        "why_not": one.why_not,
    }
