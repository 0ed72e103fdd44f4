"""nnU-Net's preprocessing, case by case, so that a rerun goes on where the last run stopped."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

from nnunet_amt.base.files import PARTIAL_MARK, atomic_path, is_nearly_full, read_record, require_free_space, write_json
from nnunet_amt.base.processes import end_with_parent
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import DiskFullError, WorkFailedError

# What nnU-Net writes for a case, in the order in which we put it in place: the last one says that all is there.
_ENDINGS = ("_seg.b2nd", ".b2nd", ".pkl")


# nnU-Net keeps images as float32 and labels as int16, compressed by half or more.
_BYTES_PER_VOXEL = 3


@dataclass(frozen=True)
class _Work:
    """What every worker needs to preprocess a case."""

    plans: dict
    configuration: str
    dataset_json: dict
    folder: Path


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
    """Preprocess the training and tuning cases of a dataset as nnU-Net does.

    Cases that were preprocessed with the same plans from the same files are kept.

    Parameters
    ----------
    raw_dataset, preprocessed_folder
        The dataset's folders in nnUNet_raw and nnUNet_preprocessed.
    largest_image
        Voxels of the largest image after resampling, to ask for room on the disk.
    progress
        Told of every case done.

    Returns
    -------
    int
        Number of preprocessed cases.

    Raises
    ------
    DiskFullError
        If the disk has no room for the arrays.
    WorkFailedError
        If a worker died, usually for lack of memory.
    """
    dataset_json = json.loads((raw_dataset / "dataset.json").read_text(encoding="utf-8"))
    cases = get_filenames_of_train_images_and_targets(str(raw_dataset), dataset_json)
    folder = preprocessed_folder / plans["configurations"][configuration]["data_identifier"]
    state = _state(plans, configuration, cases)
    _keep_what_fits(folder, state)
    todo = [name for name in cases if not all((folder / f"{name}{ending}").is_file() for ending in _ENDINGS)]
    require_free_space(folder, len(todo) * largest_image * _BYTES_PER_VOXEL, f"preprocessing {len(todo)} cases")
    work = _Work(plans, configuration, dataset_json, folder)
    run_case = partial(_preprocess_case, work)
    progress(len(cases) - len(todo), len(cases), "preprocessing")
    try:
        for done, _ in enumerate(_mapped(run_case, [(name, cases[name]) for name in todo], jobs), start=1):
            progress(len(cases) - len(todo) + done, len(cases), "preprocessing")
    except BrokenProcessPool as error:
        raise WorkFailedError(
            f"{folder}: a preprocessing worker was killed, usually for lack of memory; run again with fewer --jobs"
        ) from error
    shutil.rmtree(_temporary_folder(folder), ignore_errors=True)
    _copy_references(cases, preprocessed_folder / "gt_segmentations", dataset_json["file_ending"])
    return len(cases)


def _mapped(run_case: partial, items: list[tuple[str, dict]], jobs: int) -> Iterable[None]:
    if jobs == 1 or len(items) < 2:
        yield from map(run_case, items)
        return
    # spawn: a forked worker would hang on the threads of torch
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=end_with_parent) as pool:
        yield from pool.map(run_case, items)


def _preprocess_case(work: _Work, case: tuple[str, dict]) -> None:
    name, files = case
    plans_manager = PlansManager(work.plans)
    temporary = _temporary_folder(work.folder) / f"{os.getpid()}-{name}"
    temporary.mkdir(parents=True)
    configuration = plans_manager.get_configuration(work.configuration)
    try:
        DefaultPreprocessor(verbose=False).run_case_save(
            str(temporary / name), files["images"], files["label"], plans_manager, configuration, work.dataset_json
        )
    except RuntimeError as error:  # what blosc2 makes of a full disk
        if not is_nearly_full(work.folder):
            raise
        raise DiskFullError(f"{work.folder}: the disk is full; free some space and run again") from error
    for ending in _ENDINGS:
        (temporary / f"{name}{ending}").replace(work.folder / f"{name}{ending}")
    temporary.rmdir()


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
    return {
        "settings_sha256": hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
        "files": files,
    }


def _temporary_folder(folder: Path) -> Path:
    """Give a place beside `folder` for half-written cases: nnU-Net takes every file in it for data."""
    return folder.with_name(f"{PARTIAL_MARK}{folder.name}")


def _keep_what_fits(folder: Path, state: dict) -> None:
    """Remove arrays of other settings, of changed files, of cases that are gone, and half-written ones."""
    state_file = folder.with_name(f"{folder.name}_state.json")
    old = read_record(state_file)
    if folder.exists() and old.get("settings_sha256") != state["settings_sha256"]:
        state_file.unlink(missing_ok=True)  # first: a kill in the middle must not leave a state that fits
        shutil.rmtree(folder)
        old = {}
    shutil.rmtree(_temporary_folder(folder), ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name, files in old.get("files", {}).items():
        if state["files"].get(name) != files:
            for ending in reversed(_ENDINGS):
                (folder / f"{name}{ending}").unlink(missing_ok=True)
    write_json(state_file, state)


def _copy_references(cases: dict[str, dict], folder: Path, file_ending: str) -> None:
    """Put the references where nnU-Net's final validation looks for them."""
    for name, case in cases.items():
        target = folder / f"{name}{file_ending}"
        source = Path(case["label"])
        if not target.is_file() or target.stat().st_mtime_ns < source.stat().st_mtime_ns:
            with atomic_path(target) as temporary:
                shutil.copy(source, temporary)
