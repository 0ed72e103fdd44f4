"""A prediction divided over the tasks of a SLURM array."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence

from nnunet_amt.errors import BadInputError
from nnunet_amt.nnunet.environment import export_lines

_TASK = '"$SLURM_ARRAY_TASK_ID"'


def array_script(parts: int, cases: int, arguments: Sequence[str], environment: Mapping[str, str], device: str) -> str:
    """Write a bash script for ``sbatch`` that runs ``nnunet_amt predict`` on one part a task.

    Parameters
    ----------
    parts
        Tasks of the array.
    cases
        Number of images.
    arguments
        Arguments of ``nnunet_amt predict``, with absolute paths, without ``-num_parts`` and ``-part_id``.
    environment
        Gives nnU-Net's folders.
    device
        A GPU is asked for where it is ``cuda``.

    Returns
    -------
    str
        Submitted again, it predicts what is missing only.

    Raises
    ------
    BadInputError
        If there are more tasks than images.
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
        "",
        f"# {cases} cases in {parts} tasks. Each runs nnUNetv2_predict -num_parts {parts} -part_id {_TASK}",
        "# after checking the model and taking away what a killed task left half written.",
        "# Submit this file again to predict what is missing; finished predictions are kept.",
        f"{predict} \\",
        f"    -num_parts {parts} -part_id {_TASK}",
    ]
    return "\n".join(lines) + "\n"
