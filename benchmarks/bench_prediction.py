"""Time AMT's prediction against default nnU-Net's, from file to file, on the same phantom CTs, in one run.

    python -m benchmarks.bench_prediction --device cuda         # 512 x 512 x 60; a few minutes
    python -m benchmarks.bench_prediction --device cpu          # 64 x 64 x 32

First CT by CT in one process, part by part, nothing at the same time: where the time of a CT goes. Then the command as
one types it, `nnUNetv2_predict`, on all the external CTs; default nnU-Net also with --disable_tta, to tell what
mirroring costs. It starts Python, torch and its workers every time, so it is timed on one CT too: the difference is
what a further CT takes. The recipes take turns. The weights are those of a step or a few: they take as long as any.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.hardware import describe_machine
from benchmarks.phantom_dataset import DATASET, DATASET_ID, dataset_environment, prepare_dataset
from benchmarks.prediction_worker import PARTS
from benchmarks.recipes import AMT, NNUNET, RECIPES, Recipe
from benchmarks.speed_options import parser_of_sizes, size_of
from benchmarks.worker_pipe import Worker
from nnunet_amt.base.files import write_json
from nnunet_amt.models.folder import model_folder
from nnunet_amt.nnunet.commands import predict_command
from nnunet_amt.nnunet.process import run_stock_command

CONSOLE = Console()
ROUNDS = 3


@dataclass(frozen=True)
class Way:
    """A way to call ``nnUNetv2_predict``."""

    name: str
    recipe: Recipe
    extra: tuple[str, ...] = ()


UNMIRRORED = "default, --disable_tta"
WAYS = (Way(AMT.name, AMT), Way(NNUNET.name, NNUNET), Way(UNMIRRORED, NNUNET, ("--disable_tta",)))


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as temporary:
        size = size_of(arguments)
        folder = prepare_dataset(arguments.folder or Path(temporary), size, CONSOLE)
        _make_weights(folder, arguments.device)
        machine = describe_machine(arguments.device)
        title = f"{machine['device']}: {size.pixels} x {size.pixels} x {size.slices}"
        parts, described = _measure_parts(folder, arguments.device, arguments.rounds)
        _print_parts(parts, described, title)
        commands = _measure_commands(folder, arguments.device, arguments.rounds)
        _print_commands(commands, size.external, title)
    if arguments.json:
        measured = {"commands": commands, "parts": parts, "network": described}
        write_json(arguments.json, {"machine": machine, "size": asdict(size), **measured})


def _arguments() -> argparse.Namespace:
    parser = parser_of_sizes(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each recipe (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.external < 2:
        parser.error("--external: at least 2, to tell what starting takes from what a CT takes")
    return arguments


def _model(folder: Path, recipe: Recipe) -> Path:
    return model_folder(folder / "nnUNet_results", dataset=DATASET, trainer=recipe.trainer, plans=recipe.plans)


def _make_weights(folder: Path, device: str) -> None:
    for recipe in track(RECIPES, "making weights", console=CONSOLE, transient=True):
        if (_model(folder, recipe) / "fold_0" / "checkpoint_final.pth").is_file():
            continue
        arguments, log = (recipe.trainer, recipe.plans, device), folder / f"{recipe.trainer}.log"
        with Worker("benchmarks.training_worker", arguments, dataset_environment(folder, device), log) as worker:
            worker.ask("start")
            worker.ask("steps", count=1)
            worker.ask("save")


def _measure_parts(folder: Path, device: str, rounds: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Seconds of every part of every CT, by recipe; the first CT of each warms up."""
    environment = dataset_environment(folder, device)
    images = _images(folder)
    parts: dict[str, Any] = {recipe.name: {part: [] for part in PARTS} for recipe in RECIPES}
    described = {}
    with ExitStack() as stack:
        workers = {}
        for recipe in RECIPES:
            arguments, log = (str(_model(folder, recipe)), device), folder / f"{recipe.trainer}.log"
            worker = Worker("benchmarks.prediction_worker", arguments, environment, log)
            workers[recipe.name] = stack.enter_context(worker)
            worker.ask("start")
        turns = [images[0], *(image for _ in range(rounds) for image in images)]
        for number, image in enumerate(track(turns, "predicting, part by part", console=CONSOLE, transient=True)):
            for name, worker in workers.items():
                seconds = worker.ask("case", image=str(image), output=str(folder / "part_by_part.nii.gz"))
                for part in PARTS if number else ():
                    parts[name][part].append(seconds[part])
        for name, worker in workers.items():
            described[name] = worker.ask("describe")
    return parts, described


