"""Radiomics features of a reference mask: its shape, and the CT within it."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Literal

import numpy as np

from nnunet_amt.evaluation.measure.distances import largest_diameters
from nnunet_amt.images.foreground import Foreground, joined
from nnunet_amt.images.image_file import read_image

# Undefined is None: an empty reference has no feature, a constant one no skewness.
FeatureValues = dict[str, float | None]
_MM3_PER_CM3 = 1000.0
_MM2_PER_CM2 = 100.0


@dataclass(frozen=True)
class Feature:
    """A radiomics feature of the mask alone, or of the CT within it."""

    name: str  # column of the CSV files
    title: str
    unit: str  # empty for a pure number
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


def shape_features(reference: Foreground) -> FeatureValues:
    """Measure the shape of a mask that is not empty, all of its lesions together as one.

    Volume, surface and principal moments are those of ITK's label shape statistics. Volume is that of the voxels.
    The surface is ITK's Crofton estimate, right for rounded shapes also on thick slices and too small for boxes
    along the axes; sphericity is the surface of a ball of the same volume over it, and may exceed 1 a little.
    Elongation and flatness are the square roots of the second and third over the
    largest principal moment, 1 for a ball and smaller for a longer or flatter shape, None for a single voxel. (ITK's
    own elongation and flatness are other ratios, above 1.) Diameters run between points of the outline; the axial
    one in an axial slice of the patient, whatever the order of the array's axes.

    Returns
    -------
    dict
        The values of `SHAPE_FEATURES`.
    """
    import SimpleITK as sitk

    whole = joined(reference.boxes)
    image = sitk.GetImageFromArray(whole.mask.astype(np.uint8))
    image.SetSpacing(reference.spacing)
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(image)
    third, second, largest = (max(0.0, moment) for moment in statistics.GetPrincipalMoments(1))
    diameters = largest_diameters(*reference.axial(whole.mask))
    return {
        "volume_cm3": statistics.GetPhysicalSize(1) / _MM3_PER_CM3,
        "maximum_3d_diameter_mm": diameters.maximum,
        "axial_diameter_mm": diameters.axial,
        "surface_area_cm2": statistics.GetPerimeter(1) / _MM2_PER_CM2,
        "sphericity": statistics.GetRoundness(1),
        "elongation": sqrt(second / largest) if largest else None,
        "flatness": sqrt(third / largest) if largest else None,
    }


def intensity_features(values: np.ndarray, voxel_volume_mm3: float) -> FeatureValues:
    """Describe the distribution of attenuation in a mask that is not empty.

    Mean, median, percentiles (linear between order statistics) and SD (of the population, ddof 0) are of the
    voxels themselves, not of a histogram. Skewness and kurtosis are the third and fourth standardised moments; a
    normal distribution has kurtosis 3; both are None where all voxels are equal. Energy is the sum of the
    squared HU, without a shift that would make air zero; total energy is energy times the volume of a voxel.

    Parameters
    ----------
    values : numpy.ndarray, (voxels,)
        HU of the voxels of the mask.
    voxel_volume_mm3
        Volume of one voxel.

    Returns
    -------
    dict
        The values of `INTENSITY_FEATURES`.
    """
    values = values.astype(np.float64)
    p10, q1, median, q3, p90 = np.percentile(values, (10, 25, 50, 75, 90)).tolist()
    lowest, highest = float(values.min()), float(values.max())
    energy = float(np.square(values).sum())
    skewness = kurtosis = None
    if highest > lowest:
        from scipy import stats  # slow to import

        skewness, kurtosis = float(stats.skew(values)), float(stats.kurtosis(values, fisher=False))
    return {
        "mean_hu": float(values.mean()),
        "median_hu": median,
        "sd_hu": float(values.std()),
        "minimum_hu": lowest,
        "percentile_10_hu": p10,
        "percentile_90_hu": p90,
        "maximum_hu": highest,
        "interquartile_range_hu": q3 - q1,
        "skewness": skewness,
        "kurtosis": kurtosis,
        "energy_hu2": energy,
        "total_energy_hu2_mm3": energy * voxel_volume_mm3,
    }


def hounsfield_values(path: Path, mask: Foreground) -> np.ndarray:
    """Read a CT and give the HU of the voxels of a mask on its grid, (voxels,), which `check_ct_headers` has compared.

    Raises
    ------
    ImageReadError
        If the file is damaged or cannot be read.
    """
    import SimpleITK as sitk

    image = read_image(path, name=str(path))
    voxels = sitk.GetArrayViewFromImage(image)  # (z, y, x), no copy
    values = []
    for piece in mask.boxes:
        z, y, x = (slice(low, high) for low, high in zip(piece.lower, piece.upper, strict=True))
        values.append(voxels[z, y, x][piece.mask])
    return np.concatenate(values)
