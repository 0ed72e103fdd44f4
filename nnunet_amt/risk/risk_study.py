"""The study of risk in one folder: each function is a stage, and a command of ``nnunet_amt risk``.

Every stage reads what the ones before have left there, and, run again, does only what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.subjects import subjects_of
from nnunet_amt.images.mask_file import read_foreground
from nnunet_amt.risk.cases import RiskCase, RiskCohort, read_risk_cases
from nnunet_amt.risk.clinical_baseline import CLINICAL, fit_clinical, score_clinical
from nnunet_amt.risk.cut_roi import Roi
from nnunet_amt.risk.evaluation.evaluate_risk import RiskEvaluation, evaluate_risk
from nnunet_amt.risk.evaluation.heat_panel import write_heat_maps
from nnunet_amt.risk.evaluation.loss_curves import CURVES_FILE
from nnunet_amt.risk.evaluation.model_scores import gather_models
from nnunet_amt.risk.evaluation.performance import best_out_of_fold
from nnunet_amt.risk.networks.settings import NETWORKS
from nnunet_amt.risk.radiomics.feature_tables import FEATURES_FILE, FeatureFiles, write_features
from nnunet_amt.risk.radiomics.train_radiomics import train_radiomics
from nnunet_amt.risk.reading.reader_analysis import ReaderAnalysis
from nnunet_amt.risk.reading.reader_file import read_readers
from nnunet_amt.risk.reading.reader_study import write_reader_study
from nnunet_amt.risk.reading.simulated import simulate_readers
from nnunet_amt.risk.risk_settings import RADIOMICS, RiskFolder, RiskSettings
from nnunet_amt.risk.rois import RoiSummary, read_rois, write_rois
from nnunet_amt.risk.scores import SCORES_FILE, ScoreRow, read_scores, write_scores
from nnunet_amt.statistics.roc import auc

_MM3_PER_CM3 = 1000.0


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
    cohort = read_risk_cases(dataset, carcinoma=settings.carcinoma, progress=progress)
    summary = write_rois(cohort, output=at.rois, jobs=jobs, executor=executor, progress=progress)
    features = None
    if RADIOMICS in settings.models:
        features = write_features(
            cohort.cases, output=at.features, seed=settings.seed, jobs=jobs, executor=executor, progress=progress
        )
    warnings = train_models(cohort, at, settings=settings, device=device, progress=progress)
    if masks is not None:
        external = cohort.of_split("external")
        write_rois(external, output=at.predicted_rois, masks=masks, jobs=jobs, executor=executor, progress=progress)
        score_predicted_rois(cohort, at, device=device, progress=progress)
    draw_heat_maps(cohort, at, seed=settings.seed, device=device, progress=progress)
    evaluation = evaluate_study(dataset, cohort, at, seed=settings.seed, progress=progress)
    readers = None
    if readings is not None or simulated_readers:
        readers = evaluate_readers(dataset, cohort, at, readings=readings, seed=settings.seed)
    return RiskStudyResult(at, summary, features, warnings, evaluation, readers)


def train_models(
    cohort: RiskCohort,
    at: RiskFolder,
    *,
    settings: RiskSettings,
    weights: Path | None = None,
    device: str = "cpu",
    restart: bool = False,
    progress: Progress = silent,
) -> tuple[str, ...]:
    """Train each model on the cases of development, and have it score the external ones; give what went otherwise.

    Parameters
    ----------
    weights
        ImageNet weights of the one network that is trained; looked for where torchvision keeps them if None.
    restart
        Begin the networks anew.

    Raises
    ------
    BadInputError
        If ROIs or features are missing, see `train_network`, `train_radiomics` and `fit_clinical`.
    """
    if weights is not None and len([model for model in settings.models if model in NETWORKS]) != 1:
        raise BadInputError(f"{weights}: are the weights of one network; name that one model alone")
    rois = read_rois(at.rois)
    cases = with_rois(cohort, rois)
    development, external = (cases.of_split(split).cases for split in ("training", "external"))
    warnings: list[str] = []
    for model in settings.models:
        if model == CLINICAL:
            baseline = fit_clinical(development, folds=settings.folds, seed=settings.seed)
            rows, details = [*baseline.rows, *score_clinical(baseline.model, external)], {CLINICAL: baseline.details}
        elif model == RADIOMICS:
            _require_features(at)
            radiomics = train_radiomics(
                cases.cases, features=at.features, output=at.training(RADIOMICS), folds=settings.folds,
                seed=settings.seed, progress=progress,
            )  # fmt: skip
            rows, details = list(radiomics.rows), {}
            warnings += radiomics.warnings
        else:
            rows, details = _trained_network(
                model, development, external, rois, at, settings, weights, device, restart=restart, progress=progress
            )
        write_scores(at.scores, rows, details=details)
    return tuple(warnings)


def _trained_network(
    model: str,
    development: Sequence[RiskCase],
    external: Sequence[RiskCase],
    rois: Mapping[str, Roi],
    at: RiskFolder,
    settings: RiskSettings,
    weights: Path | None,
    device: str,
    *,
    restart: bool,
    progress: Progress,
) -> tuple[list[ScoreRow], dict[str, Mapping[str, object]]]:
    from nnunet_amt.risk.networks.predict import score_cases
    from nnunet_amt.risk.networks.train import train_network

    trained = train_network(
        development, rois, at.training(model), settings=settings.of_network(model), weights=weights, device=device,
        restart=restart, progress=progress,
    )  # fmt: skip
    scored = score_cases(trained.folder, external, rois, device=device, progress=progress) if external else []
    return [*trained.rows, *scored], {model: trained.details}


def score_predicted_rois(
    cohort: RiskCohort, at: RiskFolder, *, device: str = "cpu", progress: Progress = silent
) -> None:
    """Score the external cases by the trained networks once more, with the ROIs of predicted masks."""
    from nnunet_amt.risk.networks.predict import score_cases

    rois = read_rois(at.predicted_rois)
    external = with_rois(cohort, rois).of_split("external").cases
    for model in at.networks:
        rows = score_cases(at.network(model), external, rois, device=device, progress=progress)
        write_scores(at.predicted_scores, rows)


def draw_heat_maps(
    cohort: RiskCohort, at: RiskFolder, *, seed: int = 0, device: str = "cpu", progress: Progress = silent
) -> None:
    """Write heat maps of the external cases by the network of the highest out-of-fold AUC, if one is trained."""
    from nnunet_amt.risk.networks.heat_map import heat_maps

    network, rois = _best_network(at), read_rois(at.rois)
    external = [case.case_id for case in with_rois(cohort, rois).of_split("external").cases]
    if network is None or not external:
        return
    found = heat_maps(
        at.network(network), [rois[case] for case in external], seed=seed, device=device, progress=progress
    )
    write_heat_maps(at.heat_maps / network, found, rois, model=network)


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
    cohort_file, network = dataset / "cohort.csv", _best_network(at)
    heat_maps = at.heat_maps / (network or "")
    curves = {model: at.training(model) for model in at.networks}
    return evaluate_risk(
        at.scores,
        with_rois(cohort, read_rois(at.rois)),
        output=at.evaluation,
        reference=reference,
        main_model=main_model,
        predicted_scores=at.predicted_scores if (at.predicted_scores / SCORES_FILE).is_file() else None,
        trainings={model: folder for model, folder in curves.items() if (folder / CURVES_FILE).is_file()},
        heat_maps=None if network is None or not heat_maps.is_dir() else heat_maps,
        volumes_cm3={case.case_id: _volume_cm3(case) for case in cohort.cases},
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
    """Analyse a reader study of the external cases; without a table its readers are simulated, which is said.

    Parameters
    ----------
    model
        Whose scores the readers were given; the one of the highest out-of-fold AUC if None.
    high_from
        See `write_reader_study`.
    """
    external = with_rois(cohort, read_rois(at.rois)).of_split("external").cases
    table = simulate_readers({case.case_id: case.high for case in external}, seed=seed) if readings is None else None
    scored = gather_models(at.scores, with_rois(cohort, read_rois(at.rois)), seed=seed)
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
        subjects=subjects_of(dataset / "labelsTs", dataset / "cohort.csv"),
        simulated=readings is None,
    )


def with_rois(cohort: RiskCohort, rois: Mapping[str, Roi]) -> RiskCohort:
    """Give the cohort without the cases that have no ROI, which are counted with those left out."""
    cases = tuple(case for case in cohort.cases if case.case_id in rois)
    without = tuple(case.case_id for case in cohort.cases if case.case_id not in rois)
    return replace(cohort, cases=cases, left_out={**cohort.left_out, **({"no ROI": without} if without else {})})


def _best_network(at: RiskFolder) -> str | None:
    """Name the trained network of the highest out-of-fold AUC; None where none is trained."""
    held_out: dict[str, list[ScoreRow]] = {network: [] for network in at.networks}
    for row in read_scores(at.scores) if held_out else ():
        if row.kind == "out_of_fold" and row.model in held_out:
            held_out[row.model].append(row)
    aucs = {
        model: auc(np.array([row.score for row in rows]), np.array([row.high for row in rows]))
        for model, rows in held_out.items()
        if rows
    }
    return max(aucs, key=aucs.__getitem__) if aucs else None


def _volume_cm3(case: RiskCase) -> float:
    foreground = read_foreground(case.mask, case_id=case.case_id)
    voxels = sum(int(np.count_nonzero(box.mask)) for box in foreground.boxes)
    return float(voxels * np.prod(foreground.spacing) / _MM3_PER_CM3)


def _require_features(at: RiskFolder) -> None:
    if not (at.features / FEATURES_FILE).is_file():
        raise BadInputError(f"{at.features}: holds no {FEATURES_FILE}; run nnunet_amt risk features first")
