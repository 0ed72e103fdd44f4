"""How often a 95% interval holds the true value: sensitivities and false positives per scan, by number of scans.

    python -m benchmarks.bench_coverage

Every scan has one lesion, found with the true sensitivity. False positives are drawn by Poisson's law, or with twice
its variance, as where some scans gather them. An interval of no width holds the truth by luck only. The coverage of
Wilson's interval is worked out by the binomial law too, at one true sensitivity and as the mean over many.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import binom

from nnunet_amt.statistics.intervals import (
    percentile_interval,
    poisson_interval,
    rate_interval,
    resampled_sums,
    wilson_interval,
)

STUDIES, RESAMPLES = 2000, 1000
SCANS = (20, 30, 60, 164)
SENSITIVITIES = (0.87, 0.95)
MANY = np.linspace(0.85, 0.99, 141)
RATES = (0.05, 0.2, 0.61)
Interval = Callable[[np.ndarray], tuple[float, float]]
Draw = Callable[[np.random.Generator, int], np.ndarray]


def bootstrap(counts: np.ndarray) -> tuple[float, float]:
    """Give the percentile interval of the mean of counts, (scans,)."""
    columns = np.stack([counts, np.ones_like(counts)], axis=1)
    sums = resampled_sums(columns, resamples=RESAMPLES, seed=0)
    low, high = percentile_interval(sums[:, :1] / sums[:, 1:])
    return float(low[0]), float(high[0])


def coverage(true: float, scans: int, *, draw: Draw, interval: Interval) -> float:
    """Count in how many made-up studies the interval holds the true value."""
    generator = np.random.default_rng(scans)
    known: dict[tuple[float, ...], bool] = {}  # few different studies are drawn
    held = 0
    for _ in range(STUDIES):
        counts = np.sort(draw(generator, scans))
        if (key := tuple(counts)) not in known:
            low, high = interval(counts)
            known[key] = low <= true <= high
        held += known[key]
    return held / STUDIES


def exact_coverage(true: float, lesions: int) -> float:
    """Sum the probabilities of the numbers of lesions found whose Wilson's interval holds the true sensitivity."""
    limits = [wilson_interval(found, lesions) for found in range(lesions + 1)]
    probabilities = binom.pmf(np.arange(lesions + 1), lesions, true)
    return float(sum(p for p, (low, high) in zip(probabilities, limits, strict=True) if low <= true <= high))


def wilson(counts: np.ndarray) -> tuple[float, float]:
    return wilson_interval(int(counts.sum()), counts.size)


def poisson(counts: np.ndarray) -> tuple[float, float]:
    return poisson_interval(int(counts.sum()), counts.size)


def wider(counts: np.ndarray) -> tuple[float, float]:
    """Give what ``evaluate`` gives: see `rate_interval`."""
    return rate_interval(int(counts.sum()), counts.size, bootstrap(counts))


def found(sensitivity: float) -> Draw:
    return lambda generator, scans: (generator.random(scans) < sensitivity).astype(float)


def false_positives(rate: float) -> Draw:
    return lambda generator, scans: generator.poisson(rate, scans).astype(float)


def gathered(rate: float) -> Draw:
    """Draw counts of variance 2 x rate."""
    return lambda generator, scans: generator.negative_binomial(rate, 0.5, scans).astype(float)


def main() -> None:
    print(f"| what | true | interval | {' | '.join(f'{scans} scans' for scans in SCANS)} |")
    print("|---|---|---|" + "---|" * len(SCANS))
    rows: list[tuple[str, float, str, Draw, Interval]] = []
    for true in SENSITIVITIES:
        rows += [("sensitivity", true, name, found(true), way) for name, way in WAYS_OF_A_PROPORTION]
    for what, law in (("FP per scan", false_positives), ("FP per scan, gathered", gathered)):
        for true in RATES:
            rows += [(what, true, name, law(true), way) for name, way in WAYS_OF_A_RATE]
    for true in SENSITIVITIES:
        exact = (f"{exact_coverage(true, scans):.3f}" for scans in SCANS)
        print(f"| sensitivity | {true} | Wilson, exactly | {' | '.join(exact)} |")
    means = (f"{np.mean([exact_coverage(true, scans) for true in MANY]):.3f}" for scans in SCANS)
    print(f"| sensitivity | {MANY[0]:g} to {MANY[-1]:g} | Wilson, exactly, mean | {' | '.join(means)} |", flush=True)
    for what, true, name, draw, interval in rows:
        cells = [f"{coverage(true, scans, draw=draw, interval=interval):.3f}" for scans in SCANS]
        print(f"| {what} | {true} | {name} | {' | '.join(cells)} |", flush=True)


WAYS_OF_A_PROPORTION: tuple[tuple[str, Interval], ...] = (("bootstrap", bootstrap), ("Wilson", wilson))
WAYS_OF_A_RATE: tuple[tuple[str, Interval], ...] = (
    ("bootstrap", bootstrap),
    ("exact Poisson", poisson),
    ("ours", wider),
)

if __name__ == "__main__":
    main()
