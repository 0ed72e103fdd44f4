"""Options that several commands share, so that one word means one thing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from nnunet_amt.base.processes import usable_cores
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import BEST_CHECKPOINT, DEFAULT_TRAINER

if TYPE_CHECKING:
    from nnunet_amt.evaluation import EvaluationSettings

# One dash and several letters is nnU-Net's way, such as -part_id; it would be read as -p -a -r ... -d.
_LONG_OPTION = re.compile(r"-[^-].")
# The number of a dataset as one word with its option.
_WITH_NUMBER = re.compile(r"(?:--dataset=|-d=?)(\d+)")

Dataset = Annotated[
    int, typer.Argument(min=1, max=999, metavar="DATASET", help="Number of the dataset in nnU-Net; -d N is the same.")
]


def maybe_dataset(help_text: str) -> Any:
    """Make the argument of a command that can do without a dataset."""
    return typer.Argument(min=1, max=999, metavar="DATASET", help=help_text, show_default=False)


TestSet = Annotated[
    int | None,
    typer.Option(
        "--dataset",
        "-d",
        min=1,
        max=999,
        metavar="N",
        help="In place of REFERENCES: take what the external test set of this dataset has.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        metavar="N",
        help="Worker processes; each takes the memory of a case.",
        show_default="one a core",
    ),
]
# One name for the CTs that a command reads, whatever it does with them; -i is nnU-Net's.
IMAGES = ("--images", "--input", "-i")
Executor = Annotated[
    str | None,
    typer.Option("--executor", metavar="URL", help="dask://HOST:PORT: use that cluster; it must see the same files."),
]
Fold = Annotated[
    str, typer.Option(metavar="0|all", help="0 is the training/tuning split of the cohort; all trains on both.")
]
Recipe = Annotated[str, typer.Option(metavar="paper|fast", help="What is planned for; see docs/recipe.md.")]
Trainer = Annotated[str, typer.Option(metavar="CLASS", help="Such as nnUNetTrainerAMT_20epochs.")]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="auto takes cuda where there is one, else cpu.")]
OperatingPoint = Annotated[
    str | None,
    typer.Option(
        "--operating-point",
        metavar="NAME",
        help="A point that calibrate chose, such as screening; the network is not run where probabilities are saved.",
        show_default="the argmax",
    ),
]

Output = Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the results.")]
Predictions = Annotated[Path, typer.Argument(metavar="PREDICTIONS", help="Folder of predicted label maps.")]
References = Annotated[
    Path | None,
    typer.Argument(
        metavar="REFERENCES", help="Folder of reference label maps of the same names; or give the dataset with -d."
    ),
]
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


Patients = Annotated[
    Path | None,
    typer.Option(
        "--patients",
        metavar="FILE.csv",
        help="What is known beside the CTs, for a model that looks at it: case_id, and ctc_level, age, sex, location, "
        "clinical_*.",
    ),
]


def require_choice(option: str, value: object, choices: tuple[object, ...]) -> None:
    """Refuse a value that an option does not take."""
    if value not in choices:
        raise BadInputError(f"{option} {value}: must be one of {', '.join(map(str, choices))}")


class DatasetCommand(TyperCommand):
    """A command whose last word is the number of a dataset, which may be given with -d or --dataset as well."""

    dataset_first = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse with the dataset in its place among the words."""
        words, number = _without_dataset(args)
        in_place = [*number, *words] if self.dataset_first else [*words, *number]
        parsed: list[str] = super().parse_args(ctx, in_place)
        return parsed


class NnunetCommand(DatasetCommand):
    """A command that passes the words which it does not know on to nnU-Net, as they are."""

    dataset_first = True  # any other word is nnU-Net's

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings = {"allow_extra_args": True, "ignore_unknown_options": True}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse with the dataset as first word; what begins with a blank is no option of ours."""
        own = [
            word if _WITH_NUMBER.fullmatch(word) else f" {word}" if _LONG_OPTION.match(word) else word for word in args
        ]
        super().parse_args(ctx, own)
        ctx.args = [word[1:] if word.startswith(" -") else word for word in ctx.args]
        return ctx.args


def _without_dataset(words: list[str]) -> tuple[list[str], list[str]]:
    """Take the number that stands with -d or --dataset, if any, out of the words of a command."""
    for i, word in enumerate(words):
        if together := _WITH_NUMBER.fullmatch(word):
            return [*words[:i], *words[i + 1 :]], [together[1]]
        if word in ("--dataset", "-d"):
            if i + 1 == len(words):
                raise typer.BadParameter(f"{word}: the number of the dataset (DATASET) is missing behind it")
            return [*words[:i], *words[i + 2 :]], [words[i + 1]]
    return words, []


def worker_processes(jobs: int | None) -> int:
    """Give the number of worker processes: what is asked for, or one a core."""
    return jobs or usable_cores()


@dataclass(frozen=True)
class ReferenceFolders:
    """What predictions are compared with: label maps, and where a dataset has them CTs and the table of the cases."""

    references: Path
    images: Path | None = None
    cohort: Path | None = None


def of_model(trainer: str, fold: str, checkpoint: str = BEST_CHECKPOINT) -> list[str]:
    """Give the options that name a dataset's model, where they are not the usual ones."""
    named = {
        "--fold": (fold, "0"),
        "--trainer": (trainer, DEFAULT_TRAINER),
        "--checkpoint": (checkpoint, BEST_CHECKPOINT),
    }
    return [word for option, (value, usual) in named.items() if value != usual for word in (option, value)]


def reference_folders(references: Path | None, dataset: int | None) -> ReferenceFolders:
    """Take the folder of the reference label maps, or find what the external test set of a dataset has."""
    from nnunet_amt.nnunet.environment import dataset_name, folder_from_environment

    if references is not None and dataset is not None:
        raise BadInputError(f"{references} and -d {dataset}: both say where the reference label maps are; give one")
    if references is not None:
        return ReferenceFolders(references)
    if dataset is None:
        raise BadInputError(
            "REFERENCES: missing; give the folder of the reference label maps, or with -d the number of the dataset "
            "whose external test set was predicted"
        )
    folder = folder_from_environment("nnUNet_raw")
    raw = folder / dataset_name(dataset, folder)
    images, cohort = raw / "imagesTs", raw / "cohort.csv"
    return ReferenceFolders(raw / "labelsTs", images if images.is_dir() else None, cohort if cohort.is_file() else None)


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
