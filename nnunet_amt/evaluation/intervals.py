"""Percentile bootstrap over cases."""

from __future__ import annotations

import numpy as np

__all__ = ["percentile_interval", "resampled_sums", "standard_deviation"]

_BLOCK_WEIGHTS = 2_000_000  # weights held at once: 16 MB, whatever the number of cases
_PERCENTILES = (2.5, 97.5)


def resampled_sums(columns: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Sum every column over the cases of each bootstrap resample.

    A resample draws as many cases as there are, with replacement; the number of times that each case is
    drawn is its weight. All columns share the weights, so ratios of sums are resampled as the
    ratios they are.

    Parameters
    ----------
    columns : numpy.ndarray of float, (cases, columns)
        What is to be summed.
    resamples
        Number of resamples.
    seed
        Seed of the draws; the result depends on it, the number of cases and their order only.

    Returns
    -------
    numpy.ndarray of float, (resamples, columns)
        The sums.
    """
    cases = columns.shape[0]
    generator = np.random.default_rng(seed)
    sums = np.empty((resamples, columns.shape[1]))
    block = max(1, _BLOCK_WEIGHTS // cases)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = generator.integers(cases, size=(rows, cases))
        drawn += np.arange(rows)[:, None] * cases  # row by row, so that one count serves all
        weights = np.bincount(drawn.ravel(), minlength=rows * cases).reshape(rows, cases)
        sums[start : start + rows] = weights.astype(np.float64) @ columns
    return sums


def percentile_interval(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the 2.5th and 97.5th percentile of each column of samples (resamples, columns).

    Resamples in which a ratio is undefined (NaN) are left out; a column of nothing else gives NaN.
    """
    low, high = np.percentile(samples, _PERCENTILES, axis=0)
    for column in np.flatnonzero(np.isnan(samples).any(axis=0)):
        defined = samples[:, column][~np.isnan(samples[:, column])]
        low[column], high[column] = np.percentile(defined, _PERCENTILES) if defined.size else (np.nan, np.nan)
    return low, high


def standard_deviation(samples: np.ndarray) -> np.ndarray:
    """Give the SD (ddof 1) of each column of samples, without the undefined ones; NaN for fewer than two."""
    defined = ~np.isnan(samples)
    n = defined.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(defined, samples, 0.0).sum(axis=0) / n
        squares = np.where(defined, samples - means, 0.0) ** 2
        deviations: np.ndarray = np.sqrt(squares.sum(axis=0) / (n - 1))
    return np.where(n > 1, deviations, np.nan)
