"""The stage: what sets the worst segmented cases apart, and how each case fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import write_text
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RECORD_FILE, RunInput
from nnunet_amt.evaluation.failures.failure_case import FailureCase, examine_case
from nnunet_amt.evaluation.failures.groups import ExtremeGroups, FeatureComparison, compare_features, extreme_groups
from nnunet_amt.evaluation.failures.result_files import (
    write_failure_cases_csv,
    write_failures_json,
    write_false_positives_csv,
    write_feature_figures,
    write_features_csv,
)
from nnunet_amt.evaluation.failures.summary import failure_tables, failures_markdown
from nnunet_amt.evaluation.measure.features import FEATURES, SHAPE_FEATURES, Feature
from nnunet_amt.evaluation.measure.label_maps import (
    LabelMapPair,
    check_ct_headers,
    checked_pairs,
    find_cts,
    for_each_pair,
    pair_results,
    read_mask_pair,
)
from nnunet_amt.evaluation.settings import EvaluationSettings

FAILURE_FILES = (
    "failures.md",
    "failures.json",
    "failure_cases.csv",
    "failure_features.csv",
    "false_positives.csv",
    "failure_features.png",
    "failure_features.svg",
)


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
    settings: EvaluationSettings | None = None,
    missing_as_empty: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> FailureAnalysis:
    """Compare the references of the worst segmented tenth with those of the best, and classify every case.

    The paper's "Quantitative analysis of failure modes" and "Per-case analysis of successes and failures". The
    results replace those of an earlier analysis in `output` all at once, or not at all.

    Parameters
    ----------
    predictions, references
        Folders with one label map a case.
    output
        Folder for `FAILURE_FILES`.
    images
        Folder of ``<case id>_0000.nii.gz``; None leaves the intensity features out.
    settings
        Value of tumour; connectivity, smallest predicted lesion and rule of the false positives.
    missing_as_empty
        Count a case without a prediction as one in which nothing was found, instead of refusing.
    jobs
        Cases that are read at the same time.
    progress
        Told of every checked header and every case.

    Raises
    ------
    BadInputError
        If a folder is missing, fewer than two cases have a Dice, or the output cannot be written; its subclasses
        if cases do not pair up, geometries differ, or a file is damaged or holds other labels than 0 and 1.
    """
    settings = settings or EvaluationSettings()
    pairs = checked_pairs(
        predictions, references, output, apart={"the CTs": images},
        missing_as_empty=missing_as_empty, jobs=jobs, progress=progress,
    )  # fmt: skip
    cts = {} if images is None else find_cts(images, [pair.case_id for pair in pairs])
    if cts:
        check_ct_headers(cts, pairs, progress=progress)

    def examine(pair: LabelMapPair) -> FailureCase:
        return examine_case(read_mask_pair(pair, tumour=settings.foreground), cts.get(pair.case_id), settings=settings)

    inputs = {
        "predictions": predictions,
        "references": references,
        "images": None if images is None else RunInput(images, "names_and_sizes"),
    }
    results = pair_results(
        output, pairs=pairs, stage="failures", file_names=FAILURE_FILES, settings=settings, inputs=inputs,
        missing_as_empty=missing_as_empty,
    )  # fmt: skip
    with results as folder:
        cases = for_each_pair(examine, pairs, jobs=jobs, progress=progress, what="analysing failures")
        groups = extreme_groups({case.case_id: case.voxel.dice for case in cases})
        comparisons = _compare(FEATURES if cts else SHAPE_FEATURES, cases, groups)
        tables = failure_tables(cases, groups, comparisons, settings=settings)
        write_text(folder / "failures.md", failures_markdown(tables))
        write_failures_json(folder / "failures.json", cases, groups, comparisons, tables, settings=settings)
        write_failure_cases_csv(folder / "failure_cases.csv", cases, groups)
        write_features_csv(folder / "failure_features.csv", comparisons)
        write_false_positives_csv(folder / "false_positives.csv", cases)
        write_feature_figures(folder / "failure_features", cases, groups, comparisons)
    return FailureAnalysis(tuple(output / name for name in (*FAILURE_FILES, RECORD_FILE)), cases, groups, comparisons)


def _compare(
    features: Sequence[Feature], cases: Sequence[FailureCase], groups: ExtremeGroups
) -> tuple[FeatureComparison, ...]:
    values = {case.case_id: case.features for case in cases}
    bottom, top = ([values[case_id] for case_id in group] for group in (groups.bottom, groups.top))
    return compare_features(features, bottom, top)
