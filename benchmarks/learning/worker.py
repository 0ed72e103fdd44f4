"""One recipe in a process of its own: calibrate or train, on one thread where it runs on a CPU.

python -m benchmarks.learning.worker calibrate amt DATASET DEVICE RESULT.json
python -m benchmarks.learning.worker train amt DATASET DEVICE
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from typing import Any

import torch
from nnunetv2.run.run_training import get_trainer_from_args, maybe_load_checkpoint
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from benchmarks.learning.study import CONFIGURATION, RECIPES, Recipe
from benchmarks.learning.trainers import compute_clock
from nnunet_amt.base.files import write_json
from nnunet_amt.trainers.nnUNetTrainerAMT import nnUNetTrainerAMT

_ITERATIONS = 6  # timed; the first one warms up and is not counted


def main() -> None:
    """Do what the command line asks for."""
    work, key, dataset, device, *result = sys.argv[1:]
    recipe = next(recipe for recipe in RECIPES if recipe.key == key)
    if device == "cpu":
        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
    trainer = _trainer(recipe, dataset, device, continued=work == "train")
    if work == "calibrate":
        write_json(Path(result[0]), calibrate(trainer, device))
        return
    maybe_load_checkpoint(trainer, True, False)
    trainer.run_training()


def _trainer(recipe: Recipe, dataset: str, device: str, continued: bool) -> nnUNetTrainer:
    trainer: nnUNetTrainer = get_trainer_from_args(
        dataset, CONFIGURATION, 0, recipe.trainer, recipe.plans, continued, torch.device(device)
    )
    return trainer


def calibrate(trainer: nnUNetTrainer, device: str) -> dict[str, Any]:
    """Measure the compute seconds of an iteration, and of what the recipe does to follow its progress."""
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    train = [
        _seconds(lambda: trainer.train_step(next(trainer.dataloader_train)), device) for _ in range(_ITERATIONS + 1)
    ]
    with torch.no_grad():
        trainer.on_validation_epoch_start()
        if isinstance(trainer, nnUNetTrainerAMT):
            checks = [_seconds(trainer.evaluate_tuning_set, device)]
        else:
            checks = [_seconds(lambda: trainer.validation_step(next(trainer.dataloader_val)), device) for _ in range(3)]
    return {
        "iteration_seconds": median(train[1:]),
        "check_seconds": median(checks),
        "patch_size": list(trainer.configuration_manager.patch_size),
        "batch_size": trainer.batch_size,
        "parameters": sum(parameter.numel() for parameter in trainer.network.parameters()),
    }


def _seconds(step: Any, device: str) -> float:
    start = compute_clock(device)
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return compute_clock(device) - start


if __name__ == "__main__":
    main()
