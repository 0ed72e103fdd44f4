"""The stage: tables of features become ``scores.csv``, with the features that were selected and what went otherwise."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from nnunet_amt.base.files import numbered_rows, read_record, row_texts, write_csv, write_json
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, recorded_run
from nnunet_amt.errors import ManifestError
from nnunet_amt.risk.radiomics.feature_tables import FEATURES_FILE, SECOND_FILE, read_features
from nnunet_amt.risk.radiomics.radiomics_scores import (
    LEARNERS,
    RadiomicsScores,
    RiskPatient,
    SelectedFeature,
    radiomics_scores,
)
from nnunet_amt.risk.scores import MODELS_FILE, SCORES_FILE, read_scores, write_scores
from nnunet_amt.study.stage import Stage, stale_reason

SELECTED_FILE, NOTES_FILE = "selected_features.csv", "radiomics.json"
STAGE = "risk-radiomics"
_SELECTED_COLUMNS = ("feature", "coefficient", "icc", "icc_95_low", "folds")


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

    What an earlier run has made of the same features and cases is read again.

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
    settings = {
        "folds": folds, "learners": learners, "cases (SHA-256)": _digest(cases), "columns": list(_SELECTED_COLUMNS)
    }  # fmt: skip
    outputs = (SCORES_FILE, MODELS_FILE, SELECTED_FILE, NOTES_FILE)
    record = recorded_run(output, STAGE, settings=settings, seed=seed, inputs=inputs, outputs=outputs)
    stage = Stage(STAGE, "train radiomics models", output, inputs, {"seed": seed, **settings}, lambda _: "")
    if stale_reason(stage) is None:
        return _earlier(output)
    with record as notes:
        result = radiomics_scores(cases, first, second, folds=folds, seed=seed, learners=learners, progress=progress)
        write_csv(
            output / SELECTED_FILE,
            _SELECTED_COLUMNS,
            ((one.name, one.coefficient, one.icc, one.icc_low, one.folds) for one in result.selected),
        )
        write_json(output / NOTES_FILE, {"folds": folds, "seed": seed, "warnings": list(result.warnings)})
        write_scores(output, result.rows)
        notes.counts |= {"scores": len(result.rows), "selected": len(result.selected), "warnings": len(result.warnings)}
    return result


def _digest(cases: Sequence[RiskPatient]) -> str:
    """Hash what is asked of the cases; names of patients are codes, and are not to be read in a record all the same."""
    known = sorted((case.case_id, case.patient, case.split, case.high) for case in cases)
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def _earlier(output: Path) -> RadiomicsScores:
    path, selected = output / SELECTED_FILE, list[SelectedFeature]()
    numbered = numbered_rows(path, "the selected features")
    _, columns = next(numbered)
    for line, cells in numbered:
        row = row_texts(path, line, columns=columns, cells=cells)
        icc, icc_low = (float(row[name]) if row[name] else None for name in ("icc", "icc_95_low"))
        selected.append(SelectedFeature(row["feature"], float(row["coefficient"]), icc, icc_low, int(row["folds"])))
    warnings = read_record(output / NOTES_FILE)["warnings"]
    return RadiomicsScores(tuple(read_scores(output)), tuple(selected), tuple(warnings))
