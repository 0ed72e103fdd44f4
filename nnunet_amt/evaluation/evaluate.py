"""The stage: a folder of predictions and one of references become the paper's tables and FROC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RECORD_FILE, RunInput
from nnunet_amt.evaluation.component_analysis import COMPONENT_FILES, write_component_analysis
from nnunet_amt.evaluation.figures.figures import FIGURE_FILES, write_figures
from nnunet_amt.evaluation.measure.case import CaseEvaluation, evaluate_cases
from nnunet_amt.evaluation.measure.label_maps import check_headers, pair_results, paired_cases
from nnunet_amt.evaluation.operating_points.in_evaluation import PointHere, point_in_use
from nnunet_amt.evaluation.results.csv_files import (
    write_case_thresholds_csv,
    write_cases_csv,
    write_froc_csv,
    write_lesions_csv,
    write_metrics_csv,
    write_volume_bins_csv,
)
from nnunet_amt.evaluation.results.summary_json import write_summary_json
from nnunet_amt.evaluation.results.tables import TABLE_FILES, result_tables, write_tables
from nnunet_amt.evaluation.score_froc import SCORE_FROC_FILES, find_probabilities, write_scores
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.subjects import PATIENTS, subjects_of
from nnunet_amt.evaluation.summary.clusters import clusters_of
from nnunet_amt.evaluation.summary.cohort_groups import (
    CohortGroup,
    check_tumours,
    cohort_groups,
    institutions_of,
    read_cohort_rows,
)
from nnunet_amt.evaluation.summary.subgroups import check_subgroups_add_up, sensitivity_by_volume, split_into_subgroups
from nnunet_amt.evaluation.summary.summary import GroupSummary, NamedGroup, summarise
from nnunet_amt.evaluation.summary.triage import Triage, apply_triage, read_triage
from nnunet_amt.writing.table import Table

RESULT_FILES = (
    *("cases.csv", "case_thresholds.csv", "lesions.csv", "froc.csv", "metrics.csv", "sensitivity_by_volume.csv"),
    *(*TABLE_FILES, "summary.json", *FIGURE_FILES),
)
_POSSIBLE_FILES = (*RESULT_FILES, *SCORE_FROC_FILES, *COMPONENT_FILES)


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found, cases in the order of their ids, and the files that were written to its folder.

    `subjects` is of what the cases are, see `subjects_of`; `moved` shows the figures of an operating point, if one was
    used, on the tuning cases and on these.
    """

    output: Path
    files: tuple[Path, ...]
    settings: EvaluationSettings
    overall: GroupSummary
    subgroups: tuple[NamedGroup, ...]
    cases: tuple[CaseEvaluation, ...]
    subjects: str | None = None
    moved: Table | None = None


