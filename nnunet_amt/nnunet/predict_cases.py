"""Predict the CTs of a folder with a model in memory: the next one is read and the last one written beside the network.

No other process is started. Each label map appears whole or not at all, after the probabilities of its case: where it
stands, the case is done.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray

from nnunet_amt.base.files import atomic_path
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.workers import attempt
from nnunet_amt.errors import AMTError
from nnunet_amt.evaluation.operating_points.point import ARGMAX, OperatingPoint, apply_point
from nnunet_amt.images.geometry import from_lps
from nnunet_amt.images.image_file import ImageFile, open_image_file
from nnunet_amt.images.nifti import write_nifti
from nnunet_amt.images.probability_file import probability_file, read_probabilities, write_probabilities
from nnunet_amt.nnunet.input_images import InputImages, check_images, read_case
from nnunet_amt.nnunet.loaded_model import LoadedModel
from nnunet_amt.nnunet.network_grid import NetworkInput
from nnunet_amt.nnunet.predictions import begin_predictions, image_name

Case = TypeVar("Case")
Given = TypeVar("Given")
Found = TypeVar("Found")
Written = TypeVar("Written")

_DESCRIPTIONS = ("dataset.json", "plans.json")


def predict_unfinished(
    load: Callable[[], LoadedModel],
    images: InputImages,
    unfinished: Mapping[str, dict[str, Any]],
    output: Path,
    *,
    saved: Sequence[str],
    jobs: int,
    keep_intensities: bool = False,
    probabilities: bool = False,
    point: OperatingPoint | None = None,
    progress: Progress = silent,
    on_case: Callable[[str, float | None], None] = lambda case, share: None,
) -> LoadedModel | None:
    """Predict what is unfinished; the network runs, and is loaded, only for what has no saved probabilities.

    Parameters
    ----------
    load
        Loads the model, once all images are found to be fit.
    unfinished
        As `unfinished_predictions` gives it.
    saved
        Those of the cases whose probabilities are there.
    jobs
        Images that are looked at at a time.
    keep_intensities, probabilities, point, on_case
        As in `predict_cases`, which says what is raised too.
    progress
        Told of every image that was looked at.

    Returns
    -------
    LoadedModel or None
        The model, if it was needed.
    """
    cases = [case for case in unfinished if case not in saved]
    kept = check_images(images, cases, keep_intensities=keep_intensities, jobs=jobs, progress=progress)
    model = load() if cases else None
    begin_predictions(output, unfinished, saved=saved)
    label_saved(images, saved, output, point=point, on_case=on_case)
    if model is not None:
        predict_cases(
            model, images, cases, output, kept=kept, keep_intensities=keep_intensities, probabilities=probabilities,
            point=point, on_case=on_case,
        )  # fmt: skip
    return model


def predict_cases(
    model: LoadedModel,
    images: InputImages,
    cases: Sequence[str],
    output: Path,
    *,
    kept: dict[str, tuple[NDArray, ImageFile]],
    keep_intensities: bool = False,
    probabilities: bool = False,
    point: OperatingPoint | None = None,
    on_case: Callable[[str, float | None], None] = lambda case, share: None,
) -> None:
    """Write ``<case>.nii.gz`` of each case, on the axes of its image, and its probabilities if asked.

    Parameters
    ----------
    kept
        CTs that `check_images` has in memory, each taken out when it is predicted; the others are read again.
    keep_intensities
        As in `read_case`.
    point
        Makes the label maps of the probabilities, which are written then; None for the argmax.
    on_case
        Told of every case that is written, and in which share of its voxels the network was asked; None of a model that
        is asked everywhere, or where the network was not run.

    Raises
    ------
    BadInputError
        If an image cannot be read.
    WorkFailedError, DiskFullError
        If the network fails, or the disk fills up; what is written stays.
    """

    def read(case: str) -> tuple[ImageFile, NetworkInput]:
        found = kept.pop(case, None)
        values, file = read_case(images, case, keep_intensities=keep_intensities) if found is None else found
        return file, model.prepare(values, file.geometry.spacing[::-1])

    def write(case: str, file: ImageFile, prepared: NetworkInput, logits: torch.Tensor) -> float | None:
        predicted = model.finish(logits, prepared, probabilities=probabilities or point is not None)
        labels = from_lps(predicted.labels, file.stored)
        if predicted.levels is not None:
            levels = from_lps(predicted.levels, file.stored)
            write_probabilities(probability_file(output, case), levels, geometry=file.stored)
            labels = labels if point is None else apply_point(levels, file.stored.spacing, point)
        write_nifti(output / f"{case}.nii.gz", labels, geometry=file.stored)
        return model.share_asked(logits)

    def run(prepared: tuple[ImageFile, NetworkInput]) -> tuple[ImageFile, NetworkInput, torch.Tensor]:
        return *prepared, model.logits(prepared[1])

    for case, result in beside_network(cases, read=read, run=run, write=lambda case, found: write(case, *found)):
        if isinstance(result, AMTError):
            raise result
        on_case(case, result)


def beside_network(
    cases: Sequence[Case],
    *,
    read: Callable[[Case], Given],
    run: Callable[[Given], Found],
    write: Callable[[Case, Found], Written],
) -> Iterator[tuple[Case, Written | AMTError]]:
    """Take cases through three steps: the network runs on one while the next is read and the last written.

    Gives each case when it is written, in their order, with what `write` gave or what was wrong with the case; the
    others go on.

    Parameters
    ----------
    read, write
        Each runs in a thread of its own, in which torch makes no further ones.
    run
        Runs in this thread, with what `read` gave.

    Raises
    ------
    DiskFullError, MissingExtraError, OSError
        What is not a case's fault, see `attempt`.
    """

    def finish(case: Case, found: Found | AMTError) -> Written | AMTError:
        return found if isinstance(found, AMTError) else attempt(lambda one: write(case, one), found)

    threads = torch.get_num_threads()
    try:
        with _one_thread() as reader, _one_thread() as writer:
            following = reader.submit(attempt, read, cases[0]) if cases else None
            written: tuple[Case, Future[Written | AMTError]] | None = None
            for number, case in enumerate(cases, start=1):
                assert following is not None
                given = following.result()
                following = reader.submit(attempt, read, cases[number]) if number < len(cases) else None
                found = given if isinstance(given, AMTError) else attempt(run, given)
                if written is not None:
                    yield written[0], written[1].result()
                written = case, writer.submit(finish, case, found)
            if written is not None:
                yield written[0], written[1].result()
    finally:
        torch.set_num_threads(threads)


def label_saved(
    images: InputImages,
    cases: Sequence[str],
    output: Path,
    *,
    point: OperatingPoint | None,
    on_case: Callable[[str, float | None], None] = lambda case, share: None,
) -> None:
    """Write ``<case>.nii.gz`` of each case from its saved probabilities; the network is not run.

    Raises ImageReadError or GeometryMismatchError if the probabilities are damaged or of another image.
    """
    for case in cases:
        grid = open_image_file(images.folder / image_name(case)).stored
        levels = read_probabilities(probability_file(output, case), grid)
        labels = apply_point(levels, grid.spacing, ARGMAX if point is None else point)
        write_nifti(output / f"{case}.nii.gz", labels, geometry=grid)
        on_case(case, None)


def _one_thread() -> ThreadPoolExecutor:
    """Make a thread to work beside the network, in which torch makes no further ones."""
    return ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,))


def describe_predictions(model_folder: Path, output: Path) -> None:
    """Put the model's description beside its predictions, where nnU-Net's tools for these look for it."""
    for name in _DESCRIPTIONS:
        content = (model_folder / name).read_bytes()
        target = output / name
        if not target.is_file() or target.read_bytes() != content:
            with atomic_path(target) as partial:
                shutil.copyfile(model_folder / name, partial)
