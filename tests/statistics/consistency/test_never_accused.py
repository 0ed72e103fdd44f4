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
    low, high = beta.ppf([tail, 1 - tail], k + 0.5, n - k + 0.5)
    return float(low) if k else 0.0, float(high) if k < n else 1.0


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


@settings(max_examples=6000, deadline=None)
@given(rate_rows())
def test_rates_of_real_counts(row: RateRow) -> None:
    assert check_tables(PublishedTables(rates=(row,))) == ()
