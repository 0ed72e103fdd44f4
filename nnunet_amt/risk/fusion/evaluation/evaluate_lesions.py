"""The stage: probabilities of all models of a task and the cohort become the paper's tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt import __version__
from nnunet_amt.base.files import write_text
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RECORD_FILE, RunInput
from nnunet_amt.dataset_conversion.flow_figure import flow_figure
from nnunet_amt.evaluation.results.result_folder import recorded_results, require_apart
from nnunet_amt.evaluation.subjects import of_subjects
from nnunet_amt.risk.fusion.class_scores import CLASS_SCORES_FILE
from nnunet_amt.risk.fusion.evaluation.binary import binary_performances
from nnunet_amt.risk.fusion.evaluation.cohort_tables import flow_counts, flow_table, table_1, table_2
from nnunet_amt.risk.fusion.evaluation.comparison import (
    AreaDifference,
    Comparison,
    area_differences,
    compare_with_monomodal,
    gains_of,
)
from nnunet_amt.risk.fusion.evaluation.comparison_tables import (
    difference_table,
    gain_table,
    monomodal_table,
    nested_table,
    subgroup_table,
)
from nnunet_amt.risk.fusion.evaluation.ctc_shift import CtcShift, ctc_figure, ctc_shift_table, ctc_shifts
from nnunet_amt.risk.fusion.evaluation.ctc_value import CtcSubgroup, NestedCtc, ctc_subgroups, nested_ctc
from nnunet_amt.risk.fusion.evaluation.figures import (
    binary_roc_figure,
    confusion_figure,
    decision_figure,
    gain_figure,
    multiclass_roc_figure,
)
from nnunet_amt.risk.fusion.evaluation.lesion_scores import LesionScores, gather_lesion_scores
from nnunet_amt.risk.fusion.evaluation.multiclass import most_frequent, multiclass_performances
from nnunet_amt.risk.fusion.evaluation.performance import MAIN_AREA, LesionPerformance
from nnunet_amt.risk.fusion.evaluation.sentences import lesion_sentences
from nnunet_amt.risk.fusion.evaluation.summary_json import write_summary
from nnunet_amt.risk.fusion.evaluation.tables import class_table, confusion_table, model_table, seed_table
from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
from nnunet_amt.risk.fusion.fusion_settings import DMFN, REGNET
from nnunet_amt.risk.fusion.lesion_case import LesionCohort, LesionSplit, Task
from nnunet_amt.statistics.rates import Rate
from nnunet_amt.study.study_files import LESION_SUMMARY
from nnunet_amt.writing.figure_style import save_figures
from nnunet_amt.writing.table import Document, Picture, Table
from nnunet_amt.writing.table_formats import html_document, markdown_document

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STAGE = "lesion-evaluate"
_TITLES: Mapping[Task, str] = {
    "binary": "Benign or malignant lesions, from CT and circulating tumour cells",
    "multiclass": "Classes of lesions, from CT and circulating tumour cells",
}
_FIGURES = {
    "lesion_flow": "Cases identified, excluded, included, and in each split",
    "lesion_roc": "ROC curves of all models on tuning and external cases",
    "lesion_confusion": "What the lesions of each class were called by the monomodal network and by the DMFN",
    "lesion_decision": "Reliability diagram and decision curve of DMFN, monomodal network and baseline without images",
    "lesion_gains": "What the DMFN gains over CT alone with the right CTC levels, and with shuffled ones",
    "lesion_ctc_levels": "CTC levels by class and split, with medians",
}
LESION_FILES = (
    *("lesion_tables.md", LESION_SUMMARY.page, LESION_SUMMARY.name),
    *(f"{name}.{ending}" for name in _FIGURES for ending in ("png", "svg")),
)


@dataclass(frozen=True, eq=False)
class LesionEvaluation:
    """What an evaluation of a task found, and the files that it wrote to its folder.

    `ctc_unit` is that of the levels, where the study states it, `shifts` are of the levels between the splits.
    `differences` are of the DMFN with each other model and of `GAINS`, `comparisons` of DMFN and monomodal network.
    `nested` is of two classes alone; `subgroups` are with and without a CTC level, where some have none. `frequent` is
    of many classes: what naming the most frequent ones is worth in each split, see `most_frequent`.
    """

    output: Path
    task: Task
    cohort: LesionCohort
    scores: LesionScores
    ctc_unit: str | None
    shifts: tuple[CtcShift, ...]
    performances: tuple[LesionPerformance, ...]
    differences: tuple[AreaDifference, ...]
    comparisons: tuple[Comparison, ...]
    nested: tuple[NestedCtc, ...]
    subgroups: tuple[CtcSubgroup, ...]
    frequent: Mapping[LesionSplit, Mapping[str, Rate]]

    def of(self, model: str, split: LesionSplit) -> LesionPerformance | None:
        """Give what a model's ensemble is worth on the cases of a split; None where it scored none."""
        return next((one for one in self.performances if (one.model, one.split) == (model, split)), None)

    @property
    def main_pair(self) -> tuple[LesionPerformance, ...]:
        """Monomodal network and DMFN on the external cases, or on the tuning cases where there are none."""
        found = (self.of(name, self.scores.last_split) for name in (REGNET, DMFN))
        return tuple(one for one in found if one is not None)

    @property
    def files(self) -> tuple[Path, ...]:
        """What was written."""
        return tuple(self.output / name for name in (*LESION_FILES, RECORD_FILE) if (self.output / name).exists())

    @property
    def sentences(self) -> tuple[str, ...]:
        """See `lesion_sentences`."""
        return lesion_sentences(self)


