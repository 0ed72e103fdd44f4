"""A raw dataset of lesions made of rows, its images and masks empty files: the cohort is read without them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunet_amt.risk.fusion.lesion_case import LesionCase, LesionSplit

__all__ = ["ROWS", "lesion_case", "write_lesion_dataset"]

COLUMNS = ("case_id", "patient", "institution", "split", "age", "sex", "histology", "manufacturer")
# A benign and a malignant lesion in each split.
ROWS = tuple(
    {"case_id": f"{kind}_{split}", "split": split, "diagnosis": diagnosis}
    for split in ("training", "tuning", "external")
    for kind, diagnosis in (("benign", "Cyst"), ("malignant", "Type B2 thymoma"))
)


def write_lesion_dataset(
    folder: Path,
    rows: Sequence[Mapping[str, str]] = ROWS,
    *,
    columns: Sequence[str] = ("diagnosis",),
    excluded: Mapping[str, int] | None = None,
) -> Path:
    """Write cohort.csv with further columns, audit.json, and an empty file for each CT and mask."""
    folder.mkdir(parents=True, exist_ok=True)
    full = [
        {"patient": f"patient-{number:04d}", "institution": "institution-0001", "split": "training", **row}
        for number, row in enumerate(rows)
    ]
    for row in full:
        subset = "Ts" if row["split"] == "external" else "Tr"
        for name in (f"images{subset}/{row['case_id']}_0000.nii.gz", f"labels{subset}/{row['case_id']}.nii.gz"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
    with (folder / "cohort.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, dict.fromkeys((*COLUMNS, *columns)), restval="")
        writer.writeheader()
        writer.writerows(full)
    if excluded is not None:
        (folder / "audit.json").write_text(json.dumps({"excluded_by_reason": dict(excluded)}))
    return folder


def lesion_case(
    case_id: str, split: LesionSplit = "training", diagnosis: str = "Cyst", ctc: float | None = None, **about: object
) -> LesionCase:
    """Give a case that is known but for its images: cysts are benign, all else malignant; `about` replaces fields."""
    usual: dict[str, object] = {
        "patient": f"p_{case_id}",
        "institution": "North" if split != "external" else "South",
        "malignant": diagnosis != "Cyst",
        "lesion_class": diagnosis,
        "location": "anterior",
        "age": 50.0,
        "sex": "F",
        "manufacturer": "Siemens",
        "clinical": {},
    }
    none = Path("none.nii.gz")
    return LesionCase(
        case_id=case_id,
        split=split,
        diagnosis=diagnosis,
        ctc_level=ctc,
        image=none,
        mask=none,
        **(usual | about),  # type: ignore[arg-type]
    )
