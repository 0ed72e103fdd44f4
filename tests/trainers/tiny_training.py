"""A training of seconds, for tests that start processes of their own: ``python -m tests.trainers.tiny_training``."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from nnunet_amt.models.plans import CONFIGURATION, PLANS_NAME
from nnunet_amt.trainers.nnUNetTrainerAMT import nnUNetTrainerAMT

CPU = torch.device("cpu")


class TinyTrainer(nnUNetTrainerAMT):
    """Epochs of two steps on the CPU, also where nnU-Net takes several processes for several GPUs."""

    fixed_tuning_interval: int | None = 1

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = CPU
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.device = CPU
        self.grad_scaler = None
        self.num_epochs = 3
        self.num_iterations_per_epoch = 2


class WitnessedTrainer(TinyTrainer):
    """Writes down what state every epoch ended with, apart from any checkpoint."""

    def on_epoch_end(self) -> None:
        epoch = self.current_epoch
        super().on_epoch_end()
        with (Path(self.output_folder) / "witness.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"epoch": epoch, **state_of(self)}) + "\n")


def state_of(trainer: nnUNetTrainerAMT) -> dict[str, Any]:
    """Everything that a resumed training must go on with."""
    optimiser = trainer.optimizer.state_dict()
    return {
        "current_epoch": trainer.current_epoch,
        "weights": _digest(trainer.network.state_dict()),
        "moments": _digest({f"{n}{k}": v for n, state in optimiser["state"].items() for k, v in state.items()}),
        "steps": [int(state["step"]) for state in optimiser["state"].values()],
        "lr": [group["lr"] for group in optimiser["param_groups"]],
        "betas": [list(group["betas"]) for group in optimiser["param_groups"]],
        "best": trainer._best_ema,
        "interval": trainer.tuning_schedule.interval,
        "next": trainer.tuning_schedule.next_epoch,
        "dice": trainer.logger.get_value("mean_fg_dice", step=None),
        "losses": [float(loss) for loss in trainer.logger.get_value("train_losses", step=None)],
    }


def _digest(tensors: dict[Any, torch.Tensor]) -> str:
    content = hashlib.sha256()
    for name in sorted(tensors, key=str):
        content.update(str(name).encode() + tensors[name].detach().contiguous().numpy().tobytes())
    return content.hexdigest()


def make(kind: type[nnUNetTrainerAMT], dataset: str, fold: Any = 0, **description: Any) -> Any:
    """Build a trainer as nnU-Net does, from the preprocessed dataset in the environment's folders.

    `description` replaces entries of ``dataset.json``.
    """
    folder = Path(os.environ["nnUNet_preprocessed"]) / dataset  # noqa: SIM112 - nnU-Net's name
    plans = {**json.loads((folder / f"{PLANS_NAME}.json").read_text()), "continue_training": False}
    dataset_json = {**json.loads((folder / "dataset.json").read_text()), **description}
    return kind(plans, CONFIGURATION, fold, dataset_json, CPU)


if __name__ == "__main__":
    torch.set_num_threads(1)
    trainer = make(WitnessedTrainer, sys.argv[1])
    trainer.num_epochs = 1000
    trainer.run_training()
