"""The stage: tables of features become ``scores.csv``, with the features that were selected and what went otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nnunet_amt.base.files import write_csv, write_json
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, recorded_run
from nnunet_amt.errors import ManifestError
from nnunet_amt.risk.radiomics.feature_tables import FEATURES_FILE, SECOND_FILE, read_features
from nnunet_amt.risk.radiomics.radiomics_scores import LEARNERS, RadiomicsScores, RiskPatient, radiomics_scores
from nnunet_amt.risk.radiomics.stand_ins import write_scores

SCORES_FILE, SELECTED_FILE, NOTES_FILE = "scores.csv", "selected_features.csv", "radiomics.json"
STAGE = "risk-radiomics"


def train_radiomics(
    cases: Sequence[RiskPatient],
    *,
    features: Path,
    output: Path,
    folds: int = 5,
    seed: int = 0,
    learners: tuple[str, ...] = LEARNERS,
    progress: Progress = silent,
) -> RadiomicsScores:
    """Read the folder that `write_features` has written and write ``scores.csv``, the selected features and warnings.

    Raises
    ------
    ManifestError
        If a table cannot be read, or the two have different columns.
    SplitLeakageError, TooFewCasesError, MissingExtraError
        See `radiomics_scores`.
    """
    first, second = (read_features(features / name) for name in (FEATURES_FILE, SECOND_FILE))
    if first.names != second.names:
        raise ManifestError(
            f"{features / SECOND_FILE} line 1: has other features than {FEATURES_FILE}; compute both again"
        )
    inputs = {name: RunInput(features / name) for name in (FEATURES_FILE, SECOND_FILE)}
    settings = {"folds": folds, "learners": learners}
    outputs = (SCORES_FILE, SELECTED_FILE, NOTES_FILE)
    with recorded_run(output, STAGE, settings=settings, seed=seed, inputs=inputs, outputs=outputs) as notes:
        result = radiomics_scores(cases, first, second, folds=folds, seed=seed, learners=learners, progress=progress)
        columns = ("feature", "coefficient", "icc", "folds")
        write_csv(
            output / SELECTED_FILE,
            columns,
            ((one.name, one.coefficient, one.icc, one.folds) for one in result.selected),
        )
        write_json(output / NOTES_FILE, {"folds": folds, "seed": seed, "warnings": list(result.warnings)})
        write_scores(output / SCORES_FILE, result.rows)
        notes.counts |= {"scores": len(result.rows), "selected": len(result.selected), "warnings": len(result.warnings)}
    return result
