"""The predict command: nnU-Net's own, with our trainer found and the model looked at first."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli.console import err, one_line_errors, show_command, show_next, show_written
from nnunet_amt.cli.options import DatasetArgument, Device, Fold, Trainer, require_choice
from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.models.plans_names import CONFIGURATION, DEFAULT_TRAINER, PLANS_NAME


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
    checkpoint: Annotated[
        str, typer.Option(metavar="NAME", help="File name of the checkpoint.")
    ] = "checkpoint_best.pth",
    device: Device = "auto",
    slurm_array: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Predict nothing; print a script for sbatch that does it in N tasks."),
    ] = None,
) -> None:
    """Run nnUNetv2_predict with our trainer found; -step_size and its other options are passed on.

    Run again, it keeps finished predictions of the same checkpoint. A checkpoint that would run code is refused.
    """
    from nnunet_amt.models.model_check import require_model
    from nnunet_amt.nnunet import commands as stock
    from nnunet_amt.nnunet.environment import dataset_name, folder_from_environment
    from nnunet_amt.nnunet.model_records import recorded_prediction
    from nnunet_amt.nnunet.predictions import cases_of_part, keep_finished_predictions, require_images, require_output
    from nnunet_amt.nnunet.stock_options import predict_options, without_parts

    options = predict_options(context.args)
    device = _device(device, slurm_array)
    results = folder_from_environment("nnUNet_results")
    name = dataset_name(dataset, results, f"nnunet_amt train {dataset}")
    images = images or folder_from_environment("nnUNet_raw") / name / "imagesTs"
    stock.require_known_trainer(trainer)
    model = stock.model_folder(results, name, trainer, PLANS_NAME, CONFIGURATION)
    checkpoint_file = require_model(model, fold, checkpoint, trainer)
    if slurm_array is not None:
        require_output(output, images)
        chosen = ["--fold", fold, "--trainer", trainer, "--checkpoint", checkpoint, "--device", device]
        _print_array(slurm_array, dataset, images, output, [*chosen, *context.args], options)
        return
    parts = options.num_parts, options.part_id
    kept = keep_finished_predictions(images, output, checkpoint_file, without_parts(options), *parts)
    cases = len(cases_of_part(require_images(images), *parts))
    command = stock.predict_command(
        images, output, dataset, CONFIGURATION, fold, trainer, PLANS_NAME, checkpoint, device,
        ["--continue_prediction", *context.args],
    )  # fmt: skip
    show_command(shlex.join(command))
    recorded = recorded_prediction(
        images, output, checkpoint_file, trainer, device, cases, cases - kept, context.args, (parts[1], parts[0])
    )
    with recorded:
        _run(command, stock.cpu_friendly_environment(device), images, output, parts)
    show_written([output])
    _show_next(images, output)


def _device(device: str, slurm_array: int | None) -> str:
    """Give the device; for a cluster it is not looked for here, where a GPU seldom is."""
    from nnunet_amt.nnunet.devices import DEVICES, require_device

    if slurm_array is None:
        return require_device(device)
    require_choice("--device", device, DEVICES)
    return "cuda" if device == "auto" else device


def _print_array(
    parts: int, dataset: int, images: Path, output: Path, chosen: list[str], options: argparse.Namespace
) -> None:
    from nnunet_amt.nnunet.environment import FOLDER_VARIABLES
    from nnunet_amt.nnunet.predictions import require_images
    from nnunet_amt.nnunet.slurm import array_script

    if options.num_parts != 1:
        raise BadInputError("--slurm-array: gives -num_parts and -part_id itself; leave them out")
    cases = len(require_images(images))
    folders = {name: str(Path(os.environ[name]).resolve()) for name in FOLDER_VARIABLES if os.environ.get(name)}
    arguments = [str(dataset), "--input", str(images.resolve()), "--output", str(output.resolve()), *chosen]
    device = chosen[chosen.index("--device") + 1]
    typer.echo(array_script(parts, cases, arguments, {**os.environ, **folders}, device), nl=False)
    err.print("note: write this to a file, look at its #SBATCH lines, and submit it with: sbatch FILE", markup=False)


def _run(command: list[str], environment: dict[str, str], images: Path, output: Path, parts: tuple[int, int]) -> None:
    """Predict, and see that every label map is there: nnU-Net does not notice a disk that fills up."""
    from nnunet_amt.nnunet import commands as stock
    from nnunet_amt.nnunet.predictions import require_predictions, require_room

    try:
        stock.run_stock_command(command, environment)
    except WorkFailedError:
        require_room(output)
        raise
    require_predictions(images, output, *parts)


def _show_next(images: Path, output: Path) -> None:
    if images.name == "imagesTs":
        dataset_folder = images.parent
        table = dataset_folder / "cohort.csv"  # a dataset from elsewhere has none
        references, cohort = dataset_folder / "labelsTs", f" --cohort {table}" if table.is_file() else ""
    else:
        references, cohort = Path("REFERENCES"), ""
    show_next(f"nnunet_amt evaluate {output} {references} -o evaluation{cohort}")
