"""What clinical data and circulating tumour cells tell without any CT: what a network has to be better than."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnunet_amt.risk.fusion.class_scores import ClassScore
from nnunet_amt.risk.fusion.encoding import Encoding
from nnunet_amt.risk.fusion.fusion_settings import BASELINES, CLINICAL_CTC, CTC_ALONE
from nnunet_amt.risk.fusion.lesion_case import LesionCase, Task
from nnunet_amt.risk.logistic import fit_multinomial

_INVERSE_PENALTY = 1.0  # so weak that it only matters where a feature separates the classes
_SEED = 0  # nothing is drawn


def score_baselines(
    cases: Sequence[LesionCase], task: Task, *, classes: Sequence[str], encoding: Encoding
) -> tuple[ClassScore, ...]:
    """Fit a logistic regression on the training cases for each of `BASELINES`, and score all cases.

    Parameters
    ----------
    cases
        Those of the task, each with a class of it.
    task
        The regression is multinomial where the task has more than two classes.
    classes
        Of the task, in the order of the probabilities.
    encoding
        Of the training cases. Without a level among them there is no baseline of levels alone.
    """
    labels = np.array([classes.index(str(case.class_of(task))) for case in cases])
    training = np.array([case.split == "training" for case in cases])
    ctc, clinical = (vectors.astype(float) for vectors in encoding.vectors(cases))
    features = {CLINICAL_CTC: np.concatenate((ctc, clinical), axis=1), CTC_ALONE: ctc}
    rows: list[ClassScore] = []
    for model in BASELINES:
        if model == CTC_ALONE and not encoding.ctc.known:
            continue
        fitted = fit_multinomial(
            features[model][training], labels[training], classes=len(classes), inverse_penalty=_INVERSE_PENALTY
        )
        rows += class_scores(model, _SEED, cases, task, fitted.probabilities(features[model]))
    return tuple(rows)


def class_scores(
    model: str, seed: int, cases: Sequence[LesionCase], task: Task, probabilities: np.ndarray
) -> list[ClassScore]:
    """Give the rows of a training for probabilities (cases, classes)."""
    return [
        ClassScore(model, seed, case.split, case.case_id, str(case.class_of(task)), tuple(map(float, of_case)))
        for case, of_case in zip(cases, probabilities, strict=True)
    ]
