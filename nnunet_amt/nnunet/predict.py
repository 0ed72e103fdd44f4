"""Prediction of a folder of CTs, with the model and the images looked at first.

Models of ours are predicted in this process, see `nnunet_amt.nnunet.loaded_model`; what that does not do is left to
``nnUNetv2_predict``. The label maps are the same.
"""

from __future__ import annotations

import argparse
import logging
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_amt.base.json_file import read_json
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunNotes
from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.evaluation.operating_points.point import OperatingPoint
from nnunet_amt.evaluation.operating_points.point_file import point_record, read_point
from nnunet_amt.models.folder import model_folder, require_model
from nnunet_amt.models.plans import BEST_CHECKPOINT, DEFAULT_TRAINER, read_plans, recipe_of
from nnunet_amt.nnunet import process
from nnunet_amt.nnunet.commands import predict_command, predict_options, with_whole_path, without_parts
from nnunet_amt.nnunet.environment import (
    dataset_name,
    folder_from_environment,
    require_device,
    require_known_trainer,
)
from nnunet_amt.nnunet.input_images import InputImages, lay_back, open_images, prepared_images
from nnunet_amt.nnunet.prediction_record import recorded_prediction
from nnunet_amt.nnunet.predictions import (
    begin_predictions,
    left_out,
    require_predictions,
    require_room,
    unfinished_predictions,
    with_saved_probabilities,
)
from nnunet_amt.writing.numbers import share_text

if TYPE_CHECKING:  # brings torch
    from nnunet_amt.nnunet.loaded_model import LoadedModel

# As many images are prepared at a time as nnU-Net reads.
_NNUNET_READERS = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PredictionResult:
    """How many cases of a prediction were finished before, how many it made, and how many of these without network."""

    kept: int
    predicted: int
    from_saved: int = 0


def external_images(dataset_id: int) -> Path:
    """Folder of the CTs of the external test set of a dataset that a model was trained on."""
    return folder_from_environment("nnUNet_raw") / _trained_dataset(dataset_id) / "imagesTs"


@dataclass(frozen=True)
class PredictionSettings:
    """By which model CTs are predicted, and what is written of them.

    Attributes
    ----------
    dataset_id, fold, trainer, checkpoint
        Which model, and the file name of its checkpoint.
    options
        Further words for ``nnUNetv2_predict``, such as ``-step_size 0.7``.
    probabilities
        Write tumour probabilities too, see `nnunet_amt.images.probability_file`.
    operating_point
        Name of one of the model's points, see `read_point`, that makes the label maps of the probabilities, which are
        written too; None for the argmax. Where the probabilities are there, the network is not run again.
    keep_intensities
        Take images whose values do not look like HU, as the conversion does.
    device
        As in `nnunet_amt.nnunet.train.train`.
    """

    dataset_id: int
    fold: str = "0"
    trainer: str = DEFAULT_TRAINER
    checkpoint: str = BEST_CHECKPOINT
    options: Sequence[str] = ()
    probabilities: bool = False
    operating_point: str | None = None
    keep_intensities: bool = False
    device: str = "auto"

    @property
    def asked(self) -> argparse.Namespace:
        """What `options` say; BadInputError if ``nnUNetv2_predict`` would not take them."""
        return predict_options(self.options)

    def find_model(self) -> Path:
        """Give the checkpoint; BadInputError if it is not there or may not be used."""
        return find_model(self.dataset_id, self.fold, self.trainer, self.checkpoint)


