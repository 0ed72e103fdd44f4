"""Every number of the paper, once: Tables 1 to 4 in ``published_tables.json``, the rest here.

Takemura C, Miyake M, Kobayashi K, et al. A clinically applicable and generalizable deep learning model for
anterior mediastinal tumors in CT images across multiple institutions. Scientific Reports, 2026.
doi:10.1038/s41598-026-37504-z

The hyperparameters are those of the section "Model training"; what the paper leaves open is not here but in
`nnunet_amt.nnunet.planning` and `nnunet_amt.trainers`, and `docs/fidelity.md` says which is which.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import radians
from pathlib import Path
from typing import Any

CITATION = "Takemura et al., Scientific Reports, 2026"
DOI = "10.1038/s41598-026-37504-z"

# "Data collection", Fig. 2 and Table 1
IDENTIFIED_CASES = 858
EXCLUDED_CASES = 147
INCLUDED_CASES = 711
INSTITUTIONS = 136
TRAINING_CASES = 485
TUNING_CASES = 62
EXTERNAL_CASES = 164
TRAINING_INSTITUTIONS = 13
TUNING_INSTITUTIONS = 4
EXTERNAL_INSTITUTIONS = 121

_TABLES = json.loads((Path(__file__).with_name("published_tables.json")).read_text(encoding="utf-8"))

# Table 1, cases by diagnosis: training, tuning, external
DIAGNOSES: dict[str, tuple[int, int, int]] = {name: tuple(row) for name, row in _TABLES["table_1"]["diagnosis"].items()}
# Table 1, age in years: median, lowest, highest
AGES: dict[str, tuple[float, int, int]] = {split: tuple(row) for split, row in _TABLES["table_1"]["age"].items()}
# Abstract, all included cases
SEXES: dict[str, int] = {"F": 372, "M": 339}
# Table 2, external cases by scanner manufacturer
MANUFACTURERS: dict[str, int] = _TABLES["table_2"]

# "Data pre-processing": intensities by the minimum and maximum of the dataset to this range
FEATURE_RANGE = (0.0, 1.0)

# "Deep neural network architecture"
NETWORK_LEVELS = 4

# "Training settings"
ROTATION_RANGE_RADIANS = (radians(-10.0), radians(10.0))  # in the axial plane
SCALING_RANGE = (0.8, 1.2)  # along the axial axes, independently
BATCH_SIZE = 3
FOREGROUND_SAMPLES_PER_BATCH = 2  # the first crop is uniform over the whole image
LEARNING_RATE = 1e-3  # constant
ADAM_BETAS = (0.9, 0.999)

# "Post-processing for separating lesion-wise components"
MINIMUM_PREDICTED_VOXELS = 10  # components of fewer voxels are dropped

# "Lesion-wise detection performance metrics": 0.05 to 0.95 step 0.05, as exact twentieths
IOU_THRESHOLD_TWENTIETHS = tuple(range(1, 20))

# Tables 3 and 4: small < 5 cm, medium 5 to 8 cm, large > 8 cm
SIZE_LIMITS_CM = (5.0, 8.0)

# Fig. 5: what counts as a successful case there
SUCCESSFUL_DICE = 0.70

# "Quantitative analysis of failure modes": the cases of lowest against those of highest Dice
FAILURE_GROUP_PERCENT = 10
FAILURE_GROUP_SIZE = 17
# p-values of the reference's radiomics features between the two groups
FAILURE_P_VALUES: dict[str, float] = {
    "voxel volume": 0.003,
    "maximum 3-D diameter": 0.025,
    "total energy": 0.009,
    "mean": 0.42,
    "median": 0.33,
}


@dataclass(frozen=True)
class Estimate:
    """A published mean, its standard deviation and its 95% confidence interval."""

    mean: float
    sd: float
    ci_low: float
    ci_high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f}±{self.sd:.2f} ({self.ci_low:.2f}–{self.ci_high:.2f})"


@dataclass(frozen=True)
class PublishedVoxelRow:
    """A row of Table 3."""

    group: str
    subgroup: str
    cases: int
    dice: Estimate
    iou: Estimate
    precision: Estimate
    recall: Estimate


@dataclass(frozen=True)
class PublishedLesionRow:
    """A row of Table 4: sensitivity and false positives per scan at IoU 0.1 and at IoU 0.5."""

    group: str
    subgroup: str
    cases: int
    sensitivity_01: Estimate
    fp_per_scan_01: Estimate
    sensitivity_05: Estimate
    fp_per_scan_05: Estimate


@dataclass(frozen=True)
class OperatingPoint:
    """The point that Fig. 4 marks with an arrowhead."""

    iou_threshold: float
    sensitivity: float
    fp_per_scan: float


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: Estimate(*value) if isinstance(value, list) else value for name, value in row.items()}


TABLE_3 = tuple(PublishedVoxelRow(**_row(row)) for row in _TABLES["table_3"])
TABLE_4 = tuple(PublishedLesionRow(**_row(row)) for row in _TABLES["table_4"])
OPERATING_POINT = OperatingPoint(0.5, TABLE_4[0].sensitivity_05.mean, TABLE_4[0].fp_per_scan_05.mean)