def _measure_commands(folder: Path, device: str, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of the command on one CT and on all of them."""
    seconds: dict[str, dict[str, list[float]]] = {way.name: {"one": [], "all": []} for way in WAYS}
    one = folder / "one_image"
    shutil.rmtree(one, ignore_errors=True)
    one.mkdir()
    shutil.copy(_images(folder)[0], one)
    turns = [(way, which) for _ in range(rounds) for which in ("one", "all") for way in WAYS]
    for way, which in track(turns, "nnUNetv2_predict", console=CONSOLE, transient=True):
        images = one if which == "one" else _images(folder)[0].parent
        seconds[way.name][which].append(_command_seconds(folder, images, way, device))
    return seconds


def _command_seconds(folder: Path, images: Path, way: Way, device: str) -> float:
    output = folder / "predictions"
    shutil.rmtree(output, ignore_errors=True)
    recipe = way.recipe
    command = predict_command(
        images.absolute(), output.absolute(), dataset_id=DATASET_ID, trainer=recipe.trainer, plans=recipe.plans,
        checkpoint="checkpoint_final.pth", options=way.extra, device=device,
    )  # fmt: skip
    started = perf_counter()
    run_stock_command(
        command, dataset_environment(folder, device), on_line=lambda line: None, log_file=folder / "predict.log"
    )
    return perf_counter() - started


def _images(folder: Path) -> list[Path]:
    return sorted((folder / "nnUNet_raw" / DATASET / "imagesTs").iterdir())


def _print_commands(commands: dict[str, dict[str, list[float]]], cases: int, title: str) -> None:
    table = Table(title=f"nnUNetv2_predict, {title}, {cases} CTs; medians")
    table.add_column("seconds")
    names = [way.name for way in WAYS]
    for column in (*names, "ratio to default"):
        table.add_column(column, justify="right")
    alone = {name: median(commands[name]["one"]) for name in names}
    whole = {name: median(commands[name]["all"]) for name in names}
    further = {name: (whole[name] - alone[name]) / (cases - 1) for name in names}
    rows = {
        "one CT, with starting": alone,
        f"{cases} CTs, a CT": {name: whole[name] / cases for name in names},
        "a further CT": further,
    }
    for what, values in rows.items():
        ratio = values[NNUNET.name] / values[AMT.name]
        table.add_row(what, *(f"{values[name]:.2f}" for name in names), f"{ratio:.2f}")
    CONSOLE.print(table)


def _print_parts(parts: dict[str, Any], described: dict[str, Any], title: str) -> None:
    table = Table(title=f"a CT, part by part, one process, {title}; median seconds")
    for column in ("part", AMT.name, NNUNET.name, "default / AMT"):
        table.add_column(column, justify="left" if column == "part" else "right")
    medians = {name: [median(seconds[part]) for part in PARTS] for name, seconds in parts.items()}
    for part, ours, theirs in zip((*PARTS, "all"), *(_with_sum(medians[n.name]) for n in RECIPES), strict=True):
        table.add_row(part, f"{ours:.3f}", f"{theirs:.3f}", f"{theirs / ours:.2f}")
    network = PARTS.index("network")
    peak = max(values["peak"] for values in described.values())
    floors = [described[recipe.name]["flops"] / peak for recipe in RECIPES]
    table.add_row("floor of the network", *(f"{floor:.3f}" for floor in floors), f"{floors[1] / floors[0]:.2f}")
    over = [medians[recipe.name][network] / floor for recipe, floor in zip(RECIPES, floors, strict=True)]
    table.add_row("network / floor", *(f"{ratio:.2f}" for ratio in over), "")
    CONSOLE.print(table)
    for name, values in described.items():
        patch = " x ".join(map(str, values["patch"]))
        CONSOLE.print(f"{name}: windows of {patch} (z, y, x), {values['windows']} a CT, {values['passes']} passes each")


def _with_sum(values: list[float]) -> list[float]:
    return [*values, sum(values)]


if __name__ == "__main__":
    main()
