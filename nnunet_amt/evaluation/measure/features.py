"""Which features of a reference mask are compared, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Undefined is None: an empty reference has no feature, a constant one no skewness.
FeatureValues = dict[str, float | None]


@dataclass(frozen=True)
class Feature:
    """A radiomics feature.

    Attributes
    ----------
    name
        Column of the CSV files.
    title
        In tables and figures.
    unit
        Empty for a pure number.
    kind
        Of the mask alone, or of the CT within it.
    """

    name: str
    title: str
    unit: str
    kind: Literal["shape", "intensity"]


SHAPE_FEATURES = (
    Feature("volume_cm3", "Volume", "cm3", "shape"),
    Feature("maximum_3d_diameter_mm", "Maximum 3-D diameter", "mm", "shape"),
    Feature("axial_diameter_mm", "Maximum axial diameter", "mm", "shape"),
    Feature("surface_area_cm2", "Surface area", "cm2", "shape"),
    Feature("sphericity", "Sphericity", "", "shape"),
    Feature("elongation", "Elongation", "", "shape"),
    Feature("flatness", "Flatness", "", "shape"),
)
INTENSITY_FEATURES = (
    Feature("mean_hu", "Mean", "HU", "intensity"),
    Feature("median_hu", "Median", "HU", "intensity"),
    Feature("sd_hu", "Standard deviation", "HU", "intensity"),
    Feature("minimum_hu", "Minimum", "HU", "intensity"),
    Feature("percentile_10_hu", "10th percentile", "HU", "intensity"),
    Feature("percentile_90_hu", "90th percentile", "HU", "intensity"),
    Feature("maximum_hu", "Maximum", "HU", "intensity"),
    Feature("interquartile_range_hu", "Interquartile range", "HU", "intensity"),
    Feature("skewness", "Skewness", "", "intensity"),
    Feature("kurtosis", "Kurtosis", "", "intensity"),
    Feature("energy_hu2", "Energy", "HU2", "intensity"),
    Feature("total_energy_hu2_mm3", "Total energy", "HU2 mm3", "intensity"),
)
FEATURES = SHAPE_FEATURES + INTENSITY_FEATURES
