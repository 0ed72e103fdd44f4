"""Tables computed from real counts, printed in any usual way, have no finding."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from statistics import NormalDist

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, chi2_contingency, fisher_exact, t

from nnunet_amt.statistics.consistency.averages import Average, Part
from nnunet_amt.statistics.consistency.check import PublishedTables, check_tables
from nnunet_amt.statistics.consistency.counts import Total, Variable
from nnunet_amt.statistics.consistency.intervals import MeanRow
from nnunet_amt.statistics.consistency.printed import Printed, PrintedEstimate, printed
from nnunet_amt.statistics.consistency.rates import RateRow
from nnunet_amt.statistics.intervals import wilson_interval

ROUNDINGS = st.sampled_from([ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN])
CONFIDENCES = st.sampled_from([0.90, 0.95, 0.99])
Interval = tuple[float, float]


def as_printed(value: Fraction | float, decimals: int, rounding: str) -> Printed:
    exact = Decimal(value.numerator) / value.denominator if isinstance(value, Fraction) else Decimal(float(value))
    return printed(str(exact.quantize(Decimal(1).scaleb(-decimals), rounding=rounding)))


def z_of(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wald(k: int, n: int, confidence: float) -> Interval:
    half = z_of(confidence) * math.sqrt(k * (n - k) / n**3)
    return max(0.0, k / n - half), min(1.0, k / n + half)


def wilson(k: int, n: int, confidence: float) -> Interval:
    return wilson_interval(k, n)


def exact(k: int, n: int, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low = beta.ppf(tail, k, n - k + 1) if k else 0.0
    return float(low), float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0


def agresti_coull(k: int, n: int, confidence: float) -> Interval:
    z = z_of(confidence)
    more, share = n + z**2, (k + z**2 / 2) / (n + z**2)
    half = z * math.sqrt(share * (1 - share) / more)
    return max(0.0, share - half), min(1.0, share + half)


def jeffreys(k: int, n: int, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = (float(beta.ppf(share, k + 0.5, n - k + 0.5)) for share in (tail, 1 - tail))
    return low if k else 0.0, high if k < n else 1.0


def bootstrap(k: int, n: int, confidence: float) -> Interval:
    """Percentiles of resamples, of which there are so many that they are the binomial's."""
    tail = (1 - confidence) / 2
    return float(binom.ppf(tail, n, k / n)) / n, float(binom.ppf(1 - tail, n, k / n)) / n


def logit(k: int, n: int, confidence: float) -> Interval:
    if k in (0, n):
        return exact(k, n, confidence)
    middle, half = math.log(k / (n - k)), z_of(confidence) * math.sqrt(1 / k + 1 / (n - k))
    low, high = (1 / (1 + math.exp(-x)) for x in (middle - half, middle + half))
    return low, high


METHODS = st.sampled_from([wald, wilson, exact, agresti_coull, jeffreys, bootstrap, logit])
Method = Callable[[int, int, float], Interval]


@st.composite
def rate_rows(draw: st.DrawFn) -> RateRow:
    positive, negative = draw(st.integers(1, 400)), draw(st.integers(1, 400))
    tp, tn = draw(st.integers(0, positive)), draw(st.integers(0, negative))
    decimals, rounding = draw(st.integers(2, 4)), draw(ROUNDINGS)
    method, confidence = draw(METHODS), draw(CONFIDENCES)
    fp, fn = negative - tn, positive - tp
    of = {
        "sensitivity": (tp, positive),
        "specificity": (tn, negative),
        "accuracy": (tp + tn, positive + negative),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
        "f1": (2 * tp, 2 * tp + fp + fn),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(of))))
    rates = {}
    for column in of:
        k, n = of[column]
        if column in chosen and n:
            limits: tuple[Printed, ...] = ()
            if column != "f1" and draw(st.booleans()):
                limits = tuple(as_printed(limit, decimals, rounding) for limit in method(k, n, confidence))
            rates[column] = PrintedEstimate(as_printed(Fraction(k, n), decimals, rounding), *limits)
    known = draw(st.sampled_from(["classes", "either", "total", "nothing"]))
    pair = (positive, negative)
    classes = {"classes": (pair,), "either": (pair, pair[::-1])}.get(known, ())
    return RateRow("", "model", rates, classes=classes, total=sum(pair) if known == "total" else None)


@settings(max_examples=100, deadline=None)
@given(rate_rows())
def test_rates_of_real_counts(row: RateRow) -> None:
    assert check_tables(PublishedTables(rates=(row,))) == ()


