"""The stock commands of the baseline, one by one and as a script, for a cluster or to see it all first.

They are as nnU-Net's documentation writes them: nothing is given that nnU-Net takes by itself.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from nnunet_amt.baseline.dataset import BaselineDataset, find_dataset
from nnunet_amt.baseline.settings import BaselineSettings, StockModel
from nnunet_amt.nnunet import commands as stock
from nnunet_amt.nnunet.environment import FOLDER_VARIABLES
from nnunet_amt.nnunet.process import cpu_friendly_environment

_CPU_VARIABLES = ("nnUNet_n_proc_DA", "nnUNet_def_n_proc", "nnUNet_compile")


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

    Parameters
    ----------
    settings
        What is asked for.
    evaluation
        Our own evaluation of the same cases, to compare with.

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
        "",
        "# Plans and arrays. A fingerprint that is there is kept; the arrays of 3d_fullres serve all planners.",
        *(shlex.join(words) for words in _planning(settings)),
        "# The same cases as ours: nnU-Net trains on the split that stands beside the arrays.",
        shlex.join(["cmp", str(dataset.raw / "splits_final.json"), str(dataset.preprocessed / "splits_final.json")]),
        *_cpu_lines(settings),
    ]
    for model in settings.models:
        lines += ["", f"# {model.title}", *_model_lines(dataset, settings, model)]
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
    return ["nnunet_amt", "compare", *map(str, evaluations), "-o", str(settings.comparison_folder()), *named]


def _planning(settings: BaselineSettings) -> list[list[str]]:
    first, *others = settings.models
    return [
        plan_and_preprocess_command(settings, first),
        *(plan_command(settings, model) for model in others),
    ]


def _cpu_lines(settings: BaselineSettings) -> list[str]:
    if settings.device != "cpu":
        return []
    environment = cpu_friendly_environment(settings.device)
    exports = [f"export {name}={shlex.quote(environment[name])}" for name in _CPU_VARIABLES]
    return [
        "",
        "# On a CPU: no more workers than cores. After planning, which takes 0 for a number of threads.",
        *exports,
    ]


def _model_lines(dataset: BaselineDataset, settings: BaselineSettings, model: StockModel) -> list[str]:
    words = [
        train_command(settings, model),
        predict_command(settings, model, dataset.images, settings.predictions_folder(model)),
        evaluate_command(dataset, settings, model),
    ]
    return [shlex.join(command) for command in words]
