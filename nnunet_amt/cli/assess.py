"""What trained models say of segmented tumours, whichever of the two studies they come from, in one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nnunet_amt.base.json_file import read_json
from nnunet_amt.base.progress import Progress
from nnunet_amt.clinic.assessments import ASSESSED, Assessment, write_assessments
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.label_maps import named_cases
from nnunet_amt.evaluation.subjects import in_words

if TYPE_CHECKING:
    from nnunet_amt.clinic.new_cases import NotTaken
    from nnunet_amt.risk.fusion.encoding import PatientData
    from nnunet_amt.risk.fusion.lesion_model import LesionModelInfo
    from nnunet_amt.risk.fusion.new_lesions import NewLesion
    from nnunet_amt.risk.networks.model_folder import ModelInfo
    from nnunet_amt.risk.new_tumours import NewTumour

_SHOWN_CLASSES = 3
_QUESTIONS = {"binary": "Benign or malignant", "multiclass": "Diagnosis"}


class Assessor(Protocol):
    """A model that is ready to assess tumours."""

    def assess(
        self, tumours: Sequence[NewTumour], output: Path, *, device: str, progress: Progress
    ) -> dict[str, Assessment]:
        """Score tumours, write what the model writes of them into a folder, and give the answers by case."""

    def said(self, one: Assessment) -> str:
        """Say an answer in a line of the terminal."""

    def picture(self, output: Path) -> Path | None:
        """Give the picture that was written, if there is one."""

    def told_of_patients(self, tumours: Sequence[NewTumour]) -> list[str]:
        """Say what is to be told of the patients' table: in which unit it is read, and what in it fits no tumour."""


def opened_assessor(model: Path, patients: Path | None, *, among_others: bool = False) -> Assessor:
    """Look at a model folder and the patients' table, before anything else is done.

    A model of the CT alone among others, for which the table may be, passes it over.

    Raises
    ------
    BadInputError
        If the folder holds no model of either study, or the table cannot be read or is of no use to the model.
    """
    from nnunet_amt.risk.networks.model_folder import AGAIN, MODEL_FILE, read_model_info

    path = model / MODEL_FILE
    if path.is_file() and "task" in read_json(path, advice=AGAIN):
        from nnunet_amt.risk.fusion.lesion_model import read_lesion_model_info
        from nnunet_amt.risk.fusion.patient_file import read_patients

        info = read_lesion_model_info(model)
        if patients is not None and not info.uses_patient_data:
            if not among_others:
                raise BadInputError(f"--patients {patients}: {info.model} looks at the CT alone; leave it out")
            patients = None
        return LesionAssessor(model, info, {} if patients is None else read_patients(patients))
    risk = read_model_info(model)
    if patients is not None and not among_others:
        raise BadInputError(f"--patients {patients}: a network of low or high risk looks at the CT alone; leave it out")
    return RiskAssessor(model, risk)


def assess_segmented(
    assessors: Sequence[Assessor], folder: Path, not_taken: Sequence[NotTaken], *, device: str, progress: Progress
) -> list[str]:
    """Let models assess the cases of a folder that was segmented, and write their answers onto its page.

    What each writes of its own, such as heat maps, stands in ``assessments`` below the folder. Returns what is to be
    told of the patients' table.
    """
    from nnunet_amt.clinic.case_results import PAGE, results_in
    from nnunet_amt.clinic.result_page import write_result_page
    from nnunet_amt.risk.new_tumours import segmented_tumours

    tumours = segmented_tumours(folder)
    answers: dict[str, list[Assessment]] = {tumour.case_id: [] for tumour in tumours}
    told: list[str] = []
    for number, assessor in enumerate(assessors, start=1):
        own = folder / ASSESSED / f"model_{number}"
        for case_id, answer in assessor.assess(tumours, own, device=device, progress=progress).items():
            answers[case_id].append(answer)
        told += assessor.told_of_patients(tumours)
    for case_id, of_case in answers.items():
        write_assessments(folder / case_id, of_case)
    write_result_page(folder / PAGE, folder, results_in(folder), not_taken, progress=progress)
    return list(dict.fromkeys(told))


