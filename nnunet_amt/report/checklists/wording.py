"""Numbers and lists as the answers write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nnunet_amt.evaluation.summary.summary import MetricSummary, SensitivitySummary

_COLUMNS = {
    "histology": "diagnosis",
    "manufacturer": "scanner manufacturer",
    "slice_thickness_mm": "slice thickness",
    "tumour_size": "tumour size",
}
_SET_NAMES = {
    "training": "training",
    "tuning": "tuning",
    "external": "external test",
    "": "no set of the cohort file",
}


def column_in_words(column: str) -> str:
    """Give the name of a column of the cohort file as a reader knows it, such as "slice thickness"."""
    return _COLUMNS.get(column, column)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Give "1 case", "2 cases"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def joined(parts: Iterable[str]) -> str:
    """Give "a, b and c"."""
    words = list(parts)
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def counts_in_words(counts: Mapping[str, int]) -> str:
    """Give "Siemens (3), Canon (1)", the most frequent first."""
    return ", ".join(f"{name} ({number:,})" for name, number in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0])))


def sets_in_words(counts: Mapping[str, int]) -> str:
    """Give "100 training and 20 tuning" in the order of the sets."""
    return joined(f"{counts[name]:,} {text}" for name, text in _SET_NAMES.items() if counts.get(name))


def edges(values: Sequence[float]) -> str:
    """Give (z, y, x) as "5 x 0.7 x 0.7"."""
    return " x ".join(f"{value:.4g}" for value in values)


def metric_in_words(metric: MetricSummary) -> str:
    """Give the mean and its interval: Wilson's where the bootstrap has no width, or the word that there is none."""
    if metric.mean is None:
        return "undefined"
    if isinstance(metric, SensitivitySummary) and metric.wilson95 is not None:
        low, high = metric.wilson95
        return f"{metric.mean:.2f} (Wilson's 95% CI {low:.2f} to {high:.2f})"
    if metric.ci95 is None:
        return f"{metric.mean:.2f} (interval withheld)"
    low, high = metric.ci95
    return f"{metric.mean:.2f} (95% CI {low:.2f} to {high:.2f})"
