"""The p-values that usual tests give for a table of counts, so that a printed one can be looked up among them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import NormalDist

import numpy as np

from nnunet_amt.statistics.consistency.printed import Printed

_SIMULATED = 2000  # tables of a simulated p-value, R's default; it may lie three of its standard errors off
_MOST_PATIENTS = 1_000_000
_MOST_TABLES = 200_000  # gone through for an exact test
_UNKNOWN_EXACT = 0.05  # how far an exact p-value that takes too long may lie from the others
_RELATIVE = 1e-7  # probabilities that are equal on paper


@dataclass(frozen=True)
class UsualP:
    """P-values of a table of counts.

    Attributes
    ----------
    asymptotic
        By the names of the tests.
    exact
        Of tests that are also simulated, which moves them a little.
    apart
        How far from the lowest and highest of all a p-value may lie, where an exact test was left out.
    """

    asymptotic: Mapping[str, float]
    exact: Mapping[str, float]
    apart: float = 0.0

    def include(self, p: Printed) -> bool:
        """Tell whether one of the tests gives the printed p-value, a unit of its last digit allowed."""
        unit = 0.0 if p.bound else float(p.unit)
        every = [*self.asymptotic.values(), *self.exact.values()]
        if any(p.holds(value + shift) for value in every for shift in (-unit, 0.0, unit)):
            return True
        value = float(p.value)
        if p.bound:
            return False
        near = any(abs(value - e) <= 3 * math.sqrt(e * (1 - e) / _SIMULATED) + unit for e in self.exact.values())
        return near or (self.apart > 0 and min(every) - self.apart <= value <= max(every) + self.apart)

    def words(self) -> str:
        """Say what the two best known tests give."""
        known = {**self.asymptotic, **self.exact}
        shown = [name for name in ("chi-square", "Fisher") if name in known]
        return ", ".join(f"{name} {known[name]:.3f}" for name in shown)


def usual_p_values(table: Sequence[Sequence[int]]) -> UsualP | None:
    """Test whether groups differ in a table of counts, in every usual way.

    Chi-square (Pearson's, with Yates' correction, with N - 1, the likelihood ratio's), Wald's test of a difference of
    two shares and of an odds ratio, those of ordered levels (linear by linear, trend, Mann and Whitney's, Kruskal and
    Wallis'), Fisher's exact test with its mid-p and doubled forms.

    Parameters
    ----------
    table
        A row a level, a column a group.

    Returns
    -------
    UsualP or None
        None where there is nothing to compare, as one group or one level alone has patients, or over a million have.
    """
    counts = np.array(table, dtype=np.int64)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2 or counts.sum() > _MOST_PATIENTS:
        return None
    exact = _exact_p_values(counts)
    return UsualP({**_chi_squares(counts), **_of_ordered(counts), **_of_two_shares(counts)}, exact,
                  apart=0.0 if exact else _UNKNOWN_EXACT)  # fmt: skip


def _chi_squares(counts: np.ndarray) -> dict[str, float]:
    from scipy.stats import chi2, chi2_contingency  # slow to import

    pearson = chi2_contingency(counts, correction=False)
    n = counts.sum()
    p_values = {
        "chi-square": pearson.pvalue,
        "N - 1": chi2.sf(pearson.statistic * (n - 1) / n, pearson.dof),
        "likelihood ratio": chi2_contingency(counts, correction=False, lambda_="log-likelihood").pvalue,
    }
    if counts.shape == (2, 2):
        p_values["Yates"] = chi2_contingency(counts, correction=True).pvalue
        p_values["likelihood ratio, Yates"] = chi2_contingency(counts, correction=True, lambda_="log-likelihood").pvalue
    return {name: float(p) for name, p in p_values.items()}


def _of_ordered(counts: np.ndarray) -> dict[str, float]:
    """Test with the levels as numbers 1, 2, ... in the order in which they stand."""
    from scipy.stats import chi2, kruskal, mannwhitneyu, ttest_ind  # slow to import

    levels = [np.repeat(np.arange(len(counts)), counts[:, group]) for group in range(counts.shape[1])]
    level = np.concatenate(levels)
    group = np.repeat(np.arange(len(levels)), [len(one) for one in levels])
    n, r2 = len(level), float(np.corrcoef(level, group)[0, 1] ** 2)
    p_values = {
        "linear by linear": chi2.sf((n - 1) * r2, 1),
        "trend": chi2.sf(n * r2, 1),
        "Kruskal-Wallis": kruskal(*levels).pvalue,
    }
    if len(levels) == 2:
        for corrected in (False, True):
            test = mannwhitneyu(levels[0], levels[1], use_continuity=corrected, method="asymptotic")
            p_values[f"Mann-Whitney, continuity {corrected}"] = test.pvalue
        if min(map(len, levels)) > 1 and any(one.var() for one in levels):
            for equal in (False, True):
                p_values[f"t, equal variances {equal}"] = ttest_ind(levels[0], levels[1], equal_var=equal).pvalue
    return {name: float(p) for name, p in p_values.items()}


def _of_two_shares(counts: np.ndarray) -> dict[str, float]:
    """Test a difference of two shares by its own standard error, and an odds ratio."""
    if counts.shape != (2, 2):
        return {}
    (a, b), (c, d) = counts.tolist()
    p_values = {}
    first, other = a / (a + c), b / (b + d)
    error = math.sqrt(first * (1 - first) / (a + c) + other * (1 - other) / (b + d))
    if error:
        p_values["Wald"] = _two_sided((first - other) / error)
    if min(a, b, c, d):
        p_values["odds ratio"] = _two_sided(math.log(a * d / (b * c)) / math.sqrt(1 / a + 1 / b + 1 / c + 1 / d))
    return p_values


def _two_sided(z: float) -> float:
    return 2 * NormalDist().cdf(-abs(z))


def _exact_p_values(counts: np.ndarray) -> dict[str, float]:
    """Go through all tables of two groups with these margins; nothing where they are too many."""
    if counts.shape[1] != 2 and counts.shape[0] == 2:
        counts = counts.T
    levels = counts.sum(axis=1).tolist()
    if counts.shape[1] != 2 or math.prod(n + 1 for n in levels[:-1]) > _MOST_TABLES:
        return {}
    first, n = int(counts[:, 0].sum()), int(counts.sum())
    logs = [_log_binomials(size) for size in levels]
    every = _log_binomials(n)[first]
    tables = np.array(
        [
            found
            for found in product(*(range(size + 1) for size in levels[:-1]))
            if 0 <= first - sum(found) <= levels[-1]
        ]
    )
    tables = np.column_stack([tables, first - tables.sum(axis=1)])
    probabilities = np.exp(sum(log[column] for log, column in zip(logs, tables.T, strict=True)) - every)
    observed = np.exp(sum(log[k] for log, k in zip(logs, counts[:, 0], strict=True)) - every)
    less, equal = probabilities < observed * (1 - _RELATIVE), np.isclose(probabilities, observed, rtol=_RELATIVE)
    p_values = {
        "Fisher": float(probabilities[less | equal].sum()),
        "Fisher, mid-p": float(probabilities[less].sum() + probabilities[equal].sum() / 2),
    }
    expected = np.outer(levels, [first / n])[:, 0]
    spread = ((tables - expected) ** 2 / expected).sum(axis=1)
    far = ((counts[:, 0] - expected) ** 2 / expected).sum() * (1 - _RELATIVE)
    # the other group's part of chi-square is in proportion where margins are fixed
    p_values["chi-square, exact"] = float(probabilities[spread >= far].sum())
    if len(levels) == 2:
        side = tables[:, 0] <= counts[0, 0], tables[:, 0] >= counts[0, 0]
        p_values["Fisher, doubled"] = min(1.0, 2 * min(float(probabilities[one].sum()) for one in side))
    return {name: min(p, 1.0) for name, p in p_values.items()}


def _log_binomials(n: int) -> np.ndarray:
    from scipy.special import gammaln  # slow to import

    k = np.arange(n + 1)
    logs: np.ndarray = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return logs
