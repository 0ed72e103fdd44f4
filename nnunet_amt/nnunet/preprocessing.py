"""nnU-Net's preprocessing, case by case, so that a rerun goes on where the last run stopped."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import blosc2
import numpy as np
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

from nnunet_amt.base.files import PARTIAL_MARK, atomic_path, is_nearly_full, read_record, require_free_space, write_json
from nnunet_amt.base.json_file import misfit, read_json
from nnunet_amt.base.processes import end_with_parent
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import DiskFullError, WorkFailedError

# What nnU-Net writes for a case, in the order in which we put it in place: the last one says that all is there.
_ENDINGS = ("_seg.b2nd", ".b2nd", ".pkl")
# nnU-Net keeps images as float32 and labels as int16, compressed by half or more.
_BYTES_PER_VOXEL = 3


def preprocess(
    raw_dataset: Path,
    preprocessed_folder: Path,
    *,
    plans: dict,
    configuration: str,
    largest_image: int,
    jobs: int = 1,
    progress: Progress = silent,
) -> int:
    """Preprocess the training and tuning cases of a dataset as nnU-Net does; give their number.

    Cases that were preprocessed with the same plans from the same files are kept. The folders are the dataset's in
    nnUNet_raw and nnUNet_preprocessed; `largest_image` is in voxels after resampling, to ask for room on the disk.

    Raises
    ------
    DiskFullError
        If the disk has no room for the arrays.
    WorkFailedError
        If a worker died, usually for lack of memory.
    """
    dataset_json = read_json(raw_dataset / "dataset.json", advice="convert the cohort again")
    cases = get_filenames_of_train_images_and_targets(str(raw_dataset), dataset_json)
    folder = preprocessed_folder / plans["configurations"][configuration]["data_identifier"]
    _keep_what_fits(folder, _state(plans, configuration, cases))
    todo = [name for name in cases if not all((folder / f"{name}{ending}").is_file() for ending in _ENDINGS)]
    require_free_space(folder, len(todo) * largest_image * _BYTES_PER_VOXEL, f"preprocessing {len(todo)} cases")
    kept = len(cases) - len(todo)
    run_case = partial(
        _preprocess_case, plans=plans, configuration=configuration, dataset_json=dataset_json, folder=folder
    )
    progress(kept, len(cases), "preprocessing")
    try:
        for done, _ in enumerate(_mapped(run_case, [(name, cases[name]) for name in todo], jobs), start=kept + 1):
            progress(done, len(cases), "preprocessing")
    except BrokenProcessPool as error:
        raise WorkFailedError(
            f"{folder}: a preprocessing worker was killed, usually for lack of memory; run again with fewer --jobs"
        ) from error
    shutil.rmtree(_temporary_folder(folder), ignore_errors=True)
    for name, case in cases.items():  # where nnU-Net's final validation looks for the references
        target = preprocessed_folder / "gt_segmentations" / f"{name}{dataset_json['file_ending']}"
        source = Path(case["label"])
        if not target.is_file() or target.stat().st_mtime_ns < source.stat().st_mtime_ns:
            with atomic_path(target) as partial_copy:
                shutil.copy(source, partial_copy)
    return len(cases)


def _mapped(run_case: partial, items: list[tuple[str, dict]], jobs: int) -> Iterable[None]:
    if jobs == 1 or len(items) < 2:
        yield from map(run_case, items)
        return
    # spawn: a forked worker would hang on the threads of torch
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=end_with_parent) as pool:
        yield from pool.map(run_case, items)


def _preprocess_case(
    case: tuple[str, dict], *, plans: dict, configuration: str, dataset_json: dict, folder: Path
) -> None:
    name, files = case
    manager = PlansManager(plans)
    temporary = _temporary_folder(folder) / f"{os.getpid()}-{name}"
    temporary.mkdir(parents=True)
    settings = manager.get_configuration(configuration)
    data, label, properties = DefaultPreprocessor(verbose=False).run_case(
        files["images"], files["label"], manager, settings, dataset_json
    )
    try:
        _save_case(temporary / name, data, label, properties, patch_size=settings.patch_size)
    except RuntimeError as error:  # what blosc2 makes of a full disk
        if not is_nearly_full(folder):
            raise
        raise DiskFullError(f"{folder}: the disk is full; free some space and run again") from error
    for ending in _ENDINGS:
        (temporary / f"{name}{ending}").replace(folder / f"{name}{ending}")
    temporary.rmdir()


def _save_case(
    target: Path, data: np.ndarray, label: np.ndarray, properties: dict, *, patch_size: Sequence[int]
) -> None:
    """Write image and label (channel, z, y, x) as nnU-Net does, the image by one filter more to choose from."""
    image, labels = data.astype(np.float32, copy=False), label.astype(np.int16, copy=False)
    (blocks, chunks), (label_blocks, label_chunks) = (
        comp_blosc2_params(array.shape, tuple(patch_size), array.itemsize) for array in (image, labels)
    )
    nnUNetDatasetBlosc2.save_case(
        image, labels, properties, str(target), chunks=chunks, blocks=blocks, chunks_seg=label_chunks,
        blocks_seg=label_blocks, filters=[smallest_filter(image, blocks, chunks)],
    )  # fmt: skip


def smallest_filter(image: np.ndarray, blocks: Sequence[int], chunks: Sequence[int]) -> blosc2.Filter:
    """Try which of blosc2's filters leaves least of the chunk in the middle of an image (channel, z, y, x).

    All of them are lossless, and reading is not told which it was. nnU-Net tries the first two; the third suits
    images that were not resampled, whose values are few but for noise.
    """
    shape = [min(edges) for edges in zip(chunks, image.shape, strict=True)]
    middle = tuple(
        slice((whole - edge) // 2, (whole + edge) // 2) for whole, edge in zip(image.shape, shape, strict=True)
    )
    chunk = np.ascontiguousarray(image[middle])
    inside = tuple(min(edges) for edges in zip(blocks, chunk.shape, strict=True))

    def size(choice: blosc2.Filter) -> int:
        settings = {"codec": blosc2.Codec.LZ4HC, "clevel": 5, "filters": [choice]}  # nnU-Net's
        return int(blosc2.asarray(chunk, chunks=chunk.shape, blocks=inside, cparams=settings).schunk.cbytes)

    return min((blosc2.Filter.NOFILTER, blosc2.Filter.SHUFFLE, blosc2.Filter.BITSHUFFLE), key=size)


def _state(plans: dict, configuration: str, cases: dict[str, dict]) -> dict:
    """Record what the arrays of a folder depend on."""
    settings = {
        "configuration": plans["configurations"][configuration],
        "intensities": plans["foreground_intensity_properties_per_channel"],
    }
    files = {
        name: [[Path(path).stat().st_size, Path(path).stat().st_mtime_ns] for path in (*case["images"], case["label"])]
        for name, case in cases.items()
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return {"settings_sha256": digest, "files": files}


def _temporary_folder(folder: Path) -> Path:
    """Give a place beside `folder` for half-written cases: nnU-Net takes every file in it for data."""
    return folder.with_name(f"{PARTIAL_MARK}{folder.name}")


def _keep_what_fits(folder: Path, state: dict) -> None:
    """Remove arrays of other settings, of changed files, of cases that are gone, and half-written ones."""
    state_file = folder.with_name(f"{folder.name}_state.json")
    old = read_record(state_file)
    if misfit(old, {"settings_sha256": str, "files": dict}) is not None:
        old = {}
    if folder.exists() and old.get("settings_sha256") != state["settings_sha256"]:
        state_file.unlink(missing_ok=True)  # first: a kill in the middle must not leave a state that fits
        shutil.rmtree(folder)
        old = {}
    shutil.rmtree(_temporary_folder(folder), ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name, files in old.get("files", {}).items():
        if state["files"].get(name) != files and Path(name).name == name:  # in this folder, whoever wrote it
            for ending in reversed(_ENDINGS):
                (folder / f"{name}{ending}").unlink(missing_ok=True)
    write_json(state_file, state)
