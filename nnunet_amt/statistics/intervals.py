"""Intervals: the percentile bootstrap over cases, Wilson's for proportions, the exact one of a rate of events."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

import numpy as np

_BLOCK_WEIGHTS = 2_000_000  # weights held at once: 16 MB, whatever the number of cases
_CONFIDENCE = 0.95
_FEW_SCANS, _FEW_EVENTS = 60, 10
_NO_WIDTH = 1e-9
_PERCENTILES = (50 * (1 - _CONFIDENCE), 50 * (1 + _CONFIDENCE))


def resampled_sums(columns: np.ndarray, *, resamples: int, seed: int) -> np.ndarray:
    """Sum every column over the cases of each bootstrap resample.

    A resample draws as many cases as there are, with replacement; the number of times that each case is
    drawn is its weight. All columns share the weights, so ratios of sums are resampled as the
    ratios they are.

    Parameters
    ----------
    columns : numpy.ndarray of float, (cases, columns)
        What is to be summed; a row may also be the sums of a cluster of cases.
    resamples
        Number of resamples.
    seed
        Seed of the draws; the result depends on it, the number of cases and their order only.

    Returns
    -------
    numpy.ndarray of float, (resamples, columns)
        The sums.
    """
    blocks = resampled_weights(len(columns), resamples=resamples, seed=seed)
    return np.concatenate([weights @ columns for weights in blocks])


def resampled_weights(drawn_from: int, *, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Give how often each of the cases, or clusters, is drawn: those of `resampled_sums`, some resamples at a time.

    Yields
    ------
    numpy.ndarray of float, (some of the resamples, drawn_from)
        Weights, which sum to `drawn_from` in each resample.
    """
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK_WEIGHTS // drawn_from)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = generator.integers(drawn_from, size=(rows, drawn_from))
        drawn += np.arange(rows)[:, None] * drawn_from  # row by row, so that one count serves all
        counts = np.bincount(drawn.ravel(), minlength=rows * drawn_from).reshape(rows, drawn_from)
        yield counts.astype(np.float64)


def sums_of_clusters(columns: np.ndarray, clusters: Sequence[str]) -> np.ndarray:
    """Sum the rows of each cluster, for a bootstrap that draws whole clusters.

    Parameters
    ----------
    columns : numpy.ndarray of float, (cases, columns)
        What is to be summed.
    clusters
        Of each case.

    Returns
    -------
    numpy.ndarray of float, (clusters, columns)
        The clusters in the order of their names.
    """
    names, cluster_of_case = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
    sums = np.zeros((len(names), columns.shape[1]))
    np.add.at(sums, cluster_of_case, columns)
    return sums


def several_each(clusters: Sequence[str] | None) -> Sequence[str] | None:
    """Give the clusters of cases; None where each has one case, as drawing those is drawing cases."""
    return None if clusters is None or len(set(clusters)) == len(clusters) else clusters


def with_width(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    """Give an interval that has a width beyond rounding errors: one without states a certainty that there is not.

    None for any other, and for one of NaN.
    """
    return interval if interval is not None and interval[1] - interval[0] > _NO_WIDTH else None


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


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Give Wilson's 95% score interval of a proportion (Wilson, J Am Stat Assoc 1927; no continuity correction).

    It has a width where all or none of the trials succeed, which resampling them cannot give. The trials are taken
    for independent.

    Raises
    ------
    ValueError
        If there are no trials, or not that many.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} of {trials} is no proportion")
    z2 = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2) ** 2
    proportion = successes / trials
    middle = (proportion + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (proportion * (1 - proportion) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return (0.0 if successes == 0 else middle - half), (1.0 if successes == trials else middle + half)


def poisson_interval(events: int, scans: int) -> tuple[float, float]:
    """Give the exact 95% interval of a number of events a scan (Garwood, Biometrika 1936).

    It has a width where there was no event at all, which resampling scans cannot give. The events are taken for
    independent of each other; where some scans gather them it is too narrow, and the bootstrap over scans is wider.

    Raises
    ------
    ValueError
        If there are no scans, or events were fewer than none.
    """
    if events < 0 or scans < 1:
        raise ValueError(f"{events} in {scans} scans is no rate")
    from scipy.stats import chi2  # slow to import

    tail = (1 - _CONFIDENCE) / 2
    low = float(chi2.ppf(tail, 2 * events)) / 2 if events else 0.0
    return low / scans, float(chi2.ppf(1 - tail, 2 * events + 2)) / 2 / scans


def rate_interval(events: int, scans: int, bootstrap: tuple[float, float] | None) -> tuple[float, float]:
    """Give the 95% interval of events a scan: the bootstrap's over scans, where these and the events are many.

    Under 60 scans or 10 events the bootstrap is too narrow, and without an event it has no width: there the exact
    interval is given, or what is wider of both, as some scans may gather events (``benchmarks/bench_coverage.py``).

    Parameters
    ----------
    bootstrap
        Its interval; None where there is none.
    """
    exact = poisson_interval(events, scans)
    if bootstrap is None:
        return exact
    if scans >= _FEW_SCANS and events >= _FEW_EVENTS:
        return bootstrap
    return min(exact[0], bootstrap[0]), max(exact[1], bootstrap[1])


def sensitivity_interval(
    found: int, references: int, bootstrap: tuple[float, float] | None, *, clustered: bool
) -> tuple[float, float] | None:
    """Give the 95% interval of a sensitivity: Wilson's, or the bootstrap's where clusters of several cases are drawn.

    The lesions of a cluster are not independent, as Wilson's interval takes them to be. The bootstrap's is None where
    it is withheld.
    """
    return bootstrap if clustered else wilson_interval(found, references)


def fp_interval(
    false_positives: int, scans: int, bootstrap: tuple[float, float] | None, *, clustered: bool
) -> tuple[float, float] | None:
    """Give the 95% interval of false positives per scan: that of `rate_interval`, or the bootstrap's of clusters."""
    return bootstrap if clustered else rate_interval(false_positives, scans, bootstrap)
