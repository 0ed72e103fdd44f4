"""The templates' language: text of a study is text, and a name that is not there is an error."""

from __future__ import annotations

from dataclasses import replace

import pytest
from jinja2 import UndefinedError

from nnunet_amt.evaluation.summary.summary import MetricSummary, SpecificitySummary
from nnunet_amt.report.checklists import answered_items
from nnunet_amt.report.checklists.words import Writer, training_time, unknown_columns, with_interval
from nnunet_amt.study.facts import StudyFacts
from tests.report.checklists.facts import DATASET, STUDY


def test_a_text_of_the_study_is_no_template() -> None:
    origin = 'outlined  by {{ 1 + 1 }} <b>readers</b> & "others"'
    claim, _ = answered_items(replace(STUDY, dataset=replace(DATASET, label_origin=origin)))
    assert f'"{origin}" Authors add:' in claim.items[13].answer


@pytest.mark.parametrize("template", ["{{ nothing }}", "{{ dataset.nothing }}", "{{ dataset.known.nothing }}"])
def test_a_name_that_is_not_there_is_an_error(template: str) -> None:
    """Otherwise a slip in a template would leave a gap in a sentence."""
    with pytest.raises(UndefinedError):
        Writer(STUDY).text((template,))


def test_a_condition_on_what_is_not_there_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        Writer(STUDY).holds("dataset.nothing")
    assert not Writer(StudyFacts()).holds("dataset and dataset.nothing")


def test_a_sentence_of_nothing_leaves_no_gap() -> None:
    sentences = ("One.", "{% if synthetic %}Two.{% endif %}", "Three.")
    assert Writer(STUDY).text(sentences) == "One. Three."


def test_what_is_not_known_is_counted() -> None:
    assert unknown_columns(replace(DATASET, cases=690)) == [
        "age of 10",
        "sex of 2",
        "diagnosis of 2",
        "scanner manufacturer of 190",
        "slice thickness of 2",
    ]


def test_an_interval_is_named_by_its_kind() -> None:
    assert with_interval(MetricSummary(None, None, None, 0)) == "undefined"
    assert with_interval(MetricSummary(0.5, 0.1, None, 3)) == "0.50 (interval withheld)"
    assert with_interval(MetricSummary(0.5, 0.1, (0.4, 0.6), 30)) == "0.50 (95% CI 0.40 to 0.60)"
    specific = SpecificitySummary(30, 30, 0, (0.89, 1.0))
    assert with_interval(specific) == "1.00 (Wilson's 95% CI 0.89 to 1.00)"


def test_times_are_rounded_for_reading() -> None:
    assert [training_time(seconds) for seconds in (119.6, 120, 7199, 7200)] == [
        "120 s",
        "2 minutes",
        "120 minutes",
        "2.0 hours",
    ]
