"""Time the evaluation of 512 x 512 x 60 label maps against nnU-Net's own and panoptica, pair by pair in one run.

    make bench                                          # 164 pairs, as many as the paper's external test set
    python -m benchmarks.bench_evaluation --cases 20

Every pair goes through all of them before the next pair, on one thread, so that a busy machine slows all alike.
The first pair warms up and is not counted. All three must find the same Dice; a pair in which panoptica finds
another number of lesions is named.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import Any

import SimpleITK as sitk
from nnunetv2.evaluation.evaluate_predictions import compute_metrics
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from rich.console import Console
from rich.progress import track
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.label_pairs import write_label_pairs
from nnunet_amt.evaluation import EvaluationSettings, evaluate
from nnunet_amt.evaluation.case import evaluate_case
from nnunet_amt.evaluation.label_maps import LabelMapPair, find_pairs
from nnunet_amt.evaluation.lesion import threshold_index
from nnunet_amt.evaluation.summary import summarise

PAPER_CASES = 164
PANOPTICA_PYTHON = Path(".bench-venv/bin/python")
PANOPTICA_WORKER = Path(__file__).with_name("panoptica_worker.py")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

READING, OURS, NNUNET = "SimpleITK", "nnunet_amt", "nnU-Net"
PANOPTICA, PANOPTICA_SWEEP = "panoptica evaluate", "panoptica evaluate_autc"
COMPUTES = {
    READING: "nothing, reads both files",
    OURS: "voxel metrics, lesions at 19 IoU",
    NNUNET: "voxel metrics",
    PANOPTICA: "voxel Dice, lesions at 1 IoU",
    PANOPTICA_SWEEP: "the same at each 0.05 of IoU",
}

Ask = Callable[[LabelMapPair], dict[str, Any]]
CONSOLE = Console()


def main() -> None:
    cases = _arguments().cases
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1), _panoptica() as ask_panoptica:
        for _ in track(write_label_pairs(Path(folder), cases + 1), "making label maps", cases + 1, console=CONSOLE):
            pass
        pairs = find_pairs(Path(folder) / "predictions", Path(folder) / "references")
        times, dice = _measure(pairs, ask_panoptica)
        _print_table(times, cases)
        _print_stage(Path(folder), pairs)
    _check_dice(dice)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=PAPER_CASES, help="number of pairs (default: %(default)s)")
    return parser.parse_args()


@contextmanager
def _panoptica() -> Iterator[Ask | None]:
    """Start panoptica in its own environment; None where that has not been made."""
    if not PANOPTICA_PYTHON.exists():
        yield None
        return
    command = [str(PANOPTICA_PYTHON), str(PANOPTICA_WORKER)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, env=os.environ | ONE_THREAD, **pipes) as process:  # type: ignore[call-overload]
        version = json.loads(process.stdout.readline())
        CONSOLE.print(f"panoptica {version}, in {PANOPTICA_PYTHON.parent.parent}")

        def ask(pair: LabelMapPair) -> dict[str, Any]:
            print(json.dumps([str(pair.prediction), str(pair.reference)]), file=process.stdin, flush=True)
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer

        yield ask
        process.stdin.close()


def _measure(
    pairs: tuple[LabelMapPair, ...], ask_panoptica: Ask | None
) -> tuple[dict[str, list[float]], list[list[float]]]:
    """Milliseconds by name, and the Dice of every pair by each of them."""
    settings, nnunet_reader = EvaluationSettings(), SimpleITKIO()
    times: dict[str, list[float]] = {}
    dice = []
    for number, pair in enumerate(track(pairs, "evaluating", console=CONSOLE)):
        taken: dict[str, float] = {}
        taken[READING], _ = _timed(_read_pair, pair)
        taken[OURS], ours = _timed(evaluate_case, pair, settings)
        files = str(pair.reference), str(pair.prediction)
        taken[NNUNET], theirs = _timed(compute_metrics, *files, nnunet_reader, [1])
        dice.append([ours.voxel.dice, float(theirs["metrics"][1]["Dice"])])
        if ask_panoptica is not None:
            answer = ask_panoptica(pair)
            taken[PANOPTICA], taken[PANOPTICA_SWEEP] = answer["evaluate_ms"], answer["sweep_ms"]
            dice[-1].append(answer["dice"])
            if answer["tp_05"] != ours.lesions.tp[threshold_index(0.5)]:
                CONSOLE.print(f"{pair.case_id}: panoptica finds {answer['tp_05']} lesions at IoU 0.5, which differs")
        if number:
            for name, milliseconds in taken.items():
                times.setdefault(name, []).append(milliseconds)
    return times, dice


def _timed(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    start = perf_counter()
    result = work(*arguments)
    return 1000 * (perf_counter() - start), result


def _read_pair(pair: LabelMapPair) -> list[Any]:
    return [sitk.GetArrayViewFromImage(sitk.ReadImage(str(path))) for path in (pair.prediction, pair.reference)]


def _print_table(times: dict[str, list[float]], cases: int) -> None:
    table = Table(title=f"{cases} pairs of 512 x 512 x 60 voxels, one thread")
    table.add_column("")
    table.add_column("computes")
    for title in ("median ms", "mean ms", "ratio"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, computes in COMPUTES.items():
        if name in times:
            ratio = median(other / ours for other, ours in zip(times[name], times[OURS], strict=True))
            table.add_row(name, computes, f"{median(times[name]):.1f}", f"{fmean(times[name]):.1f}", f"{ratio:.2f}")
        else:
            table.add_row(name, "not measured: no .bench-venv, make bench makes it")
    CONSOLE.print(table)
    CONSOLE.print(f"ms of one pair; ratio: median over the pairs of the time by the time of {OURS}")


def _print_stage(folder: Path, pairs: tuple[LabelMapPair, ...]) -> None:
    """Time the whole stage, with its files and figure, and the bootstrap alone."""
    whole, result = _timed(evaluate, folder / "predictions", folder / "references", folder / "results")
    bootstrap, _ = _timed(summarise, result.cases, result.settings)
    CONSOLE.print(f"the whole stage, {len(pairs)} pairs, results written: {whole / 1000:.1f} s")
    CONSOLE.print(f"{result.settings.bootstrap_resamples} bootstrap resamples of all its metrics: {bootstrap:.0f} ms")


def _check_dice(dice: list[list[float]]) -> None:
    apart = max(max(values) - min(values) for values in dice)
    if apart > 1e-9:
        sys.exit(f"the Dice scores differ by up to {apart}")
    CONSOLE.print(f"Dice by all {len(dice[0])} agrees to {apart:.0e} in every pair")


if __name__ == "__main__":
    main()
