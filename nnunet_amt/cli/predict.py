"""The predict command: nnU-Net's own, with our trainer found and the model looked at first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli.console import err, one_line_errors, show_command, show_next, show_written
from nnunet_amt.cli.options import DatasetArgument, Device, Fold, Trainer
from nnunet_amt.models.plans import DEFAULT_TRAINER


@one_line_errors
def predict(
    context: typer.Context,
    dataset: DatasetArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the predicted label maps.")],
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
    from nnunet_amt.nnunet.predict import external_images, prediction_script
    from nnunet_amt.nnunet.predict import predict as predict_images

    images = images or external_images(dataset)
    if slurm_array is not None:
        script = prediction_script(
            images, output, slurm_array, dataset_id=dataset, fold=fold, trainer=trainer, checkpoint=checkpoint,
            options=context.args, device=device,
        )  # fmt: skip
        typer.echo(script, nl=False)
        err.print(
            "note: write this to a file, look at its #SBATCH lines, and submit it with: sbatch FILE", markup=False
        )
        return
    predict_images(
        images, output, dataset_id=dataset, fold=fold, trainer=trainer, checkpoint=checkpoint,
        options=context.args, device=device, show=show_command,
    )  # fmt: skip
    show_written([output])
    _show_next(images, output)


def _show_next(images: Path, output: Path) -> None:
    if images.name == "imagesTs":
        dataset_folder = images.parent
        table = dataset_folder / "cohort.csv"  # a dataset from elsewhere has none
        references, cohort = dataset_folder / "labelsTs", f" --cohort {table}" if table.is_file() else ""
    else:
        references, cohort = Path("REFERENCES"), ""
    show_next(f"nnunet_amt evaluate {output} {references} -o evaluation{cohort}")
