"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from nnunet_amt.errors import BadInputError

DatasetId = Annotated[
    int, typer.Option("--dataset", "-d", min=1, max=999, metavar="N", help="Number of the dataset in nnU-Net.")
]
DatasetArgument = Annotated[int, typer.Argument(min=1, max=999, metavar="DATASET", help="Number of the dataset.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Worker processes.")]
Fold = Annotated[
    str, typer.Option(metavar="0|all", help="0 is the training/tuning split of the cohort; all trains on both.")
]
Trainer = Annotated[str, typer.Option(metavar="CLASS", help="Such as nnUNetTrainerAMT_100epochs.")]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="auto takes cuda where there is one, else cpu.")]
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def require_choice(option: str, value: object, choices: tuple[object, ...]) -> None:
    """Refuse a value that an option does not take."""
    if value not in choices:
        raise BadInputError(f"{option} {value}: must be one of {', '.join(map(str, choices))}")
