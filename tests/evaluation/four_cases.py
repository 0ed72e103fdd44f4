"""Four cases whose results are known, and their evaluation read back."""

from __future__ import annotations

import csv
from pathlib import Path

from nnunet_amt.base.run_record import RECORD_FILE
from nnunet_amt.evaluation import RESULT_FILES, EvaluationSettings, evaluate
from tests.evaluation.builders import row_mask, write_pair

SETTINGS = EvaluationSettings(bootstrap_resamples=200)
NOTHING = row_mask(60)
# the cohort file of these tests knows no institutions, so that there is no figure of them
FILES = [*(name for name in RESULT_FILES if not name.startswith("institutions.")), RECORD_FILE]
CASE_IDS = ("half", "missed", "whole", "without")


def write_four_cases(folder: Path) -> Path:
    """Four cases: half found with a false positive, missed, found whole, and without tumour."""
    # half: 12 of 20 voxels (IoU 0.6, Dice 24/32), and 10 voxels where nothing is, and 3 that are too few to count
    write_pair(folder, "half", row_mask(60, (4, 16), (30, 40), (50, 53)), row_mask(60, (0, 20)))
    write_pair(folder, "missed", NOTHING, row_mask(60, (0, 5)))
    write_pair(folder, "whole", row_mask(60, (0, 60)), row_mask(60, (0, 60)))
    write_pair(folder, "without", NOTHING, NOTHING)
    rows = ["case_id,split,manufacturer,sex"]
    rows += [f"{case_id},external,Siemens,{sex}" for case_id, sex in zip(CASE_IDS, "FMFM", strict=True)]
    (folder / "cohort.csv").write_text("\n".join(rows))
    return folder


def run(folder: Path, **options: object) -> dict[str, list[dict[str, str]]]:
    """Evaluate, without figures unless they are asked for, and read the CSV files back."""
    options = {"settings": SETTINGS, "figures": False} | options
    evaluate(folder / "predictions", folder / "references", folder / "out", **options)  # type: ignore[arg-type]
    names = ("cases.csv", "lesions.csv", "froc.csv")
    return {name: list(csv.DictReader((folder / "out" / name).open(newline=""))) for name in names}
