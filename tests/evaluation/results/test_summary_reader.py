"""summary.json read back into the objects that it was written from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.results.summary_json import EvaluationSummary, read_summary, write_summary_json
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import summarise
from tests.evaluation.builders import evaluated, row_mask

FOUND = evaluated(row_mask(60, (0, 20)), row_mask(60, (0, 20)))
HALF = evaluated(row_mask(60, (4, 16), (30, 45)), row_mask(60, (0, 20)))
EMPTY = evaluated(row_mask(60), row_mask(60))


def written(path: Path, cases: list[CaseEvaluation], settings: EvaluationSettings) -> EvaluationSummary:
    institutions = {"case": "H1"}
    overall, subgroup = (
        summarise(cases, settings=settings, institutions=institutions),
        summarise(cases[:1], settings=settings, institutions=institutions),
    )
    subgroups = (("sex", "F", overall), ("tumour_size", "small", subgroup))
    write_summary_json(path, settings=settings, overall=overall, subgroups=subgroups)
    return EvaluationSummary(settings, overall, subgroups)


@pytest.mark.parametrize(
    ("cases", "settings"),
    [
        ([FOUND, HALF, EMPTY], EvaluationSettings(bootstrap_resamples=50, ci_always=True)),
        ([EMPTY], EvaluationSettings(bootstrap_resamples=50)),
        ([FOUND], EvaluationSettings(bootstrap_resamples=50, cluster="institution", subgroup_columns=("sex", "age"))),
    ],
    ids=["all intervals and Wilson's", "nothing defined", "institutions"],
)
def test_everything_comes_back_as_it_was_written(
    tmp_path: Path, cases: list[CaseEvaluation], settings: EvaluationSettings
) -> None:
    """Equal objects, to the last bit of every number: JSON writes the shortest text that reads back the same."""
    expected = written(tmp_path / "summary.json", cases, settings)
    assert read_summary(tmp_path / "summary.json") == expected
    assert read_summary(tmp_path) == expected, "the folder stands for the file in it"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"schema_version": 1}, "has the schema version 1, this release reads 2"),
        ({"voxel": {}}, "lacks 'dice'"),
        ({"lesion": 3}, "does not hold what evaluate writes"),
        ({"settings": {"connectivity": 7}}, "connectivity is 7"),
        ({"settings": {"colour": "blue"}}, "'colour' is not known to this release"),
    ],
)
def test_other_contents_are_refused_in_one_line(tmp_path: Path, broken: dict[str, object], said: str) -> None:
    path = tmp_path / "summary.json"
    written(path, [FOUND], EvaluationSettings(bootstrap_resamples=50))
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
