"""One lesion of the study of CT with circulating tumour cells (CTC), and the cohort of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nnunet_amt.study.study_files import LESION_TASKS, LesionTask

LesionSplit = Literal["training", "tuning", "external"]
Task = LesionTask
TASKS: tuple[Task, ...] = LESION_TASKS
BENIGN, MALIGNANT = "benign", "malignant"
BINARY_CLASSES = (BENIGN, MALIGNANT)


@dataclass(frozen=True)
class LesionCase:
    """One lesion.

    Attributes
    ----------
    case_id, patient, institution
        The dataset's names: codes.
    split
        ``"training"`` is the paper's training cohort, ``"tuning"`` its validation, ``"external"`` its test cohort.
    diagnosis
        As the class map spells it: one of the 20 rows of the paper's Table 2, or of the user's own map.
    malignant
        Of the diagnosis, by the class map.
    lesion_class
        One of the classes of the multi-class task; None for a diagnosis that only the binary task takes.
    image, mask
        CT and reference mask.
    ctc_level
        Level of circulating tumour cells, in the unit that the study states; None where it was not measured.
    location
        ``anterior``, ``middle`` or ``posterior``; None where not stated.
    age, sex, manufacturer
        As the manifest, or the CT's header, has them; None where it has not. Age in years.
    clinical
        Texts of the columns ``clinical_*``; empty where not stated.
    """

    case_id: str
    patient: str
    institution: str
    split: LesionSplit
    diagnosis: str
    malignant: bool
    lesion_class: str | None
    image: Path
    mask: Path
    ctc_level: float | None
    location: str | None
    age: float | None
    sex: str | None
    manufacturer: str | None
    clinical: Mapping[str, str]

    def class_of(self, task: Task) -> str | None:
        """Give the class of a task; None where the case takes no part in it."""
        return (MALIGNANT if self.malignant else BENIGN) if task == "binary" else self.lesion_class


@dataclass(frozen=True)
class LesionCohort:
    """The cases that take part, in the dataset's order, and those left out, by reason.

    `classes` are those of the multi-class task, in the order of the class map, whether or not a case is of them.
    `excluded` counts the cases that never were in the dataset, by the manifest's reason.
    """

    cases: tuple[LesionCase, ...]
    left_out: Mapping[str, tuple[str, ...]]
    classes: tuple[str, ...]
    excluded: Mapping[str, int] = field(default_factory=dict)

    def of_split(self, split: LesionSplit) -> tuple[LesionCase, ...]:
        """Give the cases of a split."""
        return tuple(case for case in self.cases if case.split == split)

    def classes_of(self, task: Task) -> tuple[str, ...]:
        """Give the names of the classes of a task, in the order of the columns of its scores."""
        return BINARY_CLASSES if task == "binary" else self.classes
