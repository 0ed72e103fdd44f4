"""The study of learning: equal compute for both recipes, and trainers that nnU-Net can find."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import benchmarks.learning
from benchmarks.learning.study import AMT, DEFAULT, RECIPES, Study
from benchmarks.learning.train import iterations_per_epoch
from benchmarks.learning.trainers import read_compute


def test_default_nnunet_gets_the_iterations_that_fill_an_epoch_with_a_fifth_of_validation() -> None:
    """2 s an iteration and 2.5 s a validation iteration, one for every five: 2.5 s each, so 125 s hold 50."""
    assert iterations_per_epoch(DEFAULT, {"iteration_seconds": 2.0, "check_seconds": 2.5}, 125.0, 50) == 50


def test_the_papers_recipe_pays_for_the_tuning_set_out_of_its_time() -> None:
    """Of 100 s 90 are training: 9 s for the tuning set are under a tenth, so (100 - 9) / 2 iterations fit."""
    assert iterations_per_epoch(AMT, {"iteration_seconds": 2.0, "check_seconds": 9.0}, 100.0, 1000) == 45
    # 99 s are due every tenth epoch: (100 - 9.9) / 2
    assert iterations_per_epoch(AMT, {"iteration_seconds": 2.0, "check_seconds": 99.0}, 100.0, 1000) == 45
    # ... but every second of 50, so that there are 20 and more to choose from: (100 - 49.5) / 2
    assert iterations_per_epoch(AMT, {"iteration_seconds": 2.0, "check_seconds": 99.0}, 100.0, 50) == 25


def test_nnunet_finds_a_trainer_of_every_recipe() -> None:
    hook = Path(benchmarks.learning.__file__).parent / "hook" / "learning_trainers.py"
    spec = importlib.util.spec_from_file_location("learning_trainers", hook)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert sorted(module.__all__) == sorted(recipe.trainer for recipe in RECIPES)


def test_workers_find_the_checkout_and_both_trainers(tmp_path: Path) -> None:
    environment = Study(tmp_path).environment()
    checkout = Path(benchmarks.learning.__file__).resolve().parents[2]
    assert environment["PYTHONPATH"].split(":")[0] == str(checkout)
    assert "learning/hook:" in environment["nnUNet_extTrainer"]
    assert environment["nnUNet_raw"].startswith(str(tmp_path))


def test_a_training_that_has_not_begun_has_no_record(tmp_path: Path) -> None:
    assert read_compute(tmp_path / "compute.csv") == []


def test_undefined_dice_survives_the_record(tmp_path: Path) -> None:
    file = tmp_path / "compute.csv"
    file.write_text("epoch,compute_seconds,wall_seconds,train_loss,dice\n0,10,12,-0.5,nan\n1,20,24,-0.6,0.25\n")
    first, second = read_compute(file)
    assert first["dice"] != first["dice"]
    assert (second["compute_seconds"], second["dice"]) == (20.0, pytest.approx(0.25))
