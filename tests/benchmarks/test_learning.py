"""The study of learning: equal compute for all arms, what is kept, and intervals over seeds and cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.learning import left_out
from benchmarks.learning.arms import LEFT_OUT, Run, Study, arm_of, read_study, write_study
from benchmarks.learning.figure import write_learning_curves
from benchmarks.learning.results import collect_runs, interval_over_seeds_and_cases, write_comparison
from benchmarks.learning.training import EPOCHS, evaluation_epochs
from nnunet_amt.base.files import read_rows
from nnunet_amt.errors import BadInputError


def study_of(folder: Path, **changes: Any) -> Study:
    return replace(Study(folder, budgets=(1, 3), seeds=(1, 2), arms=("fast", "paper")), **changes)


def cases_of(dice: Sequence[float | None], false_positives: Sequence[int]) -> list[dict[str, str]]:
    """Give so many cases; one whose Dice is None has no tumour."""
    return [
        {
            "case_id": f"c{number}", "dice": "" if one is None else str(one),
            "reference_lesions": "0" if one is None else "1", "lesion_tp_0.1": "0", "lesion_fp_0.1": str(false),
        }
        for number, (one, false) in enumerate(zip(dice, false_positives, strict=True))
    ]  # fmt: skip


def write_run(
    study: Study, run: Run, dice: list[float | None], false_positives: list[int], without: Sequence[int] = ()
) -> None:
    """Write a run with the false positives of its external cases, and of those whose tumours are taken out."""
    cases = cases_of(dice, false_positives)
    record = {
        **asdict(run),
        "seconds": 30.0,
        "iterations": 7,
        "seconds_a_ct_best": 1.5,
        "cases": {"best": cases, "last": cases},
        "without_tumours": cases_of([None] * len(without), without),
    }
    study.folder(run).mkdir(parents=True)
    (study.folder(run) / "run.json").write_text(json.dumps(record))


def test_every_seed_of_every_arm_is_run_before_the_next_seed(tmp_path: Path) -> None:
    """Wherever it is stopped, no arm is a seed ahead of another."""
    names = [run.name for run in study_of(tmp_path).runs()]
    assert names[:4] == ["fast_1x_seed1", "paper_1x_seed1", "fast_3x_seed1", "paper_3x_seed1"]
    assert names[4:] == [name.replace("seed1", "seed2") for name in names[:4]]


def test_a_started_folder_is_gone_on_with_as_it_was(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    assert read_study(write_study(study)) == study
    write_study(replace(study, seeds=(1, 2, 3), budgets=(1, 3, 27)))  # more seeds and budgets are welcome
    with pytest.raises(BadInputError, match=r"seconds is 30.0, not 60; choose another folder"):
        write_study(replace(study, seconds=60))


def test_the_tuning_set_is_evaluated_over_the_second_half() -> None:
    """Of 40 epochs the last, number 39 from 0, and with two or three the ones of 3/4, or 2/3 and 5/6."""
    assert EPOCHS == 40
    assert evaluation_epochs(0) == set()
    assert evaluation_epochs(2) == {39, 29}
    assert evaluation_epochs(3) == {39, 32, 26}  # 40 x 5/6 and 40 x 2/3, rounded


def test_an_interval_of_a_constant_is_that_constant() -> None:
    assert interval_over_seeds_and_cases(np.full((3, 5), 0.25)) == (0.25, 0.25)


def test_the_interval_widens_with_the_spread_over_seeds() -> None:
    """Two seeds of 0 and 1: a quarter of all draws has twice the first, a quarter twice the second."""
    assert interval_over_seeds_and_cases(np.array([[0.0] * 4, [1.0] * 4])) == (0.0, 1.0)


def test_the_comparison_pairs_seeds_and_cases(tmp_path: Path) -> None:
    """Fast is 0.1 better in each case of each seed; a case without a tumour has no Dice, but false positives."""
    study = study_of(tmp_path, budgets=(1,))
    for seed in (1, 2):
        write_run(study, Run("fast", seed, 1), [0.5, 0.7, None], [0, 0, 1], [0, 2])
        write_run(study, Run("paper", seed, 1), [0.4, 0.6, None], [1, 0, 3], [2, 4])
    runs = collect_runs(study)
    text = write_comparison(study, runs)
    fast, paper = (next(line for line in text.splitlines() if line.startswith(f"| {name} |")) for name in ARM_TITLES)
    assert fast.split(" | ")[4:] == ["0.600 (0.000)", "0.600", "", "0.33", "", "2", "1.00", " |"]
    assert paper.split(" | ")[4:] == [
        "0.500 (0.000)", "0.500", "+0.100 (+0.100 to +0.100)", "1.33", "+1.000 (+0.000 to +2.000)", "2", "3.00",
        "+2.000 (+2.000 to +2.000) |",
    ]  # fmt: skip
    rows = read_rows(tmp_path / "runs.csv")
    assert len(rows) == 2 * 2 * (2 * 3 + 2)  # arms, seeds; cases of each checkpoint, and those without their tumours
    assert [row["tumour"] for row in rows[:3]] == ["yes", "yes", "no"]
    assert write_learning_curves(study, runs).stat().st_size > 0


def test_runs_of_an_earlier_call_are_counted(tmp_path: Path) -> None:
    """Called for one arm alone afterwards, it still compares that arm with what it has of the others."""
    study = study_of(tmp_path)
    write_run(study, Run("fast", 1, 27), [0.5, None], [0, 0])
    write_run(study, Run("paper", 1, 27), [0.4, None], [0, 0])
    runs = collect_runs(replace(study, arms=("paper",), seeds=(2,), budgets=(1,)))
    assert [one.run.name for one in runs] == ["fast_27x_seed1", "paper_27x_seed1"]
    assert "## 810 s" in write_comparison(study, runs)


def test_scans_without_tumours_are_of_the_runs_that_have_some(tmp_path: Path) -> None:
    """An older run has none, and the patients of the cohort who have no tumour are not among them."""
    study = study_of(tmp_path, budgets=(1,))
    for arm, without in (("fast", [0, 0]), ("paper", [1, 1])):
        write_run(study, Run(arm, 1, 1), [0.5, None], [0, 9])
        write_run(study, Run(arm, 2, 1), [0.5, None], [0, 9], without)
    write_run(study, Run("window", 1, 1), [0.5, None], [0, 9])
    text = write_comparison(study, collect_runs(study))
    cells = {line.split(" | ")[0].strip("| "): line.split(" | ")[9:] for line in text.splitlines()}
    assert cells["fast"] == ["1", "0.00", " |"]
    assert cells["paper"] == ["1", "1.00", "+1.000 (+1.000 to +1.000) |"]
    assert cells["paper + window"] == ["", "", " |"]


ARM_TITLES = ("fast", "paper")


def test_the_window_is_the_only_difference_of_its_arm() -> None:
    assert replace(arm_of("window"), key="paper", title="paper", window=None) == arm_of("paper")


def test_an_arm_with_less_than_the_fast_recipe_takes_its_plans() -> None:
    """Its arrays are not made twice, and the part of the chest comes from the fast plans though it is not run."""
    study = Study(Path("out"), arms=("without-entropy", "without-network"))
    assert [arm.key for arm in study.arms_to_plan()] == ["fast", "window"]
    assert study.preprocessed(arm_of("without-entropy")) == study.preprocessed(arm_of("fast"))
    assert study.preprocessed(arm_of("without-network")) == study.preprocessed(arm_of("window"))
    assert Study(Path("out"), arms=("paper",)).arms_to_plan() == (arm_of("paper"),)


def test_each_arm_leaves_one_thing_out() -> None:
    """What a class of these defines besides its words is the one thing that it changes."""
    own = {
        kind.__name__: {name for name in vars(kind) if not name.startswith("__")}
        for kind in (
            left_out.FastWithoutCrossEntropy, left_out.FastAtThePapersRate, left_out.FastWithoutIntensities,
            left_out.FastWithThePapersNetwork,
        )
    }  # fmt: skip
    assert own == {
        "FastWithoutCrossEntropy": {"_build_loss"},
        "FastAtThePapersRate": {"initial_rate", "learning_rate_exponent"},
        "FastWithoutIntensities": {"sample_transforms"},
        "FastWithThePapersNetwork": {"recipe"},
    }
    assert {arm.trainer for arm in LEFT_OUT} == {*own, arm_of("fast").trainer}
