"""Does it learn: train the paper's recipe and default nnU-Net for the same compute time and compare them.

    python -m benchmarks.learning OUT --minutes 70

Makes the cohort, plans, calibrates, trains, predicts and evaluates; run again, it goes on where it stopped.
OUT/comparison.md and OUT/learning_curves.png are the result.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from benchmarks.learning.command_line import run
from benchmarks.learning.figure import write_learning_curves
from benchmarks.learning.judge import evaluate_both, predict_both, write_table
from benchmarks.learning.make_cohort import add_cohort_options, design_of
from benchmarks.learning.prepare import make_dataset, plan_both
from benchmarks.learning.study import Study
from benchmarks.learning.train import share_out, train_both
from nnunet_amt.cli.console import out, progress_bars, show_written


def main() -> None:
    study, jobs = _read_options()
    with progress_bars() as report:
        make_dataset(study, jobs, report)
        plan_both(study, jobs, report)
        budget = share_out(study, report)
        train_both(study, budget, report)
        predict_both(study, report)
        results = evaluate_both(study, jobs, report)
    table = write_table(study, budget, results)
    figure = write_learning_curves(study)
    out.print(table, markup=False)
    show_written([study.output / "comparison.md", figure])


def _read_options() -> tuple[Study, int]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning", description=__doc__.partition("\n")[0])
    parser.add_argument("output", type=Path, metavar="OUT", help="folder for everything; a started one is gone on with")
    defaults = Study(Path())
    parser.add_argument(
        "--minutes",
        type=float,
        default=defaults.minutes,
        help="compute time of each training: CPU time of one thread, or time on the GPU (default: %(default)g)",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=defaults.epochs, help="of both trainings (default: %(default)s)")
    parser.add_argument(
        "--spacing",
        type=float,
        nargs=3,
        default=defaults.spacing,
        metavar=("Z", "Y", "X"),
        help="in mm, of both recipes (default: %(default)s)",
    )
    parser.add_argument(
        "--patch-size",
        type=int,
        nargs=3,
        metavar=("Z", "Y", "X"),
        help="voxels, of the paper's recipe; default nnU-Net plans its own",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    add_cohort_options(parser)
    options = parser.parse_args()
    study = Study(
        output=options.output.resolve(),
        minutes=options.minutes,
        device=options.device,
        spacing=tuple(options.spacing),
        patch_size=tuple(options.patch_size) if options.patch_size else None,
        epochs=options.epochs,
        design=design_of(options),
    )
    return study, options.jobs


if __name__ == "__main__":
    run(main)
