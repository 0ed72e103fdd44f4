"""Time our prediction against default nnU-Net's, from file to file, on the same phantom CTs, in one run.

    python -m benchmarks.bench_prediction --device cuda                  # 512 x 512 x 60; a few minutes
    python -m benchmarks.bench_prediction --device cpu --external 20     # 64 x 64 x 32
    python -m benchmarks.bench_prediction --device cpu --segment MODEL CTS   # `nnunet_amt segment`: a model loaded once

First the commands as one types them, on one CT, with starting, and on all the external ones: `nnunet_amt predict`;
`nnUNetv2_predict` with the same model, which is what `nnunet_amt predict` ran before it predicted by itself; and
default nnU-Net, also with --disable_tta, to tell what mirroring costs. The ways take turns. Processor seconds are those
of all processes of a command. Then CT by CT in one process, part by part, nothing at the same time: where the time of a
CT goes, and what the network alone takes, the floor. The weights are of a step or a few: they take as long as any.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from subprocess import DEVNULL
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

CONSOLE = Console(width=120)
ROUNDS = 3
PARTED = 4  # CTs that are predicted part by part
CHECKPOINT = "checkpoint_final.pth"


@dataclass(frozen=True)
class Way:
    """A way to predict: by our command or by nnU-Net's, with which model, and with which further words."""

    name: str
    recipe: Recipe
    by: str = "nnunet"
    extra: tuple[str, ...] = ()


OURS = Way("nnunet_amt", AMT, "ours")
BEFORE = Way("before", AMT)
DEFAULT = Way("default nnU-Net", NNUNET)
UNMIRRORED = Way("default, --disable_tta", NNUNET, extra=("--disable_tta",))
WAYS = (OURS, BEFORE, DEFAULT, UNMIRRORED)
IN_ONE_PROCESS = (OURS, BEFORE, DEFAULT)


def main() -> None:
    arguments = _arguments()
    if arguments.segment:
        model, images = arguments.segment
        _measure_segment(model, sorted(Path(images).glob("*.nii.gz")), arguments.device, arguments.rounds)
        return
    with tempfile.TemporaryDirectory() as temporary:
        size = size_of(arguments)
        folder = prepare_dataset(arguments.folder or Path(temporary), size, CONSOLE)
        _make_weights(folder, arguments.device)
        machine = describe_machine(arguments.device)
        title = f"{machine['device']}: {size.pixels} x {size.pixels} x {size.slices}"
        ways = [way for way in WAYS if way != UNMIRRORED or not arguments.mirrored_only]
        commands = _measure_commands(folder, ways, arguments.device, arguments.rounds)
        parts, described = _measure_parts(folder, arguments.device, arguments.rounds)
        _print_parts(parts, described, title)
        _print_commands(commands, _network_seconds(parts), size.external, title)
    if arguments.json:
        measured = {"commands": commands, "parts": parts, "network": described}
        write_json(arguments.json, {"machine": machine, "size": asdict(size), **measured})


