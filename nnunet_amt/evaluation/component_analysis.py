"""A sensitivity analysis: how much the lesion metrics depend on the connectivity and smallest size of a lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from nnunet_amt import __version__
from nnunet_amt.base.files import write_csv, write_json, write_text
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.label_maps import (
    LabelMapPair,
    MaskPair,
    checked_pairs,
    for_each_pair,
    pair_results,
    read_mask_pair,
)
from nnunet_amt.evaluation.measure.lesions import (
    UNMATCHED,
    intersection_table,
    iou_levels,
    label_components,
    match_sweep,
)
from nnunet_amt.evaluation.settings import Connectivity, EvaluationSettings, FalsePositiveRule, ResamplingUnit
from nnunet_amt.evaluation.summary.clusters import read_clusters
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES, Interval, specificity_of
from nnunet_amt.statistics.intervals import (
    fp_interval,
    percentile_interval,
    resampled_sums,
    sensitivity_interval,
    several_each,
    sums_of_clusters,
    with_width,
)
from nnunet_amt.writing.numbers import counted, value_text
from nnunet_amt.writing.table import Row, Table
from nnunet_amt.writing.table_formats import pipe_table

COMPONENT_FILES = ("component_analysis.md", "component_analysis.csv", "component_analysis.json")
SCHEMA_VERSION = 2  # 1: without intervals
_CONNECTIVITIES: tuple[Connectivity, ...] = get_args(Connectivity)
_TWENTIETHS = (2, 10)  # IoU above 0.1 and above 0.5, as Table 4
_WITH_INTERVAL = ("sensitivity_01", "fp_per_scan_01", "sensitivity_05", "fp_per_scan_05")


@dataclass(frozen=True)
class MinimumSize:
    """Predicted components below this size are dropped."""

    value: float
    unit: Literal["voxels", "mm3"]

    def keeps(self, voxels: np.ndarray, voxel_volume_mm3: float) -> np.ndarray:
        """Say which components, of these numbers of voxels, are large enough."""
        sizes = voxels if self.unit == "voxels" else voxels * voxel_volume_mm3
        # a volume is a product of rounded spacings: 10 voxels of 0.1 mm3 are 1 mm3
        kept: np.ndarray = sizes >= self.value * (1 - 1e-9)
        return kept


# 0, 10 (the paper's) and 30 voxels; 25 and 75 mm3 are 10 and 30 voxels of 0.7 x 0.7 x 5 mm, 500 mm3 a ball of 1 cm
MINIMUM_SIZES = (
    *(MinimumSize(voxels, "voxels") for voxels in (0, 10, 30)),
    *(MinimumSize(volume, "mm3") for volume in (25.0, 75.0, 500.0)),
)


@dataclass(frozen=True)
class ComponentRow:
    """The lesion metrics of all cases under one definition of a lesion, at an IoU above 0.1 and above 0.5.

    The connectivity is that of both masks; the smallest size is of predicted components, reference components are never
    dropped. A sensitivity is None without reference lesions; intervals are those that `evaluate` gives.
    """

    connectivity: Connectivity
    minimum_size: float
    unit: str
    reference_lesions: int
    predicted_lesions: int
    dropped_predictions: int
    sensitivity_01: float | None
    fp_per_scan_01: float
    sensitivity_05: float | None
    fp_per_scan_05: float
    sensitivity_01_ci95: Interval | None = None
    fp_per_scan_01_ci95: Interval | None = None
    sensitivity_05_ci95: Interval | None = None
    fp_per_scan_05_ci95: Interval | None = None
    # By scan, of the cases without a tumour: those that have no predicted lesion; None where every case has a tumour
    specificity: float | None = None
    specificity_wilson95: Interval | None = None


def analyse_components(
    predictions: Path,
    references: Path,
    output: Path,
    *,
    minimum_sizes: Sequence[MinimumSize] = MINIMUM_SIZES,
    cohort: Path | None = None,
    settings: EvaluationSettings | None = None,
    missing_as_empty: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> tuple[ComponentRow, ...]:
    """Evaluate the lesions under every connectivity and smallest size; each file is read once.

    The results replace those of an earlier analysis in `output` all at once, or not at all.

    Parameters
    ----------
    predictions, references
        Folders with one label map a case.
    output
        Folder for `COMPONENT_FILES`.
    cohort
        ``cohort.csv`` of the conversion; needed where `settings` say that patients or institutions are drawn.
    settings
        The rule of false positives, the value of tumour, and what is resampled; connectivity and smallest size are what
        is varied.
    missing_as_empty
        Count a case without a prediction as one in which nothing was found, instead of refusing.
    jobs
        Cases that are read at the same time.

    Raises
    ------
    BadInputError
        If a folder is missing, a size is negative, or the output cannot be written; its subclasses if cases do not
        pair up, geometries differ, or a file is damaged or holds other labels than 0 and 1.
    """
    settings = settings or EvaluationSettings()
    for size in minimum_sizes:
        if not 0 <= size.value < float("inf"):
            raise BadInputError(f"the smallest size is {size.value:g} {size.unit}; give 0 or more")
    pairs = checked_pairs(
        predictions, references, output, missing_as_empty=missing_as_empty, jobs=jobs, progress=progress,
    )  # fmt: skip
    clusters = read_clusters(cohort, case_ids=[pair.case_id for pair in pairs], cluster=settings.cluster)
    chosen = {
        "false_positive_rule": settings.false_positive_rule,
        "foreground": settings.foreground,
        "minimum_sizes": [asdict(size) for size in minimum_sizes],
    }
    inputs = {
        "predictions": predictions,
        "references": references,
        "cohort": None if clusters is None else cohort,
    }
    results = pair_results(
        output, pairs=pairs, stage="components", file_names=COMPONENT_FILES, settings=chosen, inputs=inputs,
        missing_as_empty=missing_as_empty,
    )  # fmt: skip
    with results as folder:
        return write_component_analysis(
            folder, pairs,
            minimum_sizes=minimum_sizes, settings=settings, clusters=clusters, jobs=jobs, progress=progress,
        )  # fmt: skip


def write_component_analysis(
    folder: Path,
    pairs: Sequence[LabelMapPair],
    *,
    minimum_sizes: Sequence[MinimumSize] = MINIMUM_SIZES,
    settings: EvaluationSettings,
    clusters: Mapping[str, str] | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> tuple[ComponentRow, ...]:
    """Count pairs whose geometry has been checked, and write `COMPONENT_FILES`; see `analyse_components`."""
    rule = settings.false_positive_rule

    def count(pair: LabelMapPair) -> np.ndarray:
        return _count_case(read_mask_pair(pair, tumour=settings.foreground), minimum_sizes, rule)

    of_cases = for_each_pair(count, pairs, jobs=jobs, progress=progress, what="comparing components")
    joint = None if clusters is None else several_each([clusters[pair.case_id] for pair in pairs])
    rows = _rows(np.stack(of_cases), minimum_sizes, settings, joint)
    table = component_table(rows, cases=len(pairs), rule=rule, cluster=None if joint is None else settings.cluster)
    foot = f"nnunet_amt {__version__}. Research use only."
    parts = [f"# {table.title}", *table.notes, pipe_table(table, alignments="r" * (1 + len(table.columns))), foot]
    write_text(folder / "component_analysis.md", "\n\n".join(parts) + "\n")
    known = [_known(row) for row in rows]
    write_csv(folder / "component_analysis.csv", list(known[0]), known)
    content = {
        "schema_version": SCHEMA_VERSION,
        "software": {"name": "nnunet_amt", "version": __version__},
        "settings": {"false_positive_rule": rule, "foreground": settings.foreground, "cluster": settings.cluster},
        "cases": len(pairs),
        "rows": known,
        "tables": [table.as_json()],
    }
    write_json(folder / "component_analysis.json", content)
    return rows


def component_table(
    rows: Sequence[ComponentRow],
    *,
    cases: int,
    rule: FalsePositiveRule = "unmatched",
    cluster: ResamplingUnit | None = None,
) -> Table:
    """Lay out the rows as a table of ready text; `cluster` is what was drawn with several cases, None for cases."""
    which = "without a partner" if rule == "unmatched" else "that overlaps no reference lesion"
    note = (
        "Predicted components under the smallest size are dropped, reference components never. Matched one to one at "
        f"an IoU above the threshold; every predicted lesion {which} is a false positive (FP). The paper "
        "drops predicted components under 10 voxels and does not state its connectivity."
    )
    how = "Wilson's of sensitivities, of false positives per scan as in the evaluation"
    if cluster is not None:
        how = f"bootstrap over {cluster}s, withheld under {FEWEST_CASES} of them and where it has no width"
    meaning = (
        "A sensitivity analysis: the rows show how far the results hang on a choice that the paper does not state. The "
        "definition of the study was chosen before, and none is to be picked from this table; rows are not tested "
        f"against each other. In brackets: 95% intervals, {how}."
    )
    specificity = any(row.specificity is not None for row in rows)
    columns = (
        *("Smallest", "Reference lesions", "Predicted lesions", "Dropped"),
        *(f"{metric}, IoU > {threshold}" for threshold in (0.1, 0.5) for metric in ("Sensitivity", "FP per scan")),
        *(["Specificity by scan"] if specificity else []),
    )
    table_rows = []
    for row in rows:
        metrics = ((getattr(row, name), getattr(row, f"{name}_ci95")) for name in _WITH_INTERVAL)
        cells = (
            f"{row.minimum_size:g} {row.unit}",
            *map(str, (row.reference_lesions, row.predicted_lesions, row.dropped_predictions)),
            *(value_text(value, ci95) for value, ci95 in metrics),
            *([value_text(row.specificity, row.specificity_wilson95)] if specificity else []),
        )
        table_rows.append(Row(str(row.connectivity), cells))
    title = f"Sensitivity analysis: lesions of {counted(cases, 'case')} by connectivity and smallest size"
    further = "Specificity: share of the scans without a tumour that have no predicted lesion (Wilson's 95% interval)."
    notes = (meaning, note, *([further] if specificity else []))
    return Table(title, "Connectivity", columns, tuple(table_rows), notes)


def _known(row: ComponentRow) -> dict[str, object]:
    """Give the fields of a row, limits of intervals apart; those of the specificity only where cases have no tumour."""
    cells = asdict(row)
    for name in (f"{metric}_ci95" for metric in _WITH_INTERVAL):
        cells[f"{name}_low"], cells[f"{name}_high"] = cells.pop(name) or (None, None)
    limits = cells.pop("specificity_wilson95")
    if limits is None:
        del cells["specificity"]
        return cells
    return cells | {"specificity_wilson95_low": limits[0], "specificity_wilson95_high": limits[1]}


def _count_case(masks: MaskPair, minimum_sizes: Sequence[MinimumSize], rule: FalsePositiveRule) -> np.ndarray:
    """Count components and matches: (connectivities, sizes, 7).

    The seven: references, predictions, predictions kept; matches at both thresholds; false positives at both.
    """
    voxel_volume_mm3 = float(np.prod(masks.reference.spacing))
    counts = np.zeros((len(_CONNECTIVITIES), len(minimum_sizes), 3 + 2 * len(_TWENTIETHS)), dtype=np.int64)
    for i, connectivity in enumerate(_CONNECTIVITIES):
        references = label_components(masks.reference, connectivity=connectivity)
        predictions = label_components(masks.prediction, connectivity=connectivity)
        reference_voxels, prediction_voxels = (
            np.array([np.count_nonzero(piece.mask) for piece in pieces], dtype=np.int64)
            for pieces in (references, predictions)
        )
        levels = iou_levels(intersection_table(references, predictions), reference_voxels, prediction_voxels)
        for j, size in enumerate(minimum_sizes):
            kept = size.keeps(prediction_voxels, voxel_volume_mm3)
            matched = (match_sweep(levels[:, kept], _TWENTIETHS) != UNMATCHED).sum(axis=1)
            if rule == "unmatched":
                false = kept.sum() - matched
            else:
                false = np.full_like(matched, (levels[:, kept] < 0).all(axis=0).sum())
            counts[i, j] = len(references), len(predictions), kept.sum(), *matched, *false
    return counts


def _rows(
    of_cases: np.ndarray,
    minimum_sizes: Sequence[MinimumSize],
    settings: EvaluationSettings,
    clusters: Sequence[str] | None,
) -> tuple[ComponentRow, ...]:
    """Sum the counts of the cases, (cases, connectivities, sizes, 7); see `_count_case`."""
    rows = []
    counts, cases = of_cases.sum(axis=0), len(of_cases)
    bootstraps = _bootstraps(of_cases, settings, clusters)
    without = of_cases[of_cases[:, 0, 0, 0] == 0]  # no reference lesion under any definition
    for i, connectivity in enumerate(_CONNECTIVITIES):
        for j, size in enumerate(minimum_sizes):
            references, predictions, kept, found_01, found_05, false_01, false_05 = counts[i, j].tolist()
            specificity = specificity_of(without[:, i, j, 2].tolist())
            limits: dict[str, Interval | None] = {}
            for name, count in zip(_WITH_INTERVAL, (found_01, false_01, found_05, false_05), strict=True):
                bootstrap, clustered = bootstraps[name][i, j], clusters is not None
                if name.startswith("fp"):
                    limits[f"{name}_ci95"] = fp_interval(count, cases, bootstrap, clustered=clustered)
                elif references:
                    limits[f"{name}_ci95"] = sensitivity_interval(count, references, bootstrap, clustered=clustered)
            rows.append(
                ComponentRow(
                    connectivity=connectivity,
                    minimum_size=size.value,
                    unit=size.unit,
                    reference_lesions=references,
                    predicted_lesions=kept,
                    dropped_predictions=predictions - kept,
                    sensitivity_01=found_01 / references if references else None,
                    fp_per_scan_01=false_01 / cases,
                    sensitivity_05=found_05 / references if references else None,
                    fp_per_scan_05=false_05 / cases,
                    **limits,
                    specificity=None if specificity is None else specificity.value,
                    specificity_wilson95=None if specificity is None else specificity.wilson95,
                )
            )
    return tuple(rows)


def _bootstraps(
    of_cases: np.ndarray, settings: EvaluationSettings, clusters: Sequence[str] | None
) -> dict[str, dict[tuple[int, int], Interval | None]]:
    """Give the percentile bootstrap's interval of each of `_WITH_INTERVAL`, by the places of connectivity and size."""
    cases, connectivities, sizes, numbers = of_cases.shape
    places = [(i, j) for i in range(connectivities) for j in range(sizes)]
    counts = np.column_stack([of_cases.reshape(cases, -1), np.ones(cases)])
    if clusters is not None:
        counts = sums_of_clusters(counts, clusters)
    fewest = 2 if settings.ci_always else FEWEST_CASES
    if len(counts) < fewest:
        return {name: dict.fromkeys(places) for name in _WITH_INTERVAL}
    sums = resampled_sums(counts, resamples=settings.bootstrap_resamples, seed=settings.seed)
    sampled, scans = sums[:, :-1].reshape(-1, connectivities * sizes, numbers), sums[:, -1:]
    found: dict[str, dict[tuple[int, int], Interval | None]] = {}
    for name, count in zip(_WITH_INTERVAL, (3, 5, 4, 6), strict=True):
        pooled = scans if name.startswith("fp") else sampled[:, :, 0]
        with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: undefined in that resample
            low, high = percentile_interval(sampled[:, :, count] / pooled)
        limits = map(with_width, zip(low.tolist(), high.tolist(), strict=True))
        found[name] = dict(zip(places, limits, strict=True))
    return found
