"""Prediction by nnU-Net's own command, with the model and the images looked at first."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Iterator, Sequence
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
from nnunet_amt.errors import WorkFailedError
from nnunet_amt.models.checkpoint_safety import read_checkpoint
from nnunet_amt.models.folder import model_folder, require_model
from nnunet_amt.models.plans import CONFIGURATION, DEFAULT_TRAINER, PLANS_NAME
from nnunet_amt.nnunet import process
from nnunet_amt.nnunet.commands import predict_command, predict_options, with_whole_path, without_parts
from nnunet_amt.nnunet.environment import (
    dataset_name,
    folder_from_environment,
    require_device,
    require_known_trainer,
)
from nnunet_amt.nnunet.input_images import lay_back, open_images, prepared_images
from nnunet_amt.nnunet.predictions import (
    begin_predictions,
    left_out,
    require_predictions,
    require_room,
    unfinished_predictions,
)

BEST_CHECKPOINT = "checkpoint_best.pth"

# As many images are prepared at a time as nnU-Net reads.
_NNUNET_READERS = 3

logger = logging.getLogger(__name__)


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
    keep_intensities: bool = False,
    device: str = "auto",
    jobs: int | None = None,
    log_file: Path | None = None,
    progress: Progress = silent,
    show: Callable[[str], None] = lambda command: None,
) -> PredictionResult:
    """Predict by ``nnUNetv2_predict``; run again, it keeps finished predictions of the same model and options.

    Images that the conversion has not written go through its checks, are brought to LPS axes and whole HU for nnU-Net,
    and their label maps lie on their own axes; see `nnunet_amt.nnunet.input_images`.

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
    keep_intensities
        Take images whose values do not look like HU, as the conversion does.
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
    checkpoint_file = find_model(dataset_id, fold, trainer, checkpoint)
    images, output, part = images.absolute(), output.absolute(), (asked.part_id, asked.num_parts)
    readers = jobs or asked.npp or _NNUNET_READERS
    inputs = open_images(images, part, keep_intensities=keep_intensities, jobs=readers, progress=progress)
    if others := left_out(images):
        logger.warning("%s: %s left out; only <case>_0000.nii.gz are predicted", images, others)
    unfinished = unfinished_predictions(
        images, output, checkpoint_file, options=[*without_parts(asked), *inputs.preparation],
        probabilities=asked.save_probabilities, part=part,
    )  # fmt: skip
    cases, to_do = len(inputs.part_of_cases), len(unfinished)
    progress(cases - to_do, cases, "prediction")
    workers = [] if jobs is None else ["-npp", str(jobs), "-nps", str(jobs)]
    words = with_whole_path(["--continue_prediction", *workers, *options], asked.prev_stage_predictions)
    with recorded_prediction(
        images, output, checkpoint_file, trainer=trainer, options=options, part=part,
        cases=cases, to_do=to_do, device=device,
    ) as notes:  # fmt: skip
        if to_do or not cases:
            with prepared_images(
                inputs, list(unfinished), output, keep_intensities=keep_intensities, jobs=readers, progress=progress
            ) as folder:
                begin_predictions(output, unfinished)
                command = predict_command(
                    folder, output, dataset_id=dataset_id, fold=fold, trainer=trainer, plans=PLANS_NAME,
                    checkpoint=checkpoint, options=words, device=device,
                )  # fmt: skip
                show(shlex.join(command))
                on_line = None if log_file is None else _case_lines(cases - to_do, cases, progress)
                notes.cost["peak_memory_bytes"] = run_prediction(
                    command, images, output, part=part, device=device, on_line=on_line, log_file=log_file
                )
        lay_back(inputs, output, probabilities=asked.save_probabilities)
        if inputs.turned:
            notes.counts["images_brought_to_lps"] = len(inputs.turned)
        if keep_intensities:
            notes.settings["keep_intensities"] = True
    return PredictionResult(cases - to_do, to_do)


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


def _trained_dataset(dataset_id: int) -> str:
    return dataset_name(dataset_id, folder_from_environment("nnUNet_results"), f"nnunet_amt train {dataset_id}")


def find_model(dataset_id: int, fold: str, trainer: str, checkpoint: str) -> Path:
    """Give the checkpoint of a model of ours that may be used; BadInputError if it may not."""
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
