"""The results of the failure analysis as CSV and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from nnunet_amt import __version__
from nnunet_amt.base.files import write_csv, write_json
from nnunet_amt.evaluation.failures.failure_case import HIT_TWENTIETHS, PARTIAL_BELOW, FailureCase
from nnunet_amt.evaluation.failures.groups import ExtremeGroups, FeatureComparison
from nnunet_amt.evaluation.failures.summary import failure_tables_json
from nnunet_amt.evaluation.measure.features import FEATURES
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.writing.table import Table

SCHEMA_VERSION = 1
CASE_COLUMNS = (
    *("case_id", "group", "dice", "precision", "recall", "tp", "fp", "fn"),
    *("segmentation", "detection", "partial_lesions", "missed_lesions", "false_positive_lesions"),
    *(feature.name for feature in FEATURES),
)
FEATURE_COLUMNS = (
    *("feature", "unit", "kind"),
    *(f"{group}_{column}" for group in ("bottom", "top") for column in ("n", "median", "q1", "q3")),
    *("top_is_larger", "p", "p_holm", "published_p"),
)
FALSE_POSITIVE_COLUMNS = ("case_id", "lesion", "voxels", "volume_cm3", "distance_mm", "overlaps_reference")


def write_failure_cases_csv(path: Path, cases: Sequence[FailureCase], groups: ExtremeGroups) -> None:
    """Write a row a case: its group, how it fails, the features of its reference; undefined is empty."""
    rows = (
        {
            "case_id": case.case_id,
            "group": groups.group_of(case.case_id),
            "dice": case.voxel.dice,
            "precision": case.voxel.precision,
            "recall": case.voxel.recall,
            "tp": case.tp,
            "fp": case.fp,
            "fn": case.fn,
            **asdict(case.mode),
            "false_positive_lesions": len(case.false_positives),
            **case.features,
        }
        for case in cases
    )
    write_csv(path, CASE_COLUMNS, rows)


def write_features_csv(path: Path, comparisons: Sequence[FeatureComparison]) -> None:
    """Write a row a feature: both groups, p-values with and without correction, the paper's."""
    write_csv(path, FEATURE_COLUMNS, map(_comparison_row, comparisons))


def write_false_positives_csv(path: Path, cases: Sequence[FailureCase]) -> None:
    """Write a row for each predicted lesion without a partner."""
    rows = ({"case_id": case.case_id, **asdict(lesion)} for case in cases for lesion in case.false_positives)
    write_csv(path, FALSE_POSITIVE_COLUMNS, rows)


def write_failures_json(
    path: Path,
    cases: Sequence[FailureCase],
    groups: ExtremeGroups,
    comparisons: Sequence[FeatureComparison],
    tables: Sequence[Table],
    *,
    settings: EvaluationSettings,
) -> None:
    """Write groups, comparisons, the definitions behind them and the tables; undefined is null."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "software": {"name": "nnunet_amt", "version": __version__},
        "settings": {
            "connectivity": settings.connectivity,
            "minimum_predicted_voxels": settings.minimum_predicted_voxels,
            "false_positive_rule": settings.false_positive_rule,
            "foreground": settings.foreground,
            "false_positive_iou": HIT_TWENTIETHS / 20,
            "partial_below": PARTIAL_BELOW,
        },
        "cases": len(cases),
        "groups": asdict(groups),
        "features": [_comparison_row(comparison) for comparison in comparisons],
        "tables": failure_tables_json(tables),
    }
    write_json(path, content)


def _comparison_row(comparison: FeatureComparison) -> dict[str, object]:
    row: dict[str, object] = {
        "feature": comparison.feature.name,
        "unit": comparison.feature.unit,
        "kind": comparison.feature.kind,
    }
    for name in ("bottom", "top"):
        row |= {f"{name}_{column}": value for column, value in asdict(getattr(comparison, name)).items()}
    return row | {name: getattr(comparison, name) for name in ("top_is_larger", "p", "p_holm", "published_p")}
