"""What levels and clinical data tell without a CT, fitted on the training cases alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnunet_amt.risk.fusion.encoding import fit_encoding
from nnunet_amt.risk.fusion.lesion_baselines import score_baselines
from nnunet_amt.risk.fusion.lesion_case import BINARY_CLASSES, LesionCase
from tests.risk.fusion.training_cases import CLASSES, cohort_of, without_levels

CASES = cohort_of(30, 6, 6).cases


def scores_of(cases: tuple[LesionCase, ...] = CASES, *, task: str = "binary") -> dict[tuple[str, str], tuple]:
    encoding = fit_encoding([case for case in cases if case.split == "training"])
    classes = BINARY_CLASSES if task == "binary" else CLASSES
    rows = score_baselines(cases, task, classes=classes, encoding=encoding)  # type: ignore[arg-type]
    assert {row.seed for row in rows} <= {0} and all(abs(sum(row.probabilities) - 1) < 1e-9 for row in rows)
    return {(row.model, row.case_id): row.probabilities for row in rows}


def test_levels_that_separate_the_classes_are_found_in_both_tasks() -> None:
    """Levels are 10, 14 and 18 of cyst, thymoma and lymphoma: each class has the highest probability of its own."""
    binary, several = scores_of(), scores_of(task="multiclass")
    for case in CASES:
        for model in ("ctc", "clinical+ctc"):
            assert (binary[model, case.case_id][1] > 0.5) is case.malignant
            assert CLASSES[int(np.argmax(several[model, case.case_id]))] == case.lesion_class


def test_tuning_and_external_cases_change_nothing() -> None:
    """The baseline must be judged as the networks are: on cases that it has not seen."""
    others = tuple(c if c.split == "training" else replace(c, malignant=not c.malignant, age=c.age) for c in CASES)
    assert scores_of(others) == scores_of()


def test_a_patient_without_a_level_is_scored_and_levels_alone_know_nothing_of_him() -> None:
    """All who lack it get one probability."""
    found = scores_of(without_levels(cohort_of(30, 6, 6), "external").cases)
    external = [case.case_id for case in CASES if case.split == "external"]
    assert len({found["ctc", case_id] for case_id in external}) == 1
    assert len({found["clinical+ctc", case_id] for case_id in external}) > 1


def test_without_any_level_there_is_no_baseline_of_levels() -> None:
    found = scores_of(without_levels(cohort_of(30, 6, 6), "training", "tuning", "external").cases)
    assert {model for model, _ in found} == {"clinical+ctc"}


def test_a_class_without_training_cases_has_probability_zero() -> None:
    """Lymphoma in the external split alone: no model can find it, and none says it may be one."""
    cases = tuple(c for c in CASES if c.split != "training" or c.lesion_class != "lymphoma")
    found = scores_of(cases, task="multiclass")
    assert all(probabilities[2] == 0 for probabilities in found.values())
    assert next(iter(found.values()))[0] == pytest.approx(1 - next(iter(found.values()))[1])
