"""What nnU-Net and the paper want to know of a raw dataset: its fingerprint and its intensity range."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from nnunetv2.experiment_planning.dataset_fingerprint import fingerprint_extractor
from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprint_dataset

from nnunet_amt.base.files import read_record, write_json
from nnunet_amt.base.processes import pools_that_end_with_parent
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.nnunet.raw_cases import RawCase, RawCases, check_case

logger = logging.getLogger(__name__)

# Beside nnU-Net's dataset_fingerprint.json: the raw files that both were taken of.
FINGERPRINT_RECORD = "nnunet_amt_fingerprint.json"


@dataclass(frozen=True)
class IntensityRange:
    """Lowest and highest intensity of the training and tuning images, in HU."""

    minimum: float
    maximum: float


def fingerprint(dataset_id: int, cases: RawCases, folder: Path, jobs: int, progress: Progress) -> IntensityRange:
    """Take nnU-Net's fingerprint and the intensity range, or keep those there are if the raw files are the same.

    Parameters
    ----------
    dataset_id
        Number of the dataset.
    cases
        What `list_cases` gives.
    folder
        Folder of the dataset in nnUNet_preprocessed.
    jobs
        Worker processes.
    progress
        Told of every image read.
    """
    record_file = folder / FINGERPRINT_RECORD
    state = raw_files_state(cases)
    record = read_record(record_file)
    if record.get("raw_files_sha256") == state and read_record(folder / "dataset_fingerprint.json"):
        logger.info("the raw images are those of the last run, their fingerprint is kept")
        return IntensityRange(record["minimum"], record["maximum"])
    record_file.unlink(missing_ok=True)
    intensities = intensity_range(cases, jobs, progress)
    with (
        quiet_nnunet(),
        pools_that_end_with_parent(fingerprint_extractor),
        _reporting_bars(len(cases.training), progress),
    ):
        extract_fingerprint_dataset(dataset_id, num_processes=jobs, clean=True, verbose=False)
    write_json(
        record_file,
        {"raw_files_sha256": state, "minimum": intensities.minimum, "maximum": intensities.maximum},
    )
    return intensities


def raw_files_state(cases: RawCases) -> str:
    """Digest of names, sizes and times of the training and tuning files: another one, and the fingerprint is old."""
    stats = [
        (file.name, file.stat().st_size, file.stat().st_mtime_ns) for case in cases.training for file in _files(case)
    ]
    return hashlib.sha256(json.dumps(stats).encode()).hexdigest()


def _files(case: RawCase) -> tuple[Path, Path]:
    return case.image, case.label


@contextmanager
def quiet_nnunet() -> Iterator[None]:
    """Keep what nnU-Net prints off the screen; its errors are exceptions."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


@contextmanager
def _reporting_bars(total: int, progress: Progress) -> Iterator[None]:
    """Let nnU-Net's fingerprint report to us where it would draw a bar of its own."""
    original = fingerprint_extractor.tqdm
    done = 0

    class Bar(contextlib.AbstractContextManager):
        def update(self, steps: int = 1) -> None:
            nonlocal done
            done += steps
            progress(done, total, "fingerprint")

        def __exit__(self, *error: object) -> None:
            pass

    fingerprint_extractor.tqdm = lambda **settings: Bar()
    try:
        progress(0, total, "fingerprint")
        yield
    finally:
        fingerprint_extractor.tqdm = original


def intensity_range(cases: RawCases, jobs: int = 1, progress: Progress = silent) -> IntensityRange:
    """Lowest and highest value over the whole training and tuning images ("Data pre-processing").

    Every image and label is read and checked on the way, before anything is computed from them.

    Raises
    ------
    BadInputError
        Names the first case that is not what it must be.
    """
    minimum, maximum = np.inf, -np.inf
    with ThreadPoolExecutor(jobs) as pool:
        ranges = pool.map(partial(check_case, labels=cases.labels), cases.training)
        for done, (low, high) in enumerate(ranges, start=1):
            minimum, maximum = min(minimum, low), max(maximum, high)
            progress(done, len(cases.training), "intensities")
    if minimum >= maximum:
        raise BadInputError(f"all {len(cases.training)} images hold the one value {minimum:g}; these are not CTs")
    return IntensityRange(minimum, maximum)
