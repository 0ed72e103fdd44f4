"""What a model costs, from logs and records written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.comparison.costs import ModelCost, TrainingTime, read_cost, recorded_cohort, training_time

# As nnU-Net 2.8.1 writes them: print_to_log_file puts a space behind everything.
EPOCH = """\
2026-11-20 15:02:11.{n:06d}:  
2026-11-20 15:02:11.{n:06d}: Epoch {n} 
2026-11-20 15:02:11.{n:06d}: Current learning rate: 0.01 
2026-11-20 15:02:31.{n:06d}: train_loss -0.1 
2026-11-20 15:02:31.{n:06d}: Pseudo dice [np.float32(0.5)] 
2026-11-20 15:02:31.{n:06d}: Epoch time: {seconds} s 
"""  # noqa: W291
BEGUN = "2026-11-20 15:02:11.000000: Epoch {n} \n"


def write_log(fold: Path, stamp: str, *epochs: tuple[int, float], begun: int | None = None) -> None:
    fold.mkdir(parents=True, exist_ok=True)
    text = "\n#######\nPlease cite the following paper when using nnU-Net:\n"
    text += "".join(EPOCH.format(n=n, seconds=seconds) for n, seconds in epochs)
    (fold / f"training_log_{stamp}.txt").write_text(text + ("" if begun is None else BEGUN.format(n=begun)))


def test_the_epochs_of_a_continued_training_are_added_up(tmp_path: Path) -> None:
    """Stopped in epoch 3 after a checkpoint in epoch 1, so that epoch 2 was done twice; both times were spent."""
    write_log(tmp_path, "2026_11_9_15_02_11", (0, 10.5), (1, 10.0), (2, 10.0), begun=3)
    write_log(tmp_path, "2026_11_20_08_00_00", (2, 20.0), (3, 20.25))
    assert training_time(tmp_path) == TrainingTime(seconds=70.75, epochs=4, logs=2)


def test_a_training_that_was_begun_anew_does_not_count(tmp_path: Path) -> None:
    # 2 stands before 11 in time, though not in the alphabet
    write_log(tmp_path, "2026_2_1_10_00_00", (0, 1000.0), (1, 1000.0))
    write_log(tmp_path, "2026_11_1_10_00_00", (0, 5.0))
    write_log(tmp_path, "2026_11_2_10_00_00", (1, 6.0))
    assert training_time(tmp_path) == TrainingTime(seconds=11.0, epochs=2, logs=2)


def test_a_log_without_an_epoch_is_no_training(tmp_path: Path) -> None:
    assert training_time(tmp_path) is None
    write_log(tmp_path, "2026_11_9_15_02_11", begun=0)
    assert training_time(tmp_path) is None
    # a start that died in its first epoch, then one that ran, then nnUNetv2_train --val
    write_log(tmp_path, "2026_11_9_16_02_11", (0, 7.0))
    write_log(tmp_path, "2026_11_9_17_02_11")
    assert training_time(tmp_path) == TrainingTime(seconds=7.0, epochs=1, logs=1)


def write_run(folder: Path, *runs: dict[str, Any], name: str = "nnunet_amt_runs.json") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    whole = [
        {"stage": "?", "started": f"2026-11-21T12:00:0{i}+00:00", "inputs": {}, "outputs": {}, "counts": {}}
        | {"cost": {}, "settings": {}, "machine": {}}
        | run
        for i, run in enumerate(runs)
    ]
    (folder / name).write_text(json.dumps({"schema_version": 1, "runs": whole}))


def predicted(cases: int, seconds: float, checkpoint: str = "abc", peak: int = 2_000_000_000) -> dict[str, Any]:
    return {
        "stage": "predict",
        "machine": {"device": "cpu", "cores": 2},
        "inputs": {
            "checkpoint": {"path": "../results/model/fold_0/checkpoint_best.pth", "sha256": checkpoint},
            "model": {"path": "../results/model"},
        },
        "counts": {"cases": cases},
        "cost": {"seconds_per_case_with_start": seconds, "peak_memory_bytes": peak, "parameters": 5_600_000},
    }


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """An evaluation whose records lead to its predictions and to the model that made them."""
    fold = tmp_path / "results" / "model" / "fold_0"
    write_log(fold, "2026_11_9_15_02_11", (0, 30.0), (1, 30.0))
    (fold / "checkpoint_best.pth").write_bytes(b"")
    train = {
        "stage": "train",
        "machine": {"device": "cuda", "gpu": "A GPU", "cores": 8},
        "cost": {"parameters": 5_600_000, "peak_memory_bytes": 3_000_000_000},
    }
    write_run(fold, train)
    write_run(tmp_path / "predictions", predicted(3, 4.0))
    (tmp_path / "cohort.csv").write_text("case_id\n")
    inputs = {"predictions": {"path": "../predictions"}, "cohort": {"path": "../cohort.csv"}}
    write_run(tmp_path / "evaluation", {"stage": "evaluate", "inputs": inputs})
    return tmp_path


def test_records_lead_from_the_evaluation_to_the_model(study: Path) -> None:
    assert read_cost(study / "evaluation") == ModelCost(
        parameters=5_600_000,
        training_seconds=60.0,
        training_epochs=2,
        training_device="A GPU",
        training_peak_bytes=3_000_000_000,
        seconds_per_case=4.0,
        predicted_cases=3,
        prediction_device="2 CPU cores",
        prediction_peak_bytes=2_000_000_000,
    )
    assert recorded_cohort(study / "evaluation") == (study / "cohort.csv").resolve()


def test_a_prediction_in_pieces_is_averaged_over_its_cases(study: Path) -> None:
    """Another model's predictions, since replaced; 3 cases of 4 s before a stop, then 1 of 8 s: 20 s for 4."""
    runs = predicted(50, 99.0, checkpoint="old"), predicted(3, 4.0), predicted(1, 8.0, peak=5_000_000_000)
    write_run(study / "predictions", *runs)
    cost = read_cost(study / "evaluation")
    assert (cost.seconds_per_case, cost.predicted_cases, cost.prediction_peak_bytes) == (5.0, 4, 5_000_000_000)


