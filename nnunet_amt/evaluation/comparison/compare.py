"""The stage: evaluations of the same cases become paired differences, with intervals, tests and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import ascii_lowercase

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RECORD_FILE, RunInput
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.comparison.comparison import Comparison, ModelComparison, ModelResult
from nnunet_amt.evaluation.comparison.costs import ModelCost, read_cost
from nnunet_amt.evaluation.comparison.dice_figure import dice_figure
from nnunet_amt.evaluation.comparison.froc_overlay import froc_overlay
from nnunet_amt.evaluation.comparison.measures import difference_ratios, estimates, ratios
from nnunet_amt.evaluation.comparison.page import Picture, write_page_html, write_page_markdown
from nnunet_amt.evaluation.comparison.paired_tests import corrected, paired_tests
from nnunet_amt.evaluation.comparison.record_links import recorded_cohort
from nnunet_amt.evaluation.comparison.result_files import write_cases_csv, write_comparison_json, write_metrics_csv
from nnunet_amt.evaluation.comparison.same_cases import check_same_cases, model_names
from nnunet_amt.evaluation.comparison.sentences import plain_sentences
from nnunet_amt.evaluation.comparison.settings import ComparisonSettings
from nnunet_amt.evaluation.comparison.subgroup_differences import subgroup_differences
from nnunet_amt.evaluation.comparison.tables import comparison_tables
from nnunet_amt.evaluation.comparison.verdicts import case_verdicts
from nnunet_amt.evaluation.results.evaluated_model import READ_FILES, EvaluatedModel, read_evaluated_model
from nnunet_amt.evaluation.results.result_folder import recorded_results, require_apart
from nnunet_amt.evaluation.summary.cohort_groups import CohortGroup, cohort_groups, institutions_of, read_cohort_rows
from nnunet_amt.writing.figure_style import save_figure

_FIGURES = ("comparison_froc", "comparison_dice")
COMPARISON_FILES = (
    *("comparison.html", "comparison.md", "comparison.json", "comparison_metrics.csv", "comparison_cases.csv"),
    *(f"{name}.{ending}" for name in _FIGURES for ending in ("png", "svg")),
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
    names: Sequence[str] | None = None,
    cohort: Path | None = None,
    settings: ComparisonSettings | None = None,
    model_folders: Mapping[str, Path] | None = None,
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
    settings
        None for the defaults.
    model_folders
        nnU-Net's folder of the trained model, by name, for those whose costs no record leads to.
    progress
        Told of every step.

    Raises
    ------
    BadInputError
        If a folder holds no evaluation or one of an older version; if cases, references or the definition of a
        lesion differ; if names repeat; if the cohort file lacks cases; if the output cannot be written.
    """
    settings = settings or ComparisonSettings()
    names = model_names(evaluations, names)
    _check_call(evaluations, output, names, model_folders or {})
    models = [read_evaluated_model(folder, name) for folder, name in zip(evaluations, names, strict=True)]
    check_same_cases(models)
    cohort = cohort or recorded_cohort(models[0].folder)
    groups, institutions = _cohort(models[0], cohort, settings)
    costs = [read_cost(model.folder, (model_folders or {}).get(model.name)) for model in models]
    progress(1, _STEPS, "comparing")
    comparison = _compared(models, costs, groups, institutions, settings)
    progress(2, _STEPS, "comparing")
    told, inputs = {"names": list(names), **asdict(settings)}, _recorded_inputs(evaluations, cohort)
    with recorded_results(output, COMPARISON_FILES, "compare", told, inputs, settings.seed) as (folder, notes):
        notes.counts |= {"cases": comparison.cases, "models": len(models)}
        sentences = _write(folder, comparison)
    progress(3, _STEPS, "comparing")
    files = tuple(output / name for name in (*COMPARISON_FILES, RECORD_FILE))
    return ComparisonResult(output, files, comparison, sentences)


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
    asked = () if rows is None else tuple(first.settings.get("subgroup_columns", ()))
    group_settings = settings.for_groups(asked)
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


def _compared(
    models: Sequence[EvaluatedModel],
    costs: Sequence[ModelCost],
    groups: Sequence[CohortGroup],
    institutions: Mapping[str, str] | None,
    settings: ComparisonSettings,
) -> Comparison:
    first, *others = models
    differences = [difference_ratios(first, other) for other in others]
    clusters = None if institutions is None else [institutions[case_id] for case_id in first.case_ids]
    values = estimates([*map(ratios, models), *differences], settings, clusters)
    tests = corrected([paired_tests(first, other) for other in others])
    subgroups = subgroup_differences(first, differences, groups, settings, institutions)
    return Comparison(
        settings=settings,
        results=tuple(map(ModelResult, models, values, costs)),
        others=tuple(
            ModelComparison(other, values[len(models) + i], tests[i], verdicts, subgroups[i])
            for i, other in enumerate(others)
            for verdicts in [case_verdicts(first, other, settings.tie_margin)]
        ),
        clusters=None if clusters is None else len(set(clusters)),
    )


def _write(folder: Path, comparison: Comparison) -> tuple[str, ...]:
    """Write all files and give the sentences."""
    sentences, tables = plain_sentences(comparison), comparison_tables(comparison)
    save_figure(froc_overlay(comparison), folder, "comparison_froc")
    save_figure(dice_figure(comparison), folder, "comparison_dice")
    write_metrics_csv(folder / "comparison_metrics.csv", comparison)
    write_cases_csv(folder / "comparison_cases.csv", comparison)
    title = f"Comparison of {len(comparison.results)} models on {comparison.cases} cases"
    pictures = _pictures(folder, comparison)
    write_page_markdown(folder / "comparison.md", title, sentences, tables, pictures)
    write_page_html(folder / "comparison.html", title, sentences, tables, pictures)
    figures = [f"{name}.{ending}" for name in _FIGURES for ending in ("png", "svg")]
    write_comparison_json(folder / "comparison.json", comparison, sentences, tables, figures)
    return sentences


def _pictures(folder: Path, comparison: Comparison) -> list[Picture]:
    names = ", ".join(result.name for result in comparison.results)
    first = comparison.first.name
    froc, dice = (folder / f"{name}.png" for name in _FIGURES)
    return [
        Picture(froc, f"Sensitivity against false positives per scan along the IoU thresholds: {names}"),
        Picture(dice, f"Dice of every case, each other model over {first}", wide=len(comparison.others) > 1),
    ]