def evaluate_lesions(
    at: FusionFolder,
    task: Task,
    cohort: LesionCohort,
    *,
    output: Path | None = None,
    cohort_file: Path | None = None,
    ctc_unit: str | None = None,
    subjects: str | None = None,
    seed: int = 0,
    figures: bool = True,
    progress: Progress = silent,
) -> LesionEvaluation:
    """Evaluate all models of a task; no image is read.

    The results replace those of an earlier evaluation in `output` all at once, or not at all.

    Parameters
    ----------
    at
        With the task's ``class_scores.csv``.
    task
        ``"binary"`` (benign, malignant) or ``"multiclass"``.
    cohort
        See `read_lesion_cases`.
    output
        Folder for `LESION_FILES`; that of the task in `at` if not given.
    cohort_file
        ``cohort.csv`` that the cohort was read from, for the record.
    ctc_unit
        Of the levels, as the study states it.
    subjects
        What the cases are, see `nnunet_amt.evaluation.subjects.subjects_of`: the paper's rows stand beside patients.
    seed
        Of the bootstraps over patients.
    figures
        Draw the figures.
    progress
        Called after each figure.

    Raises
    ------
    BadInputError
        If the scores cannot be read, or nothing can be written; its subclasses if scores and cohort are not of the same
        cases, classes or splits.
    """
    output = at.evaluation(task) if output is None else output
    require_apart(output, at.scores(task), "what is evaluated")
    scores = gather_lesion_scores(at.scores(task), cohort, task=task)
    evaluation = _evaluated(scores, cohort, output, ctc_unit, seed)
    tables = _tables(evaluation)
    inputs = {"scores": RunInput(at.scores(task), names=(CLASS_SCORES_FILE,)), "cohort": cohort_file}
    given = {"task": task, "ctc_unit": ctc_unit, "subjects": subjects}
    with recorded_results(output, file_names=LESION_FILES, stage=STAGE, settings=given, inputs=inputs, seed=seed) as (
        folder,
        notes,
    ):
        notes.counts |= {"cases": len(cohort.cases), "models": len(scores.models)}
        document = Document(
            title=_TITLES[task],
            tables=tables,
            sentences=evaluation.sentences,
            pictures=_draw(folder, _drawings(evaluation) if figures else {}, progress),
            notes=scores.notes,
            foot=f"nnunet_amt {__version__}. Research use only.",
        )
        document = of_subjects(document, subjects)
        write_text(folder / "lesion_tables.md", markdown_document(document))
        write_text(folder / LESION_SUMMARY.page, html_document(document))
        write_summary(folder / LESION_SUMMARY.name, evaluation, document, subjects=subjects)
    return evaluation


