"""The stage: scores of all models and the cohort become the paper's Tables 1 and 2, figures and a summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt import __version__
from nnunet_amt.base.files import write_text
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RECORD_FILE, RunInput
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.results.result_folder import recorded_results, require_apart
from nnunet_amt.evaluation.subjects import of_subjects
from nnunet_amt.risk.cases import RiskCohort
from nnunet_amt.risk.clinical_baseline import CLINICAL
from nnunet_amt.risk.evaluation.characteristics import characteristics_table
from nnunet_amt.risk.evaluation.figures import calibration_figure, roc_figure
from nnunet_amt.risk.evaluation.heat_panel import ShownHeat, heat_figure, heat_table, read_heat_maps
from nnunet_amt.risk.evaluation.loss_curves import LossCurves, loss_figure, read_loss_curves
from nnunet_amt.risk.evaluation.model_scores import ENSEMBLE, ScoredModel, ScoredModels, gather_models
from nnunet_amt.risk.evaluation.performance import (
    ModelDifference,
    Performance,
    SegmentationCost,
    best_out_of_fold,
    differences,
    performances,
    segmentation_costs,
)
from nnunet_amt.risk.evaluation.sentences import risk_sentences
from nnunet_amt.risk.evaluation.subgroups import RiskSubgroup, risk_subgroups, subgroup_figure, subgroup_table
from nnunet_amt.risk.evaluation.summary_json import write_summary
from nnunet_amt.risk.evaluation.tables import (
    calibration_table,
    difference_table,
    flow_table,
    model_table,
    segmentation_table,
    sensitive_table,
)
from nnunet_amt.risk.networks.settings import CURVES_FILE
from nnunet_amt.risk.scores import MODELS_FILE, SCORES_FILE
from nnunet_amt.study.study_files import RISK_SUMMARY
from nnunet_amt.writing.figure_style import save_figures
from nnunet_amt.writing.table import Document, Picture, Table
from nnunet_amt.writing.table_formats import html_document, markdown_document

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STAGE = "risk-evaluate"
_FIGURES = {
    "risk_roc": "ROC curves of all models, out of fold and external",
    "risk_calibration": "Reliability diagram and decision curve of the main model and the clinical baseline",
    "risk_subgroups": "AUC of the main model by institution, manufacturer and tumour size, with intervals",
    "risk_loss_curves": "Loss of each network in training and on held-out cases along its epochs",
    "risk_heat_maps": "Slices of cases with the tumour's outline, and the heat map over them",
}
RISK_FILES = (
    *("risk_tables.md", RISK_SUMMARY.page, RISK_SUMMARY.name),
    *(f"{name}.{ending}" for name in _FIGURES for ending in ("png", "svg")),
)


@dataclass(frozen=True, eq=False)
class RiskEvaluation:
    """What an evaluation found, and the files that it wrote to its folder.

    `main` is the model that the sentences, subgroups and calibration are of; `model_differences` are against the
    reference model, `clinical_differences` against the clinical baseline. The looks at the external set with ROIs of
    predicted masks come on top of those of `scored`.
    """

    output: Path
    cohort: RiskCohort
    scored: ScoredModels
    main: ScoredModel
    main_was_named: bool
    performances: tuple[Performance, ...]
    model_differences: tuple[ModelDifference, ...]
    clinical_differences: tuple[ModelDifference, ...]
    subgroups: tuple[RiskSubgroup, ...]
    costs: tuple[SegmentationCost, ...]
    looks_with_predicted_masks: int

    def title_of(self, model: str) -> str:
        """Give the title of a model; its name where it has no scores."""
        return next((one.title for one in self.scored.models if one.name == model), model)

    @property
    def files(self) -> tuple[Path, ...]:
        """What was written."""
        return tuple(self.output / name for name in (*RISK_FILES, RECORD_FILE) if (self.output / name).exists())

    @property
    def sentences(self) -> tuple[str, ...]:
        """See `risk_sentences`."""
        return risk_sentences(self)


def evaluate_risk(
    scores_folder: Path,
    cohort: RiskCohort,
    *,
    output: Path,
    reference: str = CLINICAL,
    main_model: str | None = None,
    predicted_scores: Path | None = None,
    trainings: Mapping[str, Path] | None = None,
    heat_maps: Path | None = None,
    cohort_file: Path | None = None,
    subjects: str | None = None,
    figures: bool = True,
    seed: int = 0,
    progress: Progress = silent,
) -> RiskEvaluation:
    """Evaluate all models of a folder of scores; no image is read.

    The results replace those of an earlier evaluation in `output` all at once, or not at all.

    Parameters
    ----------
    scores_folder
        With ``scores.csv`` and ``models.json``. A clinical baseline, and an ensemble of the networks, are added where
        they are not in it.
    cohort
        See `read_risk_cases`.
    output
        Folder for `RISK_FILES`.
    reference
        The model that each other one is compared with.
    main_model
        That sentences, subgroups and calibration are of; by default the one with the highest out-of-fold AUC.
    predicted_scores
        Scores of the same models with ROIs of predicted masks, for what segmentation costs.
    trainings
        Folders of trainings, by model; one without ``loss_curves.csv``, as of frozen features, has no curves.
    heat_maps
        Folder of `write_heat_maps`.
    cohort_file
        ``cohort.csv`` that the cohort was read from, for the record.
    subjects
        What the cases are, see `nnunet_amt.evaluation.subjects.subjects_of`: the paper's rows stand beside patients.
    figures
        Draw the figures, which takes most of the time.
    seed
        Of the bootstrap over patients and of the baseline's folds.
    progress
        Called after each figure.

    Raises
    ------
    BadInputError
        If a file cannot be read, there is no such model, or nothing can be written; its subclasses if scores and
        cohort are not of the same cases or split.
    """
    for folder in (scores_folder, predicted_scores, heat_maps, *(trainings or {}).values()):
        if folder is not None:
            require_apart(output, folder, "what is evaluated")
    scored = gather_models(scores_folder, cohort, seed=seed)
    predicted = None if predicted_scores is None else gather_models(predicted_scores, cohort, seed=seed)
    curves = _curves(scored, trainings or {})
    heats = () if heat_maps is None else read_heat_maps(heat_maps)
    evaluation = _evaluated(scored, predicted, cohort, output, reference, main_model, seed)
    tables = (*_tables(evaluation, reference), *_heat_tables(evaluation, heats))
    given = {"reference": reference, "main_model": main_model, "subjects": subjects}
    inputs = _inputs(scores_folder, predicted_scores, heat_maps, cohort_file)
    with recorded_results(output, file_names=RISK_FILES, stage=STAGE, settings=given, inputs=inputs, seed=seed) as (
        folder,
        notes,
    ):
        notes.counts |= {"cases": len(cohort.cases), "models": len(scored.models)}
        notes.counts["external_looks"] = scored.external_looks + evaluation.looks_with_predicted_masks
        drawings = _drawings(evaluation, curves, heats) if figures else {}
        document = Document(
            title="Low or high risk of thymic epithelial tumours",
            tables=tables,
            sentences=evaluation.sentences,
            pictures=_draw(folder, drawings, progress),
            notes=scored.notes,
            foot=f"nnunet_amt {__version__}. Research use only.",
        )
        document = of_subjects(document, subjects)
        write_text(folder / "risk_tables.md", markdown_document(document))
        write_text(folder / RISK_SUMMARY.page, html_document(document))
        write_summary(folder / RISK_SUMMARY.name, evaluation, document, heats=heats, subjects=subjects)
    return evaluation


def _curves(scored: ScoredModels, trainings: Mapping[str, Path]) -> dict[str, LossCurves]:
    found = {}
    for name, folder in trainings.items():
        title = scored.named(name).title
        if (folder / CURVES_FILE).is_file():
            found[title] = read_loss_curves(folder)
    return found


def _inputs(
    scores: Path, predicted: Path | None, heat_maps: Path | None, cohort_file: Path | None
) -> dict[str, Path | RunInput | None]:
    names = (SCORES_FILE, MODELS_FILE)
    return {
        "scores": RunInput(scores, names=names),
        "predicted_scores": None if predicted is None else RunInput(predicted, names=names),
        "heat_maps": None if heat_maps is None else RunInput(heat_maps, "names_and_sizes"),
        "cohort": cohort_file,
    }


def _evaluated(
    scored: ScoredModels,
    predicted: ScoredModels | None,
    cohort: RiskCohort,
    output: Path,
    reference: str,
    main_model: str | None,
    seed: int,
) -> RiskEvaluation:
    main = scored.named(main_model) if main_model else best_out_of_fold(scored)
    known = {model.name: model for model in scored.models}
    if reference != CLINICAL:
        scored.named(reference)
    against = {
        name: differences(scored, known[name]) if name in known else () for name in dict.fromkeys((reference, CLINICAL))
    }
    costs = () if predicted is None else segmentation_costs(scored, predicted, seed=seed)
    if predicted is not None and not costs:
        raise BadInputError(
            f"no model has scores of the same cases, two of each class, with ROIs of reference and of predicted masks "
            f"({', '.join(known)} and {', '.join(model.name for model in predicted.models)}); score the same models, "
            "and predict masks of more cases"
        )
    subgroups = risk_subgroups(main, scored.kinds, seed=seed)
    masked = [] if predicted is None else [one for one in predicted.models if one.name not in (CLINICAL, ENSEMBLE)]
    return RiskEvaluation(
        output, cohort, scored, main, main_model is not None, performances(scored, seed=seed), against[reference],
        against[CLINICAL], subgroups, costs, sum(one.entry.external_looks for one in masked),
    )  # fmt: skip


def _tables(evaluation: RiskEvaluation, reference: str) -> tuple[Table, ...]:
    found = evaluation.performances
    compared = difference_table(
        evaluation.scored, evaluation.model_differences, reference_title=evaluation.title_of(reference)
    )
    return (
        flow_table(evaluation.cohort),
        characteristics_table(evaluation.cohort.cases),
        model_table(found),
        sensitive_table(found),
        *([] if compared is None else [compared]),
        calibration_table(found),
        subgroup_table(evaluation.main, evaluation.subgroups),
        *([segmentation_table(evaluation.costs)] if evaluation.costs else []),
    )


def _heat_tables(evaluation: RiskEvaluation, heats: tuple[ShownHeat, ...]) -> tuple[Table, ...]:
    return (heat_table(heats, title=evaluation.title_of(heats[0].model)),) if heats else ()


def _drawings(
    evaluation: RiskEvaluation, curves: Mapping[str, LossCurves], heats: tuple[ShownHeat, ...]
) -> dict[str, Callable[[], Figure]]:
    scored, main = evaluation.scored, evaluation.main
    shown = [main, *(model for model in scored.models if model.name == CLINICAL and model is not main)]
    epochs = {
        model.title: epoch
        for model in scored.models
        if isinstance(epoch := model.entry.details.get("chosen_epochs"), int)
    }
    drawings: dict[str, Callable[[], Figure]] = {
        "risk_roc": lambda: roc_figure(scored, main),
        "risk_calibration": lambda: calibration_figure(shown, scored.kinds),
        "risk_subgroups": lambda: subgroup_figure(main, evaluation.subgroups),
    }
    if curves:
        drawings["risk_loss_curves"] = lambda: loss_figure(curves, chosen_epochs=epochs)
    if heats:
        high = {case.case_id: case.high for case in evaluation.cohort.cases}
        drawings["risk_heat_maps"] = lambda: heat_figure(heats, title=evaluation.title_of(heats[0].model), high=high)
    return drawings


def _draw(folder: Path, drawings: Mapping[str, Callable[[], Figure]], progress: Progress) -> tuple[Picture, ...]:
    save_figures(drawings, folder, progress=progress)
    return tuple(Picture(folder / f"{name}.png", _FIGURES[name], wide=True) for name in drawings)
