"""Prediction as the tasks of a SLURM array: the script that `sbatch` takes."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.operating_points.point_file import read_point
from nnunet_amt.nnunet.commands import with_whole_path
from nnunet_amt.nnunet.environment import DEVICES, FOLDER_VARIABLES, export_lines
from nnunet_amt.nnunet.input_images import open_images
from nnunet_amt.nnunet.predict import PredictionSettings
from nnunet_amt.nnunet.predictions import require_output

_TASK = '"$SLURM_ARRAY_TASK_ID"'


def prediction_script(images: Path, output: Path, settings: PredictionSettings, *, parts: int) -> str:
    """Write the script of a SLURM array that predicts in so many tasks, see `predict`; here nothing is predicted.

    The device is not looked for here, where a GPU seldom is; ``auto`` is CUDA. What `predict` refuses is refused here.
    """
    asked, device, point = settings.asked, settings.device, settings.operating_point
    if device not in DEVICES:
        raise BadInputError(f"--device {device}: must be one of {', '.join(DEVICES)}")
    device = "cuda" if device == "auto" else device
    model = settings.find_model()
    if point is not None:
        read_point(model, point)
    require_output(output, images)
    if asked.num_parts != 1:
        raise BadInputError("--slurm-array: gives -num_parts and -part_id itself; leave them out")
    cases = len(open_images(images).cases)
    folders = {name: str(Path(os.environ[name]).resolve()) for name in FOLDER_VARIABLES if os.environ.get(name)}
    arguments = [
        str(settings.dataset_id), "--input", str(images.resolve()), "--output", str(output.resolve()),
        "--fold", settings.fold, "--trainer", settings.trainer, "--checkpoint", settings.checkpoint,
        "--device", device, *(["--probabilities"] if settings.probabilities else []),
        *([] if point is None else ["--operating-point", point]),
        *(["--keep-intensities"] if settings.keep_intensities else []),
        *with_whole_path(settings.options, asked.prev_stage_predictions),
    ]  # fmt: skip
    return array_script(parts, cases, arguments, environment={**os.environ, **folders}, device=device)


def array_script(
    parts: int, cases: int, arguments: Sequence[str], *, environment: Mapping[str, str], device: str
) -> str:
    """Write a bash script for ``sbatch`` that runs ``nnunet_amt predict`` on one part of the cases a task.

    Submitted again, it predicts what is missing only. `arguments` are those of ``nnunet_amt predict``, with absolute
    paths, without ``-num_parts`` and ``-part_id``; `environment` gives nnU-Net's folders.
    """
    if not 1 <= parts <= cases:
        raise BadInputError(f"--slurm-array {parts}: must be 1 to {cases}, the number of images")
    predict = shlex.join([sys.executable, "-m", "nnunet_amt", "predict", *arguments])
    gpu = ["#SBATCH --gres=gpu:1"] if device == "cuda" else []
    lines = [
        "#!/bin/bash",
        "#SBATCH --job-name=nnunet_amt_predict",
        f"#SBATCH --array=0-{parts - 1}",
        "#SBATCH --output=nnunet_amt_predict_%A_%a.log",
        *gpu,
        "# For your cluster: change these lines, and take one # away to make them count.",
        "##SBATCH --partition=NAME",
        "##SBATCH --time=04:00:00",
        "##SBATCH --cpus-per-task=8",
        "##SBATCH --mem=32G",
        "",
        "set -euo pipefail",
        ': "${SLURM_ARRAY_TASK_ID:?is not set; submit this file with sbatch}"',
        *export_lines(environment),
        "# Neither Python nor its workers may import from the folder that this was submitted in.",
        "export PYTHONSAFEPATH=1",
        "cd /",
        "",
        f"# {cases} cases in {parts} tasks. Each predicts those of nnU-Net's -num_parts {parts} -part_id {_TASK}",
        "# after checking the model and taking away what a killed task left half written.",
        "# Submit this file again to predict what is missing; finished predictions are kept.",
        f"{predict} \\",
        f"    -num_parts {parts} -part_id {_TASK}",
    ]
    return "\n".join(lines) + "\n"
