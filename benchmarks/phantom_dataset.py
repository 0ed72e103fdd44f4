"""A raw dataset of phantom CTs, planned and preprocessed by AMT's recipe and by default nnU-Net.

The voxels are phantoms of the wanted size. The spacing in their headers is set: slices of 5 mm and pixels of 0.65,
0.7 and 0.78 mm in turn, whatever the size, so that small volumes are anisotropic too, nnU-Net plans the same kind of
network for them, and two of three cases are resampled to the median.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.recipes import CONFIGURATION, NNUNET
from nnunet_amt.base.files import read_record, write_json
from nnunet_amt.nnunet.environment import environment_with_trainer, folders_below
from nnunet_amt.nnunet.planning import plan
from nnunet_amt.nnunet.process import run_stock_command
from nnunet_amt.phantom import PhantomRequest, render_phantom

__all__ = ["DATASET", "DATASET_ID", "DatasetSize", "dataset_environment", "prepare_dataset"]

DATASET_ID = 711
DATASET = f"Dataset{DATASET_ID}_Speed"
SLICE_MM = 5.0
PIXELS_MM = (0.65, 0.70, 0.78)


@dataclass(frozen=True)
class DatasetSize:
    """Size of the images and number of cases.

    Attributes
    ----------
    pixels, slices
        Rows and columns, slices.
    training, tuning, external
        Cases of imagesTr's two parts, and of imagesTs.
    """

    pixels: int
    slices: int
    training: int = 6
    tuning: int = 2
    external: int = 4


def dataset_environment(folder: Path, device: str) -> dict[str, str]:
    """Environment of both recipes: the same folders; on a CPU one thread and no processes for the loader.

    Threads wait for each other where other work runs beside them; OMP_NUM_THREADS sets another number.
    """
    environment = environment_with_trainer({**os.environ, **folders_below(folder)})
    if device == "cpu":
        environment["nnUNet_n_proc_DA"] = "0"
        environment.setdefault("OMP_NUM_THREADS", "1")
    return environment


def prepare_dataset(parent: Path, size: DatasetSize, console: Console) -> Path:
    """Render, plan and preprocess in a folder of this size's own below `parent`; what is complete there is kept."""
    folder = parent.resolve() / "_".join(f"{name}{number}" for name, number in asdict(size).items())
    mark = folder / "size.json"
    if read_record(mark) == asdict(size):
        return folder
    os.environ.update(folders_below(folder))
    for path in folders_below(folder).values():
        Path(path).mkdir(parents=True, exist_ok=True)
    jobs = os.cpu_count() or 1
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("")

        def report(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        _write_raw(Path(folders_below(folder)["nnUNet_raw"]) / DATASET, size, jobs, report)
        plan(DATASET_ID, jobs=jobs, progress=report)
        report(0, 2, "plans and arrays of default nnU-Net")
        _plan_default(folder, jobs)
    write_json(mark, asdict(size))
    return folder


def _write_raw(dataset: Path, size: DatasetSize, jobs: int, report: Callable[[int, int, str], None]) -> None:
    inside = size.training + size.tuning
    total = inside + size.external
    with ProcessPoolExecutor(min(jobs, total), mp_context=get_context("spawn")) as pool:
        numbers = pool.map(partial(_write_case, dataset, size), range(total))
        for done, _ in enumerate(numbers, start=1):
            report(done, total, "making phantoms")
    content = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "tumour": 1},
        "numTraining": inside,
        "file_ending": ".nii.gz",
    }
    write_json(dataset / "dataset.json", content)
    names = [_name(number) for number in range(inside)]
    # nnU-Net's format: a list with one entry a fold
    folds = [{"train": names[: size.training], "val": names[size.training :]}]
    write_json(dataset / "splits_final.json", folds)


def _name(number: int) -> str:
    return f"AMT_{number:04d}"


def _write_case(dataset: Path, size: DatasetSize, number: int) -> int:
    phantom = render_phantom(711, number, PhantomRequest(in_plane_pixels=size.pixels, slices=size.slices))
    part = "Tr" if number < size.training + size.tuning else "Ts"
    pixel = PIXELS_MM[number % len(PIXELS_MM)]
    files: tuple[tuple[np.ndarray, str], ...] = (
        (phantom.image, f"images{part}/{_name(number)}_0000.nii.gz"),
        (phantom.mask, f"labels{part}/{_name(number)}.nii.gz"),
    )
    for array, name in files:
        image = sitk.GetImageFromArray(array)  # (z, y, x) to SimpleITK's (x, y, z)
        image.SetSpacing((pixel, pixel, SLICE_MM))
        (dataset / name).parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(dataset / name), useCompression=True)
    return number


def _plan_default(folder: Path, jobs: int) -> None:
    """Run nnU-Net's own planner and preprocessing; the fingerprint of the dataset is there already."""
    number, log = str(DATASET_ID), folder / "default_nnunet.log"

    def run(*command: str) -> None:
        run_stock_command(command, os.environ, on_line=lambda line: None, log_file=log)

    run("nnUNetv2_plan_experiment", "-d", number, "-overwrite_plans_name", NNUNET.plans)
    run("nnUNetv2_preprocess", "-d", number, "-plans_name", NNUNET.plans, "-c", CONFIGURATION, "-np", str(jobs))
