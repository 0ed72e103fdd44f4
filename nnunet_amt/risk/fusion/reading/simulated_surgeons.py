"""Surgeons that are simulated at the AUCs that the paper gives, for phantoms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np

from nnunet_amt.risk.fusion.lesion_case import LesionCase, Task
from nnunet_amt.risk.fusion.reading.lesion_questions import (
    CLASSIFIED,
    DECISIONS,
    DIAGNOSED,
    DIAGNOSIS,
    MANAGED,
    MANAGEMENT,
    SURGERY,
    class_question,
)
from nnunet_amt.risk.reading.reader_file import ReaderTable
from nnunet_amt.risk.reading.simulated import simulate_readers
from nnunet_amt.statistics.consistency.papers import publication
from nnunet_amt.statistics.reader_planning import simulate_readings
from nnunet_amt.statistics.reader_table import Reading

LEVELS = ("Resident", "Attending", "Chief")
_EACH = 2  # readers of a level
_WITHOUT_IN_TEXT, _WITH = " physicians without CTCs", " physicians with CTCs"
_FOLLOW_UP = "follow-up"
_ANY_AUC = 0.5


def published_aucs(section: str) -> dict[str, tuple[float, float]]:
    """Give the AUC of each of two readers of a level without and with CTC; where one is printed, that of both.

    Of residents the text has a pair on the same patients, which is taken; Table 3 has another AUC of them.
    """
    aucs: dict[str, float] = {}
    for row in publication("wang").tables.rates:  # Table 3 stands before the text
        name, _, asked = row.row.partition(", ")
        if asked == section and "auc" in row.rates:
            aucs.setdefault(name, float(row.rates["auc"].value.value))
    found: dict[str, tuple[float, float]] = {}
    for level in LEVELS:
        without = aucs.get(level + _WITHOUT_IN_TEXT, aucs[f"{level} physicians"])
        both = without, aucs.get(level + _WITH, without)
        found |= {f"{level} {number}": both for number in range(1, _EACH + 1)}
    return found


def simulate_surgeons(
    cases: Sequence[LesionCase], *, task: Task, classes: Sequence[str], seed: int = 0
) -> dict[str, ReaderTable]:
    """Simulate the paper's six surgeons, each at the published AUC of the level: for phantoms.

    Parameters
    ----------
    cases
        That they read; those without a class are left out where the class is asked.
    task, classes
        Which questions they answer, see `questions_of`.
    seed
        Of the draws.

    Returns
    -------
    dict
        Tables by question, as of `read_lesion_readers`.
    """
    if task == "multiclass":
        return {"class": _classes({case.case_id: case.lesion_class for case in cases}, classes, seed)}
    malignant = {case.case_id: case.malignant for case in cases}
    diagnoses = simulate_readers(malignant, aucs=published_aucs(DIAGNOSED), question=DIAGNOSIS, seed=seed)
    surgery = simulate_readers(malignant, aucs=published_aucs(MANAGED), question=MANAGEMENT, seed=seed + 1)
    return {DIAGNOSIS.name: diagnoses, MANAGEMENT.name: _decisions(surgery, malignant)}


def _decisions(table: ReaderTable, malignant: Mapping[str, bool]) -> ReaderTable:
    """Let yes be surgery and no be follow-up, and surgery of the malignant ones be right."""
    yes, no = float(DECISIONS.index(SURGERY)), float(DECISIONS.index(_FOLLOW_UP))
    rows = tuple(Reading(row.reader, row.condition, row.case_id, yes if row.rating == 1 else no) for row in table.rows)
    return ReaderTable(rows, table.levels, {case: yes if high else no for case, high in malignant.items()})


def _classes(lesion_classes: Mapping[str, str | None], classes: Sequence[str], seed: int) -> ReaderTable:
    """Let a reader name the right class so often that the macro AUC is the published one, else any other class.

    The same cases are hard for all of them (Roe and Metz 1997).
    """
    question, aucs = class_question(classes), published_aucs(CLASSIFIED)
    right = {case: float(classes.index(name)) for case, name in lesion_classes.items() if name is not None}
    drawn = simulate_readings(
        dict.fromkeys(right, False), dict.fromkeys(aucs, (_ANY_AUC, _ANY_AUC)), seed=seed,
        conditions=question.conditions,
    )  # fmt: skip
    others = np.random.default_rng(seed).integers(1, len(classes), size=drawn.ratings.shape)  # steps to another class
    rows = []
    for reader, of_reader in zip(aucs, np.swapaxes(drawn.ratings, 0, 1), strict=True):
        for place, condition in enumerate(question.conditions):
            hard = NormalDist().inv_cdf(share_right(aucs[reader][place], len(classes)))
            steps = others[place, drawn.readers.index(reader)]
            for case, hardness, step in zip(drawn.cases, of_reader[place], steps, strict=True):
                named = right[case] if hardness <= hard else float((int(right[case]) + int(step)) % len(classes))
                rows.append(Reading(reader, condition, case, named))
    return ReaderTable(tuple(rows), {reader: reader.partition(" ")[0].lower() for reader in aucs}, right)


def share_right(auc: float, classes: int) -> float:
    """Give how often an answer is right whose macro AUC, over so many classes that are mixed up alike, is given.

    Sensitivity is the share s, 1 - specificity (1 - s) / (classes - 1), and the AUC the mean of sensitivity and
    specificity.
    """
    return (2 * auc - 1 + 1 / (classes - 1)) / (1 + 1 / (classes - 1))
