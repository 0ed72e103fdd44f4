"""Step 3: calibrate both recipes, share out the compute time, train both side by side."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from math import floor, isnan
from time import sleep

from benchmarks.learning.study import AMT, EPOCHS_VARIABLE, ITERATIONS_VARIABLE, RECIPES, Recipe, Study
from benchmarks.learning.trainers import read_compute
from nnunet_amt.base.files import write_json
from nnunet_amt.base.progress import Progress
from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.trainers.tuning import TUNING_TIME_FRACTION, tuning_interval

__all__ = ["iterations_per_epoch", "share_out", "train_both"]

_LOOK_EVERY = 2.0  # seconds


def share_out(study: Study, progress: Progress) -> dict[str, dict]:
    """Measure both recipes at the same time and give each the iterations that fill its compute time; kept in a file.

    Raises
    ------
    BadInputError
        If the folder holds a training of another length, or the time is too short for an iteration an epoch.
    """
    file = study.output / "budget.json"
    asked = {"minutes": study.minutes, "epochs": study.epochs, "device": study.device}
    if file.is_file():
        kept: dict[str, dict] = json.loads(file.read_text(encoding="utf-8"))
        if kept["asked"] != asked:
            raise BadInputError(f"{file}: was made for {kept['asked']}, not {asked}; choose another folder")
        return kept
    budget: dict[str, dict] = {"asked": asked}
    results = {recipe.key: study.output / "calibration" / f"{recipe.key}.json" for recipe in RECIPES}
    for path in results.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    apart = {"nnUNet_results": str(study.output / "calibration" / "nnUNet_results")}
    commands = {r.key: ["calibrate", r.key, study.dataset, study.device, str(results[r.key])] for r in RECIPES}
    progress(0, len(results), "calibrating")
    _run_both(study, commands, dict.fromkeys(commands, apart), lambda: None)
    progress(len(results), len(results), "calibrating")
    for recipe in RECIPES:
        measured = json.loads(results[recipe.key].read_text(encoding="utf-8"))
        seconds = measured["iteration_seconds"]
        number = iterations_per_epoch(recipe, measured, 60.0 * study.minutes / study.epochs, study.epochs)
        if number < 1:
            raise BadInputError(
                f"--minutes {study.minutes:g}: an iteration of {recipe.title} takes {seconds:.1f} s,"
                f" too long for {study.epochs} epochs; give more minutes, fewer epochs or a coarser spacing"
            )
        budget[recipe.key] = {**measured, "iterations_per_epoch": number}
    write_json(file, budget)
    return budget


def iterations_per_epoch(recipe: Recipe, measured: dict, seconds: float, epochs: int) -> int:
    """Give the iterations that fit into one of `epochs` of so many compute seconds, with what checks the progress.

    Default nnU-Net runs a validation iteration for every five; the paper's recipe evaluates the whole tuning set by
    its own rule.
    """
    iteration, check = measured["iteration_seconds"], measured["check_seconds"]
    if recipe.key != AMT.key:
        return floor(seconds / (iteration + check / 5))
    interval, _ = tuning_interval(check, seconds * (1.0 - TUNING_TIME_FRACTION), epochs)
    return floor((seconds - check / interval) / iteration)


def train_both(study: Study, budget: dict[str, dict], progress: Progress) -> None:
    """Train both recipes, side by side on a core each or one after the other on a GPU; goes on after a kill."""
    commands, variables = {}, {}
    for recipe in RECIPES:
        if not (study.fold(recipe) / "checkpoint_final.pth").is_file():
            commands[recipe.key] = ["train", recipe.key, study.dataset, study.device]
            variables[recipe.key] = {
                EPOCHS_VARIABLE: str(study.epochs),
                ITERATIONS_VARIABLE: str(budget[recipe.key]["iterations_per_epoch"]),
            }
    told: dict[str, int] = {}
    _run_both(study, commands, variables, lambda: _report_epochs(study, progress, told))


def _report_epochs(study: Study, progress: Progress, told: dict[str, int]) -> None:
    """Report a recipe whose number of finished epochs is another than was `told`."""
    for recipe in RECIPES:
        rows = read_compute(study.fold(recipe) / "compute.csv")
        if told.get(recipe.key) == len(rows):
            continue
        told[recipe.key] = len(rows)
        dice = [row["dice"] for row in rows if not isnan(row["dice"])]
        detail = f": Dice {dice[-1]:.3f}, {rows[-1]['compute_seconds'] / 60:.1f} min" if dice else ""
        progress(len(rows), study.epochs, f"training by {recipe.title}{detail}")


def _run_both(
    study: Study, commands: dict[str, list[str]], variables: dict[str, dict[str, str]], look: Callable[[], None]
) -> None:
    """Run the workers, each pinned to a core of its own, together if there are cores for it."""
    cores = sorted(os.sched_getaffinity(0))
    together = study.device == "cpu" and len(cores) >= len(RECIPES)
    waiting = list(commands)
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        while waiting or running:
            while waiting and (together or not running):
                key = waiting.pop(0)
                core = cores[[recipe.key for recipe in RECIPES].index(key) % len(cores)]
                running[key] = _start(study, key, commands[key], variables[key], core)
            look()
            sleep(_LOOK_EVERY)
            for key in [key for key, process in running.items() if process.poll() is not None]:
                if code := running.pop(key).returncode:
                    log = study.output / f"{key}_{commands[key][0]}.log"
                    raise WorkFailedError(f"{commands[key][0]} of {key} ended with exit code {code}; see {log}")
    finally:
        for process in running.values():
            os.killpg(process.pid, signal.SIGKILL)  # checkpoints are written whole
            process.wait()
    look()


def _start(study: Study, key: str, command: list[str], variables: dict[str, str], core: int) -> subprocess.Popen[bytes]:
    pin = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} if study.device == "cpu" else {}
    with (study.output / f"{key}_{command[0]}.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "nnunet_amt.base.supervisor",
                sys.executable,
                "-m",
                "benchmarks.learning.worker",
                *command,
            ],
            stdin=subprocess.PIPE,  # held open: the supervisor ends the worker when it closes
            start_new_session=True,
            env=study.environment({**variables, **pin}),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    if study.device == "cpu":
        os.sched_setaffinity(process.pid, {core})
    return process
