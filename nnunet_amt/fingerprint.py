"""What nnU-Net and the paper want to know of a raw dataset: its fingerprint and its intensity range."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from nnunetv2.experiment_planning.dataset_fingerprint import fingerprint_extractor
from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprint_dataset
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

from nnunet_amt.errors import BadInputError, ImageReadError
from nnunet_amt.files import write_json
from nnunet_amt.image_integrity import require_whole_file
from nnunet_amt.progress import Progress, silent

__all__ = ["IntensityRange", "fingerprint", "intensity_range", "quiet_nnunet", "training_images"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class IntensityRange:
    """Lowest and highest intensity of the training and tuning images, in HU."""

    minimum: float
    maximum: float


def training_images(raw_dataset: Path) -> dict[str, dict]:
    """nnU-Net's list of the training and tuning cases, with files by case: ``images`` (a list) and ``label``."""
    if not (raw_dataset / "dataset.json").is_file():
        raise BadInputError(f"{raw_dataset}: no dataset.json; finish the conversion with: nnunet_amt convert")
    return get_filenames_of_train_images_and_targets(str(raw_dataset))


def fingerprint(dataset_id: int, images: dict[str, dict], folder: Path, jobs: int, report: Progress) -> IntensityRange:
    """Take nnU-Net's fingerprint and the intensity range, or keep those there are if the raw files are the same.

    Parameters
    ----------
    dataset_id
        Number of the dataset.
    images
        What `training_images` gives.
    folder
        Folder of the dataset in nnUNet_preprocessed.
    jobs
        Worker processes.
    report
        Told of every image read.
    """
    record_file = folder / "nnunet_amt_fingerprint.json"
    files = sorted(path for case in images.values() for path in (*case["images"], case["label"]))
    stats = [(Path(path).name, Path(path).stat().st_size, Path(path).stat().st_mtime_ns) for path in files]
    state = hashlib.sha256(json.dumps(stats).encode()).hexdigest()
    if record_file.is_file() and (folder / "dataset_fingerprint.json").is_file():
        record = json.loads(record_file.read_text(encoding="utf-8"))
        if record["raw_files_sha256"] == state:
            logger.info("the raw images are those of the last run, their fingerprint is kept")
            return IntensityRange(record["minimum"], record["maximum"])
    record_file.unlink(missing_ok=True)
    first_channel = [Path(case["images"][0]) for case in images.values()]
    intensities = intensity_range(first_channel, jobs, report)
    with quiet_nnunet(), _reporting_bars(len(images), report):
        extract_fingerprint_dataset(dataset_id, num_processes=jobs, clean=True, verbose=False)
    write_json(
        record_file,
        {"raw_files_sha256": state, "minimum": intensities.minimum, "maximum": intensities.maximum},
    )
    return intensities


@contextmanager
def quiet_nnunet() -> Iterator[None]:
    """Keep what nnU-Net prints off the screen; its errors are exceptions."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


@contextmanager
def _reporting_bars(total: int, report: Progress) -> Iterator[None]:
    """Let nnU-Net's fingerprint report to us where it would draw a bar of its own."""
    original = fingerprint_extractor.tqdm
    done = 0

    class Bar(contextlib.AbstractContextManager):
        def update(self, steps: int = 1) -> None:
            nonlocal done
            done += steps
            report(done, total, "fingerprint")

        def __exit__(self, *error: object) -> None:
            pass

    fingerprint_extractor.tqdm = lambda **settings: Bar()
    try:
        report(0, total, "fingerprint")
        yield
    finally:
        fingerprint_extractor.tqdm = original


def intensity_range(images: Sequence[Path], jobs: int = 1, report: Progress = silent) -> IntensityRange:
    """Lowest and highest value over whole images ("Data pre-processing")."""
    minimum, maximum = np.inf, -np.inf
    with ThreadPoolExecutor(jobs) as pool:
        for done, (low, high) in enumerate(pool.map(_image_range, images), start=1):
            minimum, maximum = min(minimum, low), max(maximum, high)
            report(done, len(images), "intensities")
    if minimum >= maximum:
        raise BadInputError(f"all {len(images)} images hold the one value {minimum:g}; these are not CTs")
    return IntensityRange(minimum, maximum)


def _image_range(path: Path) -> tuple[float, float]:
    require_whole_file(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise ImageReadError(f"{path}: cannot be read; convert this case again") from error
    extremes = sitk.MinimumMaximumImageFilter()
    extremes.Execute(image)
    return extremes.GetMinimum(), extremes.GetMaximum()
