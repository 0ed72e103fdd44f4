"""A study of two cases on disk, as evaluate and failures leave it, without running them on many images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.evaluation.builders import write_label_map

SHAPE = (4, 20, 20)
COUNTS = {"AMT-0001": (8, 1, 0), "AMT-0002": (0, 0, 8)}  # tp, fp, fn
CASES_HEADER = (
    "case_id,tp,fp,fn,dice,iou,precision,recall,reference_lesions,lesion_tp_0.1,lesion_tp_0.5,"
    "reference_cm3,prediction_cm3,size_mm,tumour_size",
)


def write_results(folder: Path, counts: Mapping[str, tuple[int, int, int]] = COUNTS) -> Path:
    """An evaluation of cases with those counts; only what is read of one is in it."""
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps({"schema_version": 2, "software": {"name": "nnunet_amt"}}))
    rows = [*CASES_HEADER]
    for case_id, (tp, fp, fn) in counts.items():
        precision = tp / (tp + fp) if tp + fp else ""
        dice, iou = 2 * tp / (2 * tp + fp + fn), tp / (tp + fp + fn)
        found = int(tp > 0)
        rows.append(f"{case_id},{tp},{fp},{fn},{dice},{iou},{precision},1.0,1,{found},{found},0.08,0.09,,small")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    return folder


def write_failures(folder: Path, counts: Mapping[str, tuple[int, int, int]] = COUNTS) -> Path:
    folder.mkdir(parents=True)
    (folder / "failures.json").write_text("{}")
    rows = ["case_id,tp,fp,fn", *(f"{case_id},{tp},{fp},{fn}" for case_id, (tp, fp, fn) in counts.items())]
    (folder / "failure_cases.csv").write_text("\n".join(rows) + "\n")
    return folder


def write_dataset(folder: Path) -> Path:
    """A raw dataset with the references of `COUNTS`: 8 voxels each."""
    (folder / "imagesTs").mkdir(parents=True)
    (folder / "dataset.json").write_text("{}")
    (folder / "cohort.csv").write_text("case_id\n")
    reference = np.zeros(SHAPE, np.uint8)
    reference[1, 8:10, 8:12] = 1
    for case_id in COUNTS:
        write_label_map(folder / "labelsTs" / f"{case_id}.nii.gz", reference)
        write_label_map(folder / "imagesTs" / f"{case_id}_0000.nii.gz", np.full(SHAPE, 40, np.int16))
    return folder


def write_predictions(folder: Path) -> Path:
    """Predictions of `COUNTS`: one voxel too many in the first case, nothing in the second."""
    found = np.zeros(SHAPE, np.uint8)
    found[1, 8:10, 8:12] = found[2, 8, 8] = 1
    write_label_map(folder / "AMT-0001.nii.gz", found)
    write_label_map(folder / "AMT-0002.nii.gz", np.zeros(SHAPE, np.uint8))
    return folder


def write_run(folder: Path, stage: str, started: str, **inputs: str) -> None:
    """Add a run to a folder's record, of which only the paths of its inputs are told."""
    file = folder / "nnunet_amt_runs.json"
    runs = json.loads(file.read_text())["runs"] if file.is_file() else []
    told = {name: {"path": path} for name, path in inputs.items()}
    empty: dict[str, dict[str, object]] = {name: {} for name in ("outputs", "counts", "cost", "settings")}
    runs.append({"stage": stage, "started": started, "inputs": told, **empty})
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"schema_version": 1, "runs": runs}))


def write_study(folder: Path) -> Path:
    """A whole study in the demo's layout, without run records."""
    write_dataset(folder / "nnUNet_raw" / "Dataset711_AMT")
    write_predictions(folder / "predictions")
    write_results(folder / "evaluation")
    write_failures(folder / "evaluation_failures")
    return folder
