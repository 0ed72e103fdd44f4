"""tables.md: our metrics in the form of the paper's Tables 3 and 4, each row above the published one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path

from nnunet_amt import __version__, paper
from nnunet_amt.evaluation.csv_files import TABLE_THRESHOLDS
from nnunet_amt.evaluation.lesion import threshold_index
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary import GroupSummary, MetricSummary
from nnunet_amt.evaluation.voxel import VOXEL_METRICS
from nnunet_amt.files import write_text

__all__ = ["tables_text", "write_tables"]

NamedGroup = tuple[str, str, GroupSummary]

_UNDEFINED = "–"
_MOST_VALUES = 12  # of a group without published rows; more make the table unreadable
_GROUP_TITLES = {
    "manufacturer": "Scanner manufacturer",
    "tumour_size": "Tumour size",
    "histology": "Histology",
    "institution": "Institution",
    "sex": "Sex",
}
_SMALL, _LARGE = paper.SIZE_LIMITS_CM
_SUBGROUP_TITLES = {
    "overall": "Overall",
    "large": f"large (> {_LARGE:g} cm)",
    "medium": f"medium ({_SMALL:g} to {_LARGE:g} cm)",
    "small": f"small (< {_SMALL:g} cm)",
}
_RULES = {
    "unmatched": "a predicted lesion without a partner is a false positive",
    "no_overlap": "a predicted lesion that overlaps no reference lesion is a false positive",
}


def write_tables(
    path: Path, settings: EvaluationSettings, overall: GroupSummary, subgroups: Sequence[NamedGroup]
) -> None:
    """Write `tables_text` to a file."""
    write_text(path, tables_text(settings, overall, subgroups))


def tables_text(settings: EvaluationSettings, overall: GroupSummary, subgroups: Sequence[NamedGroup]) -> str:
    """Lay out both tables as Markdown.

    Parameters
    ----------
    settings
        Of the evaluation.
    overall
        All cases.
    subgroups
        Group, subgroup and its metrics; the values of a group stand together.
    """
    groups, left_out = _shown_groups([("overall", "overall", overall), *subgroups])
    parts = [
        f"# Evaluation of {overall.cases} case{'s' if overall.cases > 1 else ''}",
        _head(settings, overall),
        "## Segmentation by voxels (form of Table 3)",
        _table(["Dice score", "IoU", "Precision", "Recall"], groups, _voxel_cells, _published_voxel_cells),
        "## Detection by lesions (form of Table 4)",
        _table(
            [f"{name}, IoU > {t:g}" for t in TABLE_THRESHOLDS for name in ("Sensitivity", "FP per scan")],
            groups,
            _lesion_cells,
            _published_lesion_cells,
        ),
        *left_out,
    ]
    return "\n\n".join(parts) + "\n"


def _head(settings: EvaluationSettings, overall: GroupSummary) -> str:
    return "\n".join(
        [
            f"- **Ours**: {overall.cases} cases with {overall.lesion.references} reference lesions, "
            f"nnunet_amt {__version__}.",
            f"- **Published**: {paper.CITATION}, doi:{paper.DOI}. Their {paper.EXTERNAL_CASES} cases are other "
            "patients, so a difference between the rows is not a difference between models.",
            "- Mean±SD (95% CI). SD of voxel metrics: over cases; SD of lesion metrics: over bootstrap resamples. "
            f"CI: percentile bootstrap over cases, {settings.bootstrap_resamples} resamples, seed {settings.seed}; "
            "with fewer than 20 cases it is too narrow to rely on.",
            f"- Lesions: components of {settings.connectivity}-connectivity, predicted ones under "
            f"{settings.minimum_predicted_voxels} voxels dropped, matched one to one at an IoU above the threshold; "
            f"{_RULES[settings.false_positive_rule]} (rule `{settings.false_positive_rule}`).",
            f"- {_UNDEFINED}: undefined. [n]: cases (for sensitivity: lesions) that a value rests on, where they "
            "are not all of the row's.",
        ]
    )


def _shown_groups(groups: Sequence[NamedGroup]) -> tuple[list[NamedGroup], list[str]]:
    """Leave groups of many values without published counterpart to summary.json, and say so."""
    published = {row.group for row in paper.TABLE_3}
    shown: list[NamedGroup] = []
    left_out = []
    for group, members in groupby(groups, key=lambda named: named[0]):
        rows = list(members)
        if group in published or len(rows) <= _MOST_VALUES:
            shown += rows
        else:
            left_out.append(f"{_GROUP_TITLES[group]}: {len(rows)} values, in `summary.json`.")
    return shown, left_out


def _table(
    titles: Sequence[str],
    groups: Sequence[NamedGroup],
    our_cells: Callable[[GroupSummary], list[str]],
    published_cells: Callable[[str, str], list[str] | None],
) -> str:
    columns = ["Subgroup", "Source", "Cases", *titles]
    lines = [_line(columns), _line(["---", "---", "---:", *["---"] * len(titles)])]
    for group, members in groupby(groups, key=lambda named: named[0]):
        if group in _GROUP_TITLES:
            lines.append(_line([f"**{_GROUP_TITLES[group]}**", *[""] * (len(columns) - 1)]))
        for _, name, summary in members:
            title = _SUBGROUP_TITLES.get(name, name).replace("|", "\\|")
            lines.append(_line([title, "ours", str(summary.cases), *our_cells(summary)]))
            cells = published_cells(group, name)
            if cells is not None:
                lines.append(_line(["", "published", *cells]))
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _voxel_cells(summary: GroupSummary) -> list[str]:
    return [_metric_text(summary.voxel[name], summary.cases) for name in VOXEL_METRICS]


def _lesion_cells(summary: GroupSummary) -> list[str]:
    lesion = summary.lesion
    indices = [threshold_index(t) for t in TABLE_THRESHOLDS]
    return [
        _metric_text(metric, metric.n) for i in indices for metric in (lesion.sensitivity[i], lesion.fp_per_scan[i])
    ]


def _published_voxel_cells(group: str, subgroup: str) -> list[str] | None:
    for row in paper.TABLE_3:
        if (row.group, row.subgroup) == (group, subgroup):
            return _published_cells(row.cases, row.dice, row.iou, row.precision, row.recall)
    return None


def _published_lesion_cells(group: str, subgroup: str) -> list[str] | None:
    for row in paper.TABLE_4:
        if (row.group, row.subgroup) == (group, subgroup):
            estimates = row.sensitivity_01, row.fp_per_scan_01, row.sensitivity_05, row.fp_per_scan_05
            return _published_cells(row.cases, *estimates)
    return None


def _published_cells(cases: int, *estimates: paper.Estimate) -> list[str]:
    return [
        str(cases),
        *(f"{value.mean:.2f}±{value.sd:.2f} ({value.ci_low:.2f}–{value.ci_high:.2f})" for value in estimates),
    ]


def _metric_text(metric: MetricSummary, expected_n: int) -> str:
    if metric.mean is None:
        return _UNDEFINED
    deviation = "" if metric.sd is None else f"±{metric.sd:.2f}"
    interval = "" if metric.ci95 is None else f" ({metric.ci95[0]:.2f}–{metric.ci95[1]:.2f})"
    n = "" if metric.n == expected_n else f" [{metric.n}]"
    return f"{metric.mean:.2f}{deviation}{interval}{n}"
