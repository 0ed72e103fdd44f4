"""The command line: parse, call, print."""

from __future__ import annotations

import logging
import os
import shlex
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.logging import RichHandler
from rich.markup import escape

from nnunet_amt import __version__
from nnunet_amt.cli_analysis import components, failures, score_froc
from nnunet_amt.cli_convert import convert
from nnunet_amt.cli_options import PASS_ON, DatasetArgument, DatasetId, Device, Fold, Jobs, Trainer
from nnunet_amt.console import (
    err,
    one_line_errors,
    out,
    overall_table,
    progress_bars,
    show_command,
    show_next,
    show_written,
)
from nnunet_amt.errors import BadInputError
from nnunet_amt.trainers.plans_names import CONFIGURATION, DEFAULT_TRAINER, PLANS_NAME

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
    with progress_bars() as report:
        result = run_demo(output, _resolved_device(device), report)
    out.print("\nThe external phantoms, of institutions that gave none to training and tuning:")
    out.print(overall_table(result.evaluation))
    out.print(f"took {time.monotonic() - started:.0f} s")
    show_written([result.manifest, result.model, *result.evaluation.files])
    show_next("nnunet_amt convert MANIFEST.csv -d 711    # your own cohort; the manifest above shows the columns")


app.command()(convert)


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
    from nnunet_amt.planning import plan as plan_dataset

    with progress_bars() as report:
        summary = plan_dataset(dataset, spacing, patch_size, jobs, report)
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
    from nnunet_amt.environment import FOLDER_VARIABLES, export_lines, folders_below

    if folder and folder.exists() and not folder.is_dir():
        raise BadInputError(f"--folder {folder}: is a file; give a folder")
    environment = {**os.environ, **(folders_below(folder) if folder else {})}
    typer.echo("\n".join(export_lines(environment)))
    missing = [name for name in FOLDER_VARIABLES if not environment.get(name)]
    if missing:  # on stderr, which eval does not swallow
        err.print(f"note: {', '.join(missing)} not set; set them, or use: nnunet_amt env --folder DIR", markup=False)


@app.command(context_settings=PASS_ON)
@one_line_errors
def train(
    context: typer.Context,
    dataset: DatasetArgument,
    fold: Fold = "0",
    trainer: Trainer = DEFAULT_TRAINER,
    device: Device = "auto",
    restart: Annotated[bool, typer.Option(help="Begin anew where a checkpoint could be continued.")] = False,
) -> None:
    """Run nnUNetv2_train with our trainer found; options it does not know go to nnUNetv2_train."""
    from nnunet_amt import nnunet_commands as stock
    from nnunet_amt.environment import dataset_name, folder_from_environment

    device = _resolved_device(device)
    preprocessed = folder_from_environment("nnUNet_preprocessed")
    name = dataset_name(dataset, preprocessed, f"nnunet_amt plan -d {dataset}")
    plans_file = preprocessed / name / f"{PLANS_NAME}.json"
    _require_plans(plans_file, dataset)
    _require_fold(preprocessed / name / "splits_final.json", fold)
    stock.require_known_trainer(trainer)
    model = stock.model_folder(folder_from_environment("nnUNet_results"), name, trainer, PLANS_NAME, CONFIGURATION)
    extra = list(context.args)
    if not restart and stock.may_continue(extra, model / f"fold_{fold}"):
        stock.require_plans_of_model(model, plans_file, CONFIGURATION)
        extra.append("--c")
    command = stock.train_command(dataset, CONFIGURATION, fold, trainer, PLANS_NAME, device, extra)
    show_command(shlex.join(command))
    stock.run_stock_command(command, stock.cpu_friendly_environment(device))
    show_written(sorted((model / f"fold_{fold}").glob("checkpoint_*.pth")))
    chosen = "" if trainer == DEFAULT_TRAINER else f" --trainer {trainer}"
    show_next(f"nnunet_amt predict {dataset}{chosen} --output predictions")


