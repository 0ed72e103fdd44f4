"""Cohorts and probabilities of lesions that are made up, with figures that one can work out on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nnunet_amt.risk.fusion.class_scores import ClassScore, ClassScoreTable, write_class_scores
from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
from nnunet_amt.risk.fusion.lesion_case import BINARY_CLASSES, LesionCase, LesionCohort, LesionSplit, Task

CLASSES = ("Cyst", "Thymoma", "Lymphoma")
BENIGN_CLASSES = ("Cyst",)
LETTERS: Mapping[str, LesionSplit] = {"t": "training", "u": "tuning", "x": "external"}


def lesion_case(case_id: str, lesion_class: str, **about: object) -> LesionCase:
    """A case that is known but for its images; its name begins with the letter of its split."""
    usual: dict[str, object] = {
        "patient": f"p_{case_id}",
        "institution": {"t": "North", "u": "East", "x": "South"}[case_id[0]],
        "split": LETTERS[case_id[0]],
        "diagnosis": lesion_class,
        "malignant": lesion_class not in BENIGN_CLASSES,
        "ctc_level": 10.0,
        "location": "anterior",
        "age": 50.0,
        "sex": "F",
        "manufacturer": "GE",
        "clinical": {},
    }
    none = Path("none.nii.gz")
    return LesionCase(case_id=case_id, lesion_class=lesion_class, image=none, mask=none, **(usual | about))  # type: ignore[arg-type]


def cohort_of(cases: Sequence[LesionCase]) -> LesionCohort:
    """The cases, and two without a diagnosis left out."""
    return LesionCohort(tuple(cases), {"no diagnosis": ("s0", "s1")}, CLASSES)


def few_cases() -> list[LesionCase]:
    """Two benign and two malignant cases in each split: cysts t0, t1, and a thymoma t2 and a lymphoma t3 ..."""
    names = ("Cyst", "Cyst", "Thymoma", "Lymphoma")
    return [lesion_case(f"{letter}{place}", name) for letter in LETTERS for place, name in enumerate(names)]


def many_cases(each: int = 8, *, seed: int = 0) -> list[LesionCase]:
    """So many of each class in each split, CTC about 10 of benign and 14 of malignant ones, every tenth unknown."""
    random, cases = np.random.default_rng(seed), []
    for letter in LETTERS:
        for number in range(3 * each):
            name = CLASSES[number % 3]
            level = float(random.normal(10.0 if name == "Cyst" else 14.0, 3.0))
            cases.append(lesion_case(f"{letter}{number:02d}", name, ctc_level=None if number % 10 == 9 else level))
    return cases


def binary_rows(model: str, seed: int, scores: Mapping[str, float], cases: Sequence[LesionCase]) -> list[ClassScore]:
    """Probabilities of malignancy by case."""
    of_case = {case.case_id: case for case in cases}
    return [
        ClassScore(model, seed, of_case[name].split, name, str(of_case[name].class_of("binary")), (1 - score, score))
        for name, score in scores.items()
    ]


def guessed_rows(
    model: str, seed: int, cases: Sequence[LesionCase], task: Task, *, strength: float
) -> list[ClassScore]:
    """Probabilities of logits with noise of deviation 1, to which the right class adds `strength`."""
    random = np.random.default_rng([seed, len(model), int(10 * strength)])
    classes, rows = BINARY_CLASSES if task == "binary" else CLASSES, []
    for case in cases:
        reference = str(case.class_of(task))
        logits = random.normal(size=len(classes)) + strength * (np.array(classes) == reference)
        shares = np.exp(logits) / np.exp(logits).sum()
        rows.append(ClassScore(model, seed, case.split, case.case_id, reference, tuple(shares.tolist())))
    return rows


def write_rows(root: Path, rows: Sequence[ClassScore], *, task: Task = "binary") -> FusionFolder:
    """Write rows where the evaluation looks for them."""
    at = FusionFolder(root)
    at.scores(task).mkdir(parents=True, exist_ok=True)
    classes = BINARY_CLASSES if task == "binary" else CLASSES
    write_class_scores(at.scores(task), ClassScoreTable(classes, tuple(rows)))
    return at


STRENGTHS = {"dmfn": 0.8, "regnet": 0.4, "plain-cnn": 0.3, "dmfn-shuffled-ctc": 0.4, "clinical+ctc": 0.9, "ctc": 0.7}


def write_all_models(root: Path, cases: Sequence[LesionCase], *, task: Task = "binary") -> FusionFolder:
    """All six models, the networks with three seeds; the DMFN is the best."""
    rows = [
        row
        for model, strength in STRENGTHS.items()
        for seed in ((0, 1, 2) if model not in ("clinical+ctc", "ctc") else (0,))
        for row in guessed_rows(model, seed, cases, task, strength=strength)
    ]
    return write_rows(root, rows, task=task)
