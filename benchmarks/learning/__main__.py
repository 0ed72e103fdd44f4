"""Does it learn: train the fast recipe, the paper's and default nnU-Net for the same compute time and compare them.

    python -m benchmarks.learning OUT

Makes the cohort, plans, trains, predicts and evaluates; run again, it goes on where it stopped, with more --seeds,
--budgets or --arms too. OUT/runs.csv has every external case of every run, OUT/comparison.md and
OUT/learning_curves.png what they say.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from benchmarks.learning.arms import EVERY_ARM, Study, write_study
from benchmarks.learning.command_line import run
from benchmarks.learning.figure import write_learning_curves
from benchmarks.learning.prepare import make_dataset, plan_arm
from benchmarks.learning.results import collect_runs, write_comparison
from benchmarks.learning.schedule import run_all
from nnunet_amt.cli.console import out, progress_bars, show_written


def main() -> None:
    study, jobs = _read_options()
    study.output.mkdir(parents=True, exist_ok=True)
    study_file = write_study(study)
    with progress_bars() as report:
        make_dataset(study, jobs, report)
        for arm in study.arms_to_plan():
            plan_arm(study, arm, jobs, report)
        run_all(study, study_file, jobs, report)
    runs = collect_runs(study)
    out.print(write_comparison(study, runs), markup=False)
    figure = write_learning_curves(study, runs)
    show_written([study.output / "runs.csv", study.output / "comparison.md", figure])


def _read_options() -> tuple[Study, int]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning", description=__doc__.partition("\n")[0])
    parser.add_argument("output", type=Path, metavar="OUT", help="folder for everything; a started one is gone on with")
    defaults = Study(Path())
    parser.add_argument(
        "--seconds", type=float, default=defaults.seconds, metavar="N",
        help="smallest budget: CPU time of one thread, or time on the GPU (default: %(default)g)",
    )  # fmt: skip
    keys = [arm.key for arm in EVERY_ARM]
    for name, kind, what in (
        ("budgets", int, "times the smallest"),
        ("seeds", int, "the same in every arm"),
        ("arms", str, f"of {', '.join(keys)}"),
    ):
        default = getattr(defaults, name)
        parser.add_argument(f"--{name}", type=kind, nargs="+", default=default, help=f"{what} (default: %(default)s)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default=defaults.device, help="(default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    options = parser.parse_args()
    if unknown := set(options.arms) - set(keys):
        parser.error(f"--arms {' '.join(sorted(unknown))}: must be of {', '.join(keys)}")
    study = Study(
        output=options.output.resolve(), seconds=options.seconds, budgets=tuple(options.budgets),
        seeds=tuple(options.seeds), arms=tuple(options.arms), device=options.device,
    )  # fmt: skip
    return study, options.jobs


if __name__ == "__main__":
    run(main)
