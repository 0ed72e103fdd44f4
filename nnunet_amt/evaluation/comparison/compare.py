"""The stage: evaluations of the same cases become paired differences, with intervals, tests and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import ascii_lowercase

from nnunet_amt import __version__
from nnunet_amt.base.files import write_text
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RECORD_FILE, RunInput
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.comparison.comparison import Comparison, compare_models
from nnunet_amt.evaluation.comparison.costs import read_cost, recorded_cohort
from nnunet_amt.evaluation.comparison.figures import FIGURES, write_figures
from nnunet_amt.evaluation.comparison.result_files import (
    write_cases_csv,
    write_comparison_json,
    write_metrics_csv,
)
from nnunet_amt.evaluation.comparison.same_cases import check_same_cases, model_names
from nnunet_amt.evaluation.comparison.sentences import plain_sentences
from nnunet_amt.evaluation.comparison.settings import ComparisonSettings
from nnunet_amt.evaluation.comparison.tables import comparison_tables
from nnunet_amt.evaluation.results.evaluated_model import READ_FILES, EvaluatedModel, read_evaluated_model
from nnunet_amt.evaluation.results.result_folder import recorded_results, require_apart
from nnunet_amt.evaluation.summary.cohort_groups import CohortGroup, cohort_groups, institutions_of, read_cohort_rows
from nnunet_amt.writing.html import html_document
from nnunet_amt.writing.markdown import markdown_document
from nnunet_amt.writing.table import Document

COMPARISON_FILES = (
    *("comparison.html", "comparison.md", "comparison.json", "comparison_metrics.csv", "comparison_cases.csv"),
    *(f"{name}.{ending}" for name in FIGURES for ending in ("png", "svg")),
)
_STEPS = 3


@dataclass(frozen=True, eq=False)
class ComparisonResult:
    """What a comparison found and where it was written.

    Attributes
    ----------
    output
        The folder of the results.
    files
        The written files.
    comparison
        The numbers.
    sentences
        The result in words, one for each other model.
    """

    output: Path
    files: tuple[Path, ...]
    comparison: Comparison
    sentences: tuple[str, ...]


def compare(
    evaluations: Sequence[Path],
    output: Path,
    *,
    names: Sequence[str] | None = None,
    cohort: Path | None = None,
    model_folders: Mapping[str, Path] | None = None,
    settings: ComparisonSettings | None = None,
    progress: Progress = silent,
) -> ComparisonResult:
    """Compare each other evaluation with the first, case by case and lesion by lesion.

    Everything is computed from the counts that ``evaluate`` left; no image is read. The results replace those of an
    earlier comparison in `output` all at once, or not at all.

    Parameters
    ----------
    evaluations
        Two or more folders of ``evaluate``, of the same cases; the first is compared with each other one.
    output
        Folder for `COMPARISON_FILES`.
    names
        Of the models, in the same order; by default those of the folders.
    cohort
        ``cohort.csv``, for subgroups and institutions; by default that of the first evaluation, if its record
        leads there.
    model_folders
        nnU-Net's folder of the trained model, by name, for those whose costs no record leads to.
    settings
        None for the defaults.
    progress
        Told of every step.

    Raises
    ------
    BadInputError
        If a folder holds no evaluation or one of an older version; if cases, references or the definition of a
        lesion differ; if names repeat; if the cohort file lacks cases; if the output cannot be written.
    """
    settings, model_folders = settings or ComparisonSettings(), model_folders or {}
    names = model_names(evaluations, names)
    _check_call(evaluations, output, names, model_folders)
    models = [read_evaluated_model(folder, name) for folder, name in zip(evaluations, names, strict=True)]
    check_same_cases(models)
    cohort = cohort or recorded_cohort(models[0].folder)
    groups, institutions = _cohort(models[0], cohort, settings)
    costs = [read_cost(model.folder, model_folder=model_folders.get(model.name)) for model in models]
    progress(1, _STEPS, "comparing")
    comparison = compare_models(models, costs, groups=groups, institutions=institutions, settings=settings)
    progress(2, _STEPS, "comparing")
    chosen, inputs = {"names": list(names), **asdict(settings)}, _recorded_inputs(evaluations, cohort)
    with recorded_results(output, COMPARISON_FILES, "compare", chosen, inputs, settings.seed) as (folder, notes):
        notes.counts |= {"cases": comparison.cases, "models": len(models)}
        document = Document(
            title=f"Comparison of {len(comparison.results)} models on {comparison.cases} cases",
            tables=comparison_tables(comparison),
            sentences=plain_sentences(comparison),
            pictures=write_figures(folder, comparison),
            foot=f"nnunet_amt {__version__}. Research use only.",
        )
        write_text(folder / "comparison.md", markdown_document(document))
        write_text(folder / "comparison.html", html_document(document))
        write_comparison_json(folder / "comparison.json", comparison, document)
        write_metrics_csv(folder / "comparison_metrics.csv", comparison)
        write_cases_csv(folder / "comparison_cases.csv", comparison)
    progress(3, _STEPS, "comparing")
    files = tuple(output / name for name in (*COMPARISON_FILES, RECORD_FILE))
    return ComparisonResult(output, files, comparison, document.sentences)


def _check_call(
    evaluations: Sequence[Path], output: Path, names: Sequence[str], model_folders: Mapping[str, Path]
) -> None:
    for folder in evaluations:
        require_apart(output, folder, "results of evaluate")
    for name in model_folders:
        if name not in names:
            raise BadInputError(f"model folder of {name!r}: no model is called so; they are {', '.join(names)}")


def _cohort(
    first: EvaluatedModel, cohort: Path | None, settings: ComparisonSettings
) -> tuple[Sequence[CohortGroup], Mapping[str, str] | None]:
    """Give the groups of the cohort, and the institutions where they are to be drawn."""
    rows = None if cohort is None else read_cohort_rows(cohort, first.case_ids)
    columns = () if rows is None else tuple(first.settings.get("subgroup_columns", ()))
    group_settings = settings.for_groups(columns)
    groups = cohort_groups(rows, group_settings)
    institutions = institutions_of(groups, group_settings)
    return groups, institutions if settings.cluster == "institution" else None


def _recorded_inputs(evaluations: Sequence[Path], cohort: Path | None) -> dict[str, Path | RunInput | None]:
    """Name the evaluations a, b, c ... in the record, as many as there are letters."""
    named = {
        ascii_lowercase[i] if i < len(ascii_lowercase) else str(i + 1): RunInput(folder, names=READ_FILES)
        for i, folder in enumerate(evaluations)
    }
    return {**named, "cohort": cohort}
