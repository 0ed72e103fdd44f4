"""The stages of a study of risk that train models, let them score, and look at what networks look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, recorded_run
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.subjects import subjects_of
from nnunet_amt.risk.cases import RiskCase, RiskCohort
from nnunet_amt.risk.clinical_baseline import CLINICAL, fit_clinical, score_clinical
from nnunet_amt.risk.cut_roi import Roi
from nnunet_amt.risk.evaluation.heat_panel import write_heat_maps
from nnunet_amt.risk.networks.model_folder import MODEL_FILES
from nnunet_amt.risk.networks.settings import NETWORKS
from nnunet_amt.risk.radiomics.feature_tables import FEATURES_FILE
from nnunet_amt.risk.radiomics.train_radiomics import train_radiomics
from nnunet_amt.risk.risk_settings import RADIOMICS, RiskFolder, RiskSettings
from nnunet_amt.risk.rois import read_rois
from nnunet_amt.risk.scores import MODELS_FILE, SCORES_FILE, ScoreRow, read_scores, write_scores
from nnunet_amt.risk.study_cohort import with_rois
from nnunet_amt.statistics.roc import auc
from nnunet_amt.study.stage import Stage, stale_reason

SCORES_STAGE, PREDICTED_STAGE, HEAT_STAGE = "risk-scores", "risk-scores-predicted", "risk-heat-maps"
_SCORE_FILES = (SCORES_FILE, MODELS_FILE)


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
        See `require_networks`.
    restart
        Begin the networks anew.

    Raises
    ------
    BadInputError
        If ROIs, features or weights are missing, which is looked at before anything is trained; see `train_network`,
        `train_radiomics` and `fit_clinical`.
    """
    require_networks(settings, weights=weights)
    if RADIOMICS in settings.models and not (at.features / FEATURES_FILE).is_file():
        raise BadInputError(f"{at.features}: holds no {FEATURES_FILE}; run nnunet_amt risk features first")
    cases, rois = with_rois(cohort, at.rois), read_rois(at.rois)
    development, external = (cases.of_split(split).cases for split in ("training", "external"))
    warnings: tuple[str, ...] = ()
    inputs = {"rois": RunInput(at.rois, "names_and_sizes")}
    with recorded_run(
        at.scores, SCORES_STAGE, settings=settings, seed=settings.seed, inputs=inputs, outputs=_SCORE_FILES,
        device=device,
    ) as notes:  # fmt: skip
        notes.counts |= {"development": len(development), "external": len(external)}
        for model in settings.models:
            if model == CLINICAL:
                baseline = fit_clinical(development, folds=settings.folds, seed=settings.seed)
                rows = [*baseline.rows, *score_clinical(baseline.model, external)]
                details: dict[str, Mapping[str, Any]] = {CLINICAL: baseline.details}
            elif model == RADIOMICS:
                radiomics = train_radiomics(
                    cases.cases, features=at.features, output=at.training(RADIOMICS), folds=settings.folds,
                    seed=settings.seed, progress=progress,
                )  # fmt: skip
                rows, details = list(radiomics.rows), {}
                warnings = tuple(f"radiomics, {warning}" for warning in radiomics.warnings)
            else:
                rows, details = _trained_network(
                    model, development, external, rois, at, settings, weights, device, restart=restart,
                    progress=progress,
                )  # fmt: skip
            write_scores(at.scores, rows, details=details)
    return warnings


def require_networks(settings: RiskSettings, *, weights: Path | None = None) -> None:
    """Refuse what a network lacks before the first stage, or training, that may take a day.

    Parameters
    ----------
    weights
        ImageNet weights: the file of the one network that is trained, or a folder of files under torchvision's names;
        looked for where torchvision keeps them if None.

    Raises
    ------
    BadInputError
        If a network cannot be trained so, its ImageNet weights are not there, or one file is for several.
    """
    networks = [model for model in settings.models if model in NETWORKS]
    if weights is not None and not weights.is_dir() and len(networks) != 1:
        raise BadInputError(
            f"{weights}: is no folder, and a file holds the weights of one network; name that one with --model, or "
            "give the folder of all files"
        )
    for network in networks:
        if settings.of_network(network).pretrained:
            from nnunet_amt.risk.networks.pretrained import find_weights

            find_weights(network, given=weights)


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
) -> tuple[list[ScoreRow], dict[str, Mapping[str, Any]]]:
    from nnunet_amt.risk.networks.predict import score_cases
    from nnunet_amt.risk.networks.train import train_network

    trained = train_network(
        development, rois, at.training(model), settings=settings.of_network(model), weights=weights,
        subjects=subjects_of(development[0].mask.parent), device=device, restart=restart, progress=progress,
    )  # fmt: skip
    scored = score_cases(trained.folder, external, rois, device=device, progress=progress) if external else []
    return [*trained.rows, *scored], {model: trained.details}


def score_predicted_rois(
    cohort: RiskCohort, at: RiskFolder, *, device: str = "cpu", progress: Progress = silent
) -> None:
    """Score the external cases by the trained networks once more, with the ROIs of predicted masks.

    Raises BadInputError if there is no network, or no such ROI.
    """
    from nnunet_amt.risk.networks.predict import score_cases

    cases = with_rois(cohort.of_split("external"), at.predicted_rois)
    if not cases.cases or not at.networks:
        lacks = "no network is trained" if cases.cases else "no predicted mask holds a tumour"
        raise BadInputError(
            f"{at.predicted_rois}: {lacks}, so there is nothing to tell of what segmentation costs; remove this folder "
            "to go on without"
        )
    rois = read_rois(at.predicted_rois)
    inputs = {"rois": RunInput(at.predicted_rois, "names_and_sizes")}
    with recorded_run(
        at.predicted_scores, PREDICTED_STAGE, inputs=inputs, outputs=_SCORE_FILES, device=device
    ) as notes:
        notes.counts |= {"external": len(cases.cases), "networks": len(at.networks)}
        for model in at.networks:
            rows = score_cases(at.network(model), cases.cases, rois, device=device, progress=progress)
            write_scores(at.predicted_scores, rows)


def draw_heat_maps(
    cohort: RiskCohort, at: RiskFolder, *, seed: int = 0, device: str = "cpu", progress: Progress = silent
) -> None:
    """Write heat maps of the external cases by the network of the highest out-of-fold AUC, where that is missing."""
    network = best_network(at)
    cases = with_rois(cohort, at.rois)
    external = [case.case_id for case in cases.of_split("external").cases]
    if network is None or not external:
        return
    output = at.heat_maps / network
    inputs = {
        "model": RunInput(at.network(network), names=MODEL_FILES),
        "rois": RunInput(at.rois, "names_and_sizes"),
    }
    settings = {"network": network, "cases": external}

    def draw(progress: Progress) -> str:
        from nnunet_amt.risk.networks.heat_map import heat_maps

        rois = read_rois(at.rois)
        with recorded_run(output, HEAT_STAGE, settings=settings, seed=seed, inputs=inputs, device=device) as notes:
            found = heat_maps(
                at.network(network), [rois[case] for case in external], seed=seed, device=device, progress=progress
            )
            written = write_heat_maps(output, found, rois, model=network)
            for other in {*output.glob("*.heat.npz")} - {*written}:  # of a cohort before this one
                other.unlink()
            notes.outputs += [path.name for path in written]
        return ""

    stage = Stage(HEAT_STAGE, "heat maps", output, inputs, {"seed": seed, **settings}, draw)
    if stale_reason(stage) is not None:
        stage.run(progress)


def best_network(at: RiskFolder) -> str | None:
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
