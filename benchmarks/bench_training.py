"""Time AMT's training against default nnU-Net's, on the same phantom CTs, in one run.

    python -m benchmarks.bench_training --device cuda           # 512 x 512 x 60; a few minutes
    python -m benchmarks.bench_training --device cpu            # 64 x 64 x 32

Both trainers live in processes of their own and take turns, some steps each, so that a busy machine slows both alike.
A step is the trainer's own: loader, augmentation, network, loss, optimiser, with its compilation and precision. The
first round warms up and is not counted. The length of an epoch is computed: its steps at their median, and for
default nnU-Net its validation steps, for AMT the passes over the tuning volumes that its trainer would take.
The floor of a step is the operations of its convolutions over the fastest rate seen in the same run.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.gpu_share import gpu_share
from benchmarks.hardware import describe_machine
from benchmarks.phantom_dataset import dataset_environment, prepare_dataset
from benchmarks.recipes import AMT, NNUNET, RECIPES
from benchmarks.speed_options import parser_of_sizes, size_of
from benchmarks.worker_pipe import Worker
from nnunet_amt.base.files import write_json
from nnunet_amt.trainers.tuning import tuning_interval

CONSOLE = Console()
ROUNDS = 6
STEPS = {"cuda": 40, "cpu": 1}
# Steps that are not counted: while the other recipe has its turn, the loader's processes fill their queues.
RUN_IN = {"cuda": 20, "cpu": 0}


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as temporary:
        size = size_of(arguments)
        folder = prepare_dataset(arguments.folder or Path(temporary), size, CONSOLE)
        measured = _measure(folder, arguments.device, arguments.rounds, arguments.steps or STEPS[arguments.device])
    summary = {name: _summarise(values) for name, values in measured.items() if name != "peak"}
    machine = describe_machine(arguments.device)
    _print_table(summary, max(measured["peak"]), f"{machine['device']}: {size.pixels} x {size.pixels} x {size.slices}")
    if arguments.json:
        write_json(arguments.json, {"machine": machine, "size": asdict(size), "summary": summary, "measured": measured})


def _arguments() -> argparse.Namespace:
    parser = parser_of_sizes(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each recipe (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="steps a turn (default: 40 on a GPU, 1 on a CPU)")
    return parser.parse_args()


def _measure(folder: Path, device: str, rounds: int, steps: int) -> dict[str, Any]:
    """Everything measured, by recipe, and the peak rates of all rounds."""
    environment = dataset_environment(folder, device)
    measured: dict[str, Any] = {"peak": []}
    with ExitStack() as stack:
        workers = {}
        for recipe in RECIPES:
            arguments = (recipe.trainer, recipe.plans, device)
            worker = Worker("benchmarks.training_worker", arguments, environment, folder / f"{recipe.trainer}.log")
            workers[recipe.name] = stack.enter_context(worker)
        for name, worker in track(workers.items(), "starting and compiling", console=CONSOLE, transient=True):
            worker.ask("start")
            worker.ask("steps", count=1)
            memory = worker.ask("memory")  # before the operations are counted, which takes memory too
            measured[name] = {"loading": [], "training": [], "gpu_busy": [], "validation": [], "memory_mb": memory}
        for number in track(range(rounds + 1), "training", console=CONSOLE, transient=True):
            # each recipe goes first in every other round
            for name, worker in list(workers.items())[:: 1 if number % 2 else -1]:
                _one_turn(worker, measured[name], device, steps, counted=number > 0)
        for name, worker in track(workers.items(), "counting operations", console=CONSOLE, transient=True):
            measured[name]["memory_mb"] = worker.ask("memory")
            measured[name].update(worker.ask("describe"))
            measured["peak"].append(worker.ask("peak"))
            worker.ask("save")
    return measured


def _one_turn(worker: Worker, into: dict[str, Any], device: str, steps: int, counted: bool) -> None:
    if RUN_IN[device]:
        worker.ask("steps", count=RUN_IN[device])
    with gpu_share(device) as busy:
        seconds = worker.ask("steps", count=steps)
    validation = worker.ask("validation")
    if counted:
        into["loading"] += seconds["loading"]
        into["training"] += seconds["training"]
        into["gpu_busy"] += busy
        into["validation"].append(validation)


def _summarise(values: dict[str, Any]) -> dict[str, float | None]:
    batch, *patch = values["batch"]
    step = median(a + b for a, b in zip(values["loading"], values["training"], strict=True))
    voxels = batch * patch[0] * patch[1] * patch[2]
    training = step * values["training_steps"]
    between = median(values["validation"])
    if values["validation_steps"]:
        epoch = training + between * values["validation_steps"]
    else:
        interval, _ = tuning_interval(between, training, epochs=1000)
        epoch = training + between / interval
    return {
        "samples_per_second": batch / step,
        "voxels_per_second": voxels / step,
        "step_seconds": step,
        "epoch_seconds": epoch,
        "loading_share": sum(values["loading"]) / sum(values["loading"] + values["training"]),
        "gpu_busy_share": sum(values["gpu_busy"]) / len(values["gpu_busy"]) if values["gpu_busy"] else None,
        "memory_mb": values["memory_mb"],
        "flops_per_voxel": values["flops"] / voxels,
        "flops": values["flops"],
    } | {f"batch_{axis}": float(edge) for axis, edge in zip("nzyx", (batch, *patch), strict=True)}


def _print_table(summary: dict[str, dict[str, Any]], peak: float, title: str) -> None:
    ours, theirs = summary[AMT.name], summary[NNUNET.name]
    table = Table(title=f"{title}; fastest rate seen {peak / 1e9:.0f} GFLOP/s")
    for column in ("training", AMT.name, NNUNET.name, "ratio"):
        table.add_column(column, justify="left" if column == "training" else "right")
    batches = [" x ".join(f"{recipe[f'batch_{axis}']:.0f}" for axis in "nzyx") for recipe in (ours, theirs)]
    table.add_row("batch: samples x patch (z, y, x)", *batches, "")

    def row(what: str, form: str, a: float, b: float) -> None:
        table.add_row(what, form.format(a), form.format(b), f"{a / b:.2f}" if b else "")

    row("samples a second", "{:.2f}", ours["samples_per_second"], theirs["samples_per_second"])
    row("million voxels a second", "{:.3f}", ours["voxels_per_second"] / 1e6, theirs["voxels_per_second"] / 1e6)
    row("seconds a step", "{:.3f}", ours["step_seconds"], theirs["step_seconds"])
    row("seconds an epoch, computed", "{:.0f}", ours["epoch_seconds"], theirs["epoch_seconds"])
    row("share of a step spent waiting for data", "{:.1%}", ours["loading_share"], theirs["loading_share"])
    if ours["gpu_busy_share"] is not None and theirs["gpu_busy_share"] is not None:
        row("GPU busy, by nvidia-smi", "{:.0%}", ours["gpu_busy_share"], theirs["gpu_busy_share"])
    row("peak memory in MB", "{:.0f}", ours["memory_mb"], theirs["memory_mb"])
    row("thousand operations a voxel", "{:.0f}", ours["flops_per_voxel"] / 1e3, theirs["flops_per_voxel"] / 1e3)
    floors = [recipe["step_seconds"] / (recipe["flops"] / peak) for recipe in (ours, theirs)]
    row("a step against its floor", "{:.2f}", *floors)
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
