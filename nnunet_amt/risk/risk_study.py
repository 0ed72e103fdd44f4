"""The study of risk in one folder, all of it, and the stages at its end: evaluation and readers.

Every stage is a command of ``nnunet_amt risk``; it reads what the ones before have left in the folder, and, run again,
does only what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.subjects import PATIENTS, subjects_of
from nnunet_amt.risk.cases import RiskCohort
from nnunet_amt.risk.clinical_baseline import CLINICAL
from nnunet_amt.risk.evaluation.evaluate_risk import RiskEvaluation, evaluate_risk
from nnunet_amt.risk.evaluation.model_scores import gather_models
from nnunet_amt.risk.evaluation.performance import best_out_of_fold
from nnunet_amt.risk.model_stages import (
    best_network,
    draw_heat_maps,
    require_networks,
    score_predicted_rois,
    train_models,
)
from nnunet_amt.risk.networks.settings import CURVES_FILE
from nnunet_amt.risk.radiomics.feature_tables import FeatureFiles, write_features
from nnunet_amt.risk.reading.reader_analysis import ReaderAnalysis
from nnunet_amt.risk.reading.reader_file import read_readers
from nnunet_amt.risk.reading.reader_study import write_reader_study
from nnunet_amt.risk.reading.simulated import simulate_readers
from nnunet_amt.risk.risk_settings import RADIOMICS, RiskFolder, RiskSettings
from nnunet_amt.risk.rois import RoiSummary, write_rois
from nnunet_amt.risk.scores import SCORES_FILE
from nnunet_amt.risk.study_cohort import open_cohort, with_rois


@dataclass(frozen=True, eq=False)
class RiskStudyResult:
    """What a study found."""

    folder: RiskFolder
    rois: RoiSummary
    features: FeatureFiles | None
    warnings: tuple[str, ...]
    evaluation: RiskEvaluation
    readers: ReaderAnalysis | None


def run_risk_study(
    dataset: Path,
    output: Path,
    *,
    settings: RiskSettings | None = None,
    masks: Path | None = None,
    readings: Path | None = None,
    simulated_readers: bool = False,
    weights: Path | None = None,
    device: str = "cpu",
    jobs: int = 1,
    executor: str | None = None,
    progress: Progress = silent,
) -> RiskStudyResult:
    """Run all stages on a raw dataset; run again, they go on where they stopped.

    Parameters
    ----------
    dataset
        Folder of the raw dataset, with ``cohort.csv``.
    output
        See `RiskFolder`.
    settings
        See `RiskSettings`.
    masks
        Folder of predicted label maps of the external cases, for what segmentation costs; None leaves that out.
    readings
        Table of a reader study, see `read_readers`; None leaves that out.
    simulated_readers
        Let readers at the published AUCs read the external cases: for phantoms.
    weights
        See `require_networks`.
    device
        ``cpu``, ``cuda``, ...
    jobs, executor
        Of ROIs and features.

    Raises
    ------
    BadInputError
        What the stages raise.
    """
    settings, at = settings or RiskSettings(), RiskFolder(output)
    require_networks(settings, weights=weights)
    if readings is not None:
        read_readers(readings)  # a mistake in it is told before the training
    cohort = open_cohort(dataset, at.root, carcinoma=settings.carcinoma, progress=progress)
    summary = write_rois(cohort, output=at.rois, jobs=jobs, executor=executor, progress=progress)
    features = None
    if RADIOMICS in settings.models:
        features = write_features(
            cohort.cases, output=at.features, seed=settings.seed, jobs=jobs, executor=executor, progress=progress
        )
    if masks is not None:
        external = cohort.of_split("external")
        write_rois(external, output=at.predicted_rois, masks=masks, jobs=jobs, executor=executor, progress=progress)
    warnings = train_models(cohort, at, settings=settings, weights=weights, device=device, progress=progress)
    if at.has_predicted_rois:
        score_predicted_rois(cohort, at, device=device, progress=progress)
    draw_heat_maps(cohort, at, seed=settings.seed, device=device, progress=progress)
    evaluation = evaluate_study(dataset, cohort, at, seed=settings.seed, progress=progress)
    readers = None
    if readings is not None or simulated_readers:
        readers = evaluate_readers(dataset, cohort, at, readings=readings, seed=settings.seed)
    return RiskStudyResult(at, summary, features, warnings, evaluation, readers)


def require_scores(at: RiskFolder) -> None:
    """Refuse a study in which no model has scored anything yet."""
    if not (at.scores / SCORES_FILE).is_file():
        raise BadInputError(f"{at.scores}: holds no {SCORES_FILE}, no model is trained; run nnunet_amt risk train")


def evaluate_study(
    dataset: Path,
    cohort: RiskCohort,
    at: RiskFolder,
    *,
    main_model: str | None = None,
    reference: str = CLINICAL,
    seed: int = 0,
    progress: Progress = silent,
) -> RiskEvaluation:
    """Evaluate what is scored, see `evaluate_risk`."""
    cohort_file, network = dataset / "cohort.csv", best_network(at)
    heat_maps = at.heat_maps / (network or "")
    curves = {model: at.training(model) for model in at.networks}
    return evaluate_risk(
        at.scores,
        with_rois(cohort, at.rois),
        output=at.evaluation,
        reference=reference,
        main_model=main_model,
        predicted_scores=at.predicted_scores if at.has_predicted_rois else None,
        trainings={model: folder for model, folder in curves.items() if (folder / CURVES_FILE).is_file()},
        heat_maps=None if network is None or not heat_maps.is_dir() else heat_maps,
        cohort_file=cohort_file,
        subjects=subjects_of(dataset / "labelsTs", cohort_file),
        seed=seed,
        progress=progress,
    )


def evaluate_readers(
    dataset: Path,
    cohort: RiskCohort,
    at: RiskFolder,
    *,
    readings: Path | None,
    model: str | None = None,
    high_from: float | None = None,
    seed: int = 0,
) -> ReaderAnalysis:
    """Analyse a reader study of the external cases; of phantoms, without a table, its readers are simulated.

    Parameters
    ----------
    readings
        See `read_readers`.
    model
        Whose scores the readers were given; the one of the highest out-of-fold AUC if None.
    high_from
        See `write_reader_study`.
    """
    require_scores(at)
    subjects = subjects_of(dataset / "labelsTs", dataset / "cohort.csv")
    if readings is None and PATIENTS in (subjects or ""):
        raise BadInputError(
            f"{dataset.name}: its cases are of patients, whom no simulated reader has read; give the readings with "
            "--table FILE.csv"
        )
    cases = with_rois(cohort, at.rois)
    external = cases.of_split("external").cases
    table = simulate_readers({case.case_id: case.high for case in external}, seed=seed) if readings is None else None
    scored = gather_models(at.scores, cases, seed=seed)
    chosen = scored.named(model) if model else best_out_of_fold(scored)
    known = chosen.judged_scores()
    scores = {case.case_id: known[case.case_id] for case in external if case.case_id in known}
    return write_reader_study(
        table or read_readers(readings or Path()),
        external,
        output=at.readers,
        model_scores=scores or None,
        model_threshold=chosen.entry.threshold if scores else None,
        high_from=high_from,
        table_file=readings,
        subjects=subjects,
        simulated=readings is None,
    )
