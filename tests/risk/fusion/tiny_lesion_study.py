"""A raw dataset of tiny lesions in noise with CTC levels, large enough for both tasks, and quick trainings on it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.risk.risk_dataset import write_risk_dataset
from tests.risk.tiny_study import add_noise

__all__ = ["COLUMNS", "DATASET", "DIAGNOSES", "SIZE", "TRAINED", "lesion_rows", "write_tiny_lesions"]

DATASET = "Dataset713_TinyLesions"
DIAGNOSES = ("Cyst", "Type B2 thymoma", "Schwannoma", "Lymphoma")  # benign and malignant by turns
COLUMNS = ("diagnosis", "ctc_level", "location")
SIZE = ("--size", "32")
TRAINED = ("--model", "dmfn", "--model", "regnet", "--epochs", "1", "--repeats", "1", *SIZE)


def lesion_rows(*, training: int = 8, tuning: int = 4, external: int = 8) -> list[dict[str, str]]:
    """Give rows of the diagnoses by turns, a patient each; malignant ones have more CTC, the first case no level."""
    rows = []
    for split, number in (("training", training), ("tuning", tuning), ("external", external)):
        for place in range(number):
            rows.append(
                {
                    "case_id": f"{split}_{place}",
                    "patient": f"patient_{split}_{place}",
                    "institution": "South" if split == "external" else "North",
                    "split": split,
                    "diagnosis": DIAGNOSES[place % len(DIAGNOSES)],
                    "ctc_level": f"{10 + 4 * (place % 2) + 0.1 * place:.1f}" if place else "",
                    "location": ("anterior", "middle", "posterior")[place % 3],
                    "age": str(40 + 3 * place),
                    "sex": "FM"[place % 2],
                }
            )
    return rows


def write_tiny_lesions(
    base: Path,
    rows: Sequence[Mapping[str, str]] | None = None,
    *,
    columns: Sequence[str] = COLUMNS,
    subjects: str = "phantoms",
) -> Path:
    """Write the dataset below ``nnUNet_raw`` of a folder, where studies beside it find it; give its folder."""
    rows = lesion_rows() if rows is None else rows
    folder = write_risk_dataset(base / "nnUNet_raw" / DATASET, rows, columns=columns)
    add_noise(folder)
    (folder / "dataset.json").write_text(json.dumps({"subjects": subjects}))
    return folder
