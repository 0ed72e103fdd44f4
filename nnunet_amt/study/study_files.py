"""The JSON files of a study's parts, and the form in which their readers take them.

A study may have come from elsewhere, or been edited: a file of another form is refused, and none is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from nnunet_amt.base.json_file import NUMBER, read_json
from nnunet_amt.writing.document_file import DocumentFile

_COUNTS = {"cases": int, "patients": int, "institutions": int, "without_tumour?": int}
_TEXT = (str, None)
_WHOLE = (int, None)
AUDIT = {
    "checks?": [{"check": str, "passed": bool}],
    "identified?": int,
    "excluded?": int,
    "excluded_by_reason?": {str: int},
    "included?": _COUNTS,
    "splits?": {str: _COUNTS},
    "institutions_of_both_training_and_tuning?": int,
}
DESCRIPTION = {
    "subjects?": _TEXT,
    "converted_by?": _TEXT,
    "label_origin?": _TEXT,
    "cohort_reference?": _TEXT,
    "intensity_floor_hu?": (*NUMBER, None),
}
FAILURES = {"features?": [{"feature": str, "p_holm?": (*NUMBER, None)}]}
COMPARISON = {"models?": [{"name": str}], "sentences?": [str], "tables?": [dict]}
PLANS = {
    "plans_name?": str,
    "dataset_name?": str,
    "mediastinal_region?": (dict, None),
    "configurations?": {
        str: {
            "architecture?": {
                "network_class_name?": _TEXT,
                "arch_kwargs?": {"features_per_level?": [int], "features_per_stage?": [int]},
            },
            "spacing?": [NUMBER],
            "patch_size?": [int],
            "batch_size?": _WHOLE,
            "normalization_schemes?": [str],
        }
    },
    "foreground_intensity_properties_per_channel?": {str: {str: NUMBER}},
}
# Of `RISK_SUMMARY` and `LESION_SUMMARY` what is not the document.
RISK_FACTS = {
    "subjects?": _TEXT,
    "cases?": {str: {"cases": int, "patients?": int, "institutions?": int, "without_ctc?": int}},
    "models?": [dict],
    "segmentation_costs?": [dict],
    "classes?": [str],
    "ctc_unit?": _TEXT,
    "pictures?": [{"file": str}],
}
# A study of risk in the folder of a study, as the room above this one lays it out; that with CTC stands in it.
RISK_FOLDER, FUSION_FOLDER, RISK_EVALUATION_FOLDER, READERS_FOLDER = "risk", "fusion", "evaluation", "readers"
LesionTask = Literal["binary", "multiclass"]
LESION_TASKS: tuple[LesionTask, ...] = get_args(LesionTask)
RISK_SUMMARY = DocumentFile("risk_summary.json", 1, "risk evaluate", "risk_tables.html")
LESION_SUMMARY = DocumentFile("lesion_summary.json", 1, "risk evaluate", "lesion_tables.html")  # of a task, with CTC
READER_STUDY = DocumentFile("reader_study.json", 1, "risk readers", "reader_tables.html")
LESION_READER_STUDY = DocumentFile("lesion_reader_study.json", 1, "risk readers", "lesion_reader_tables.html")


@dataclass(frozen=True)
class RiskTask:
    """Where a task of a study of risk stands in it, and what it writes there.

    Attributes
    ----------
    folder
        Of its evaluation and readers, relative to the study of risk.
    rois
        Of what its networks look at, likewise.
    summary, readers
        What the two write.
    stage
        Of the evaluation, in run records.
    words
        Of the commands of ``nnunet_amt risk`` that ask for the task.
    """

    folder: str
    rois: str
    summary: DocumentFile
    readers: DocumentFile
    stage: str
    words: tuple[str, ...] = ()

    def evaluation_in(self, study: Path) -> Path:
        """Give the folder of the evaluation in a study."""
        return study / RISK_FOLDER / self.folder / RISK_EVALUATION_FOLDER

    def readers_in(self, study: Path) -> Path:
        """Give the folder of the reader study in a study."""
        return study / RISK_FOLDER / self.folder / READERS_FOLDER


RISK_TASKS: Mapping[str, RiskTask] = {
    "risk": RiskTask("", "rois", RISK_SUMMARY, READER_STUDY, "risk-evaluate"),
    **{
        task: RiskTask(
            f"{FUSION_FOLDER}/{task}",
            f"{FUSION_FOLDER}/rois",
            LESION_SUMMARY,
            LESION_READER_STUDY,
            "lesion-evaluate",
            ("--task", task),
        )
        for task in LESION_TASKS
    },
}


def risk_files(study: Path) -> dict[str, Path]:
    """Give the files of the study of risk in a study's folder, by their names in a page's record; they may be missing.

    The evaluation of low and high risk is ``risk``, the readers without and with AI are ``readers``; of a task of
    lesions they are ``binary`` and ``binary_readers``.
    """
    files = {}
    for name, task in RISK_TASKS.items():
        files[name] = task.evaluation_in(study) / task.summary.name
        files["readers" if name == "risk" else f"{name}_readers"] = task.readers_in(study) / task.readers.name
    return files


def read_part(path: Path, form: Any, command: str) -> Any:
    """Read a JSON file of a study that a command wrote; empty if there is none.

    Raises
    ------
    BadInputError
        If it is there and cannot be read, or has another form.
    """
    return read_json(path, form=form, advice=f"run nnunet_amt {command} again") if path.is_file() else {}
