"""Every number of the paper, once.

Takemura C, Miyake M, Kobayashi K, et al. A clinically applicable and generalizable deep learning model for
anterior mediastinal tumors in CT images across multiple institutions. Scientific Reports, 2026.
doi:10.1038/s41598-026-37504-z

The hyperparameters are those of the section "Model training"; what the paper leaves open is not here but in
`nnunet_amt.planning` and `nnunet_amt.trainers`, and `docs/fidelity.md` says which is which.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import radians

__all__ = [
    "ADAM_BETAS",
    "AGES",
    "BATCH_SIZE",
    "CITATION",
    "DIAGNOSES",
    "DOI",
    "EXCLUDED_CASES",
    "EXTERNAL_CASES",
    "EXTERNAL_INSTITUTIONS",
    "FAILURE_GROUP_PERCENT",
    "FAILURE_GROUP_SIZE",
    "FAILURE_P_VALUES",
    "FEATURE_RANGE",
    "FOREGROUND_SAMPLES_PER_BATCH",
    "IDENTIFIED_CASES",
    "INCLUDED_CASES",
    "INSTITUTIONS",
    "IOU_THRESHOLD_TWENTIETHS",
    "LEARNING_RATE",
    "MANUFACTURERS",
    "MINIMUM_PREDICTED_VOXELS",
    "NETWORK_LEVELS",
    "OPERATING_POINT",
    "ROTATION_RANGE_RADIANS",
    "SCALING_RANGE",
    "SEXES",
    "SIZE_LIMITS_CM",
    "TABLE_3",
    "TABLE_4",
    "TRAINING_CASES",
    "TRAINING_INSTITUTIONS",
    "TUNING_CASES",
    "TUNING_INSTITUTIONS",
    "Estimate",
    "OperatingPoint",
    "PublishedLesionRow",
    "PublishedVoxelRow",
]

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

# Table 1, cases by diagnosis: training, tuning, external
DIAGNOSES: dict[str, tuple[int, int, int]] = {
    "thymoma": (291, 39, 74),
    "thymic carcinoma": (103, 13, 71),
    "lymphoma": (59, 6, 6),
    "thymic cyst": (30, 4, 10),
    "teratoma": (2, 0, 1),
    "carcinoid": (0, 0, 1),
    "sarcomatous transformation of teratoma": (0, 0, 1),
}
# Table 1, age in years: median, lowest, highest
AGES: dict[str, tuple[float, int, int]] = {
    "training": (58.0, 20, 87),
    "tuning": (60.5, 23, 87),
    "external": (58.0, 21, 85),
}
# Abstract, all included cases
SEXES: dict[str, int] = {"F": 372, "M": 339}
# Table 2, external cases by scanner manufacturer
MANUFACTURERS: dict[str, int] = {
    "Canon Medical Systems": 80,
    "GE Healthcare": 37,
    "Siemens": 35,
    "Fujifilm": 6,
    "Philips Healthcare": 6,
}

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


# group | subgroup | cases | Dice | IoU | precision | recall; mean±SD (95% CI)
_TABLE_3_TEXT = """\
overall      | overall               | 164 | 0.82±0.15 (0.79–0.84) | 0.72±0.17 (0.69–0.74) | 0.85±0.12 (0.83–0.87) | 0.82±0.19 (0.79–0.84)
manufacturer | Canon Medical Systems |  80 | 0.89±0.04 (0.86–0.93) | 0.82±0.07 (0.76–0.87) | 0.91±0.01 (0.90–0.91) | 0.89±0.08 (0.83–0.94)
manufacturer | GE Healthcare         |  37 | 0.81±0.20 (0.73–0.87) | 0.71±0.21 (0.64–0.78) | 0.83±0.17 (0.76–0.88) | 0.82±0.22 (0.74–0.89)
manufacturer | Siemens               |  35 | 0.82±0.13 (0.77–0.86) | 0.72±0.16 (0.66–0.77) | 0.86±0.07 (0.84–0.89) | 0.82±0.18 (0.75–0.87)
manufacturer | Fujifilm              |   6 | 0.88±0.04 (0.85–0.91) | 0.80±0.06 (0.74–0.85) | 0.89±0.02 (0.86–0.90) | 0.88±0.06 (0.83–0.94)
manufacturer | Philips Healthcare    |   6 | 0.85±0.08 (0.77–0.92) | 0.75±0.13 (0.64–0.85) | 0.92±0.03 (0.89–0.94) | 0.80±0.14 (0.68–0.91)
tumour_size  | large                 |  68 | 0.86±0.09 (0.84–0.88) | 0.77±0.12 (0.74–0.80) | 0.86±0.08 (0.84–0.88) | 0.87±0.12 (0.84–0.90)
tumour_size  | medium                |  57 | 0.80±0.19 (0.75–0.85) | 0.71±0.20 (0.65–0.76) | 0.86±0.12 (0.83–0.89) | 0.79±0.23 (0.73–0.85)
tumour_size  | small                 |  39 | 0.77±0.16 (0.71–0.81) | 0.65±0.17 (0.59–0.70) | 0.81±0.17 (0.75–0.86) | 0.75±0.19 (0.69–0.81)
histology    | thymoma               |  74 | 0.82±0.16 (0.78–0.86) | 0.73±0.18 (0.68–0.77) | 0.86±0.13 (0.82–0.89) | 0.81±0.19 (0.77–0.86)
histology    | thymic carcinoma      |  71 | 0.82±0.15 (0.78–0.85) | 0.72±0.16 (0.68–0.76) | 0.84±0.12 (0.81–0.87) | 0.83±0.18 (0.79–0.87)
histology    | thymic cyst           |  10 | 0.77±0.07 (0.72–0.82) | 0.63±0.10 (0.57–0.70) | 0.85±0.07 (0.80–0.89) | 0.72±0.11 (0.64–0.78)
histology    | lymphoma              |   6 | 0.78±0.22 (0.58–0.90) | 0.68±0.23 (0.47–0.82) | 0.83±0.05 (0.79–0.87) | 0.80±0.28 (0.54–0.95)
histology    | others                |   3 | 0.88±0.04 (0.84–0.94) | 0.78±0.07 (0.72–0.90) | 0.90±0.02 (0.87–0.93) | 0.86±0.07 (0.78–0.96)
"""

# group | subgroup | cases | at IoU 0.1: sensitivity | FP per scan | at IoU 0.5: sensitivity | FP per scan
_TABLE_4_TEXT = """\
overall      | overall               | 164 | 0.95±0.01 (0.92–0.98) | 0.51±0.08 (0.37–0.68) | 0.87±0.02 (0.81–0.92) | 0.61±0.08 (0.46–0.78)
manufacturer | Canon Medical Systems |  80 | 0.96±0.02 (0.90–1.00) | 0.60±0.13 (0.35–0.88) | 0.84±0.04 (0.75–0.92) | 0.72±0.14 (0.46–1.02)
manufacturer | GE Healthcare         |  37 | 0.92±0.05 (0.80–1.00) | 0.43±0.08 (0.27–0.62) | 0.87±0.06 (0.73–0.97) | 0.48±0.09 (0.32–0.67)
manufacturer | Siemens               |  35 | 0.97±0.02 (0.91–1.00) | 0.50±0.19 (0.17–0.94) | 0.91±0.04 (0.81–1.00) | 0.55±0.19 (0.23–0.97)
manufacturer | Fujifilm              |   6 | 1.00±0.00 (1.00–1.00) | 0.16±0.15 (0.00–0.50) | 1.00±0.00 (1.00–1.00) | 0.16±0.15 (0.00–0.50)
manufacturer | Philips Healthcare    |   6 | 1.00±0.00 (1.00–1.00) | 0.33±0.19 (0.00–0.66) | 0.85±0.10 (0.66–1.00) | 0.50±0.20 (0.16–0.83)
tumour_size  | large                 |  68 | 0.95±0.02 (0.89–1.00) | 0.65±0.17 (0.34–1.04) | 0.90±0.04 (0.80–0.98) | 0.71±0.18 (0.40–1.11)
tumour_size  | medium                |  57 | 0.96±0.02 (0.91–1.00) | 0.56±0.10 (0.36–0.77) | 0.84±0.04 (0.75–0.93) | 0.68±0.11 (0.47–0.91)
tumour_size  | small                 |  39 | 0.94±0.04 (0.85–1.00) | 0.21±0.06 (0.07–0.34) | 0.84±0.06 (0.70–0.97) | 0.31±0.07 (0.15–0.47)
histology    | thymoma               |  74 | 0.97±0.02 (0.92–1.00) | 0.52±0.12 (0.31–0.78) | 0.86±0.04 (0.77–0.94) | 0.63±0.13 (0.39–0.91)
histology    | thymic carcinoma      |  71 | 0.93±0.03 (0.86–0.98) | 0.52±0.13 (0.29–0.80) | 0.88±0.04 (0.78–0.95) | 0.57±0.13 (0.35–0.84)
histology    | thymic cyst           |  10 | 1.00±0.00 (1.00–1.00) | 0.60±0.20 (0.20–1.00) | 0.81±0.10 (0.61–1.00) | 0.80±0.23 (0.30–1.20)
histology    | lymphoma              |   6 | 1.00±0.00 (1.00–1.00) | 0.50±0.20 (0.16–0.83) | 0.83±0.15 (0.50–1.00) | 0.66±0.30 (0.16–1.33)
histology    | others                |   3 | 1.00±0.00 (1.00–1.00) | 0.00±0.00 (0.00–0.00) | 1.00±0.00 (1.00–1.00) | 0.00±0.00 (0.00–0.00)
"""

_ESTIMATE = re.compile(r"([\d.]+)±([\d.]+) \(([\d.]+)–([\d.]+)\)")


def _rows(text: str) -> Iterator[tuple[str, str, int, list[Estimate]]]:
    for line in text.splitlines():
        group, subgroup, cases, *cells = (cell.strip() for cell in line.split("|"))
        estimates = [Estimate(*map(float, numbers)) for numbers in _ESTIMATE.findall(" ".join(cells))]
        yield group, subgroup, int(cases), estimates


TABLE_3 = tuple(PublishedVoxelRow(group, name, cases, *cells) for group, name, cases, cells in _rows(_TABLE_3_TEXT))
TABLE_4 = tuple(PublishedLesionRow(group, name, cases, *cells) for group, name, cases, cells in _rows(_TABLE_4_TEXT))
OPERATING_POINT = OperatingPoint(0.5, TABLE_4[0].sensitivity_05.mean, TABLE_4[0].fp_per_scan_05.mean)
