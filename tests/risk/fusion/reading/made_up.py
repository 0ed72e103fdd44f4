"""Lesions that were read, and readings of them, that one can count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunet_amt.risk.fusion.class_scores import ClassScore, ClassScoreTable
from nnunet_amt.risk.fusion.lesion_case import BINARY_CLASSES, LesionCase, LesionCohort, LesionSplit
from nnunet_amt.risk.reading.reader_file import ReaderTable
from nnunet_amt.statistics.reader_table import Reading

CLASSES = ("Cyst", "Thymoma", "Lymphoma")
WITHOUT, WITH = "without CTC", "with CTC"
BENIGN, MALIGNANT = 10, 14  # cases of the external cohort


def lesion(case_id: str, malignant: bool, split: LesionSplit = "external", **about: object) -> LesionCase:
    """A case that is known but for its images; `about` replaces fields."""
    usual: dict[str, object] = {
        "patient": f"p_{case_id}",
        "institution": "South",
        "diagnosis": "Type B2 thymoma" if malignant else "Cyst",
        "lesion_class": "Thymoma" if malignant else "Cyst",
        "ctc_level": 14.0 if malignant else 10.0,
        "location": "anterior",
        "age": 50.0,
        "sex": "F",
        "manufacturer": "Siemens",
        "clinical": {},
    }
    none = Path("none.nii.gz")
    return LesionCase(case_id=case_id, malignant=malignant, split=split, image=none, mask=none, **(usual | about))  # type: ignore[arg-type]


def lesions() -> LesionCohort:
    """Ten benign and 14 malignant external cases, x00 to x23, and two of either for tuning."""
    external = [lesion(f"x{place:02}", place >= BENIGN) for place in range(BENIGN + MALIGNANT)]
    tuning = [lesion(f"t{place}", place >= 2, "tuning") for place in range(4)]
    return LesionCohort((*external, *tuning), {}, CLASSES)


def answers(right: Mapping[str, tuple[tuple[int, int], tuple[int, int]]]) -> ReaderTable:
    """Readers who say yes and no: right in so many benign and malignant cases, the first ones, without and with."""
    rows = []
    for reader, of_conditions in right.items():
        for condition, (low, high) in zip((WITHOUT, WITH), of_conditions, strict=True):
            said = [0.0] * low + [1.0] * (BENIGN - low) + [1.0] * high + [0.0] * (MALIGNANT - high)
            rows += [Reading(reader, condition, f"x{place:02}", each) for place, each in enumerate(said)]
    return ReaderTable(tuple(rows), {reader: reader.partition(" ")[0].lower() for reader in right})


def named(right: Mapping[str, tuple[int, int]], references: Sequence[float], *, wrong: float) -> ReaderTable:
    """Readers who name one of several: right in the first so many cases without and with, else `wrong`."""
    cases = {f"x{place:02}": each for place, each in enumerate(references)}
    rows = tuple(
        Reading(reader, condition, case, reference if place < number else wrong)
        for reader, both in right.items()
        for condition, number in zip((WITHOUT, WITH), both, strict=True)
        for place, (case, reference) in enumerate(cases.items())
    )
    return ReaderTable(rows, {reader: reader.partition(" ")[0].lower() for reader in right}, cases)


def scores_of(
    cohort: LesionCohort, malignant: Mapping[str, float], *, model: str = "dmfn", seeds: Sequence[int] = (0, 1)
) -> ClassScoreTable:
    """The probability of malignant of some cases, the same of every seed."""
    rows = tuple(
        ClassScore(model, seed, case.split, case.case_id, case.class_of("binary") or "", (1 - score, score))
        for case in cohort.cases
        if (score := malignant.get(case.case_id)) is not None
        for seed in seeds
    )
    return ClassScoreTable(BINARY_CLASSES, rows)