def _arguments() -> argparse.Namespace:
    parser = parser_of_sizes(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each way (default: %(default)s)")
    parser.add_argument("--mirrored-only", action="store_true", help=f"leave out: {UNMIRRORED.name}")
    parser.add_argument(
        "--segment", nargs=2, metavar=("MODEL", "CTS"),
        help="only this: `nnunet_amt segment` on a folder of CTs, in one process and in one a CT",
    )  # fmt: skip
    arguments = parser.parse_args()
    if arguments.external < 2:
        parser.error("--external: at least 2, to tell what starting takes from what a CT takes")
    return arguments


def _model(folder: Path, recipe: Recipe) -> Path:
    return model_folder(folder / "nnUNet_results", dataset=DATASET, trainer=recipe.trainer, plans=recipe.plans)


def _make_weights(folder: Path, device: str) -> None:
    for recipe in track(RECIPES, "making weights", console=CONSOLE, transient=True):
        if (_model(folder, recipe) / "fold_0" / CHECKPOINT).is_file():
            continue
        arguments, log = (recipe.trainer, recipe.plans, device), folder / f"{recipe.trainer}.log"
        with Worker("benchmarks.training_worker", arguments, dataset_environment(folder, device), log) as worker:
            worker.ask("start")
            worker.ask("steps", count=1)
            worker.ask("save")


def _measure_parts(folder: Path, device: str, rounds: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Seconds of every part of some CTs, by way; the first CT of each warms up."""
    environment = dataset_environment(folder, device)
    images = _images(folder)[:PARTED]
    parts: dict[str, Any] = {way.name: {part: [] for part in PARTS} for way in IN_ONE_PROCESS}
    with ExitStack() as stack:
        workers = {}
        for number, way in enumerate(IN_ONE_PROCESS):
            arguments, log = (way.by, str(_model(folder, way.recipe)), device), folder / f"parts_{number}.log"
            worker = Worker("benchmarks.prediction_worker", arguments, environment, log)
            workers[way.name] = stack.enter_context(worker)
            worker.ask("start")
        turns = [images[0], *(image for _ in range(rounds) for image in images)]
        for number, image in enumerate(track(turns, "predicting, part by part", console=CONSOLE, transient=True)):
            for name, worker in workers.items():
                seconds = worker.ask("case", image=str(image), output=str(folder / "part_by_part.nii.gz"))
                for part in PARTS if number else ():
                    parts[name][part].append(seconds[part])
        described = {way.name: workers[way.name].ask("describe") for way in IN_ONE_PROCESS if way.by == "nnunet"}
    return parts, described


def _measure_commands(
    folder: Path, ways: Sequence[Way], device: str, rounds: int
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Seconds of the commands on one CT and on all of them, both that passed and of all processors."""
    seconds: dict[str, dict[str, list[dict[str, float]]]] = {way.name: {"one": [], "all": []} for way in ways}
    one = folder / "one_image"
    shutil.rmtree(one, ignore_errors=True)
    one.mkdir()
    shutil.copy(_images(folder)[0], one)
    turns = [(way, which) for _ in range(rounds) for which in ("one", "all") for way in ways]
    for way, which in track(turns, "the commands", console=CONSOLE, transient=True):
        images = one if which == "one" else _images(folder)[0].parent
        taken = _command_seconds(folder, images, way, device)
        seconds[way.name][which].append(taken)
        CONSOLE.print(f"{way.name}, {which}: {taken['processor']:.1f} processor s, {taken['passed']:.1f} s")
    return seconds


def _command_seconds(folder: Path, images: Path, way: Way, device: str) -> dict[str, float]:
    output = folder / "predictions"
    shutil.rmtree(output, ignore_errors=True)
    with _clocks() as seconds:
        run_stock_command(
            _command(images.absolute(), output.absolute(), way, device), dataset_environment(folder, device),
            on_line=lambda line: None, log_file=folder / "predict.log",
        )  # fmt: skip
    return seconds


def _measure_segment(model: str, images: Sequence[Path], device: str, rounds: int) -> None:
    """Print what a CT takes with the model loaded once for all, and with a process for each; they take turns."""
    ways: dict[str, list[Sequence[Path]]] = {"loaded once": [images], "a process a CT": [[one] for one in images]}
    taken: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as temporary:
        for turn in range(rounds):
            for way, calls in ways.items():
                output = Path(temporary) / f"{way}_{turn}"
                words = ["-o", str(output), "--model", model, "--device", device]
                commands = [["-m", "nnunet_amt", "segment", *map(str, given), *words] for given in calls]
                with _clocks() as seconds:
                    for command in commands:
                        subprocess.run([sys.executable, *command], check=True, stdout=DEVNULL)
                taken[way].append(seconds)
    machine = describe_machine(device)["device"]
    for kind in ("processor", "passed"):
        once, each = (median(seconds[kind] for seconds in taken[way]) / len(images) for way in ways)
        CONSOLE.print(
            f"{machine}, {len(images)} CTs, {kind} seconds a CT: {once:.2f} with the model loaded once, "
            f"{each:.2f} with a process a CT ({each / once:.1f}x)"
        )


@contextmanager
def _clocks() -> Iterator[dict[str, float]]:
    """Measure the seconds of child processes: that passed, and of all processors."""
    seconds: dict[str, float] = {}
    started, before = perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    yield seconds
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds["passed"] = perf_counter() - started
    seconds["processor"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _command(images: Path, output: Path, way: Way, device: str) -> list[str]:
    recipe = way.recipe
    if way.by == "ours":
        folders = ["--input", str(images), "--output", str(output)]
        model = ["--trainer", recipe.trainer, "--checkpoint", CHECKPOINT, "--device", device]
        return ["nnunet_amt", "predict", str(DATASET_ID), *folders, *model, *way.extra]
    return predict_command(
        images, output, dataset_id=DATASET_ID, trainer=recipe.trainer, plans=recipe.plans, checkpoint=CHECKPOINT,
        options=way.extra, device=device,
    )  # fmt: skip


def _images(folder: Path) -> list[Path]:
    return sorted((folder / "nnUNet_raw" / DATASET / "imagesTs").iterdir())


def _network_seconds(parts: dict[str, Any]) -> float:
    return median(parts[OURS.name]["network"])


def _print_commands(commands: dict[str, Any], network: float, cases: int, title: str) -> None:
    table = Table(title=f"the commands, {title}, {cases} CTs; medians, and how many times ours")
    names = list(commands)
    for column in ("seconds", *names, "network alone"):
        table.add_column(column, justify="left" if column == "seconds" else "right")
    for kind in ("processor", "passed"):

        def medians(which: str, kind: str = kind) -> dict[str, float]:
            return {name: median(seconds[kind] for seconds in commands[name][which]) for name in names}

        alone, whole = medians("one"), medians("all")
        further = {name: (whole[name] - alone[name]) / (cases - 1) for name in names}
        rows = (("one CT, with starting", alone, 1), (f"{cases} CTs", whole, cases), ("a further CT", further, 1))
        for what, values, floors in rows:
            ours = values[OURS.name]
            shown = [f"{values[name]:.2f} ({values[name] / ours:.1f}x)" for name in names]
            table.add_row(f"{kind}: {what}", *shown, f"{network * floors:.2f}")
    CONSOLE.print(table)


def _print_parts(parts: dict[str, Any], described: dict[str, Any], title: str) -> None:
    table = Table(title=f"a CT, part by part, one process, {title}; median seconds")
    names = [way.name for way in IN_ONE_PROCESS]
    for column in ("part", *names, "before / ours", "default / ours"):
        table.add_column(column, justify="left" if column == "part" else "right")
    medians = {name: [median(seconds[part]) for part in PARTS] for name, seconds in parts.items()}
    all_but_network = [number for number, part in enumerate(PARTS) if part != "network"]
    rows = {part: [medians[name][number] for name in names] for number, part in enumerate(PARTS)}
    rows["all but the network"] = [sum(medians[name][number] for number in all_but_network) for name in names]
    rows["all"] = [sum(medians[name]) for name in names]
    peak = max(values["peak"] for values in described.values())
    floors = [described[name]["flops"] / peak for name in (BEFORE.name, DEFAULT.name)]
    rows["floor of the network"] = [floors[0], *floors]
    for what, (ours, before, default) in rows.items():
        shown = [f"{seconds:.4f}" for seconds in (ours, before, default)]
        table.add_row(what, *shown, f"{before / ours:.2f}", f"{default / ours:.2f}")
    CONSOLE.print(table)
    for name, values in described.items():
        patch = " x ".join(map(str, values["patch"]))
        CONSOLE.print(f"{name}: windows of {patch} (z, y, x), {values['windows']} a CT, {values['passes']} passes each")


if __name__ == "__main__":
    main()
