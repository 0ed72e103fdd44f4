"""The language of the checklists' templates: what they may name, and their filters for numbers and lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_amt import __version__, paper
from nnunet_amt.base.files import read_toml
from nnunet_amt.evaluation.measure.lesions import threshold_index
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES, MetricSummary, SpecificitySummary
from nnunet_amt.study.facts import DatasetFacts, SetFacts, StudyFacts
from nnunet_amt.writing import numbers
from nnunet_amt.writing.numbers import joined

if TYPE_CHECKING:
    from jinja2 import Environment, Template
    from jinja2.environment import TemplateExpression

FOLDER = Path(__file__).parent  # of the TOML files that the checklists are written in
_COLUMNS = {
    "histology": "diagnosis",
    "manufacturer": "scanner manufacturer",
    "slice_thickness_mm": "slice thickness",
    "tumour_size": "tumour size",
}
_DESCRIBING_COLUMNS = ("age", "sex", "histology", "manufacturer", "slice_thickness_mm")
_SET_NAMES = {
    "training": "training",
    "tuning": "tuning",
    "external": "external test",
    "": "no set of the cohort file",
}


class Writer:
    """Writes out the templates for one study."""

    def __init__(self, facts: StudyFacts) -> None:
        summary = facts.evaluation.summary if facts.evaluation else None
        self._names: dict[str, Any] = {field.name: getattr(facts, field.name) for field in fields(facts)}
        self._names |= {
            "overall": summary.overall if summary else None,
            "settings": summary.settings if summary else None,
            **{name: getattr(facts, name) for name in ("synthetic", "of_patients", "all_external", "unseen")},
            "say": self.say,
        }

    def holds(self, condition: str) -> bool:
        """Whether a condition is true of the study."""
        return bool(_expression(condition)(self._names))

    def text(self, sentences: Sequence[str], **names: str) -> str:
        """Write sentences, given more names, one after the other; those that render to nothing are left out."""
        written = (_template(sentence).render(self._names, **names).strip() for sentence in sentences)
        return " ".join(filter(None, written))

    def say(self, phrase: str) -> str:
        """Write a phrase of ``phrases.toml``."""
        return self.text(_phrases()[phrase])


def as_sentences(text: str | Sequence[str]) -> tuple[str, ...]:
    """Give the templates of a text: one, or those of a list."""
    return tuple(map(one_line, [text] if isinstance(text, str) else text))


def one_line(text: str) -> str:
    """Make a line break, and the spaces around it, one space."""
    return " ".join(text.split())


@cache
def _phrases() -> Mapping[str, tuple[str, ...]]:
    return {name: as_sentences(text) for name, text in read_toml(FOLDER / "phrases.toml").items()}


@cache
def _template(source: str) -> Template:
    return _environment().from_string(source)


@cache
def _expression(source: str) -> TemplateExpression:
    return _environment().compile_expression(source, undefined_to_none=False)


@cache
def _environment() -> Environment:
    """Give what renders the templates: plain text, in which a name that is not there is an error."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined)
    environment.globals = {
        "paper": paper,
        "version": __version__,
        "fewest_cases": FEWEST_CASES,
        "threshold_index": threshold_index,
        "describing_columns": _DESCRIBING_COLUMNS,
    }
    filters: tuple[Callable[..., Any], ...] = (
        *(column_name, known_columns, unknown_columns, counted, thousands, joined),
        *(edges, most_frequent_first, by_set, set_sizes, with_interval, training_time),
    )
    environment.filters |= {function.__name__: function for function in filters}
    return environment


def column_name(column: str) -> str:
    """Name a column of the cohort file as a reader knows it: "slice thickness"."""
    return _COLUMNS.get(column, column)


def thousands(number: int) -> str:
    """Write 1234 as "1,234"."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """Write "1 case", "1,234 cases"."""
    return numbers.counted(number, noun, separator=",")


def edges(values: Sequence[float]) -> str:
    """Write (z, y, x) as "5 x 0.7 x 0.7"."""
    return " x ".join(f"{value:.4g}" for value in values)


def most_frequent_first(counts: Mapping[str, int]) -> str:
    """Write "Siemens (3), Canon (1)"."""
    return ", ".join(f"{name} ({number:,})" for name, number in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0])))


def by_set(counts: Mapping[str, int]) -> str:
    """Write "100 training and 20 tuning" in the order of the sets."""
    return joined(f"{counts[name]:,} {text}" for name, text in _SET_NAMES.items() if counts.get(name))


def set_sizes(sets: Mapping[str, SetFacts]) -> list[str]:
    """Write of each set "tuning 58 cases (57 patients, 5 institutions)", without the patients if each has one case."""

    def size(part: SetFacts) -> str:
        patients = "" if part.patients == part.cases else f"{counted(part.patients, 'patient')}, "
        return f"{counted(part.cases, 'case')} ({patients}{counted(part.institutions, 'institution')})"

    return [f"{_SET_NAMES[name]} {size(part)}" for name, part in sets.items()]


def known_columns(dataset: DatasetFacts) -> list[str]:
    """Name the describing columns of the cohort file that say something of any case."""
    return [column_name(column) for column in _DESCRIBING_COLUMNS if dataset.known.get(column)]


def unknown_columns(dataset: DatasetFacts) -> list[str]:
    """Write of each describing column that is empty in some cases "age of 8"."""
    empty = {column: dataset.cases - dataset.known.get(column, 0) for column in _DESCRIBING_COLUMNS}
    return [f"{column_name(column)} of {number:,}" for column, number in empty.items() if number]


def with_interval(metric: MetricSummary | SpecificitySummary) -> str:
    """Write the mean and its interval, or the word that there is none."""
    if isinstance(metric, SpecificitySummary):
        low, high = metric.wilson95
        return f"{metric.value:.2f} (Wilson's 95% CI {low:.2f} to {high:.2f})"
    if metric.mean is None:
        return "undefined"
    if metric.ci95 is None:
        return f"{metric.mean:.2f} (interval withheld)"
    low, high = metric.ci95
    return f"{metric.mean:.2f} (95% CI {low:.2f} to {high:.2f})"


def training_time(seconds: float) -> str:
    """Write "90 s", "30 minutes", "10.0 hours"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
