"""Points beside a checkpoint, and predictions with saved probabilities, as the commands leave them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnunet_amt.base.files import write_json
from nnunet_amt.base.run_record import file_sha256, recorded_run
from nnunet_amt.evaluation.operating_points.figures import FIGURES
from nnunet_amt.evaluation.operating_points.point import OperatingPoint
from nnunet_amt.evaluation.operating_points.point_file import POINTS_FILE, SCHEMA_VERSION, point_json
from nnunet_amt.evaluation.summary.summary import MetricSummary
from nnunet_amt.images.mask_file import read_geometry
from nnunet_amt.images.probability_file import probability_file, write_probabilities
from tests.conftest import set_nnunet_folders
from tests.evaluation.builders import SPACING, write_label_map
from tests.models.model_fixtures import write_model

TUNING = {name: MetricSummary(0.5, None, (0.25, 0.75), 7) for name in FIGURES}
# Of voxels of 10 mm³: with the faint ones, and without what is 0.09 cm³ or less.
WIDE = OperatingPoint("wide", 60, "mean", 0.0, 0.0)
LARGE = OperatingPoint("large", 128, "mean", 0.0, 0.1)


def model_with_points(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a model of the dataset in `base`, with the points WIDE and LARGE; give its checkpoint."""
    set_nnunet_folders(monkeypatch, base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    checkpoint = write_model(tmp_path / "results", base)
    write_points(checkpoint, WIDE, LARGE)
    return checkpoint


def write_points(checkpoint: Path, *points: OperatingPoint, **changes: Any) -> Path:
    """Write operating_points.json beside a checkpoint; `changes` replace entries."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "model": {"checkpoint": checkpoint.name, "sha256": file_sha256(checkpoint)},
        "tuning_cases": 7,
        "points": {point.name: point_json(point, TUNING) for point in points},
        "not_reached": {"volumetry": "no setting has a total volume within 2%; the nearest is +9.0%"},
    }
    path = checkpoint.parent / POINTS_FILE
    write_json(path, {**content, **changes})
    return path


def write_predictions(folder: Path, checkpoint: Path, cases: dict[str, np.ndarray]) -> Path:
    """Write the argmax of levels (z, y, x), the levels, and the record of the model; voxels of `SPACING`."""
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    if not checkpoint.is_file():
        checkpoint.write_bytes(b"weights")
    with recorded_run(folder, "predict", inputs={"checkpoint": checkpoint}):
        for case_id, levels in cases.items():
            path = write_label_map(folder / f"{case_id}.nii.gz", (levels >= 128).astype(np.uint8), SPACING)
            write_probabilities(probability_file(folder, case_id), levels, geometry=read_geometry(path))
    return folder