def predict(
    images: Path,
    output: Path,
    settings: PredictionSettings,
    *,
    jobs: int | None = None,
    log_file: Path | None = None,
    progress: Progress = silent,
    show: Callable[[str], None] = lambda command: None,
) -> PredictionResult:
    """Predict as ``nnUNetv2_predict`` does; run again, it keeps finished predictions of the same model and options.

    Images that the conversion has not written go through its checks, are brought to LPS axes and whole HU, and their
    label maps lie on their own axes; see `nnunet_amt.nnunet.input_images`.

    Parameters
    ----------
    images
        Folder of ``<case>_0000.nii.gz``; see `external_images`.
    output
        Folder for ``<case>.nii.gz``.
    settings
        The model, and what is written.
    jobs
        Images that are checked at a time; for nnU-Net's command its processes; nnU-Net's own numbers if not given.
    log_file, progress
        As in `nnunet_amt.nnunet.train.train`; `progress` is told of every case done.
    show
        Told nnU-Net's command, where that predicts.

    Raises
    ------
    BadInputError
        If the model, the images, the output or the options cannot be used, or the checkpoint would run code.
    WorkFailedError, DiskFullError
        If the network or nnU-Net fails, or leaves a case out.
    """
    begun = time.monotonic()
    asked = settings.asked
    settings = replace(settings, device=require_device(settings.device))
    model = settings.find_model()
    elsewhere = _why_not_here(model, settings.trainer, asked)
    point = None if settings.operating_point is None else read_point(model, settings.operating_point).point
    if elsewhere:
        _require_no_probabilities(elsewhere, asked=settings.probabilities, for_point=point is not None)
    settings = replace(settings, probabilities=settings.probabilities or point is not None)
    images, output, part = images.absolute(), output.absolute(), (asked.part_id, asked.num_parts)
    readers = jobs or asked.npp or _NNUNET_READERS
    inputs = open_images(images, part, keep_intensities=settings.keep_intensities, jobs=readers, progress=progress)
    if others := left_out(images):
        logger.warning("%s: %s left out; only <case>_0000.nii.gz are predicted", images, others)
    unfinished = unfinished_predictions(
        images, output, model, options=[*without_parts(asked), *inputs.preparation],
        npz=asked.save_probabilities, probabilities=settings.probabilities,
        point=None if point is None else point_record(point), part=part,
    )  # fmt: skip
    saved = [] if elsewhere else with_saved_probabilities(output, unfinished)
    cases, to_do = len(inputs.part_of_cases), len(unfinished)
    progress(cases - to_do, cases, "prediction")
    work = _Work(
        settings=settings, inputs=inputs, unfinished=unfinished, output=output, checkpoint=model, asked=asked,
        part=part, point=point, saved=saved, jobs=jobs, log_file=log_file, progress=progress, show=show,
    )  # fmt: skip
    with recorded_prediction(
        images, output, model, trainer=settings.trainer, options=settings.options, part=part, cases=cases,
        to_do=to_do, saved=len(saved), device=settings.device, in_children=bool(elsewhere), started=begun,
    ) as notes:  # fmt: skip
        if elsewhere and (to_do or not cases):
            logger.info("predicted by nnUNetv2_predict: %s", elsewhere)
            if read_plans(model.parents[1] / "plans.json").get("mediastinal_region"):
                logger.warning(
                    "nnUNetv2_predict asks the fast recipe's network in the whole CT, not between the lungs only: "
                    "it may find more"
                )
            notes.cost["peak_memory_bytes"] = _by_command(work)
        elif to_do:
            notes.cost["parameters"] = _in_this_process(work, notes)
        if point is not None:
            notes.settings["operating_point"] = asdict(point)
        if settings.probabilities:
            notes.settings["probabilities"] = True
        lay_back(inputs, output, probabilities=asked.save_probabilities)
        if inputs.turned:
            notes.counts["images_brought_to_lps"] = len(inputs.turned)
        if settings.keep_intensities:
            notes.settings["keep_intensities"] = True
    return PredictionResult(cases - to_do, to_do, len(saved))


def _require_no_probabilities(elsewhere: str, *, asked: bool, for_point: bool) -> None:
    """Refuse what takes probabilities in 8 bits where nnU-Net's command must predict, for the reason `elsewhere`."""
    if for_point:
        raise BadInputError(
            "--operating-point: needs probabilities that nnUNetv2_predict, which must predict this, does not write: "
            f"{elsewhere}; leave one of both out"
        )
    if asked:
        raise BadInputError(
            f"--probabilities: is not written by nnUNetv2_predict, which must predict this: {elsewhere}; leave it out, "
            "or give --save_probabilities alone"
        )


@dataclass(frozen=True)
class _Work:
    """What a run has to predict, and how; the names are those of `predict`."""

    settings: PredictionSettings
    inputs: InputImages
    unfinished: dict[str, dict[str, Any]]
    output: Path
    checkpoint: Path
    asked: argparse.Namespace
    part: tuple[int, int]
    jobs: int | None
    point: OperatingPoint | None
    saved: Sequence[str]
    log_file: Path | None
    progress: Progress
    show: Callable[[str], None]

    @property
    def readers(self) -> int:
        """How many images are read at a time."""
        return self.jobs or self.asked.npp or _NNUNET_READERS

    @property
    def done(self) -> int:
        """How many cases were finished before."""
        return len(self.inputs.part_of_cases) - len(self.unfinished)


def _why_not_here(checkpoint: Path, trainer: str, asked: argparse.Namespace) -> str | None:
    from nnunet_amt.nnunet.loaded_model import why_not_here

    folder = checkpoint.parents[1]
    description = read_json(folder / "dataset.json", advice="copy the whole model folder again")
    return why_not_here(read_plans(folder / "plans.json"), description, trainer, asked)


