"""The whole baseline as a script, for a cluster or for somebody who wants to see it first."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from nnunet_amt.baseline import commands
from nnunet_amt.baseline.dataset import BaselineDataset, find_dataset
from nnunet_amt.baseline.run import compared_names, comparison_folder, evaluation_folder, predictions_folder
from nnunet_amt.baseline.settings import BaselineSettings
from nnunet_amt.baseline.stock_models import StockModel
from nnunet_amt.nnunet.commands import cpu_friendly_environment
from nnunet_amt.nnunet.environment import FOLDER_VARIABLES

_CPU_VARIABLES = ("nnUNet_n_proc_DA", "nnUNet_def_n_proc", "nnUNet_compile")


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
    predictions, output = predictions_folder(settings, model), evaluation_folder(settings, model)
    cohort = ["--cohort", str(dataset.cohort)] if dataset.cohort else []
    return ["nnunet_amt", "evaluate", str(predictions), str(dataset.references), "-o", str(output), *cohort]


def compare_command(settings: BaselineSettings, evaluation: Path) -> list[str]:
    """Give the command that compares our evaluation with those of the stock models."""
    named = [word for name in compared_names(settings) for word in ("--names", name)]
    evaluations = [evaluation, *(evaluation_folder(settings, model) for model in settings.models)]
    return ["nnunet_amt", "compare", *map(str, evaluations), "-o", str(comparison_folder(settings)), *named]


def _planning(settings: BaselineSettings) -> list[list[str]]:
    first, *others = settings.models
    return [
        commands.plan_and_preprocess_command(settings, first),
        *(commands.plan_command(settings, model) for model in others),
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
        commands.train_command(settings, model),
        commands.predict_command(settings, model, dataset.images, predictions_folder(settings, model)),
        evaluate_command(dataset, settings, model),
    ]
    return [shlex.join(command) for command in words]
