"""What margin, size and age tell without any network: the baseline that every model has to be better than.

In the paper's external centre an unclear margin alone has an AUC of .792. A value that a case lacks counts as the mean
of the cases that the regression was fitted on; what no case has is left out, and said.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.folds import FOLDS, PatientCase, grouped_folds
from nnunet_amt.risk.logistic import LogisticModel, fit_logistic
from nnunet_amt.risk.scores import Kind, ScoreRow
from nnunet_amt.risk.selection import probability

CLINICAL = "clinical"
PREDICTORS = ("margin unclear", "diameter (cm)", "age (years)")
_MARGINS = {"clear": 0.0, "unclear": 1.0, "": np.nan}
_INVERSE_PENALTY = 1.0  # so weak that it only matters where a predictor separates the classes

_LOGGER = logging.getLogger(__name__)


class ClinicalCase(PatientCase, Protocol):
    """What of a case the baseline looks at."""

    @property
    def age(self) -> float | None:
        """Years."""

    @property
    def diameter_cm(self) -> float | None:
        """Largest diameter in an axial slice."""

    @property
    def findings(self) -> Mapping[str, str]:
        """With ``margin``: ``clear`` or ``unclear``, empty or missing where nobody has said."""


@dataclass(frozen=True)
class ClinicalBaseline:
    """A fitted baseline.

    Attributes
    ----------
    model
        Fitted on all cases, on `PREDICTORS`.
    rows
        Out-of-fold scores, and those of `model` on its own cases, for `write_scores`.
    details
        Odds ratios by predictor, and how many cases lack it, for ``models.json``.
    """

    model: LogisticModel
    rows: list[ScoreRow]
    details: Mapping[str, Any]


def fit_clinical(cases: Sequence[ClinicalCase], *, folds: int = FOLDS, seed: int = 0) -> ClinicalBaseline:
    """Fit the baseline by the folds that the networks have, then on all cases.

    Parameters
    ----------
    cases
        Of the training centres.
    folds, seed
        See `grouped_folds`.

    Raises
    ------
    BadInputError
        If a margin is none that is known, or no case has any of the predictors.
    TooFewCasesError
        If a class has fewer patients than there are folds.
    """
    features = _features(cases)
    high = np.array([case.high for case in cases], dtype=bool)
    missing = np.isnan(features).sum(axis=0)
    for name, count in zip(PREDICTORS, missing, strict=True):
        if count == len(cases):
            _LOGGER.warning("clinical baseline: no case has %s, it is left out", name)
    if (missing == len(cases)).all():
        raise BadInputError("clinical baseline: no case has a margin, a diameter or an age; fill in one of them")
    rows = []
    for number, (kept, held_out) in enumerate(grouped_folds(cases, folds=folds, seed=seed)):
        of_fold = fit_logistic(features[kept], high[kept], inverse_penalty=_INVERSE_PENALTY)
        scores = probability(of_fold.logits(features[held_out]))
        rows += [
            ScoreRow(CLINICAL, "out_of_fold", number, cases[place].case_id, cases[place].high, float(score))
            for place, score in zip(held_out, scores, strict=True)
        ]
    model = fit_logistic(features, high, inverse_penalty=_INVERSE_PENALTY)
    ratios = np.exp(model.coefficients / model.sd)
    details = {
        "title": "Margin, size, age",
        "odds_ratios": {
            name: None if count == len(cases) else float(ratio)
            for name, ratio, count in zip(PREDICTORS, ratios, missing, strict=True)
        },
        "missing": {name: int(count) for name, count in zip(PREDICTORS, missing, strict=True)},
        "cases": len(cases),
    }
    return ClinicalBaseline(model, [*rows, *score_clinical(model, cases, kind="training")], details)


def score_clinical(model: LogisticModel, cases: Sequence[ClinicalCase], *, kind: Kind = "external") -> list[ScoreRow]:
    """Score cases by a fitted baseline; raises BadInputError if a margin is none that is known."""
    scores = probability(model.logits(_features(cases)))
    return [
        ScoreRow(CLINICAL, kind, None, case.case_id, case.high, float(score))
        for case, score in zip(cases, scores, strict=True)
    ]


def _features(cases: Sequence[ClinicalCase]) -> np.ndarray:
    """Give the predictors (cases, 3), NaN where a case lacks one."""
    rows = []
    for case in cases:
        margin = case.findings.get("margin", "")
        if margin not in _MARGINS:
            raise BadInputError(f"case {case.case_id}: margin {margin!r}; must be clear, unclear or empty")
        numbers = (np.nan if value is None else float(value) for value in (case.diameter_cm, case.age))
        rows.append((_MARGINS[margin], *numbers))
    return np.array(rows, dtype=float).reshape(len(rows), len(PREDICTORS))
