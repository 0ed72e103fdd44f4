"""Folds of a cross-validation: all cases of a patient in one of them, low and high risk in every one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nnunet_amt.errors import BadInputError, TooFewCasesError

FOLDS = 5
_WORDS = {False: "low", True: "high"}


class PatientCase(Protocol):
    """What of a case decides on its fold."""

    @property
    def case_id(self) -> str:
        """Name of the case in the dataset."""

    @property
    def patient(self) -> str:
        """Whom the CT is of; only compared."""

    @property
    def high(self) -> bool:
        """Whether the tumour is of high risk."""


def grouped_folds(
    cases: Sequence[PatientCase], *, folds: int = FOLDS, seed: int = 0
) -> list[tuple[list[int], list[int]]]:
    """Divide cases into folds, grouped by patient and stratified by risk.

    The same cases in any order and the same seed give the same folds.

    Parameters
    ----------
    cases
        Of the training centres; a patient may have several.
    folds
        How many, 2 or more.
    seed
        Of the order in which patients are dealt.

    Returns
    -------
    list of (list of int, list of int)
        For each fold the places in `cases` that are trained on and those that are held out, both ascending.

    Raises
    ------
    BadInputError
        If `folds` is under 2, a case stands twice, or has a `split` that is external.
    TooFewCasesError
        If a class has fewer patients than there are folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if folds < 2:
        raise BadInputError(f"folds {folds}: must be 2 or more, what is held out needs others to train on")
    _require_cases(cases)
    _require_patients(cases, folds)
    order = sorted(range(len(cases)), key=lambda place: cases[place].case_id)
    patients = [cases[place].patient for place in order]
    high = [int(cases[place].high) for place in order]
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    divided = [
        (sorted(order[place] for place in kept), sorted(order[place] for place in held_out))
        for kept, held_out in splitter.split(order, high, patients)
    ]
    for number, (kept, held_out) in enumerate(divided):
        for part, what in ((kept, "training"), (held_out, "held out")):
            if len({cases[place].high for place in part}) < 2:
                raise TooFewCasesError(
                    f"fold {number}: its {what} part of {len(part)} cases has one class only, as a patient "
                    "with many cases leaves no room; use fewer folds or another seed"
                )
    return divided


def _require_cases(cases: Sequence[PatientCase]) -> None:
    names = [case.case_id for case in cases]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadInputError(f"case {twice[0]}: stands twice among the cases; name every case once")
    if external := [case.case_id for case in cases if getattr(case, "split", None) == "external"]:
        raise BadInputError(
            f"case {external[0]}: is of the external set, on which nothing is trained or chosen; leave it out"
        )


def _require_patients(cases: Sequence[PatientCase], folds: int) -> None:
    for high, word in _WORDS.items():
        patients = len({case.patient for case in cases if case.high is high})
        if patients < folds:
            raise TooFewCasesError(
                f"{patients} patients of {word} risk: {folds} folds need {folds} or more of each class; "
                "use fewer folds or add patients"
            )
