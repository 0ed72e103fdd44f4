"""The train command: nnU-Net's own, with our trainer found and every checkpoint looked at first."""

from __future__ import annotations

from typing import Annotated

import typer

from nnunet_amt.cli.console import one_line_errors, out, show_command, show_next, show_written
from nnunet_amt.cli.options import DatasetArgument, Device, Fold, Trainer
from nnunet_amt.models.plans import DEFAULT_TRAINER


@one_line_errors
def train(
    context: typer.Context,
    dataset: DatasetArgument,
    fold: Fold = "0",
    trainer: Trainer = DEFAULT_TRAINER,
    device: Device = "auto",
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew where a training could be continued or is finished.")
    ] = False,
) -> None:
    """Run nnUNetv2_train with our trainer found; -num_gpus and its other options are passed on.

    Run again, it goes on where it stopped. A checkpoint that would run code is refused.
    """
    from nnunet_amt.nnunet.train import train as train_fold

    trained = train_fold(
        dataset, fold=fold, trainer=trainer, options=context.args, restart=restart, device=device, show=show_command
    )
    if trained.was_finished:
        out.print("this training is finished and validated; --restart trains anew, --val validates once more")
    else:
        show_written(list(trained.checkpoints))
    chosen = "" if trainer == DEFAULT_TRAINER else f" --trainer {trainer}"
    show_next(f"nnunet_amt predict {dataset}{chosen} --output predictions")
