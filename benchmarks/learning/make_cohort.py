"""Make the harder phantom cohort of the study.

    python -m benchmarks.learning.make_cohort OUT

160 cases in about two minutes on one core; run again, it makes what is missing.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from benchmarks.learning.command_line import run
from benchmarks.phantoms import HARDER_DESIGN, write_harder_cohort
from nnunet_amt.cli.console import out, progress_bars
from nnunet_amt.phantom import CohortDesign

__all__ = ["add_cohort_options", "design_of", "main"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the harder phantom cohort: images, masks, manifest.csv.")
    parser.add_argument("output", type=Path, metavar="OUT", help="folder to make or to complete")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    add_cohort_options(parser)
    options = parser.parse_args()
    with progress_bars() as report:
        manifest = write_harder_cohort(options.output, design=design_of(options), jobs=options.jobs, progress=report)
    out.print(f"wrote {manifest}", markup=False)


def add_cohort_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that a cohort has."""
    for name in ("training", "tuning", "external"):
        parser.add_argument(
            f"--{name}",
            type=int,
            default=getattr(HARDER_DESIGN, name),
            metavar="N",
            help="cases (default: %(default)s)",
        )
    parser.add_argument(
        "--pixels",
        type=int,
        default=HARDER_DESIGN.in_plane_pixels,
        help="rows and columns of an image (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=HARDER_DESIGN.seed, help="of the cohort (default: %(default)s)")


def design_of(options: argparse.Namespace) -> CohortDesign:
    """Give the harder design with the options' numbers; small cohorts have fewer institutions."""
    return replace(
        HARDER_DESIGN,
        training=options.training,
        tuning=options.tuning,
        external=options.external,
        development_institutions=min(HARDER_DESIGN.development_institutions, options.training),
        external_institutions=min(HARDER_DESIGN.external_institutions, options.external),
        in_plane_pixels=options.pixels,
        seed=options.seed,
    )


if __name__ == "__main__":
    run(main)
