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
from itertools import product
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import Any

import numpy as np
import SimpleITK as sitk
from isal import isal_zlib
from nnunetv2.evaluation.evaluate_predictions import compute_metrics
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from rich.console import Console
from rich.progress import track
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.label_pairs import write_label_pairs
from nnunet_amt.evaluation import EvaluationSettings, evaluate
from nnunet_amt.evaluation.measure.case import CaseEvaluation, evaluate_case
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair, check_headers, find_pairs
from nnunet_amt.evaluation.measure.lesions import threshold_index
from nnunet_amt.evaluation.summary.summary import summarise

PAPER_CASES = 164
PANOPTICA_PYTHON = Path(".bench-venv/bin/python")
PANOPTICA_WORKER = Path(__file__).with_name("panoptica_worker.py")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

FLOOR, READING, OURS, NNUNET = "isal", "SimpleITK", "nnunet_amt", "nnU-Net"
PANOPTICA, PANOPTICA_SWEEP = "panoptica evaluate", "panoptica evaluate_autc"
COMPUTES = {
    FLOOR: "nothing, unpacks both files",
    READING: "nothing, reads both files",
    OURS: "voxel metrics, lesions at 19 IoU",
    NNUNET: "voxel metrics",
    PANOPTICA: "voxel Dice, lesions at 1 IoU",
    PANOPTICA_SWEEP: "the same at each 0.05 of IoU",
}

UNPACKED_AT_ONCE = 1 << 20  # bytes; more do not fit the processor's cache and take longer
# What is asked of the evaluation.
AT_MOST_TIMES_THE_FLOOR = 3.0
AT_LEAST_FASTER_THAN = {NNUNET: 6.0, PANOPTICA_SWEEP: 40.0}
BOOTSTRAP_MS, PEAK_MIB, IMPORT_MS = 1000.0, 200.0, 500.0
MANY_CASES = 10_000

MEASURED = """
import re, sys, time
start = time.perf_counter()
import nnunet_amt.evaluation
imported = time.perf_counter() - start
from pathlib import Path
import scipy.spatial, SimpleITK
from nnunet_amt.evaluation.measure.case import evaluate_case
from nnunet_amt.evaluation.measure.label_maps import check_headers, find_pairs
def peak():  # not getrusage's, which begins with that of the process that started this one
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before = peak()
settings = nnunet_amt.evaluation.EvaluationSettings()
pairs = find_pairs(*map(Path, sys.argv[1:3]))
check_headers(pairs)
cases = [evaluate_case(pair, settings) for pair in pairs]
nnunet_amt.evaluation.summary.summary.summarise(cases, settings)
print(1000 * imported, peak() - before)
"""

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
        _print_targets(times)
        _print_stage(Path(folder), pairs)
        _print_memory(Path(folder))
        _print_many(Path(folder))
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
        taken[FLOOR], _ = _timed(_unpack_pair, pair)
        taken[READING], _ = _timed(_read_pair, pair)
        taken[OURS], ours = _timed(_evaluate, pair, settings)
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


def _unpack_pair(pair: LabelMapPair) -> None:
    for path in (pair.prediction, pair.reference):
        packed = Path(str(path)).read_bytes()
        stream = isal_zlib.decompressobj(wbits=31)
        while stream.decompress(packed, UNPACKED_AT_ONCE):
            packed = stream.unconsumed_tail


def _evaluate(pair: LabelMapPair, settings: EvaluationSettings) -> CaseEvaluation:
    check_headers([pair])
    return evaluate_case(pair, settings=settings)


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


def _print_targets(times: dict[str, list[float]]) -> None:
    floor = median(ours / floor for floor, ours in zip(times[FLOOR], times[OURS], strict=True))
    _print_target("times the unpacking of the files", floor, AT_MOST_TIMES_THE_FLOOR, at_most=True)
    for name, least in AT_LEAST_FASTER_THAN.items():
        if name in times:
            faster = median(other / ours for other, ours in zip(times[name], times[OURS], strict=True))
            _print_target(f"times faster than {name}", faster, least, at_most=False)


def _print_target(what: str, found: float, target: float, at_most: bool) -> None:
    met = found <= target if at_most else found >= target
    limit = f"at {'most' if at_most else 'least'} {target:g}"
    CONSOLE.print(f"[{'green' if met else 'red'}]{found:.3g} {what} ({limit}: {'met' if met else 'MISSED'})")


def _print_stage(folder: Path, pairs: tuple[LabelMapPair, ...]) -> None:
    """Time the whole stage, with its files and figure, and the bootstrap alone."""
    whole, result = _timed(evaluate, folder / "predictions", folder / "references", folder / "results")
    bootstrap, _ = _timed(summarise, result.cases, result.settings)
    CONSOLE.print(f"the whole stage, {len(pairs)} pairs, results written: {whole / 1000:.1f} s")
    what = f"ms for {result.settings.bootstrap_resamples} bootstrap resamples of all metrics"
    _print_target(what, bootstrap, BOOTSTRAP_MS, at_most=True)


def _print_memory(folder: Path) -> None:
    """Import and evaluate in a process of its own; its peak is that of the evaluation of every pair."""
    command = [sys.executable, "-c", MEASURED, *(str(folder / name) for name in ("predictions", "references"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | ONE_THREAD)
    import_ms, peak_mib = map(float, done.stdout.split())
    _print_target("ms to import nnunet_amt.evaluation", import_ms, IMPORT_MS, at_most=True)
    _print_target("MiB at the peak above imports", peak_mib, PEAK_MIB, at_most=True)


def _print_many(folder: Path) -> None:
    """Time the whole stage on as many cases as the paper's and on many; small ones, linked to a few files."""
    random = np.random.default_rng(711)
    for number, kind in product(range(8), ("predictions", "references")):
        (folder / "small" / kind).mkdir(parents=True, exist_ok=True)
        mask = np.zeros((16, 64, 64), np.uint8)
        z, y, x = random.integers(1, 6), random.integers(4, 24), random.integers(4, 24)
        mask[z : z + 8, y : y + 30, x : x + 30] = 1
        sitk.WriteImage(sitk.GetImageFromArray(mask), str(folder / "small" / kind / f"{number}.nii.gz"))
    per_case = {}
    for cases in (PAPER_CASES, MANY_CASES):
        for kind in ("predictions", "references"):
            (folder / f"many_{cases}" / kind).mkdir(parents=True)
            for number in range(cases):
                link = folder / f"many_{cases}" / kind / f"case_{number:05d}.nii.gz"
                link.symlink_to(folder / "small" / kind / f"{number % 8}.nii.gz")
        masks = folder / f"many_{cases}" / "predictions", folder / f"many_{cases}" / "references"
        taken, result = _timed(evaluate, *masks, folder / f"many_{cases}" / "results")
        per_case[cases] = taken / len(result.cases)
    shown = ", ".join(f"{ms:.2f} ms a case of {cases}" for cases, ms in per_case.items())
    CONSOLE.print(f"the whole stage on 64 x 64 x 16 voxels: {shown}")


def _check_dice(dice: list[list[float]]) -> None:
    apart = max(max(values) - min(values) for values in dice)
    if apart > 1e-9:
        sys.exit(f"the Dice scores differ by up to {apart}")
    CONSOLE.print(f"Dice by all {len(dice[0])} agrees to {apart:.0e} in every pair")


if __name__ == "__main__":
    main()