def test_label_maps_of_saved_probabilities_cost_what_the_network_did(study: Path) -> None:
    """Another operating point takes no network: 2 cases of 4 s, and then both again without."""
    again = predicted(0, 0.0) | {"counts": {"cases": 0, "cases_of_saved_probabilities": 2}, "cost": {}}
    write_run(study / "predictions", predicted(2, 4.0), again)
    cost = read_cost(study / "evaluation")
    assert (cost.seconds_per_case, cost.predicted_cases) == (4.0, 2)


def test_without_records_nothing_is_guessed(study: Path, tmp_path: Path) -> None:
    (study / "evaluation" / "nnunet_amt_runs.json").unlink()
    assert read_cost(study / "evaluation") == ModelCost()
    assert recorded_cohort(study / "evaluation") is None
    # A folder given by hand leads to the logs, and to the record of the training, but not to the predictions.
    for folder in (study / "results" / "model", study / "results" / "model" / "fold_0"):
        cost = read_cost(study / "evaluation", model_folder=folder)
        assert (cost.training_seconds, cost.parameters, cost.seconds_per_case) == (60.0, 5_600_000, None)
    with pytest.raises(BadInputError, match=r"holds no fold_\* and no training_log_\*.txt"):
        read_cost(study / "evaluation", model_folder=study / "predictions")


def test_folds_that_predict_together_cost_together(study: Path) -> None:
    run = predicted(3, 4.0)
    del run["inputs"]["checkpoint"]
    write_run(study / "predictions", run)
    fold = study / "results" / "model" / "fold_1"
    write_log(fold, "2026_11_9_15_02_11", (0, 40.0))
    assert read_cost(study / "evaluation").training_seconds == 100.0
    next(fold.glob("training_log*")).unlink()  # half the time would be no answer
    assert read_cost(study / "evaluation").training_seconds is None


def test_a_record_whose_files_are_gone_leads_nowhere(study: Path) -> None:
    (study / "results" / "model" / "fold_0" / "checkpoint_best.pth").unlink()
    (study / "results" / "model").rename(study / "moved")
    cost = read_cost(study / "evaluation")
    assert (cost.training_seconds, cost.parameters) == (None, 5_600_000)  # the prediction knows its parameters
