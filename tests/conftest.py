"""Tiny images that every test can make, a raw dataset of nnU-Net's that a few share, and figures left undrawn."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

# A shell starts its background jobs with Ctrl-C ignored, and processes of the tests would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

WriteImage = Callable[..., Path]
TINY_DATASET = "Dataset711_Tiny"


def write_image(
    path: Path, array: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), **geometry: tuple
) -> Path:
    """Write an array (z, y, x) with spacing (x, y, z) in mm; `geometry` may give origin and direction."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    if "origin" in geometry:
        image.SetOrigin(geometry["origin"])
    if "direction" in geometry:
        image.SetDirection(geometry["direction"])
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def tiny_case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """CT (z, y, x) of 16 x 40 x 40 voxels, noise about -1000 HU with a box of +50 HU as the tumour, and its mask."""
    random = np.random.default_rng(seed)
    image = random.normal(-900, 20, (16, 40, 40)).clip(-1000, 1000).round().astype(np.int16)
    z, y, x = random.integers(2, 8), random.integers(6, 20), random.integers(6, 20)
    mask = np.zeros(image.shape, np.uint8)
    mask[z : z + 5, y : y + 12, x : x + 12] = 1
    image[mask == 1] = 50
    image[0, 0, 0], image[-1, -1, -1] = -1000, 1500  # the dataset's minimum and maximum
    return image, mask


def write_tiny_dataset(raw_folder: Path) -> Path:
    """Write a raw dataset of three training, two tuning and one external case."""
    dataset = raw_folder / TINY_DATASET
    cases = {"train": ["a", "b", "c"], "val": ["d", "e"]}
    for seed, case in enumerate((*cases["train"], *cases["val"], "f")):
        image, mask = tiny_case(seed)
        folder = "Ts" if case == "f" else "Tr"
        write_image(dataset / f"images{folder}" / f"{case}_0000.nii.gz", image, (2.0, 2.0, 5.0))
        write_image(dataset / f"labels{folder}" / f"{case}.nii.gz", mask, (2.0, 2.0, 5.0))
    description = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "tumour": 1},
        "numTraining": 5,
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
    }
    (dataset / "dataset.json").write_text(json.dumps(description))
    (dataset / "splits_final.json").write_text(json.dumps([cases]))
    return dataset


def set_nnunet_folders(monkeypatch: pytest.MonkeyPatch, base: Path) -> None:
    """Point nnU-Net's three variables below `base`, and keep it from starting worker processes."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(name, str(base / name))
    for name, value in (("nnUNet_n_proc_DA", "0"), ("nnUNet_def_n_proc", "1"), ("nnUNet_compile", "f")):
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True, scope="session")
def one_worker_process() -> Iterator[None]:
    """The command line starts a worker a core where nobody says how many; each takes a second, and cases are tiny."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("nnunet_amt.cli.options.usable_cores", lambda: 1)
        yield


@pytest.fixture(autouse=True)
def processes_find_the_tests() -> None:
    """The command line, run by an earlier test, keeps this process's Pythons from the folder that they start in."""
    os.environ.pop("PYTHONSAFEPATH", None)


@pytest.fixture(scope="session")
def planned_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Base folder of a tiny dataset that has been planned and preprocessed once for all tests; do not change it."""
    from nnunet_amt.nnunet.planning import plan

    base = tmp_path_factory.mktemp("planned")
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_nnunet_folders(monkeypatch, base)
        write_tiny_dataset(base / "nnUNet_raw")
        plan(711, patch_size=(8, 16, 16))
    yield base


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write empty files for figures: drawing them is nine tenths of a tiny evaluation, and seldom what is tested."""

    def save(_figure: Any, target: Any, **_options: Any) -> None:
        if not hasattr(target, "write"):  # else a figure in memory, which is empty then
            Path(target).touch()

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", save)
    monkeypatch.setattr("matplotlib.figure.Figure.draw_without_rendering", lambda _figure: None)
