"""Both trainers with a given number of epochs and iterations, and a record of the compute time they took."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from time import perf_counter, process_time

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from benchmarks.learning.study import EPOCHS_VARIABLE, ITERATIONS_VARIABLE
from nnunet_amt.base.files import atomic_path, write_text
from nnunet_amt.trainers.nnUNetTrainerAMT import nnUNetTrainerAMT

__all__ = ["COMPUTE_COLUMNS", "compute_clock", "nnUNetTrainerAMTBudget", "nnUNetTrainerBudget", "read_compute"]

COMPUTE_COLUMNS = ("epoch", "compute_seconds", "wall_seconds", "train_loss", "dice")
_CUDA = torch.device("cuda")


def compute_clock(device: str) -> float:
    """Seconds of this process on a CPU, which other processes do not lengthen; of the clock on a GPU."""
    return process_time() if device == "cpu" else perf_counter()


def read_compute(file: Path) -> list[dict[str, float]]:
    """Read the record of a training: a row an epoch, the seconds summed up."""
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]


class _Budget:
    """The epochs and iterations that the environment asks for."""

    def set_budget(self, trainer: nnUNetTrainer) -> None:
        trainer.num_epochs = int(os.environ.get(EPOCHS_VARIABLE, "1"))
        trainer.num_iterations_per_epoch = int(os.environ.get(ITERATIONS_VARIABLE, "1"))
        trainer.save_every = 1
        self._started = (compute_clock(trainer.device.type), perf_counter())

    def note_compute(self, trainer: nnUNetTrainer, dice: float) -> None:
        """Add the epoch that has just ended to compute.csv; after a kill its rows without a checkpoint go."""
        now = (compute_clock(trainer.device.type), perf_counter())
        file = Path(trainer.output_folder) / "compute.csv"
        rows = [row for row in read_compute(file) if row["epoch"] < trainer.current_epoch]
        before = (rows[-1]["compute_seconds"], rows[-1]["wall_seconds"]) if rows else (0.0, 0.0)
        spent = [total + end - start for total, end, start in zip(before, now, self._started, strict=True)]
        self._started = now
        loss = float(trainer.logger.get_value("train_losses", step=-1))
        values = [[row[name] for name in COMPUTE_COLUMNS] for row in rows]
        values.append([float(trainer.current_epoch), *spent, loss, dice])
        lines = [",".join(COMPUTE_COLUMNS), *(",".join(f"{value:.6g}" for value in row) for row in values)]
        write_text(file, "\n".join(lines) + "\n")


class nnUNetTrainerAMTBudget(_Budget, nnUNetTrainerAMT):  # noqa: N801 - nnU-Net's habit
    """The paper's recipe for a given compute time."""

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = _CUDA
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.set_budget(self)

    def on_epoch_end(self) -> None:
        """Note the tuning Dice of the epochs that have one."""
        dice = self._tuning_dice_of_this_epoch
        self.note_compute(self, float("nan") if dice is None else dice)
        super().on_epoch_end()


class nnUNetTrainerBudget(_Budget, nnUNetTrainer):  # noqa: N801 - nnU-Net's habit
    """Default nnU-Net for a given compute time: its schedule ends with it, a fifth as many validation iterations."""

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = _CUDA
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.set_budget(self)
        self.num_val_iterations_per_epoch = max(1, self.num_iterations_per_epoch // 5)

    def on_epoch_end(self) -> None:
        """Note nnU-Net's pseudo Dice of validation patches."""
        self.note_compute(self, float(self.logger.get_value("mean_fg_dice", step=-1)))
        super().on_epoch_end()

    def save_checkpoint(self, filename: str) -> None:
        """Write the checkpoint whole or not at all."""
        with atomic_path(Path(filename)) as partial:
            super().save_checkpoint(str(partial))