@dataclass(frozen=True)
class RiskAssessor:
    """A network of low or high risk."""

    model: Path
    info: ModelInfo

    def assess(
        self, tumours: Sequence[NewTumour], output: Path, *, device: str, progress: Progress
    ) -> dict[str, Assessment]:
        """See `Assessor`."""
        from nnunet_amt.risk.new_tumours import predict_risk

        found = predict_risk(self.model, tumours, output, device=device, progress=progress)
        whose = in_words(self.info.training.get("subjects"))
        return {
            one.case_id: Assessment(
                question="Low or high risk of a thymoma",
                answer="" if one.called_high is None else "high risk" if one.called_high else "low risk",
                probabilities=() if one.score is None else (("high risk", f"{one.score:.2f}"),),
                trained_on=f"{self.info.trained_cases} thymomas of low and high risk, of {whose}",
                notes=(one.note,) if one.note else (),
                model_sha256=self.info.weights_sha256,
            )
            for one in found
        }

    def said(self, one: Assessment) -> str:
        """See `Assessor`."""
        return f"score {one.probabilities[0][1]}, {one.answer}" if one.answer else "; ".join(one.notes)

    def picture(self, output: Path) -> Path | None:
        """See `Assessor`."""
        from nnunet_amt.risk.new_tumours import HEAT_FIGURE

        path = output / f"{HEAT_FIGURE}.png"
        return path if path.exists() else None

    def told_of_patients(self, tumours: Sequence[NewTumour]) -> list[str]:
        """See `Assessor`."""
        return []


@dataclass(frozen=True)
class LesionAssessor:
    """A model of benign and malignant lesions, or of their classes."""

    model: Path
    info: LesionModelInfo
    patients: Mapping[str, PatientData]

    def assess(
        self, tumours: Sequence[NewTumour], output: Path, *, device: str, progress: Progress
    ) -> dict[str, Assessment]:
        """See `Assessor`."""
        from nnunet_amt.risk.fusion.new_lesions import predict_new_lesions

        found = predict_new_lesions(
            self.model, tumours, output, patients=self.patients, device=device, progress=progress
        )
        return {one.case_id: self._assessment(one) for one in found}

    def _assessment(self, one: NewLesion) -> Assessment:
        from nnunet_amt.risk.fusion.new_lesions import called

        top = () if one.prediction is None else one.prediction.top[:_SHOWN_CLASSES]
        return Assessment(
            question=_QUESTIONS[self.info.task],
            answer="" if one.prediction is None else called(one.prediction),
            probabilities=tuple((name, f"{probability:.2f}") for name, probability in top),
            trained_on=self.info.trained_on.sentence.removeprefix("trained on "),
            notes=one.notes,
            model_sha256=next(iter(self.info.weights.values())),
        )

    def said(self, one: Assessment) -> str:
        """See `Assessor`."""
        if not one.answer:
            return "; ".join(one.notes)
        ranked = ", ".join(f"{name} {probability}" for name, probability in one.probabilities)
        return "; ".join((f"{one.answer} ({ranked})", *one.notes))

    def picture(self, output: Path) -> Path | None:
        """See `Assessor`."""
        return None

    def told_of_patients(self, tumours: Sequence[NewTumour]) -> list[str]:
        """See `Assessor`."""
        from nnunet_amt.risk.fusion.study_cohort import UNKNOWN_UNIT

        if not self.patients:
            return []
        cts = [tumour.case_id for tumour in tumours]
        told = []
        if any(case_id in self.patients and self.patients[case_id].ctc_level is not None for case_id in cts):
            stated = self.info.ctc_unit != UNKNOWN_UNIT
            told.append(
                "CTC levels of the patients' table are never converted, and must be in the model's unit, "
                + (self.info.ctc_unit if stated else "which its study did not state")
            )
        if others := [case_id for case_id in self.patients if case_id not in cts]:
            are = "is" if len(others) == 1 else "are"
            told.append(f"the patients' table has {named_cases(others)} that {are} none of the CTs, which has no say")
        if without := [case_id for case_id in cts if case_id not in self.patients]:
            told.append(f"the patients' table has no row of {named_cases(without)}")
        return told
