"""summary.json and its schema."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.results import summary_json
from nnunet_amt.evaluation.results.summary_json import SCHEMA_VERSION, write_summary_json
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import summarise
from tests.evaluation.builders import evaluated, row_mask

SCHEMA = json.loads(Path(summary_json.__file__).with_name("summary.schema.json").read_text(encoding="utf-8"))
FOUND = evaluated(row_mask(60, (0, 20)), row_mask(60, (0, 20)))
MISSED = evaluated(row_mask(60, (40, 55)), row_mask(60, (0, 20)))
EMPTY = evaluated(row_mask(60), row_mask(60))


def written(path: Path, cases: list[CaseEvaluation], settings: EvaluationSettings) -> dict[str, Any]:
    summary = summarise(cases, settings=settings, institutions={"case": "H1"})
    write_summary_json(path / "summary.json", settings=settings, overall=summary, subgroups=[("sex", "F", summary)])
    content: dict[str, Any] = json.loads((path / "summary.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize(
    ("cases", "options"),
    [
        ([FOUND], {}),
        ([EMPTY], {}),
        ([FOUND, MISSED, EMPTY], {"ci_always": True, "subgroup_columns": ("stage",)}),
        ([FOUND, MISSED] * 10, {"false_positive_rule": "no_overlap"}),
        ([FOUND, MISSED], {"cluster": "institution"}),
    ],
    ids=["one case", "nothing defined", "all intervals", "twenty cases", "institutions"],
)
def test_it_obeys_its_schema(tmp_path: Path, cases: list[CaseEvaluation], options: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    content = written(tmp_path, cases, EvaluationSettings(bootstrap_resamples=50, **options))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(content)


def test_the_schema_refuses_what_is_not_in_it(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    content = written(tmp_path, [FOUND], EvaluationSettings(bootstrap_resamples=50))
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