@app.command(context_settings=PASS_ON)
@one_line_errors
def predict(
    context: typer.Context,
    dataset: DatasetArgument,
    output: Annotated[Path, typer.Option("--output", help="Folder for the predicted label maps.")],
    images: Annotated[
        Path | None,
        typer.Option("--input", help="Folder of <case>_0000.nii.gz; the external test set if not given."),
    ] = None,
    fold: Fold = "0",
    trainer: Trainer = DEFAULT_TRAINER,
    checkpoint: Annotated[str, typer.Option(help="File name of the checkpoint.")] = "checkpoint_best.pth",
    device: Device = "auto",
) -> None:
    """Run nnUNetv2_predict with our trainer found; finished predictions of the same checkpoint are kept.

    A checkpoint made elsewhere can run code on your machine when it is loaded: take models only from people you trust.
    """
    from nnunet_amt import nnunet_commands as stock
    from nnunet_amt.environment import dataset_name, folder_from_environment
    from nnunet_amt.predictions import keep_finished_predictions

    device = _resolved_device(device)
    results = folder_from_environment("nnUNet_results")
    name = dataset_name(dataset, results, f"nnunet_amt train {dataset}")
    images = images or folder_from_environment("nnUNet_raw") / name / "imagesTs"
    model = stock.model_folder(results, name, trainer, PLANS_NAME, CONFIGURATION)
    checkpoint_file = stock.require_checkpoint(model / f"fold_{fold}", checkpoint)
    keep_finished_predictions(images, output, checkpoint_file, context.args)
    command = stock.predict_command(
        images, output, dataset, CONFIGURATION, fold, trainer, PLANS_NAME, checkpoint, device,
        ["--continue_prediction", *context.args],
    )  # fmt: skip
    show_command(shlex.join(command))
    stock.run_stock_command(command, stock.cpu_friendly_environment(device))
    show_written([output])
    if images.name == "imagesTs":
        dataset_folder = images.parent
        references, cohort = dataset_folder / "labelsTs", f" --cohort {dataset_folder / 'cohort.csv'}"
    else:
        references, cohort = Path("REFERENCES"), ""
    show_next(f"nnunet_amt evaluate {output} {references} -o evaluation{cohort}")


@app.command()
@one_line_errors
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Folder of predicted label maps.")],
    references: Annotated[Path, typer.Argument(help="Folder of reference label maps of the same names.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for tables and figure.")],
    cohort: Annotated[Path | None, typer.Option(help="cohort.csv, for subgroups.")] = None,
    connectivity: Annotated[int, typer.Option(help="Neighbours that make one lesion: 6, 18 or 26.")] = 26,
    minimum_voxels: Annotated[int, typer.Option(min=0, help="Smaller predicted components are dropped.")] = 10,
    false_positive_rule: Annotated[
        str, typer.Option(help="unmatched (the paper's table) or no_overlap (its text).")
    ] = "unmatched",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 711,
    jobs: Jobs = 1,
) -> None:
    """Compute voxel metrics, lesion matching, the FROC and the paper's Tables 3 and 4."""
    from nnunet_amt.evaluation import EvaluationSettings
    from nnunet_amt.evaluation import evaluate as evaluate_folders

    _require_choice("--connectivity", connectivity, (6, 18, 26))
    _require_choice("--false-positive-rule", false_positive_rule, ("unmatched", "no_overlap"))
    settings = EvaluationSettings(
        connectivity=connectivity,  # type: ignore[arg-type]
        minimum_predicted_voxels=minimum_voxels,
        false_positive_rule=false_positive_rule,  # type: ignore[arg-type]
        seed=seed,
    )
    with progress_bars() as report:
        result = evaluate_folders(predictions, references, output, cohort, settings, jobs, report)
    out.print(overall_table(result))
    show_written(list(result.files))
    show_next(f"look at {output / 'tables.md'} (with subgroups) and {output / 'froc.png'}")


app.command()(failures)
app.command()(score_froc)
app.command()(components)


@app.command()
@one_line_errors
def doctor(
    dataset: Annotated[int | None, typer.Option("--dataset", "-d", min=1, max=999, help="Look into it too.")] = None,
) -> None:
    """Check what usually goes wrong before an hour of GPU is spent; exit code 1 if something would."""
    from nnunet_amt.doctor import examine

    colours = {"ok": "green", "warning": "yellow", "problem": "red"}
    problems = 0
    with progress_bars() as report:
        for finding in examine(dataset, report):
            problems += finding.verdict == "problem"
            colour = colours[finding.verdict]
            advice = f" -> {finding.advice}" if finding.advice else ""
            out.print(f"[{colour}]{finding.verdict:8}[/{colour}] {finding.check}: {escape(finding.seen + advice)}")
    if problems:
        out.print(f"{problems} problem{'s' if problems > 1 else ''} found")
        raise typer.Exit(1)
    out.print("no problem found")
    show_next(f"nnunet_amt train {dataset}" if dataset else "nnunet_amt convert MANIFEST.csv -d 711")


def _resolved_device(device: str) -> str:
    _require_choice("--device", device, ("auto", "cpu", "cuda", "mps"))
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise BadInputError("--device cuda: this machine has no CUDA device that torch can use; take --device cpu")
    return device


def _require_choice(option: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise BadInputError(f"{option} {value}: must be one of {', '.join(map(str, choices))}")


def _require_plans(path: Path, dataset: int) -> None:
    from nnunet_amt.trainers.plans_check import read_plans, require_amt_plans

    if not path.is_file():
        raise BadInputError(f"{path}: no such plans; make them with: nnunet_amt plan -d {dataset}")
    require_amt_plans(read_plans(path), CONFIGURATION)


def _require_fold(splits_file: Path, fold: str) -> None:
    from nnunet_amt.trainers.plans_check import require_fold

    if fold == "all":
        return
    if not fold.isdigit():
        raise BadInputError(f"--fold {fold}: must be 0, the split of the cohort, or 'all'")
    require_fold(splits_file, int(fold))


def _numbers(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:g}" for value in values)
