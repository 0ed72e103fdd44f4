"""Reading evaluations back: the order of cases, whole models, and refusing those that cannot be compared."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.evaluation import evaluate
from nnunet_amt.evaluation.comparison.compare import check_same_cases, model_names
from nnunet_amt.evaluation.evaluate import RESULT_FILES
from nnunet_amt.evaluation.results.read_results import READ_FILES, read_cases, read_evaluated_model, worst_first
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.report.study_content import read_study_content
from nnunet_amt.study import find_study
from tests.evaluation.builders import row_mask, write_pair
from tests.evaluation.comparison.evaluations import FIRST, OTHER, SETTINGS, write_evaluation


def test_of_equally_bad_cases_the_larger_tumour_is_worse(tmp_path: Path) -> None:
    """Three tumours of 20, 40 and 40 voxels are missed: both of 40 come before that of 20, by their names."""
    for case_id, stop in (("a", 20), ("b", 40), ("c", 40)):
        write_pair(tmp_path, case_id, np.zeros((1, 1, 60), np.uint8), row_mask(60, (0, stop)))
    write_pair(tmp_path, "d", row_mask(60, (0, 50)), row_mask(60, (0, 50)))
    settings = EvaluationSettings(bootstrap_resamples=10)
    label_maps = tmp_path / "predictions", tmp_path / "references"
    evaluate(*label_maps, tmp_path / "evaluation", settings=settings, figures=False)
    study = find_study(tmp_path)
    assert [case.case_id for case in sorted(read_cases(study.evaluation.path), key=worst_first)] == ["b", "c", "a", "d"]
    assert [case.case_id for case in read_study_content(study).cases] == ["b", "c", "a", "d"]


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return write_evaluation(tmp_path / "first", FIRST)


def test_what_is_read_is_what_evaluate_writes() -> None:
    assert set(READ_FILES) <= set(RESULT_FILES)


def test_counts_come_back(tmp_path: Path) -> None:
    model = read_evaluated_model(write_evaluation(tmp_path / "other", OTHER), name="other")
    assert model.case_ids == ("a", "b", "c", "d")
    # 12 of 20 voxels; all; all and 10 more; 10 where nothing is
    np.testing.assert_allclose(model.dice, [24 / 32, 1, 40 / 50, 0])
    np.testing.assert_allclose(model.voxel[3], [0, 0, 0, np.nan])
    assert model.reference_voxels.tolist() == [20, 20, 20, 0]
    assert model.references.tolist() == [1, 1, 1, 0]
    assert model.tumour_size == ("small", "small", "small", "no lesion")
    assert model.fp[:, 9].tolist() == [0, 0, 1, 1]  # at IoU 0.5
    assert model.tp[0].tolist() == [1] * 11 + [0] * 8  # IoU 0.6 is lost from 0.6 on
    assert model.lesions == (("a", 1, 20), ("b", 1, 20), ("c", 1, 20))
    assert model.found.tolist() == [[True, True]] * 3


def test_a_cohort_without_any_lesion_can_be_read(tmp_path: Path) -> None:
    model = read_evaluated_model(write_evaluation(tmp_path / "none", {"d": ([(0, 10)], [])}), name="none")
    assert model.found.shape == (0, 2)
    assert np.isnan(model.voxel[0, 3])


def edited(name: str, change: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        with (folder / name).open(newline="") as file:
            rows = change(list(csv.DictReader(file)))
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    return edit


def with_triage(folder: Path) -> None:
    """A reader has looked at the false positives of one model, and at nobody else's."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    summary["triage"] = {"candidates": 1, "accepted": 1, "dismissed": 0}
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "no such folder; give a folder that nnunet_amt evaluate wrote"),
        (lambda folder: (folder / "summary.json").unlink(), "no results of nnunet_amt evaluate"),
        (lambda folder: (folder / "summary.json").write_text("{"), "no results of nnunet_amt evaluate"),
        (lambda folder: (folder / "case_thresholds.csv").unlink(), "has no case_thresholds.csv, as results of older"),
        (lambda folder: (folder / "case_thresholds.csv").write_text("case_id\na\n"), "has other columns"),
        (edited("case_thresholds.csv", lambda rows: rows[1:]), "lacks a case or a threshold"),
        (edited("cases.csv", lambda rows: [rows[0], *rows]), "holds a case twice"),
        (edited("cases.csv", lambda rows: rows[1:]), "not left as evaluate wrote them (no 'a')"),
        (edited("cases.csv", lambda rows: [{**row, "tp": "x"} for row in rows]), "invalid literal for int"),
        (edited("lesions.csv", lambda rows: rows[1:]), "tell of different lesions"),
        (with_triage, "was evaluated with --triage"),
    ],
)
def test_what_is_no_whole_evaluation_is_refused(first: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(first)
    with pytest.raises(BadInputError) as caught:
        read_evaluated_model(first, name="first")
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(first))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ({"e": ([], [(0, 5)])}, SETTINGS, "lacks 1 case (e) of"),
        ({"a": ([(0, 20)], [(0, 19)])}, SETTINGS, "case a has a reference of 19 voxels, in"),
        # as many voxels in all, but in two lesions: 10 and 10
        ({"a": ([(0, 20)], [(0, 10), (50, 60)])}, SETTINGS, "case a has other reference lesions than in"),
        ({}, replace(SETTINGS, connectivity=6), "was evaluated with connectivity 6, "),
        ({}, replace(SETTINGS, minimum_predicted_voxels=5), "was evaluated with minimum_predicted_voxels 5, "),
        ({}, replace(SETTINGS, false_positive_rule="no_overlap"), "with false_positive_rule no_overlap, "),
    ],
)
def test_other_cases_references_or_definitions_are_refused(
    tmp_path: Path, first: Path, change: dict[str, object], settings: EvaluationSettings, message: str
) -> None:
    folder = write_evaluation(tmp_path / "other", OTHER | change, settings)  # type: ignore[arg-type]
    models = [read_evaluated_model(path, name=path.name) for path in (first, folder)]
    with pytest.raises(BadInputError) as caught:
        check_same_cases(models)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(BadInputError):
        check_same_cases(models[::-1])


