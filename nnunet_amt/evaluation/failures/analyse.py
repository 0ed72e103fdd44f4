"""The stage: what sets the worst segmented cases apart, and how each case fails; its results as files and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnunet_amt import __version__
from nnunet_amt.base.files import write_csv, write_json, write_text
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RECORD_FILE, RunInput
from nnunet_amt.evaluation.failures.failure_case import PARTIAL_BELOW, FailureCase, examine_case
from nnunet_amt.evaluation.failures.groups import ExtremeGroups, FeatureComparison, compare_features, extreme_groups
from nnunet_amt.evaluation.failures.summary import failure_tables, failure_tables_json, failures_markdown
from nnunet_amt.evaluation.measure.features import FEATURES, SHAPE_FEATURES
from nnunet_amt.evaluation.measure.label_maps import (
    LabelMapPair,
    check_ct_headers,
    checked_pairs,
    find_cts,
    for_each_pair,
    pair_results,
    read_mask_pair,
)
from nnunet_amt.evaluation.score_froc.candidates import HIT_TWENTIETHS
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.subjects import PATIENTS, subjects_of
from nnunet_amt.evaluation.summary.clusters import read_clusters
from nnunet_amt.statistics.intervals import several_each
from nnunet_amt.statistics.tests import SIGNIFICANT_P, smallest_rank_p
from nnunet_amt.writing.figure_style import BLUE, FONT_SIZE, ORANGE, plain_figure, save_plain_figure
from nnunet_amt.writing.numbers import counted, short_p_text
from nnunet_amt.writing.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAILURE_FILES = (
    *("failures.md", "failures.json", "failure_cases.csv", "failure_features.csv", "false_positives.csv"),
    *("failure_features.png", "failure_features.svg"),
)
SCHEMA_VERSION = 2  # 1: without ties and clusters
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
_WIDTH_CM, _ROW_CM, _HEAD_CM = 17.0, 4.6, 1.2
_COLUMNS = 4  # of panels
_COLOURS = {"bottom": ORANGE, "top": BLUE}
_LOGARITHMIC_RATIO = 100.0  # of the largest to the smallest value


@dataclass(frozen=True, eq=False)
class FailureAnalysis:
    """What a failure analysis found and where it was written; the cases are in the order of their ids."""

    files: tuple[Path, ...]
    cases: tuple[FailureCase, ...]
    groups: ExtremeGroups
    comparisons: tuple[FeatureComparison, ...]


def analyse_failures(
    predictions: Path,
    references: Path,
    output: Path,
    *,
    images: Path | None = None,
    cohort: Path | None = None,
    settings: EvaluationSettings | None = None,
    missing_as_empty: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> FailureAnalysis:
    """Compare the references of the worst segmented tenth with those of the best, and classify every case.

    The paper's "Quantitative analysis of failure modes" and "Per-case analysis of successes and failures". The
    results replace those of an earlier analysis in `output` all at once, or not at all. Cases without a tumour are in
    neither tenth; what is predicted in them stands among the false positives.

    Parameters
    ----------
    predictions, references
        Folders with one label map a case.
    output
        Folder for `FAILURE_FILES`.
    images
        Folder of ``<case id>_0000.nii.gz``; None leaves the intensity features out.
    cohort
        ``cohort.csv`` of the conversion; needed where `settings` say that patients or institutions are drawn.
    settings
        Value of tumour; connectivity, smallest predicted lesion and rule of the false positives. Features are not
        tested where several cases of both groups are of one patient or institution that is drawn.
    missing_as_empty
        Count a case without a prediction as one in which nothing was found, instead of refusing.
    jobs
        Cases that are read at the same time.

    Raises
    ------
    BadInputError
        If a folder is missing, fewer than two cases have a tumour, or the output cannot be written; its subclasses
        if cases do not pair up, geometries differ, or a file is damaged or holds other labels than 0 and 1.
    """
    settings = settings or EvaluationSettings()
    pairs = checked_pairs(
        predictions, references, output, apart={"the CTs": images},
        missing_as_empty=missing_as_empty, jobs=jobs, progress=progress,
    )  # fmt: skip
    case_ids = [pair.case_id for pair in pairs]
    clusters = read_clusters(cohort, case_ids=case_ids, cluster=settings.cluster, intervals=False)
    cts = {} if images is None else find_cts(images, case_ids)
    if cts:
        check_ct_headers(cts, pairs, progress=progress)

    def examine(pair: LabelMapPair) -> FailureCase:
        return examine_case(read_mask_pair(pair, tumour=settings.foreground), cts.get(pair.case_id), settings=settings)

    inputs = {
        "predictions": predictions,
        "references": references,
        "images": None if images is None else RunInput(images, "names_and_sizes"),
        "cohort": None if clusters is None else cohort,
    }
    results = pair_results(
        output, pairs=pairs, stage="failures", file_names=FAILURE_FILES, settings=settings, inputs=inputs,
        missing_as_empty=missing_as_empty,
    )  # fmt: skip
    with results as folder:
        cases = for_each_pair(examine, pairs, jobs=jobs, progress=progress, what="analysing failures")
        # a Dice of 0 where there is no tumour tells nothing of what makes tumours hard
        groups = extreme_groups({case.case_id: case.voxel.dice if case.tp + case.fn else None for case in cases})
        features = {case.case_id: case.features for case in cases}
        bottom, top = ([features[case_id] for case_id in members] for members in (groups.bottom, groups.top))
        of_groups = None if clusters is None else [clusters[case_id] for case_id in (*groups.bottom, *groups.top)]
        tested = several_each(of_groups) is None and smallest_rank_p(len(groups.bottom)) <= SIGNIFICANT_P
        comparisons = compare_features(FEATURES if cts else SHAPE_FEATURES, bottom, top, tested=tested)
        if subjects_of(references) != PATIENTS:  # the paper's p-values are of patients
            comparisons = tuple(replace(comparison, published_p=None) for comparison in comparisons)
        tables = failure_tables(cases, groups, comparisons, settings=settings)
        write_text(folder / "failures.md", failures_markdown(tables))
        write_failures_json(folder / "failures.json", cases, groups, comparisons, tables, settings=settings)
        write_failure_cases_csv(folder / "failure_cases.csv", cases, groups)
        write_features_csv(folder / "failure_features.csv", comparisons)
        write_false_positives_csv(folder / "false_positives.csv", cases)
        write_feature_figures(folder / "failure_features", cases, groups, comparisons)
    return FailureAnalysis(tuple(output / name for name in (*FAILURE_FILES, RECORD_FILE)), cases, groups, comparisons)


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
            "cluster": settings.cluster,
            "false_positive_iou": HIT_TWENTIETHS / 20,
            "partial_below": PARTIAL_BELOW,
        },
        "cases": len(cases),
        "groups": asdict(groups),
        "features": [_comparison_row(comparison) for comparison in comparisons],
        "tables": failure_tables_json(tables),
    }
    write_json(path, content)


def write_feature_figures(
    path: Path, cases: Sequence[FailureCase], groups: ExtremeGroups, comparisons: Sequence[FeatureComparison]
) -> None:
    """Draw `feature_figure` to `path` with the endings .png and .svg."""
    save_plain_figure(feature_figure(cases, groups, comparisons), path)


def feature_figure(
    cases: Sequence[FailureCase], groups: ExtremeGroups, comparisons: Sequence[FeatureComparison]
) -> Figure:
    """Draw one panel a feature: box plots of both groups with every case as a point, and the p-value.

    A box reaches from the lower to the upper quartile with the median in it, its whiskers from the lowest to the
    highest value. An axis is logarithmic where all values are positive and span a factor of 100.
    """
    rows = -(-len(comparisons) // _COLUMNS)
    features = {case.case_id: case.features for case in cases}
    with plain_figure(_WIDTH_CM, rows * _ROW_CM + _HEAD_CM, font_size=FONT_SIZE) as figure:
        panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for axes, comparison in zip(panels, comparisons, strict=False):
            values = {}
            for name, members in (("bottom", groups.bottom), ("top", groups.top)):
                found = (features[case_id].get(comparison.feature.name) for case_id in members)
                values[name] = np.array([value for value in found if value is not None], dtype=float)
            _draw_panel(axes, comparison, values)
        for axes in panels[len(comparisons) :]:
            axes.set_axis_off()
        size = counted(len(groups.bottom), "case")
        title = f"Reference tumours of the {size} of lowest (bottom) and of highest (top) Dice"
        figure.suptitle(title, fontsize=FONT_SIZE + 1)
    return figure


def _comparison_row(comparison: FeatureComparison) -> dict[str, Any]:
    feature = comparison.feature
    row: dict[str, Any] = {"feature": feature.name, "unit": feature.unit, "kind": feature.kind}
    for name in ("bottom", "top"):
        row |= {f"{name}_{column}": value for column, value in asdict(getattr(comparison, name)).items()}
    return row | {name: getattr(comparison, name) for name in ("top_is_larger", "p", "p_holm", "published_p")}


def _draw_panel(axes: Axes, comparison: FeatureComparison, values: dict[str, np.ndarray]) -> None:
    for position, (name, group) in enumerate(values.items()):
        if not group.size:
            axes.text(position, 0.5, "none", transform=axes.get_xaxis_transform(), ha="center", color=_COLOURS[name])
            continue
        colour = _COLOURS[name]
        line = {"color": colour, "linewidth": 1.1}
        axes.boxplot(
            group, positions=[position], widths=0.55, whis=(0, 100), boxprops=line, whiskerprops=line, capprops=line,
            medianprops={"color": colour, "linewidth": 2.0}, manage_ticks=False, showfliers=False,
        )  # fmt: skip
        # spread by rank, so that the same results give the same figure
        shifts = np.linspace(-0.16, 0.16, group.size) if group.size > 1 else np.zeros(1)
        axes.plot(position + shifts, np.sort(group), "o", color=colour, markersize=2.4, alpha=0.6, markeredgewidth=0)
    everything = np.concatenate(list(values.values()))
    if everything.size and everything.min() > 0 and everything.max() > _LOGARITHMIC_RATIO * everything.min():
        axes.set_yscale("log")
    unit = f" ({comparison.feature.unit})".replace("2", "²").replace("3", "³") if comparison.feature.unit else ""
    p_values = "not tested" if comparison.top_is_larger is not None else "undefined"
    if comparison.p is not None:
        p_values = f"{short_p_text(comparison.p)} (Holm {short_p_text(comparison.p_holm)})"
    axes.set_title(f"{comparison.feature.title}{unit}\np {p_values}", fontsize=7.2)
    axes.set_xlim(-0.6, 1.6)
    axes.set_xticks([0, 1], [f"{name}\n(n = {group.size})" for name, group in values.items()])
    axes.spines[["top", "right"]].set_visible(False)
