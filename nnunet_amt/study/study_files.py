"""The JSON files of a study's parts, and the form in which their readers take them.

A study may have come from elsewhere, or been edited: a file of another form is refused, and none is passed over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    "configurations?": {
        str: {
            "architecture?": {"network_class_name?": _TEXT, "arch_kwargs?": {"features_per_level?": [int]}},
            "spacing?": [NUMBER],
            "patch_size?": [int],
            "batch_size?": _WHOLE,
            "normalization_schemes?": [str],
        }
    },
    "foreground_intensity_properties_per_channel?": {str: {str: NUMBER}},
}
# A study of risk in the folder of a study, as the room above this one lays it out.
RISK_FOLDER, RISK_EVALUATION_FOLDER, READERS_FOLDER = "risk", "evaluation", "readers"
RISK_SUMMARY = DocumentFile("risk_summary.json", 1, "risk evaluate", "risk_tables.html")
LESION_SUMMARY = DocumentFile("lesion_summary.json", 1, "risk evaluate", "lesion_tables.html")  # of a task, with CTC
READER_STUDY = DocumentFile("reader_study.json", 1, "risk readers", "reader_tables.html")
LESION_READER_STUDY = DocumentFile("lesion_reader_study.json", 1, "risk readers", "lesion_reader_tables.html")


def risk_files(study: Path) -> dict[str, Path]:
    """Give the files of the study of risk in a study's folder, by their names in a page's record; they may be missing.

    The evaluation is ``risk``, the readers without and with AI are ``readers``.
    """
    root = study / RISK_FOLDER
    return {
        "risk": root / RISK_EVALUATION_FOLDER / RISK_SUMMARY.name,
        "readers": root / READERS_FOLDER / READER_STUDY.name,
    }


def read_part(path: Path, form: Any, command: str) -> Any:
    """Read a JSON file of a study that a command wrote; empty if there is none.

    Raises
    ------
    BadInputError
        If it is there and cannot be read, or has another form.
    """
    return read_json(path, form=form, advice=f"run nnunet_amt {command} again") if path.is_file() else {}
