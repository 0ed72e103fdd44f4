"""What models say of a segmented case beside its lesions, its risk or its diagnosis; or why they say nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import write_json
from nnunet_amt.base.json_file import read_json
from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.clinic.case_results import LABEL_MAP
from nnunet_amt.errors import BadInputError

ASSESSMENTS = "assessments.json"
ASSESSED = "assessments"  # folder of what models write of all cases, beside those of the cases
SCHEMA_VERSION = 1
_ONE = {
    "question": str,
    "answer": str,
    "probabilities": [[str]],
    "trained_on": str,
    "notes": [str],
    "model_sha256": str,
}
_FORM = {"schema_version": int, "label_map_sha256": str, "assessments": [_ONE]}


@dataclass(frozen=True)
class Assessment:
    """What a model answers for a case.

    Attributes
    ----------
    question
        Such as ``"Low or high risk"``; of several models with one question the last one counts.
    answer
        In words; empty where there is none, and then a note says why.
    probabilities
        Names of classes and their probabilities as text, in the order to be shown.
    trained_on
        Whose tumours the model knows, in words.
    notes
        What to know of this case: why there is no answer, what was missing.
    model_sha256
        Of the model's weights.
    """

    question: str
    answer: str
    probabilities: tuple[tuple[str, str], ...]
    trained_on: str
    notes: tuple[str, ...]
    model_sha256: str


def write_assessments(folder: Path, found: Sequence[Assessment]) -> None:
    """Put assessments into the folder of a segmented case, in place of earlier answers to the same questions."""
    by_question = {one.question: one for one in (*read_assessments(folder), *found)}
    write_json(
        folder / ASSESSMENTS,
        {
            "schema_version": SCHEMA_VERSION,
            "label_map_sha256": file_sha256(folder / LABEL_MAP) or "",
            "assessments": [asdict(one) for one in by_question.values()],
        },
    )


def read_assessments(folder: Path) -> tuple[Assessment, ...]:
    """Read the assessments of a case; none where they are of another segmentation, damaged, or of another version."""
    path = folder / ASSESSMENTS
    if not path.is_file():
        return ()
    try:
        content = read_json(path, form=_FORM, advice="it is made again")
    except BadInputError:
        return ()
    if content["schema_version"] != SCHEMA_VERSION or content["label_map_sha256"] != file_sha256(folder / LABEL_MAP):
        return ()
    return tuple(
        _assessment(one) for one in content["assessments"] if all(len(row) == 2 for row in one["probabilities"])
    )


def _assessment(one: Mapping[str, Any]) -> Assessment:
    return Assessment(
        question=one["question"],
        answer=one["answer"],
        probabilities=tuple((name, probability) for name, probability in one["probabilities"]),
        trained_on=one["trained_on"],
        notes=tuple(one["notes"]),
        model_sha256=one["model_sha256"],
    )
