"""summary.json: it obeys its schema, and is read back into the objects that it was written from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.results import summary_json
from nnunet_amt.evaluation.results.summary_json import (
    SCHEMA_VERSION,
    EvaluationSummary,
    read_summary,
    write_summary_json,
)
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import summarise
from tests.evaluation.builders import evaluated, row_mask

SCHEMA = json.loads(Path(summary_json.__file__).with_name("summary.schema.json").read_text(encoding="utf-8"))
FOUND = evaluated(row_mask(60, (0, 20)), row_mask(60, (0, 20)))
MISSED = evaluated(row_mask(60, (40, 55)), row_mask(60, (0, 20)))
EMPTY = evaluated(row_mask(60), row_mask(60))
MARKED = evaluated(row_mask(60, (40, 55)), row_mask(60))


def written_content(path: Path, cases: list[CaseEvaluation], settings: EvaluationSettings) -> dict[str, Any]:
    summary = summarise(cases, settings=settings, clusters=None if settings.cluster == "case" else {"case": "H1"})
    write_summary_json(path / "summary.json", settings=settings, overall=summary, subgroups=[("sex", "F", summary)])
    content: dict[str, Any] = json.loads((path / "summary.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize(
    ("cases", "options"),
    [
        ([FOUND], {}),
        ([EMPTY], {}),
        ([FOUND, MARKED, EMPTY], {}),
        ([FOUND, MISSED, EMPTY], {"ci_always": True, "subgroup_columns": ("stage",)}),
        ([FOUND, MISSED] * 10, {"false_positive_rule": "no_overlap"}),
        ([FOUND, MISSED], {"cluster": "institution"}),
        ([FOUND, MISSED], {"cluster": "patient", "surface_distances": True}),
    ],
    ids=["one case", "nothing defined", "specificity", "all intervals", "twenty cases", "institutions", "surfaces"],
)
def test_it_obeys_its_schema(tmp_path: Path, cases: list[CaseEvaluation], options: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    content = written_content(tmp_path, cases, EvaluationSettings(bootstrap_resamples=50, **options))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(content)


def test_a_specificity_is_there_where_cases_have_no_tumour(tmp_path: Path) -> None:
    settings = EvaluationSettings(bootstrap_resamples=50)
    found = written_content(tmp_path, [FOUND, MARKED, EMPTY], settings)["specificity"]
    assert (found["scans"], found["negative"], found["false_positives"], found["value"]) == (2, 1, 1, 0.5)
    content = written_content(tmp_path, [FOUND, MISSED], settings)
    assert "specificity" not in content
    assert "specificity" not in content["subgroups"][0]


def test_the_schema_refuses_what_is_not_in_it(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    content = written_content(tmp_path, [FOUND], EvaluationSettings(bootstrap_resamples=50))
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for broken in (
        content | {"schema_version": 1},
        content | {"voxel": content["voxel"] | {"dice": content["voxel"]["dice"] | {"ci95": [0.1]}}},
        content | {"lesion": content["lesion"] | {"tp": [1]}},
        {key: value for key, value in content.items() if key != "subgroups"},
    ):
        assert not validator.is_valid(broken)


def test_schema_and_settings_name_the_same_things() -> None:
    """A setting that is added must be described."""
    assert set(SCHEMA["properties"]["settings"]["properties"]) == set(asdict(EvaluationSettings()))
    assert SCHEMA["properties"]["schema_version"]["const"] == SCHEMA_VERSION


HALF = evaluated(row_mask(60, (4, 16), (30, 45)), row_mask(60, (0, 20)))


def written_summary(path: Path, cases: list[CaseEvaluation], settings: EvaluationSettings) -> EvaluationSummary:
    clusters = None if settings.cluster == "case" else {"case": "H1"}
    overall, subgroup = (
        summarise(cases, settings=settings, clusters=clusters),
        summarise(cases[:1], settings=settings, clusters=clusters),
    )
    subgroups = (("sex", "F", overall), ("tumour_size", "small", subgroup))
    write_summary_json(path, settings=settings, overall=overall, subgroups=subgroups)
    return EvaluationSummary(settings, overall, subgroups)


@pytest.mark.parametrize(
    ("cases", "settings"),
    [
        ([FOUND, HALF, EMPTY, MARKED], EvaluationSettings(bootstrap_resamples=50, ci_always=True)),
        ([EMPTY], EvaluationSettings(bootstrap_resamples=50)),
        ([FOUND], EvaluationSettings(bootstrap_resamples=50, cluster="institution", subgroup_columns=("sex", "age"))),
        ([FOUND, EMPTY], EvaluationSettings(bootstrap_resamples=50, cluster="patient", surface_distances=True)),
    ],
    ids=["all intervals and Wilson's", "nothing defined", "institutions", "patients and surfaces"],
)
def test_everything_comes_back_as_it_was_written(
    tmp_path: Path, cases: list[CaseEvaluation], settings: EvaluationSettings
) -> None:
    """Equal objects, to the last bit of every number: JSON writes the shortest text that reads back the same."""
    expected = written_summary(tmp_path / "summary.json", cases, settings)
    assert read_summary(tmp_path / "summary.json") == expected
    assert read_summary(tmp_path) == expected, "the folder stands for the file in it"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"schema_version": 1}, "has the schema version 1, this release reads 5"),
        ({"voxel": {}}, "does not hold what evaluate writes (voxel.dice is missing)"),
        ({"lesion": 3}, "does not hold what evaluate writes"),
        ({"cases": "1"}, 'cases is "1"'),
        ({"subgroups": [{"group": "sex"}]}, "subgroups[0].cases is missing"),
        ({"triage": {"file": 1}}, "triage.file is 1"),
        ({"settings": {"connectivity": 7}}, "connectivity is 7"),
        ({"settings": {"colour": "blue"}}, "'colour' is not known to this release"),
    ],
)
def test_other_contents_are_refused_in_one_line(tmp_path: Path, broken: dict[str, object], said: str) -> None:
    path = tmp_path / "summary.json"
    written_summary(path, [FOUND], EvaluationSettings(bootstrap_resamples=50))
    path.write_text(json.dumps(json.loads(path.read_text()) | broken))
    with pytest.raises(BadInputError) as caught:
        read_summary(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", None], ids=["empty", "cut off", "a list", "no file"])
def test_no_summary_at_all_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "summary.json").write_text(text)
    with pytest.raises(BadInputError, match=r"summary\.json.*evaluate again"):
        read_summary(tmp_path)
