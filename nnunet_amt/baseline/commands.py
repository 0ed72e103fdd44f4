"""What a run of the baseline is asked for, and the stock commands that do it, one by one and as a script.

The commands are as nnU-Net's documentation writes them: nothing is given that nnU-Net takes by itself.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from nnunet_amt.base.files import read_record
from nnunet_amt.baseline.dataset import BaselineDataset, find_dataset
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.settings import ResamplingUnit
from nnunet_amt.models.plans import STOCK_PLANS
from nnunet_amt.nnunet import commands as stock
from nnunet_amt.nnunet.commands import STOCK_PLANNER, STOCK_TRAINER
from nnunet_amt.nnunet.environment import FOLDER_VARIABLES, is_of_nnunet
from nnunet_amt.nnunet.process import cpu_friendly_environment

_CPU_VARIABLES = ("nnUNet_n_proc_DA", "nnUNet_def_n_proc", "nnUNet_compile")


@dataclass(frozen=True)
class StockModel:
    """A model that nnU-Net 2.8.1 configures by itself."""

    key: str  # word on the command line, and name of a folder
    title: str  # name in tables
    planner: str  # class that plans it
    plans: str  # name of the plans


STOCK_MODELS = (
    StockModel("default", "default nnU-Net", STOCK_PLANNER, STOCK_PLANS),
    StockModel("resenc-m", "nnU-Net ResEnc-M", "nnUNetPlannerResEncM", "nnUNetResEncUNetMPlans"),
)


def stock_models(keys: Sequence[str] = ()) -> tuple[StockModel, ...]:
    """Find models by their keys, each once and in our order; all of them if no key is given.

    Raises
    ------
    BadInputError
        Names the key that is none.
    """
    known = [model.key for model in STOCK_MODELS]
    for key in keys:
        if key not in known:
            raise BadInputError(f"--model {key}: must be one of {', '.join(known)}")
    return tuple(model for model in STOCK_MODELS if not keys or model.key in keys)


@dataclass(frozen=True)
class BaselineSettings:
    """What is asked for; the defaults are nnU-Net's own."""

    dataset_id: int
    output: Path  # for predictions and evaluations, a folder a model
    models: tuple[StockModel, ...] = STOCK_MODELS
    trainer: str = STOCK_TRAINER  # of nnU-Net's own; the shorter ones are for trying out
    device: str = "cuda"
    fold: str = "0"  # the split of the cohort, or "all"
    spacing: tuple[float, float, float] | None = None  # (z, y, x) in mm instead of nnU-Net's choice
    gpu_memory_target: float | None = None  # GB to plan patch and batch for instead of nnU-Net's 8
    jobs: int | None = None  # of planning and preprocessing; nnU-Net's own numbers if not given

    def predictions_folder(self, model: StockModel) -> Path:
        """Folder of a model's label maps."""
        return self.output / model.key / "predictions"

    def evaluation_folder(self, model: StockModel) -> Path:
        """Folder of a model's evaluation."""
        return self.output / model.key / "evaluation"

    def comparison_folder(self) -> Path:
        """Folder of the comparison with ours."""
        return self.output / "comparison"

    def compared_names(self) -> list[str]:
        """Name ours and the stock models, in the order of the comparison."""
        return ["nnunet_amt", *(model.title for model in self.models)]

    def planning_options(self) -> list[str]:
        """Give the words that make nnU-Net plan otherwise than it would."""
        words = []
        if self.gpu_memory_target is not None:
            words += ["-gpu_memory_target", f"{self.gpu_memory_target:g}"]
        if self.spacing is not None:
            words += ["-overwrite_target_spacing", *(f"{edge:g}" for edge in self.spacing)]
        return words

    def caveat(self) -> str | None:
        """Say in what this is less than nnU-Net as its authors run it; None if it is not."""
        options = " ".join(self.planning_options())
        changed = ([f"--trainer {self.trainer}"] if self.trainer != STOCK_TRAINER else []) + (
            [f"{options} in the planning"] if options else []
        )
        if not changed:
            return None
        epochs = re.search(r"_(\d+)epochs?\b", self.trainer)
        short = f" and trains {epochs[1]} of its 1000 epochs" if epochs and int(epochs[1]) < 1000 else ""
        return f"{' and '.join(changed)}: this is not nnU-Net's default{short}; do not take it for what nnU-Net can do"

    def require_usable(self) -> None:
        """Refuse what nnU-Net would end in a traceback for."""
        # not `planning.SPACING_LIMITS_MM`: that module imports nnU-Net
        if self.spacing is not None and not all(0.1 <= edge <= 20.0 for edge in self.spacing):
            raise BadInputError(f"--spacing {list(self.spacing)}: must be three numbers from 0.1 to 20, z y x in mm")
        if self.gpu_memory_target is not None and not 0 < self.gpu_memory_target < 1000:
            raise BadInputError(f"--gpu-memory-target {self.gpu_memory_target:g}: must be above 0, in GB")
        if not is_of_nnunet(self.trainer):
            raise BadInputError(
                f"--trainer {self.trainer}: is none of nnU-Net's own; the baseline is stock nnU-Net "
                "(nnUNetTrainer, nnUNetTrainer_250epochs ...); for ours use: nnunet_amt train"
            )


