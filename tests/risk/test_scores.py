"""The table of scores: what is read is what was written, and no row contradicts another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.scores import (
    ScoreRow,
    ensemble_rows,
    read_models,
    read_scores,
    write_scores,
)

# low .1 .4 .6, high .5 .7 .8
OUT_OF_FOLD = [
    ScoreRow("vgg11", "out_of_fold", i % 2, f"c{i}", high, score)
    for i, (high, score) in enumerate([(False, 0.1), (False, 0.4), (False, 0.6), (True, 0.5), (True, 0.7), (True, 0.8)])
]
EXTERNAL = [ScoreRow("vgg11", "external", None, "x1", high=True, score=1 / 3)]


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_scores(tmp_path, [*OUT_OF_FOLD, *EXTERNAL], details={"vgg11": {"epochs": 3}})
    assert read_scores(tmp_path) == [*OUT_OF_FOLD, *EXTERNAL]
    assert (tmp_path / "scores.csv").read_text().splitlines()[:2] == [
        "model,kind,fold,case_id,high,score",
        "vgg11,out_of_fold,0,c0,0,0.1",
    ]
    assert read_models(tmp_path)["vgg11"].details == {"epochs": 3}


def test_thresholds_follow_from_out_of_fold_scores_alone(tmp_path: Path) -> None:
    """From .5 on: 3 of 3 high, 1 of 3 low, index 2/3; from .7 on: 2 of 3 and none, 2/3 as well: the lower is taken.

    A threshold lies in the middle between two scores.
    """
    write_scores(tmp_path, [*OUT_OF_FOLD, *EXTERNAL])
    entry = read_models(tmp_path)["vgg11"]
    assert (entry.threshold, entry.sensitive_threshold) == pytest.approx((0.45, 0.45))
    write_scores(tmp_path, [replace(row, model="other") for row in EXTERNAL])
    assert read_models(tmp_path)["other"].threshold is None


def test_the_sensitive_threshold_keeps_nine_of_ten(tmp_path: Path) -> None:
    """Of ten high ones .1 to 1.0, nine lie at .2 or above; the threshold lies halfway to the tenth."""
    rows = [ScoreRow("m", "out_of_fold", 0, f"h{i}", high=True, score=i / 10) for i in range(1, 11)]
    write_scores(tmp_path, [*rows, ScoreRow("m", "out_of_fold", 0, "low", high=False, score=0.95)])
    assert read_models(tmp_path)["m"].sensitive_threshold == pytest.approx(0.15)


def test_other_models_stay_and_looks_at_the_external_set_are_counted(tmp_path: Path) -> None:
    write_scores(tmp_path, OUT_OF_FOLD, details={"vgg11": {"epochs": 3}})
    write_scores(tmp_path, [replace(row, model="svm") for row in OUT_OF_FOLD])
    write_scores(tmp_path, EXTERNAL)
    write_scores(tmp_path, EXTERNAL)  # the same once more is no second look
    assert len(read_scores(tmp_path)) == 13
    entry = read_models(tmp_path)["vgg11"]
    assert (entry.external_looks, entry.details, entry.threshold) == (1, {"epochs": 3}, pytest.approx(0.45))
    write_scores(tmp_path, [replace(EXTERNAL[0], score=0.5)])
    assert read_models(tmp_path)["vgg11"].external_looks == 2
    assert read_models(tmp_path)["svm"].external_looks == 0


def test_a_new_training_takes_the_external_scores_of_the_old_one_away(tmp_path: Path) -> None:
    write_scores(tmp_path, [*OUT_OF_FOLD, *EXTERNAL])
    write_scores(tmp_path, OUT_OF_FOLD)
    assert EXTERNAL[0] in read_scores(tmp_path)
    anew = [replace(row, score=row.score / 2) for row in OUT_OF_FOLD]
    write_scores(tmp_path, anew)
    assert read_scores(tmp_path) == anew
    assert read_models(tmp_path)["vgg11"].external_looks == 1  # it was looked at


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (replace(EXTERNAL[0], score=1.5), "score 1.5; must be a probability"),
        (replace(EXTERNAL[0], score=float("nan")), "score nan; must be a probability"),
        (replace(EXTERNAL[0], fold=1), "fold 1 of a score that is external"),
        (replace(OUT_OF_FOLD[0], fold=None), "fold None of a score that is out_of_fold"),
        (OUT_OF_FOLD[0], "has two out_of_fold scores"),
        (replace(OUT_OF_FOLD[0], model="svm", high=True), "high is 0, of svm it is 1"),
        (replace(OUT_OF_FOLD[0], model="svm", kind="external", fold=None), "is out_of_fold here and external of svm"),
    ],
)
def test_a_row_that_cannot_be_is_refused(tmp_path: Path, row: ScoreRow, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        write_scores(tmp_path, [*OUT_OF_FOLD, row])
    assert not (tmp_path / "scores.csv").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("external", "tuning", "row 7: kind 'tuning'; must be one of out_of_fold, external, training"),
        (",x1,1,", ",x1,yes,", "row 7: high 'yes'; must be 0 or 1"),
        ("0.3333333333333333", "high", "row 7: score 'high'; must be a number"),
        ("out_of_fold,0,c0", "out_of_fold,-1,c0", "row 1: fold '-1'; must be a whole number"),
        ("kind", "set", "no column 'kind'"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    write_scores(tmp_path, [*OUT_OF_FOLD, *EXTERNAL])
    path = tmp_path / "scores.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(BadInputError, match=words):
        read_scores(tmp_path)


def test_models_of_another_version_are_refused(tmp_path: Path) -> None:
    write_scores(tmp_path, OUT_OF_FOLD)
    path = tmp_path / "models.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(BadInputError, match="is of version 2, not 1"):
        read_models(tmp_path)


def test_the_ensemble_is_the_mean_of_probabilities() -> None:
    rows = [*OUT_OF_FOLD, *(replace(row, model="svm", score=0.2) for row in OUT_OF_FOLD)]
    together = ensemble_rows([*rows, replace(OUT_OF_FOLD[0], model="third")], models=("vgg11", "svm"))
    assert [row.score for row in together] == pytest.approx([0.15, 0.3, 0.4, 0.35, 0.45, 0.5])
    assert {row.model for row in together} == {"ensemble"}
    assert [row.fold for row in together] == [row.fold for row in OUT_OF_FOLD]


def test_an_ensemble_of_models_with_different_cases_or_folds_is_refused() -> None:
    with pytest.raises(BadInputError, match="case c0: has no out_of_fold score of svm"):
        ensemble_rows(OUT_OF_FOLD, models=("vgg11", "svm"))
    others = [replace(row, model="svm", fold=4) for row in OUT_OF_FOLD]
    with pytest.raises(BadInputError, match="case c0: was held out by different folds"):
        ensemble_rows([*OUT_OF_FOLD, *others], models=("vgg11", "svm"))
