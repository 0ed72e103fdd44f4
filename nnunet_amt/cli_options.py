"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["PASS_ON", "DatasetArgument", "DatasetId", "Device", "Fold", "Jobs", "Trainer"]

DatasetId = Annotated[
    int, typer.Option("--dataset", "-d", min=1, max=999, metavar="N", help="Number of the dataset in nnU-Net.")
]
DatasetArgument = Annotated[int, typer.Argument(min=1, max=999, metavar="DATASET", help="Number of the dataset.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Worker processes.")]
Fold = Annotated[str, typer.Option(help="0 is the training/tuning split of the cohort; 'all' trains on both.")]
Trainer = Annotated[str, typer.Option(help="Trainer class, such as nnUNetTrainerAMT_100epochs.")]
Device = Annotated[str, typer.Option(help="cuda, cpu or mps; auto takes cuda where there is one.")]
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