def placements(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    larger = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return larger.mean(axis=1), larger.mean(axis=0)


@st.composite
def auc_rows(draw: st.DrawFn) -> RateRow:
    """DeLong's interval, plain or on the logit scale, of scores that are continuous, in five steps, or yes and no."""
    positive, negative = draw(st.integers(2, 150)), draw(st.integers(2, 150))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    apart, steps = draw(st.floats(0, 3)), draw(st.sampled_from([0, 5, 2]))
    scores = [random.normal(apart, 1, positive), random.normal(0, 1, negative)]
    if steps:
        edges = np.linspace(-1, apart + 1, steps + 1)[1:-1]
        scores = [np.digitize(one, edges).astype(float) for one in scores]
    of_positive, of_negative = placements(*scores)
    auc = float(of_positive.mean())
    error = math.sqrt(of_positive.var(ddof=1) / positive + of_negative.var(ddof=1) / negative)
    half = z_of(draw(CONFIDENCES)) * error
    low, high = max(0.0, auc - half), min(1.0, auc + half)
    if 0 < auc < 1 and draw(st.booleans()):
        odds, half = math.log(auc / (1 - auc)), half / (auc * (1 - auc))
        low, high = (1 / (1 + math.exp(-x)) for x in (odds - half, odds + half))
    decimals, rounding = draw(st.integers(2, 4)), draw(ROUNDINGS)
    estimate = PrintedEstimate(*(as_printed(value, decimals, rounding) for value in (auc, low, high)))
    return RateRow("", "model", {"auc": estimate}, classes=((positive, negative),))


@settings(max_examples=60, deadline=None)
@given(auc_rows())
def test_aucs_of_real_scores(row: RateRow) -> None:
    assert check_tables(PublishedTables(rates=(row,))) == ()


@st.composite
def mean_rows(draw: st.DrawFn) -> MeanRow:
    """Dice of cases, some of which were missed altogether, with Student's, the normal or the bootstrap interval."""
    n = draw(st.integers(2, 200))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = random.beta(draw(st.floats(0.5, 20)), draw(st.floats(0.5, 5)), n)
    values[random.random(n) < draw(st.sampled_from([0.0, 0.1, 0.3]))] = 0
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    factor = draw(st.sampled_from([1.96, float(t.ppf(0.975, n - 1)), 0.0]))
    if factor:
        low, high = max(0.0, mean - factor * sd / n**0.5), min(1.0, mean + factor * sd / n**0.5)
    else:
        low, high = np.percentile(random.choice(values, (500, n)).mean(axis=1), [2.5, 97.5])
    decimals, rounding = draw(st.integers(2, 3)), draw(ROUNDINGS)
    printed_mean, *limits = (as_printed(value, decimals, rounding) for value in (mean, low, high))
    spread = float(as_printed(sd, decimals, rounding).value)
    return MeanRow("", "cases", "Dice", PrintedEstimate(printed_mean, *limits), spread, n, most=1.0)


@settings(max_examples=50, deadline=None)
@given(mean_rows())
def test_means_of_real_cases(row: MeanRow) -> None:
    assert check_tables(PublishedTables(means=(row,))) == ()


@st.composite
def variables(draw: st.DrawFn) -> Variable:
    levels, groups = draw(st.integers(2, 4)), draw(st.integers(2, 3))
    cells = st.lists(st.integers(0, 60), min_size=groups, max_size=groups)
    counts = np.array([draw(cells) for _ in range(levels)])
    counts[0] += 1  # no group is empty
    sizes = counts.sum(axis=0)
    decimals, rounding = draw(st.integers(0, 2)), draw(ROUNDINGS)
    p_values = {}
    names = tuple(f"group {number}" for number in range(groups))
    if (counts.sum(axis=1) > 0).all():
        p_of = [float(chi2_contingency(counts, correction=yates).pvalue) for yates in (False, True)]
        p_of += [float(chi2_contingency(counts, correction=False, lambda_="log-likelihood").pvalue)]
        p_of += [float(fisher_exact(counts).pvalue)] if counts.shape == (2, 2) else []
        p = draw(st.sampled_from(p_of))
        p_values[names] = printed("<0.001") if p < 0.001 else as_printed(p, 3, rounding)
    percentages = {
        f"level {level}": tuple(
            printed(f"{as_printed(Fraction(100 * int(k), int(n)), decimals, rounding).text}%")
            for k, n in zip(row, sizes, strict=True)
        )
        for level, row in enumerate(counts)
    }
    return Variable(
        table="Table 1",
        name="variable",
        counts={f"level {level}": tuple(map(int, row)) for level, row in enumerate(counts)},
        groups=dict(zip(names, map(int, sizes), strict=True)),
        percentages=percentages,
        p_values=p_values,
    )


@settings(max_examples=40, deadline=None)
@given(variables())
def test_counts_of_real_groups(variable: Variable) -> None:
    total = Total("", "patients", sum(n or 0 for n in variable.groups.values()), dict(variable.groups))  # type: ignore[arg-type]
    assert check_tables(PublishedTables(variables=(variable,), totals=(total,))) == ()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.fractions(0, 1), st.integers(1, 300)), min_size=1, max_size=6),
    st.integers(1, 3),
    ROUNDINGS,
)
def test_averages_of_real_groups(groups: list[tuple[Fraction, int]], decimals: int, rounding: str) -> None:
    whole = sum(mean * n for mean, n in groups) / sum(n for _, n in groups)
    parts = tuple(Part("", as_printed(mean, decimals, rounding), n) for mean, n in groups)
    average = Average("", "sex", "Dice", (Part("", as_printed(Fraction(whole), decimals, rounding)),), parts)
    assert check_tables(PublishedTables(averages=(average,))) == ()
