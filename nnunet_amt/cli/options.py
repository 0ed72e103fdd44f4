"""Options that several commands share, so that one word means one thing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from nnunet_amt.errors import BadInputError

if TYPE_CHECKING:
    from nnunet_amt.evaluation import EvaluationSettings

# One dash and several letters is nnU-Net's way, such as -part_id; it would be read as -p -a -r ... -d.
_LONG_OPTION = re.compile(r"-[^-].")

DatasetId = Annotated[
    int, typer.Option("--dataset", "-d", min=1, max=999, metavar="N", help="Number of the dataset in nnU-Net.")
]
DatasetArgument = Annotated[
    int,
    typer.Argument(min=1, max=999, metavar="DATASET", help="Number of the dataset; --dataset N or -d N will do too."),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Worker processes.")]
Executor = Annotated[
    str | None,
    typer.Option("--executor", metavar="URL", help="dask://HOST:PORT: use that cluster; it must see the same files."),
]
Fold = Annotated[
    str, typer.Option(metavar="0|all", help="0 is the training/tuning split of the cohort; all trains on both.")
]
Trainer = Annotated[str, typer.Option(metavar="CLASS", help="Such as nnUNetTrainerAMT_20epochs.")]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="auto takes cuda where there is one, else cpu.")]

Output = Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the results.")]
Predictions = Annotated[Path, typer.Argument(help="Folder of predicted label maps.")]
References = Annotated[Path, typer.Argument(help="Folder of reference label maps of the same names.")]
Connectivity = Annotated[
    int, typer.Option("--connectivity", metavar="6|18|26", help="Neighbours that make one lesion.")
]
MinimumVoxels = Annotated[
    int, typer.Option("--minimum-voxels", min=0, metavar="N", help="Smaller predicted lesions are dropped.")
]
FalsePositiveRule = Annotated[
    str,
    typer.Option(
        "--false-positive-rule", metavar="RULE", help="unmatched (the paper's table) or no_overlap (its text)."
    ),
]
Foreground = Annotated[
    int,
    typer.Option(
        "--foreground", min=1, metavar="N", help="Value of tumour in masks that do not hold 0 and 1, such as 255."
    ),
]
MissingAsEmpty = Annotated[
    bool, typer.Option("--missing-as-empty", help="Count cases without a prediction as empty predictions.")
]
BootstrapSeed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Seed of the bootstrap.")]
Cluster = Annotated[
    str,
    typer.Option(
        "--cluster",
        metavar="UNIT",
        help="What the bootstrap draws, and tests take for independent: case, patient or institution, with its cases.",
    ),
]
CLUSTERS = ("case", "patient", "institution")
CIAlways = Annotated[
    bool, typer.Option("--ci-always", help="Give bootstrap intervals under 20 cases too, as the paper does.")
]


def require_choice(option: str, value: object, choices: tuple[object, ...]) -> None:
    """Refuse a value that an option does not take."""
    if value not in choices:
        raise BadInputError(f"{option} {value}: must be one of {', '.join(map(str, choices))}")


class NnunetCommand(TyperCommand):
    """A command that passes the words which it does not know on to nnU-Net, as they are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings = {"allow_extra_args": True, "ignore_unknown_options": True}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse with the dataset as first word; what begins with a blank is no option of ours."""
        words = _dataset_first(args)
        super().parse_args(ctx, [f" {word}" if _LONG_OPTION.match(word) else word for word in words])
        ctx.args = [word[1:] if word.startswith(" -") else word for word in ctx.args]
        return ctx.args


def _dataset_first(words: list[str]) -> list[str]:
    for i, word in enumerate(words):
        name, equals, number = word.partition("=")
        if name == "--dataset" and equals:
            return [number, *words[:i], *words[i + 1 :]]
        if name in ("--dataset", "-d") and i + 1 < len(words):
            return [words[i + 1], *words[:i], *words[i + 2 :]]
    return words


def evaluation_settings(
    connectivity: int = 26,
    minimum_voxels: int = 10,
    false_positive_rule: str = "unmatched",
    foreground: int = 1,
    cluster: str = "case",
    **others: Any,
) -> EvaluationSettings:
    """Make the settings of an evaluation out of options, whose choices are looked at."""
    from nnunet_amt.evaluation import EvaluationSettings

    require_choice("--connectivity", connectivity, (6, 18, 26))
    require_choice("--false-positive-rule", false_positive_rule, ("unmatched", "no_overlap"))
    require_choice("--cluster", cluster, CLUSTERS)
    return EvaluationSettings(
        connectivity=connectivity,  # type: ignore[arg-type]
        minimum_predicted_voxels=minimum_voxels,
        false_positive_rule=false_positive_rule,  # type: ignore[arg-type]
        foreground=foreground,
        cluster=cluster,  # type: ignore[arg-type]
        **others,
    )