def plan_and_preprocess_command(settings: BaselineSettings, model: StockModel) -> list[str]:
    """Plan and preprocess."""
    return stock.plan_and_preprocess_command(
        settings.dataset_id, planner=model.planner, options=settings.planning_options(), jobs=settings.jobs
    )


def plan_command(settings: BaselineSettings, model: StockModel) -> list[str]:
    """Plan only."""
    return stock.plan_command(settings.dataset_id, planner=model.planner, options=settings.planning_options())


def preprocess_command(settings: BaselineSettings, model: StockModel) -> list[str]:
    """Preprocess only, by plans that are there."""
    return stock.preprocess_command(settings.dataset_id, plans=model.plans, jobs=settings.jobs)


def train_command(settings: BaselineSettings, model: StockModel, flag: str | None = None) -> list[str]:
    """Train; `flag` is ``--c`` to go on, or ``--val`` for the validation alone."""
    return stock.train_command(
        settings.dataset_id, fold=settings.fold, trainer=settings.trainer, plans=model.plans,
        options=[flag] if flag else [], device=_device(settings),
    )  # fmt: skip


def predict_command(
    settings: BaselineSettings, model: StockModel, images: Path, output: Path, *, keep: bool = False
) -> list[str]:
    """Predict with checkpoint_final.pth and mirroring, nnU-Net's defaults; `keep` skips what is predicted."""
    return stock.predict_command(
        images, output, dataset_id=settings.dataset_id, fold=settings.fold, trainer=settings.trainer, plans=model.plans,
        options=["--continue_prediction"] if keep else [], device=_device(settings),
    )  # fmt: skip


def _device(settings: BaselineSettings) -> str | None:
    return None if settings.device == "cuda" else settings.device


def baseline_script(settings: BaselineSettings, evaluation: Path | None = None) -> str:
    """Write the baseline as a bash script of stock commands, from the beginning; nothing is run or written.

    `evaluation` is our own evaluation of the same cases, to compare with.

    Raises
    ------
    BadInputError
        As `run_baseline`, as far as it can be seen beforehand.
    """
    settings.require_usable()
    dataset = find_dataset(settings.dataset_id, settings.fold)
    titles = " and ".join(model.title for model in settings.models)
    lines = [
        "#!/bin/bash",
        f"# {titles} on {dataset.name}, fold {settings.fold}: nnU-Net's own commands, as one would type them.",
        *([f"# Note: {caveat}."] if (caveat := settings.caveat()) else []),
        "set -euo pipefail",
        *(f"export {name}={shlex.quote(str(Path(os.environ[name]).resolve()))}" for name in FOLDER_VARIABLES),
        "export PYTHONSAFEPATH=1  # no worker process imports from the folder that this is run in",
        "",
        "# Plans and arrays. A fingerprint that is there is kept; the arrays of 3d_fullres serve all planners.",
        shlex.join(plan_and_preprocess_command(settings, settings.models[0])),
        *(shlex.join(plan_command(settings, model)) for model in settings.models[1:]),
        "# The same cases as ours: nnU-Net trains on the split that stands beside the arrays.",
        shlex.join(["cmp", str(dataset.raw / "splits_final.json"), str(dataset.preprocessed / "splits_final.json")]),
    ]
    if settings.device == "cpu":
        environment = cpu_friendly_environment(settings.device)
        lines += ["", "# On a CPU: no more workers than cores. After planning, which takes 0 for a number of threads."]
        lines += [f"export {name}={shlex.quote(environment[name])}" for name in _CPU_VARIABLES]
    for model in settings.models:
        lines += ["", f"# {model.title}", shlex.join(train_command(settings, model))]
        lines.append(shlex.join(predict_command(settings, model, dataset.images, settings.predictions_folder(model))))
        lines.append(shlex.join(evaluate_command(dataset, settings, model)))
    comparison = shlex.join(compare_command(settings, evaluation or Path("EVALUATION")))
    if evaluation is None:
        lines += ["", "# Against ours: put the folder that nnunet_amt evaluate wrote for it in place of EVALUATION."]
        comparison = f"# {comparison}"
    return "\n".join([*lines, comparison]) + "\n"


def evaluate_command(dataset: BaselineDataset, settings: BaselineSettings, model: StockModel) -> list[str]:
    """Give the command that evaluates a model's predictions of the external test set."""
    predictions, output = settings.predictions_folder(model), settings.evaluation_folder(model)
    cohort = ["--cohort", str(dataset.cohort)] if dataset.cohort else []
    return ["nnunet_amt", "evaluate", str(predictions), str(dataset.references), "-o", str(output), *cohort]


def compare_command(settings: BaselineSettings, evaluation: Path) -> list[str]:
    """Give the command that compares our evaluation with those of the stock models."""
    named = [word for name in settings.compared_names() for word in ("--names", name)]
    evaluations = [evaluation, *(settings.evaluation_folder(model) for model in settings.models)]
    drawn = [] if (cluster := cluster_of(evaluation)) == "case" else ["--cluster", cluster]
    return ["nnunet_amt", "compare", *map(str, evaluations), "-o", str(settings.comparison_folder()), *named, *drawn]


def cluster_of(evaluation: Path) -> ResamplingUnit:
    """Read what the resamples of an evaluation drew; cases where nothing says otherwise."""
    settings = read_record(evaluation / "summary.json").get("settings")
    found = settings.get("cluster") if isinstance(settings, dict) else None
    return next((unit for unit in get_args(ResamplingUnit) if unit == found), "case")