def _in_this_process(work: _Work, notes: RunNotes) -> int | None:
    """Predict what is unfinished; give the number of the network's weights, None where it was not needed."""
    from nnunet_amt.nnunet.loaded_model import load_model
    from nnunet_amt.nnunet.predict_cases import describe_predictions, predict_unfinished

    asked, on_case = work.asked, _case_lines(work.done, len(work.inputs.part_of_cases), work.progress)

    def load() -> LoadedModel:
        return load_model(
            work.checkpoint, device=work.settings.device, step_size=asked.step_size, mirroring=not asked.disable_tta,
            on_device=not asked.not_on_device,
        )  # fmt: skip

    in_part: list[str] = []

    def written(case: str, share: float | None) -> None:
        asked_in = "" if share is None else f", the network asked in {share_text(share)} of the CT"
        if share is not None and share < 1:
            in_part.append(case)
        line = f"done with {case}{asked_in}\n"  # nnU-Net's words, and ours
        if work.log_file is not None:
            work.log_file.parent.mkdir(parents=True, exist_ok=True)
            with work.log_file.open("a", encoding="utf-8") as log:
                log.write(line)
        on_case(line)

    model = predict_unfinished(
        load, work.inputs, work.unfinished, work.output, saved=work.saved, jobs=work.readers,
        keep_intensities=work.settings.keep_intensities, probabilities=work.settings.probabilities, point=work.point,
        progress=work.progress, on_case=written,
    )  # fmt: skip
    describe_predictions(work.checkpoint.parents[1], work.output)
    if model is not None and model.region is not None:
        notes.counts["cases_asked_in_part"] = len(in_part)
    return None if model is None else model.parameters


def _by_command(work: _Work) -> int | None:
    """Predict what is unfinished by ``nnUNetv2_predict``; give the peak memory, see `run_prediction`."""
    settings = work.settings
    workers = [] if work.jobs is None else ["-npp", str(work.jobs), "-nps", str(work.jobs)]
    words = ["--continue_prediction", *workers, *settings.options]
    with prepared_images(
        work.inputs, list(work.unfinished), work.output, keep_intensities=settings.keep_intensities, jobs=work.readers,
        progress=work.progress,
    ) as folder:  # fmt: skip
        begin_predictions(work.output, work.unfinished)
        command = predict_command(
            folder, work.output, dataset_id=settings.dataset_id, fold=settings.fold, trainer=settings.trainer,
            plans=recipe_of(settings.trainer).plans, checkpoint=work.checkpoint.name, device=work.settings.device,
            options=with_whole_path(words, work.asked.prev_stage_predictions),
        )  # fmt: skip
        work.show(shlex.join(command))
        total = len(work.inputs.part_of_cases)
        return run_prediction(
            command, work.inputs.folder, work.output, part=work.part, device=work.settings.device,
            on_line=None if work.log_file is None else _case_lines(work.done, total, work.progress),
            log_file=work.log_file,
        )  # fmt: skip


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


def _trained_dataset(dataset_id: int) -> str:
    return dataset_name(dataset_id, folder_from_environment("nnUNet_results"), f"nnunet_amt train {dataset_id}")


def find_model(dataset_id: int, fold: str, trainer: str, checkpoint: str) -> Path:
    """Give the checkpoint of a model of ours that may be used; BadInputError if it may not."""
    from nnunet_amt.trainers.networks import network_of_plans

    name = _trained_dataset(dataset_id)
    require_known_trainer(trainer)
    model = model_folder(folder_from_environment("nnUNet_results"), dataset=name, trainer=trainer)
    return require_model(model, fold=fold, checkpoint=checkpoint, trainer=trainer, network=network_of_plans)


def trained_models(dataset_id: int) -> list[Path]:
    """Give the folders of all models of a dataset, of whatever trainer; BadInputError if there is none."""
    folder = folder_from_environment("nnUNet_results") / _trained_dataset(dataset_id)
    models = sorted(path.parent.resolve() for path in folder.glob("*__*/dataset.json"))
    if not models:
        raise BadInputError(f"{folder}: no model has been trained of this dataset; give the model's folder or its zip")
    return models


def _case_lines(done: int, total: int, progress: Progress) -> Callable[[str], None]:
    """Make what turns nnU-Net's lines into progress."""

    def on_line(line: str) -> None:
        nonlocal done
        if line.startswith("done with "):
            done += 1
            progress(done, total, "prediction")

    return on_line
