"""Real CTs from DICOM and RTSTRUCT through every stage, by the commands that a user types."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

from nnunet_amt.images.geometry import Geometry, geometry_difference
from tests.real_data import IBSI_PHANTOM, NODES, PATIENT_2, real_data

pytestmark = [pytest.mark.real, pytest.mark.slow]

TRAINER = "nnUNetTrainerAMT_1epoch"


def command(*words: object, base: Path) -> str:
    """Run a command of ours with nnU-Net's folders below `base`; return what it printed."""
    folders = {name: str(base / name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    done = subprocess.run(
        [sys.executable, "-m", "nnunet_amt", *map(str, words)],
        env={**os.environ, **folders, "nnUNet_def_n_proc": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    shown = f"$ nnunet_amt {' '.join(map(str, words))}\n{done.stdout[-2500:]}"
    print(shown)  # pytest -s -m real shows the whole way
    assert done.returncode == 0, shown + done.stderr[-3000:]
    return done.stdout


def write_manifest(folder: Path) -> Path:
    """Write one case a split: a lung tumour each to train and tune on, mediastinal nodes of a whole thorax outside."""
    phantom, second, nodes = real_data(IBSI_PHANTOM), real_data(PATIENT_2), real_data(NODES)
    rows = [
        ("ibsi", "p1", "a", phantom / "dicom" / "image", phantom / "dicom" / "mask", "GTV-1", "training"),
        ("pat2", "p2", "a", second, second, "GTV-1", "tuning"),
        ("nodes", "p3", "b", nodes / "dicom.zip", nodes / "dicom.zip", "GTV-3", "external"),
    ]
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case_id", "patient_id", "institution", "image", "mask", "roi", "split"])
        writer.writerows(rows)
    return folder / "manifest.csv"


def test_real_ct_from_manifest_to_froc(tmp_path: Path) -> None:
    """Five iterations teach nothing: what is checked is that every voxel comes back to where it was."""
    raw = tmp_path / "nnUNet_raw" / "Dataset711_AMT"
    command("convert", write_manifest(tmp_path), "-d", 711, "--keep-case-ids", base=tmp_path)
    command("plan", "-d", 711, "--spacing", 6, 3, 3, "--patch-size", 16, 64, 64, base=tmp_path)
    assert "no problem found" in command("doctor", "-d", 711, base=tmp_path)
    command("train", 711, "--trainer", TRAINER, "--device", "cpu", base=tmp_path)
    command("predict", 711, "--trainer", TRAINER, "--device", "cpu", "--output", tmp_path / "out", base=tmp_path)
    command("evaluate", tmp_path / "out", raw / "labelsTs", "-o", tmp_path / "evaluation",
            "--cohort", raw / "cohort.csv", base=tmp_path)  # fmt: skip

    prediction = Geometry.of(sitk.ReadImage(str(tmp_path / "out" / "nodes.nii.gz")))
    image = Geometry.of(sitk.ReadImage(str(raw / "imagesTs" / "nodes_0000.nii.gz")))
    assert image.size == (512, 512, 107)
    assert geometry_difference(prediction, image) is None

    summary = json.loads((tmp_path / "evaluation" / "summary.json").read_text())
    assert summary["voxel"]["dice"]["n"] == 1
    assert len(summary["lesion"]["threshold"]) == 19
    with (tmp_path / "evaluation" / "lesions.csv").open(newline="") as file:
        nodes = [float(row["volume_cm3"]) for row in csv.DictReader(file) if row["source"] == "reference"]
    assert len(nodes) == 2  # two nodes, 8.7 cm³ together
    assert sum(nodes) == pytest.approx(8.7, abs=0.05)
