"""Prediction by nnU-Net's own command, here or as the tasks of a SLURM array, with the model looked at first."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import (
    RunInput,
    RunNotes,
    number_of_parameters,
    read_runs,
    recorded_run,
    shareable_words,
)
from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.models.checkpoint_safety import read_checkpoint
from nnunet_amt.models.folder import model_folder, require_model
from nnunet_amt.models.plans import CONFIGURATION, DEFAULT_TRAINER, PLANS_NAME
from nnunet_amt.nnunet import process
from nnunet_amt.nnunet.commands import predict_command, predict_options, without_parts
from nnunet_amt.nnunet.environment import (
    DEVICES,
    FOLDER_VARIABLES,
    dataset_name,
    export_lines,
    folder_from_environment,
    require_device,
    require_known_trainer,
)
from nnunet_amt.nnunet.predictions import (
    cases_of_part,
    keep_finished_predictions,
    require_images,
    require_output,
    require_predictions,
    require_room,
)

BEST_CHECKPOINT = "checkpoint_best.pth"

_TASK = '"$SLURM_ARRAY_TASK_ID"'


@dataclass(frozen=True)
class PredictionResult:
    """How many cases of a prediction were finished before, and how many it made."""

    kept: int
    predicted: int


def external_images(dataset_id: int) -> Path:
    """Folder of the CTs of the external test set of a dataset that a model was trained on."""
    return folder_from_environment("nnUNet_raw") / _trained_dataset(dataset_id) / "imagesTs"


def predict(
    images: Path,
    output: Path,
    *,
    dataset_id: int,
    fold: str = "0",
    trainer: str = DEFAULT_TRAINER,
    checkpoint: str = BEST_CHECKPOINT,
    options: Sequence[str] = (),
    device: str = "auto",
    jobs: int | None = None,
    log_file: Path | None = None,
    progress: Progress = silent,
    show: Callable[[str], None] = lambda command: None,
) -> PredictionResult:
    """Predict by ``nnUNetv2_predict``; run again, it keeps finished predictions of the same model and options.

    Parameters
    ----------
    images
        Folder of ``<case>_0000.nii.gz``; see `external_images`.
    output
        Folder for ``<case>.nii.gz``.
    dataset_id, fold, trainer, checkpoint
        Which model, and the file name of its checkpoint.
    options
        Further words for ``nnUNetv2_predict``, such as ``-step_size 0.7``.
    jobs
        Processes that read images, and as many that write label maps; nnU-Net's own numbers if not given.
    device, log_file, progress, show
        As in `nnunet_amt.nnunet.train.train`; `progress` is told of every case done.

    Raises
    ------
    BadInputError
        If the model, the images, the output or the options cannot be used, or the checkpoint would run code.
    WorkFailedError, DiskFullError
        If nnU-Net fails, or leaves a case out.
    """
    asked = predict_options(options)
    device = require_device(device)
    checkpoint_file = _require_model(dataset_id, fold, trainer, checkpoint)
    part = asked.part_id, asked.num_parts
    kept = keep_finished_predictions(images, output, checkpoint_file, options=without_parts(asked), part=part)
    cases = len(cases_of_part(require_images(images), part))
    progress(kept, cases, "prediction")
    workers = [] if jobs is None else ["-npp", str(jobs), "-nps", str(jobs)]
    command = predict_command(
        images, output, dataset_id=dataset_id, fold=fold, trainer=trainer, plans=PLANS_NAME, checkpoint=checkpoint,
        options=["--continue_prediction", *workers, *options], device=device,
    )  # fmt: skip
    with recorded_prediction(
        images, output, checkpoint_file, trainer=trainer, options=options, part=part,
        cases=cases, to_do=cases - kept, device=device,
    ) as notes:  # fmt: skip
        if kept < cases or not cases or asked.save_probabilities:  # of probabilities nnU-Net knows which are missing
            show(shlex.join(command))
            on_line = None if log_file is None else _case_lines(kept, cases, progress)
            notes.cost["peak_memory_bytes"] = run_prediction(
                command, images, output, part=part, device=device, on_line=on_line, log_file=log_file
            )
    return PredictionResult(kept, cases - kept)


def run_prediction(
    command: Sequence[str],
    images: Path,
    output: Path,
    *,
    part: tuple[int, int] = (0, 1),
    device: str,
    on_line: Callable[[str], None] | None = None,
    log_file: Path | None = None,
) -> int | None:
    """Run ``nnUNetv2_predict``, and see that every label map is there: nnU-Net does not notice a disk that fills up.

    `part` is as in `cases_of_part`, the rest and the result as in `process.run_stock_command`.
    """
    try:
        peak = process.run_stock_command(
            command, process.cpu_friendly_environment(device), on_line=on_line, log_file=log_file
        )
    except WorkFailedError:
        require_room(output)
        raise
    require_predictions(images, output, part=part)
    return peak


@contextmanager
def recorded_prediction(
    images: Path,
    output: Path,
    checkpoint: Path,
    *,
    trainer: str,
    plans: str = PLANS_NAME,
    options: Sequence[str] = (),
    part: tuple[int, int] = (0, 1),
    cases: int,
    to_do: int,
    device: str,
) -> Iterator[RunNotes]:
    """Record a prediction that the block runs, if it ends well; one that had nothing to predict adds no run.

    ``cases`` are those that this run predicted, ``cases_in_all`` those of the task or its part. The cost
    ``seconds_per_case_with_start`` is the time of the run by the cases of this run: loading Python, torch
    and the model is in it, and weighs the more the fewer the cases are.

    `part` is as in `cases_of_part`; `to_do` are those of its `cases` that are not there yet.
    """
    settings = {
        "trainer": trainer,
        "plans": plans,
        "configuration": CONFIGURATION,
        "checkpoint": checkpoint.name,
        "fold": checkpoint.parent.name.removeprefix("fold_"),
        "device": device,
        "options": shareable_words(options),
    }
    inputs: dict[str, Path | RunInput] = {
        "images": RunInput(images, "names_and_sizes"),
        "model": RunInput(checkpoint.parents[1], names=("plans.json", "dataset.json")),
        "checkpoint": checkpoint,
    }
    outputs = (".",) if part[1] == 1 else ()  # other parts may be writing
    with recorded_run(
        output, "predict", settings=settings, inputs=inputs, outputs=outputs, device=device,
        in_children=True, part=part,
    ) as notes:  # fmt: skip
        yield notes
        # a run that was killed after its last case has left none
        recorded = any(run["stage"] == "predict" for run in read_runs(output))
        notes.nothing_done = to_do == 0 and (recorded or cases == 0)
        notes.counts.update(cases=to_do, cases_in_all=cases)
        if to_do:
            notes.cost["seconds_per_case_with_start"] = round(notes.seconds() / to_do, 3)
            notes.cost["parameters"] = number_of_parameters(read_checkpoint(checkpoint)["network_weights"])


def prediction_script(
    images: Path,
    output: Path,
    parts: int,
    *,
    dataset_id: int,
    fold: str = "0",
    trainer: str = DEFAULT_TRAINER,
    checkpoint: str = BEST_CHECKPOINT,
    options: Sequence[str] = (),
    device: str = "auto",
) -> str:
    """Write the script of a SLURM array that predicts in so many tasks, see `predict`; here nothing is predicted.

    The device is not looked for here, where a GPU seldom is; ``auto`` is CUDA. What `predict` refuses is refused here.
    """
    asked = predict_options(options)
    if device not in DEVICES:
        raise BadInputError(f"--device {device}: must be one of {', '.join(DEVICES)}")
    device = "cuda" if device == "auto" else device
    _require_model(dataset_id, fold, trainer, checkpoint)
    require_output(output, images)
    if asked.num_parts != 1:
        raise BadInputError("--slurm-array: gives -num_parts and -part_id itself; leave them out")
    cases = len(require_images(images))
    folders = {name: str(Path(os.environ[name]).resolve()) for name in FOLDER_VARIABLES if os.environ.get(name)}
    arguments = [
        str(dataset_id), "--input", str(images.resolve()), "--output", str(output.resolve()),
        "--fold", fold, "--trainer", trainer, "--checkpoint", checkpoint, "--device", device, *options,
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
        "",
        f"# {cases} cases in {parts} tasks. Each runs nnUNetv2_predict -num_parts {parts} -part_id {_TASK}",
        "# after checking the model and taking away what a killed task left half written.",
        "# Submit this file again to predict what is missing; finished predictions are kept.",
        f"{predict} \\",
        f"    -num_parts {parts} -part_id {_TASK}",
    ]
    return "\n".join(lines) + "\n"


def _trained_dataset(dataset_id: int) -> str:
    return dataset_name(dataset_id, folder_from_environment("nnUNet_results"), f"nnunet_amt train {dataset_id}")


def _require_model(dataset_id: int, fold: str, trainer: str, checkpoint: str) -> Path:
    """Give the checkpoint of a model of ours that may be used."""
    from nnunet_amt.trainers.unet import AMTUNet

    name = _trained_dataset(dataset_id)
    require_known_trainer(trainer)
    model = model_folder(folder_from_environment("nnUNet_results"), dataset=name, trainer=trainer)
    return require_model(model, fold=fold, checkpoint=checkpoint, trainer=trainer, network=AMTUNet)


def _case_lines(done: int, total: int, progress: Progress) -> Callable[[str], None]:
    """Make what turns nnU-Net's lines into progress."""

    def on_line(line: str) -> None:
        nonlocal done
        if line.startswith("done with "):
            done += 1
            progress(done, total, "prediction")

    return on_line
