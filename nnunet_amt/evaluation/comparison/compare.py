"""The stage: evaluations of the same cases become paired differences, with intervals, tests and costs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import ascii_lowercase

from nnunet_amt import __version__
from nnunet_amt.base.files import write_text
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RECORD_FILE, RunInput
from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.evaluation.comparison.comparison import Comparison, compare_models
from nnunet_amt.evaluation.comparison.costs import read_cost, recorded_cohort
from nnunet_amt.evaluation.comparison.figures import FIGURES, write_figures
from nnunet_amt.evaluation.comparison.result_files import (
    plain_sentences,
    write_cases_csv,
    write_comparison_json,
    write_metrics_csv,
)
from nnunet_amt.evaluation.comparison.tables import comparison_tables
from nnunet_amt.evaluation.measure.label_maps import alike_names, named_cases
from nnunet_amt.evaluation.results.read_results import (
    DEFINING_SETTINGS,
    READ_FILES,
    EvaluatedModel,
    read_evaluated_model,
)
from nnunet_amt.evaluation.results.result_folder import recorded_results, require_apart
from nnunet_amt.evaluation.settings import ComparisonSettings
from nnunet_amt.evaluation.subjects import PATIENTS
from nnunet_amt.evaluation.summary.clusters import clusters_of
from nnunet_amt.evaluation.summary.cohort_groups import CohortGroup, check_tumours, cohort_groups, read_cohort_rows
from nnunet_amt.writing.table import Document
from nnunet_amt.writing.table_formats import html_document, markdown_document

COMPARISON_FILES = (
    *("comparison.html", "comparison.md", "comparison.json", "comparison_metrics.csv", "comparison_cases.csv"),
    *(f"{name}.{ending}" for name in FIGURES for ending in ("png", "svg")),
)
_STEPS = 3


@dataclass(frozen=True, eq=False)
class ComparisonResult:
    """What a comparison found, in numbers and in a sentence for each other model, and the files it was written to."""

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
        ``cohort.csv``, for subgroups, patients and institutions; by default that of the first evaluation, if its record
        leads there.
    model_folders
        nnU-Net's folder of the trained model, by name, for those whose costs no record leads to.

    Raises
    ------
    BadInputError
        If a folder holds no evaluation or one of an older version; if cases, references or the definition of a
        lesion differ; if names repeat; if the cohort file lacks cases; if the output cannot be written.
    """
    settings, model_folders = settings or ComparisonSettings(), model_folders or {}
    names = model_names(evaluations, names)
    for folder in evaluations:
        require_apart(output, folder, "results of evaluate")
    for name in model_folders:
        if name not in names:
            raise BadInputError(f"model folder of {name!r}: no model is called so; they are {', '.join(names)}")
    models = [read_evaluated_model(folder, name=name) for folder, name in zip(evaluations, names, strict=True)]
    _require_patients(models, settings)
    check_same_cases(models)
    cohort = cohort or recorded_cohort(models[0].folder)
    groups, clusters = _cohort(models[0], cohort, settings)
    costs = [read_cost(model.folder, model_folder=model_folders.get(model.name)) for model in models]
    progress(1, _STEPS, "comparing")
    comparison = compare_models(models, costs, groups=groups, clusters=clusters, settings=settings)
    progress(2, _STEPS, "comparing")
    chosen, inputs = {"names": list(names), **asdict(settings)}, _recorded_inputs(evaluations, cohort)
    with recorded_results(
        output, file_names=COMPARISON_FILES, stage="compare", settings=chosen, inputs=inputs, seed=settings.seed
    ) as (folder, notes):
        notes.counts |= {"cases": comparison.cases, "models": len(models)}
        document = Document(
            title=f"Comparison of {len(comparison.results)} models on {comparison.cases} cases{_of_whom(models)}",
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


def model_names(folders: Sequence[Path], names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Give each model a name of its own, and refuse folders that cannot be compared.

    Without `names` a model is called as its folder; where two folders are called the same
    (``baseline/default/evaluation`` and ``baseline/resenc_m/evaluation``), as the nearest folders above that
    differ.

    Raises
    ------
    BadInputError
        If there are fewer than two folders, one stands there twice, or the names are not as many and all different.
    """
    if len(folders) < 2:
        raise BadInputError(f"{len(folders)} evaluation given; give two or more, the one to compare with first")
    resolved = [folder.resolve() for folder in folders]
    for i, folder in enumerate(resolved):
        if folder in resolved[:i]:
            raise BadInputError(f"{folders[i]}: stands there twice; give each evaluation once")
    if not names:
        return _names_of(resolved)
    if len(names) != len(folders):
        raise BadInputError(f"{len(names)} names for {len(folders)} evaluations; give one for each, or none")
    for name in names:
        if not name.strip() or list(names).count(name) > 1:
            raise BadInputError(f"the name {name!r} is empty or stands there twice; give each model its own")
    return tuple(name.strip() for name in names)


def check_same_cases(models: Sequence[EvaluatedModel]) -> None:
    """Refuse evaluations of other cases, references or definitions than the first one's.

    References are taken for the same if they agree in voxels and volume of every case and in the voxels of every
    lesion.

    Raises
    ------
    UnmatchedCasesError
        If a case stands in one evaluation only.
    BadInputError
        If the references or the settings differ.
    """
    first, *others = models
    for other in others:
        _check_cases(first, other)
        for name in DEFINING_SETTINGS:
            one, two = first.settings[name], other.settings[name]
            if one != two:
                raise BadInputError(
                    f"{other.folder}: was evaluated with {name} {two}, {first.folder} with {one}; "
                    "evaluate both with the same"
                )
        _check_references(first, other)


def _cohort(
    first: EvaluatedModel, cohort: Path | None, settings: ComparisonSettings
) -> tuple[Sequence[CohortGroup], Mapping[str, str] | None]:
    """Give the groups of the cohort, and the patients or institutions where they are to be drawn."""
    rows = None if cohort is None else read_cohort_rows(cohort, case_ids=first.case_ids)
    if cohort is not None and rows is not None:
        empty = [name for name, number in zip(first.case_ids, first.references, strict=True) if not number]
        check_tumours(cohort, rows, empty=empty)
    columns = () if rows is None else tuple(first.settings.get("subgroup_columns", ()))
    groups = cohort_groups(rows, settings=settings.for_groups(columns))
    return groups, clusters_of(rows, cluster=settings.cluster)


def _recorded_inputs(evaluations: Sequence[Path], cohort: Path | None) -> dict[str, Path | RunInput | None]:
    """Name the evaluations a, b, c ... in the record, as many as there are letters."""
    named = {
        ascii_lowercase[i] if i < len(ascii_lowercase) else str(i + 1): RunInput(folder, names=READ_FILES)
        for i, folder in enumerate(evaluations)
    }
    return {**named, "cohort": cohort}


def _names_of(resolved: Sequence[Path]) -> tuple[str, ...]:
    """Look no higher than the folder that all have in common: the home folder above it may be called as a person."""
    common = Path(os.path.commonpath(resolved))
    parts = [folder.relative_to(common).parts or (folder.name,) for folder in resolved]
    for level in range(max(map(len, parts))):
        names = tuple(below[max(0, len(below) - 1 - level)] for below in parts)
        if len(set(names)) == len(names):
            return names
    raise BadInputError("the folders' names do not tell the models apart; name each with --names")


def _check_cases(first: EvaluatedModel, other: EvaluatedModel) -> None:
    complaints = []
    for one, two in ((first, other), (other, first)):
        missing = sorted(set(one.case_ids) - set(two.case_ids))
        if missing:
            complaints.append(f"{two.folder} lacks {named_cases(missing)} of {one.folder}")
    if complaints:
        alike = alike_names(sorted(set(first.case_ids) - set(other.case_ids)), other.case_ids)
        raise UnmatchedCasesError(
            f"{' and '.join(complaints)}; {alike}a comparison needs the same cases in all evaluations"
        )


def _check_references(first: EvaluatedModel, other: EvaluatedModel) -> None:
    advice = "evaluate both against the same references"
    for i, case_id in enumerate(first.case_ids):
        one, two = first.reference_voxels[i], other.reference_voxels[i]
        if one != two:
            raise BadInputError(
                f"{other.folder}: case {case_id} has a reference of {two} voxels, in {first.folder} of {one}; {advice}"
            )
        if first.reference_cm3[i] != other.reference_cm3[i]:
            raise BadInputError(
                f"{other.folder}: case {case_id} has a reference of {other.reference_cm3[i]} cm3, in {first.folder} of "
                f"{first.reference_cm3[i]} cm3; {advice}"
            )
    for lesion, same in zip(first.lesions, other.lesions, strict=False):
        if lesion != same:
            raise BadInputError(
                f"{other.folder}: case {min(lesion[0], same[0])} has other reference lesions than in {first.folder}; "
                f"{advice}"
            )
    if len(first.lesions) != len(other.lesions):
        raise BadInputError(
            f"{other.folder}: has {len(other.lesions)} reference lesions, {first.folder} {len(first.lesions)}; {advice}"
        )


def _of_whom(models: Sequence[EvaluatedModel]) -> str:
    """Say behind the number of cases what they are on record as, where that is not patients alone."""
    recorded = list(dict.fromkeys(" ".join(model.subjects.split()) for model in models if model.subjects))
    return "" if recorded in ([], [PATIENTS]) else f" ({' or '.join(recorded)})"


def _require_patients(models: Sequence[EvaluatedModel], settings: ComparisonSettings) -> None:
    """Refuse the paper's results beside cases that are on record as others than patients."""
    others = next((model for model in models if model.subjects not in (None, PATIENTS)), None)
    if settings.published and others is not None:
        raise BadInputError(
            f"{others.folder}: its cases are {others.subjects}, the paper's are patients; leave --published out"
        )
