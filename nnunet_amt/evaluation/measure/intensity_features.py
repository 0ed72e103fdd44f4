"""First-order features of the CT within a reference mask."""

from __future__ import annotations

import numpy as np

from nnunet_amt.evaluation.measure.features import FeatureValues


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
    skewness, kurtosis = _standardised_moments(values) if highest > lowest else (None, None)
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


def _standardised_moments(values: np.ndarray) -> tuple[float, float]:
    from scipy import stats  # slow to import

    return float(stats.skew(values)), float(stats.kurtosis(values, fisher=False))