def _evaluated(
    scores: LesionScores, cohort: LesionCohort, output: Path, ctc_unit: str | None, seed: int
) -> LesionEvaluation:
    judge = binary_performances if scores.task == "binary" else multiclass_performances
    differences = area_differences(scores, seed=seed)
    return LesionEvaluation(
        output,
        scores.task,
        cohort,
        scores,
        ctc_unit,
        ctc_shifts(cohort),
        judge(scores, seed=seed),
        differences,
        compare_with_monomodal(scores, differences),
        nested_ctc(scores),
        ctc_subgroups(scores, seed=seed),
        _frequent(scores, cohort) if scores.task == "multiclass" else {},
    )


def _tables(evaluation: LesionEvaluation) -> tuple[Table, ...]:
    task, cohort, performances = evaluation.task, evaluation.cohort, evaluation.performances
    found = (
        flow_table(cohort),
        table_1(cohort, ctc_unit=evaluation.ctc_unit),
        table_2(cohort, ctc_unit=evaluation.ctc_unit),
        model_table(performances, task, frequent=evaluation.frequent),
        seed_table(performances, task),
        monomodal_table(evaluation.comparisons, task),
        difference_table(evaluation.differences, task),
        gain_table(evaluation.differences, task),
        nested_table(evaluation.nested),
        ctc_shift_table(evaluation.shifts) if evaluation.shifts else None,
        subgroup_table(evaluation.subgroups, task),
        class_table(evaluation.main_pair) if task == "multiclass" and evaluation.main_pair else None,
        *(confusion_table(one, evaluation.scores.classes) for one in evaluation.main_pair),
    )
    return tuple(table for table in found if table is not None)


def _frequent(scores: LesionScores, cohort: LesionCohort) -> dict[LesionSplit, dict[str, Rate]]:
    """Judge the naming of the most frequent classes on the cases of the first model that scored a split."""
    found = {}
    for split in scores.splits:
        cases = next(model.of_split[split] for model in scores.models if split in model.of_split)
        found[split] = most_frequent(cohort, scores.classes, cases.reference)
    return found


def _drawings(evaluation: LesionEvaluation) -> dict[str, Callable[[], Figure]]:
    scores, task, pair = evaluation.scores, evaluation.task, evaluation.main_pair
    cohort = evaluation.cohort
    drawings: dict[str, Callable[[], Figure]] = {"lesion_flow": lambda: flow_figure(flow_counts(cohort))}
    if any(one.areas[MAIN_AREA[task]].value is not None for one in evaluation.performances):
        drawings["lesion_roc"] = lambda: (
            binary_roc_figure(scores) if task == "binary" else multiclass_roc_figure(scores, evaluation.performances)
        )
    if task == "binary":
        drawings["lesion_decision"] = lambda: decision_figure(scores)
    if any(one.matrix is not None for one in pair):
        drawings["lesion_confusion"] = lambda: confusion_figure(pair, scores.classes)
    if gains_of(evaluation.differences):
        drawings["lesion_gains"] = lambda: gain_figure(evaluation.differences, task)
    if any(case.ctc_level is not None for case in cohort.cases):
        drawings["lesion_ctc_levels"] = lambda: ctc_figure(cohort, ctc_unit=evaluation.ctc_unit)
    return drawings


def _draw(folder: Path, drawings: Mapping[str, Callable[[], Figure]], progress: Progress) -> tuple[Picture, ...]:
    save_figures(drawings, folder, progress=progress)
    return tuple(Picture(folder / f"{name}.png", _FIGURES[name], wide=True) for name in drawings)
