"""The command line: parse, call, print."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.logging import RichHandler

from nnunet_amt import __version__
from nnunet_amt.cli.analysis import components, failures, score_froc
from nnunet_amt.cli.baseline import baseline
from nnunet_amt.cli.compare import compare
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
from nnunet_amt.cli.evaluate import evaluate
from nnunet_amt.cli.figures import figures
from nnunet_amt.cli.options import PASS_ON, DatasetId, Device, Jobs
from nnunet_amt.cli.predict import predict
from nnunet_amt.cli.public import join_manifests, public_cohort
from nnunet_amt.cli.published import published
from nnunet_amt.cli.report import report
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
    level = logging.INFO if verbose else logging.WARNING
    handler = RichHandler(console=err, show_path=False, show_time=False)
    logging.basicConfig(level=level, format="%(message)s", handlers=[handler])


@app.command()
@one_line_errors
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the cohort, the model and the results.")] = Path("amt_demo"),
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


app.command()(study)
app.command()(convert)
app.command("public-cohort")(public_cohort)
app.command("join-manifests")(join_manifests)


@app.command()
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

    with progress_bars() as report:
        summary = plan_dataset(dataset, spacing=spacing, patch_size=patch_size, jobs=jobs, progress=report)
    out.print(f"spacing {_numbers(summary.spacing)} mm, patch {_numbers(summary.patch_size)} voxels (z, y, x)")
    low, high = summary.intensities.minimum, summary.intensities.maximum
    out.print(f"intensities {low:g} to {high:g} HU become 0 to 1; {summary.cases} cases preprocessed")
    show_written([summary.plans_file])
    show_next(f"nnunet_amt doctor -d {dataset}")


@app.command()
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


app.command(context_settings=PASS_ON)(train)
app.command(context_settings=PASS_ON)(predict)
app.command()(evaluate)
app.command()(failures)
app.command("score-froc")(score_froc)
app.command()(components)
app.command()(baseline)
app.command()(compare)
app.command()(figures)
app.command()(report)
app.command()(published)
app.command()(doctor)


def _numbers(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:g}" for value in values)