def test_missing_cases_are_named_on_both_sides(tmp_path: Path, first: Path) -> None:
    folder = write_evaluation(tmp_path / "other", {"x": OTHER["a"]} | {name: OTHER[name] for name in "bcd"})
    with pytest.raises(UnmatchedCasesError, match=r"lacks 1 case \(a\) of .* and .*lacks 1 case \(x\) of"):
        check_same_cases([read_evaluated_model(path, name=path.name) for path in (first, folder)])


def test_seeds_surface_distances_and_the_value_of_tumour_do_not_matter(tmp_path: Path, first: Path) -> None:
    settings = replace(SETTINGS, seed=1, foreground=255, ci_always=True)
    folder = write_evaluation(tmp_path / "other", OTHER, settings)
    check_same_cases([read_evaluated_model(path, name=path.name) for path in (first, folder)])
    assert json.loads((folder / "summary.json").read_text())["settings"]["foreground"] == 255


@pytest.mark.parametrize(
    ("folders", "names", "expected"),
    [
        (["ours", "theirs"], None, ("ours", "theirs")),
        (["a/evaluation", "b/evaluation"], None, ("a", "b")),
        # never "somebody", the folder above both
        (["evaluation", "baseline/default/evaluation"], None, ("evaluation", "default")),
        (["a/x/evaluation", "b/x/evaluation"], [], ("a", "b")),
        (["a", "b"], ["one", "two "], ("one", "two")),
    ],
)
def test_names(tmp_path: Path, folders: list[str], names: list[str] | None, expected: tuple[str, ...]) -> None:
    assert model_names([tmp_path / "somebody" / folder for folder in folders], names) == expected


@pytest.mark.parametrize(
    ("folders", "names", "message"),
    [
        (["a"], None, "1 evaluation given; give two or more"),
        (["a", "b", "a"], None, "a: stands there twice"),
        (["a", "b"], ["x"], "1 names for 2 evaluations"),
        (["a", "b"], ["x", "x"], "the name 'x' is empty or stands there twice"),
        (["a", "b"], ["x", " "], "the name ' ' is empty"),
    ],
)
def test_names_that_tell_nothing_apart_are_refused(folders: list[str], names: list[str] | None, message: str) -> None:
    with pytest.raises(BadInputError) as caught:
        model_names([Path(folder) for folder in folders], names)
    assert message in str(caught.value)


def test_case_ids_that_a_spreadsheet_would_run_are_guarded_and_come_back(tmp_path: Path) -> None:
    """In every CSV file of an evaluation, and in what is compared."""
    ids = ("=1+1", "+1", "@x", "'=1")
    folder = write_evaluation(tmp_path / "a", dict(zip(ids, FIRST.values(), strict=True)))
    for name in ("cases.csv", "lesions.csv", "case_thresholds.csv"):
        written = (folder / name).read_text()
        assert "\n'=1+1," in written
        assert "\n=" not in written
    assert {case.case_id for case in read_cases(folder)} == set(ids)
    assert read_evaluated_model(folder, name="a").case_ids == tuple(sorted(ids))


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e3", "9" * 400, "x", ""])
def test_counts_that_are_none_are_named(first: Path, value: str) -> None:
    path = first / "cases.csv"
    header, row, *others = path.read_text().splitlines()
    path.write_text("\n".join([header, ",".join(["a", value, *row.split(",")[2:]]), *others]) + "\n")
    with pytest.raises(
        BadInputError, match=r"cases.csv: is not what evaluate writes \(.*run nnunet_amt evaluate again"
    ):
        read_cases(first)
