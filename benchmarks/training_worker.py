"""Train a recipe step by step as its trainer does, and time each part; spoken to by `bench_training`."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from nnunetv2.run.run_training import get_trainer_from_args
from torch._dynamo import OptimizedModule

from benchmarks.network_cost import peak_flops_per_second, synchronise, training_flops
from benchmarks.phantom_dataset import DATASET
from benchmarks.recipes import CONFIGURATION
from benchmarks.worker_pipe import answer_requests

__all__: list[str] = []


class TrainingWorker:
    """A trainer ready to step."""

    def __init__(self, trainer: str, plans: str, device: str) -> None:
        self.device = torch.device(device)
        if device == "cuda":
            torch.backends.cudnn.benchmark = True  # as nnUNetv2_train does
        self.trainer = get_trainer_from_args(DATASET, CONFIGURATION, 0, trainer, plans, device=self.device)
        self.trainer.on_train_start()
        self.trainer.on_train_epoch_start()

    def describe(self) -> dict[str, Any]:
        """Shape of a batch (batch, z, y, x), operations of a step, steps of an epoch."""
        trainer = self.trainer
        patch = list(trainer.configuration_manager.patch_size)
        network = trainer.network._orig_mod if isinstance(trainer.network, OptimizedModule) else trainer.network
        flops = training_flops(network, (trainer.batch_size, 1, *patch))
        return {
            "batch": [trainer.batch_size, *patch],
            "flops": flops,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "training_steps": trainer.num_iterations_per_epoch,
            "validation_steps": trainer.num_val_iterations_per_epoch,
            "compiled": isinstance(trainer.network, OptimizedModule),
        }

    def steps(self, count: int) -> dict[str, list[float]]:
        """Seconds to wait for each batch, and to train on it."""
        seconds: dict[str, list[float]] = {"loading": [], "training": []}
        for _ in range(count):
            started = perf_counter()
            batch = next(self.trainer.dataloader_train)
            loaded = perf_counter()
            self.trainer.train_step(batch)  # ends with the loss on the CPU
            synchronise(self.device)
            seconds["loading"].append(loaded - started)
            seconds["training"].append(perf_counter() - loaded)
        return seconds

    def validation(self) -> float:
        """Seconds of what the trainer does between epochs: validation steps, or a pass over the tuning volumes."""
        trainer = self.trainer
        trainer.network.eval()
        started = perf_counter()
        with torch.no_grad():
            if hasattr(trainer, "evaluate_tuning_set"):
                trainer.evaluate_tuning_set()
            else:
                trainer.validation_step(next(trainer.dataloader_val))
        synchronise(self.device)
        seconds = perf_counter() - started
        trainer.network.train()
        return seconds

    def memory(self) -> float:
        """Peak MB of the GPU, or of this process."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated() / 1e6
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3

    def peak(self) -> float:
        """Fastest operations per second of the device; the memory that it takes is not the recipe's."""
        return peak_flops_per_second(self.device)

    def save(self) -> str:
        """Write a checkpoint for the benchmark of prediction."""
        path = Path(self.trainer.output_folder) / "checkpoint_final.pth"
        self.trainer.save_checkpoint(str(path))
        return str(path)


def main() -> None:
    trainer, plans, device = sys.argv[1:]
    np.random.seed(711)
    torch.manual_seed(711)
    worker: list[TrainingWorker] = []

    def start() -> bool:
        worker.append(TrainingWorker(trainer, plans, device))
        return True

    handlers: dict[str, Any] = {"start": start}
    for name in ("describe", "steps", "validation", "memory", "peak", "save"):
        handlers[name] = lambda name=name, **options: getattr(worker[0], name)(**options)
    answer_requests(handlers)


if __name__ == "__main__":
    main()