def evaluate(
    predictions: Path,
    references: Path,
    output: Path,
    *,
    cohort: Path | None = None,
    triage: Path | None = None,
    probabilities: Path | None = None,
    operating_point: str | None = None,
    settings: EvaluationSettings | None = None,
    missing_as_empty: bool = False,
    component_analysis: bool = False,
    figures: bool = True,
    jobs: int = 1,
    executor: str | None = None,
    progress: Progress = silent,
) -> EvaluationResult:
    """Evaluate predicted label maps against reference label maps.

    An empty reference is a case without a tumour: it counts in the false positives per scan and in the specificity. Its
    Dice is 0 where something is predicted and undefined elsewhere, and a subgroup tells the means without it.

    Everything that can be checked without reading voxels is checked for all cases first. The results replace
    those of an earlier evaluation in `output` all at once, or not at all.

    Parameters
    ----------
    predictions, references
        Folders with one label map a case, ``<case id>.nii.gz`` (also ``.nii``, ``.nrrd``, ``.mha``). The paper's
        results stand beside these if the ``dataset.json`` beside the references, or `cohort`, says that they are of
        patients.
    output
        Folder for `RESULT_FILES`; without institutions in `cohort` the figure of them is not made.
    cohort
        ``cohort.csv`` of the conversion, for subgroups, and for patients or institutions to be drawn; None for
        subgroups by tumour size alone.
    triage
        A reader's decisions, exported from the report: predicted lesions that were accepted are not counted as false
        positives (but in the score FROC and the table of lesion definitions, which match anew).
    probabilities
        Folder of the probabilities, see `find_probabilities`, for the score FROC (`SCORE_FROC_FILES`) too, or None.
    operating_point
        Name of a point of the model that made the predictions: what it makes of their saved probabilities is evaluated
        in place of the label maps. Of the point used, this or the one that made the label maps, the figures on the
        tuning cases stand beside those here.
    settings
        None for the defaults, which are the paper's where it states any.
    missing_as_empty
        Count a case without a prediction as one in which nothing was found, instead of refusing.
    component_analysis
        Write the table of lesion definitions (`COMPONENT_FILES`) too.
    figures
        Draw `FIGURE_FILES`, which takes most of the time where cases are few.
    jobs
        Worker processes.
    executor
        ``dask://HOST:PORT`` sends the cases to that scheduler's workers, which must see the same files; `jobs` is
        not used then.
    progress
        Told of every checked header and every evaluated case.

    Raises
    ------
    BadInputError
        If a folder is missing, or the output cannot be written; its subclasses if cases do not pair up, the
        cohort file lacks them or its column no_tumour contradicts the references, geometries differ, a file is damaged
        or holds other labels than 0 and 1, or `triage` was made for other predictions.
    WorkFailedError
        If a worker was killed.
    """
    settings = settings or EvaluationSettings()
    point = point_in_use(predictions, asked=operating_point, scored=probabilities is not None)
    apart = {"the probabilities": probabilities}
    pairs = paired_cases(predictions, references, output, apart=apart, missing_as_empty=missing_as_empty, jobs=jobs)
    case_ids = [pair.case_id for pair in pairs]
    rows = None if cohort is None else read_cohort_rows(cohort, case_ids=case_ids)
    groups = cohort_groups(rows, settings=settings)
    institutions, clusters = institutions_of(groups), clusters_of(rows, cluster=settings.cluster)
    decisions = None if triage is None else read_triage(triage)
    subjects = subjects_of(references, cohort)
    scored = {} if probabilities is None else find_probabilities(probabilities, pairs)
    check_headers(pairs, progress=progress)
    pairs = pairs if point is None else point.masks(pairs, predictions)
    inputs = {
        "predictions": predictions,
        "references": references,
        "cohort": cohort,
        "triage": triage,
        "probabilities": None if probabilities is None else RunInput(probabilities, "names_and_sizes"),
    }
    recorded = asdict(settings) | ({} if point is None else {"operating_point": asdict(point.tuned.point)})
    results = pair_results(
        output, pairs=pairs, stage="evaluate", file_names=_POSSIBLE_FILES, settings=recorded, inputs=inputs,
        missing_as_empty=missing_as_empty, seed=settings.seed,
    )  # fmt: skip
    with results as folder:
        cases = evaluate_cases(pairs, settings=settings, jobs=jobs, executor=executor, progress=progress)
        if cohort is not None and rows is not None:
            check_tumours(cohort, rows, empty=[case.case_id for case in cases if case.counts.size_mm is None])
        cases, overall, subgroups = _summarised(cases, decisions, groups, clusters, settings)
        here = None if point is None else point.here(cases, overall, settings=settings, clusters=clusters)
        _write(folder, cases, overall, subgroups, settings, subjects, here)
        if figures:
            write_figures(
                folder, cases, overall, settings=settings, institutions=institutions, clusters=clusters,
                published=subjects == PATIENTS, progress=progress,
            )  # fmt: skip
        if probabilities is not None:
            write_scores(folder, pairs, scored, settings=settings, clusters=clusters, jobs=jobs, progress=progress)
        if component_analysis:
            write_component_analysis(folder, pairs, settings=settings, clusters=clusters, jobs=jobs, progress=progress)
    files = tuple(output / name for name in (*_POSSIBLE_FILES, RECORD_FILE) if (output / name).exists())
    return EvaluationResult(
        output, files, settings, overall, subgroups, cases, subjects, None if here is None else here.table()
    )


def _summarised(
    cases: tuple[CaseEvaluation, ...],
    decisions: Triage | None,
    groups: Sequence[CohortGroup],
    clusters: Mapping[str, str] | None,
    settings: EvaluationSettings,
) -> tuple[tuple[CaseEvaluation, ...], GroupSummary, tuple[NamedGroup, ...]]:
    """Give the cases as a reader decided on them, their summary, and those of the subgroups."""
    triaged = None
    if decisions is not None:
        cases, triaged = apply_triage(decisions, cases, rule=settings.false_positive_rule)
    summary_of = partial(summarise, settings=settings, clusters=clusters)
    overall = replace(summary_of(cases), triage=triaged)
    subgroups = tuple((part.group, part.name, summary_of(part.cases)) for part in split_into_subgroups(cases, groups))
    check_subgroups_add_up(overall=overall, subgroups=subgroups)
    return cases, overall, subgroups


def _write(
    folder: Path,
    cases: Sequence[CaseEvaluation],
    overall: GroupSummary,
    subgroups: Sequence[NamedGroup],
    settings: EvaluationSettings,
    subjects: str | None,
    here: PointHere | None,
) -> None:
    write_cases_csv(folder / "cases.csv", cases, surface_distances=settings.surface_distances)
    write_case_thresholds_csv(folder / "case_thresholds.csv", cases)
    write_lesions_csv(folder / "lesions.csv", cases, surface_distances=settings.surface_distances)
    write_froc_csv(folder / "froc.csv", overall.lesion)
    write_metrics_csv(folder / "metrics.csv", overall=overall, subgroups=subgroups)
    write_volume_bins_csv(folder / "sensitivity_by_volume.csv", sensitivity_by_volume(cases))
    tables = result_tables(settings=settings, overall=overall, subgroups=subgroups, subjects=subjects)
    if here is not None:
        tables = replace(tables, tables=(here.table(), *tables.tables))
    write_tables(folder, tables)
    write_summary_json(
        folder / "summary.json", settings=settings, overall=overall, subgroups=subgroups, subjects=subjects,
        operating_point=None if here is None else here.as_json(),
    )  # fmt: skip
