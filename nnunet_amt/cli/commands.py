"""The command line: every command in its group, and the small ones themselves."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt import __version__
from nnunet_amt.cli.analysis import components, failures, score_froc
from nnunet_amt.cli.baseline import baseline
from nnunet_amt.cli.console import (
    err,
    one_line_errors,
    out,
    progress_bars,
    show_next,
    show_written,
)
from nnunet_amt.cli.convert import convert
from nnunet_amt.cli.doctor import doctor
from nnunet_amt.cli.evaluate import compare, evaluate
from nnunet_amt.cli.options import DatasetId, Device, Jobs, NnunetCommand
from nnunet_amt.cli.predict import predict
from nnunet_amt.cli.public import join_manifests, public_cohort
from nnunet_amt.cli.published import published
from nnunet_amt.cli.report import figures, report
from nnunet_amt.cli.study import show_study, stage_display, study
from nnunet_amt.cli.train import train
from nnunet_amt.errors import BadInputError

# Stages are imported by the command that runs them: torch takes seconds, and --help should not.

app = typer.Typer(
    help="Anterior mediastinal tumours on chest CT with nnU-Net v2: from a manifest of CTs to the lesion FROC. "
    "Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main() -> None:
    """Run the command line."""
    app(prog_name="nnunet_amt")


def _show_version(asked: bool) -> None:
    if asked:
        out.print(f"nnunet_amt {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what is done.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    from rich.logging import RichHandler

    level = logging.INFO if verbose else logging.WARNING
    handler = RichHandler(console=err, show_path=False, show_time=False)
    logging.basicConfig(level=level, format="%(message)s", handlers=[handler])


@one_line_errors
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the cohort, the model and the results.")
    ] = Path("amt_demo"),
    device: Device = "cpu",
) -> None:
    """Make a phantom cohort and run every stage on it: 5 to 8 minutes on two CPU cores."""
    from nnunet_amt.demo import run_demo

    started = time.monotonic()
    with stage_display() as (progress, on_stage):
        result = run_demo(output, device=device, progress=progress, on_stage=on_stage)
    out.print("\nThe external phantoms, of institutions that gave none to training and tuning:")
    show_study(result, time.monotonic() - started)
    manifest = output / "phantom_cohort" / "manifest.csv"
    out.print(f"  nnunet_amt study MANIFEST.csv -o FOLDER    # your own cohort; columns as in {manifest}", markup=False)


@one_line_errors
def plan(
    dataset: DatasetId,
    spacing: Annotated[
        tuple[float, float, float] | None,
        typer.Option(help="Spacing z y x in mm to resample to; nnU-Net's choice (the median) if not given."),
    ] = None,
    patch_size: Annotated[
        tuple[int, int, int] | None, typer.Option(help="Patch z y x in voxels, multiples of 8; 32 192 192 or smaller.")
    ] = None,
    jobs: Jobs = 1,
) -> None:
    """Take the fingerprint, write the pinned plans nnUNetAMTPlans, preprocess."""
    from nnunet_amt.nnunet.planning import plan as plan_dataset

    with progress_bars() as progress:
        summary = plan_dataset(dataset, spacing=spacing, patch_size=patch_size, jobs=jobs, progress=progress)
    mm, voxels = (" x ".join(f"{size:g}" for size in sizes) for sizes in (summary.spacing, summary.patch_size))
    out.print(f"spacing {mm} mm, patch {voxels} voxels (z, y, x)")
    low, high = summary.intensities.minimum, summary.intensities.maximum
    out.print(f"intensities {low:g} to {high:g} HU become 0 to 1; {summary.cases} cases preprocessed")
    show_written([summary.plans_file])
    show_next(f"nnunet_amt doctor -d {dataset}")


@one_line_errors
def env(
    folder: Annotated[
        Path | None, typer.Option(help="Put nnUNet_raw, nnUNet_preprocessed and nnUNet_results into this folder.")
    ] = None,
) -> None:
    """Print the export lines for plain nnU-Net commands: eval "$(nnunet_amt env)"."""
    from nnunet_amt.nnunet.environment import FOLDER_VARIABLES, export_lines, folders_below

    if folder and folder.exists() and not folder.is_dir():
        raise BadInputError(f"--folder {folder}: is a file; give a folder")
    environment = {**os.environ, **(folders_below(folder) if folder else {})}
    typer.echo("\n".join(export_lines(environment)))
    missing = [name for name in FOLDER_VARIABLES if not environment.get(name)]
    if missing:  # on stderr, which eval does not swallow
        err.print(f"note: {', '.join(missing)} not set; set them, or use: nnunet_amt env --folder DIR", markup=False)


# What --help lists, in this order; a command is called as its function, with dashes.
GROUPS: dict[str, tuple[Callable[..., None], ...]] = {
    "Study": (study, demo, report, figures),
    "Stages": (convert, plan, train, predict, evaluate, failures, baseline, compare),
    "Looking further": (score_froc, components, published),
    "Set-up": (public_cohort, join_manifests, env, doctor),
}
for _group, _commands in GROUPS.items():
    for _command in _commands:
        app.command(rich_help_panel=_group, cls=NnunetCommand if _command in (train, predict) else None)(_command)
