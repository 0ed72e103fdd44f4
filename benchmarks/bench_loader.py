"""Time what a worker of the loader does: reading crops, augmenting them; and the size of the arrays that it reads.

    python -m benchmarks.bench_loader --pixels 512 --slices 40 --training 3 --tuning 1 --external 1

In turns, in one process and one thread, processor time: a batch of default nnU-Net, one of ours as it is, and one of
ours with slices augmented as a volume, as they were before. The floor reads the crops of a batch and resamples the
images once, without labels. Arrays are also written again as nnU-Net itself would. At last a whole CT is brought to the
network's grid, as prediction does it: by nnU-Net's preprocessor with our plans, and by us, with the same array.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import torch
from acvl_utils.cropping_and_padding.bounding_boxes import crop_and_pad_nd
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform
from rich.console import Console
from rich.table import Table

from benchmarks.hardware import describe_machine
from benchmarks.phantom_dataset import DATASET, dataset_environment, prepare_dataset
from benchmarks.recipes import AMT, CONFIGURATION, NNUNET, Recipe
from benchmarks.speed_options import parser_of_sizes, size_of
from nnunet_amt.base.files import write_json
from nnunet_amt.base.json_file import read_json
from nnunet_amt.nnunet.environment import folder_from_environment
from nnunet_amt.paper import ROTATION_RANGE_RADIANS, SCALING_RANGE

CONSOLE = Console()
ROUNDS = 5
BEFORE, FLOOR = "nnunet_amt, volumes augmented", "floor"


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = prepare_dataset(arguments.folder or Path(temporary), size_of(arguments), CONSOLE)
        os.environ.update({**dataset_environment(folder, "cpu"), "nnUNet_results": str(Path(temporary) / "results")})
        ways, voxels = _ways()
        seconds = _seconds(ways, arguments.rounds)
        sizes = {recipe.name: _megabytes(recipe, Path(temporary)) for recipe in (NNUNET, AMT)}
        preparation, apart = _preparation(arguments.rounds)
    machine = describe_machine("cpu")
    _print(seconds, voxels, sizes, machine["device"])
    theirs, ours = (median(taken) for taken in preparation.values())
    CONSOLE.print(
        f"a CT to the network's grid: {NNUNET.name}'s preprocessor {theirs:.3f} s, {AMT.name} {ours:.3f} s, "
        f"{theirs / ours:.1f} times; apart by at most {apart:g}"
    )
    if arguments.json:
        content = {"machine": machine, "seconds": seconds, "voxels": voxels, "megabytes": sizes}
        write_json(arguments.json, {**content, "preparation": preparation, "apart": apart})


def _arguments() -> argparse.Namespace:
    parser = parser_of_sizes(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="batches of each way (default: %(default)s)")
    return parser.parse_args()


def volume_transforms(patch_size: tuple[int, int, int]) -> BasicTransform:
    """Turn and scale a volume (z, y, x) with the draws of `training_transforms`, z in grid and interpolation too."""
    spatial = SpatialTransform(
        patch_size,
        patch_center_dist_from_border=0,
        random_crop=False,
        p_rotation=1,
        rotation=lambda image, dim: float(np.random.uniform(*ROTATION_RANGE_RADIANS)) if dim == 0 else 0.0,
        p_scaling=1,
        scaling=lambda image, dim: 1.0 / float(np.random.uniform(*SCALING_RANGE)) if dim > 0 else 1.0,
        p_synchronize_scaling_across_axes=0,
        border_mode_seg="constant",
        padding_value_seg=-1,
    )
    return ComposeTransforms([spatial, RemoveLabelTansform(-1, 0)])


def _ways() -> tuple[dict[str, Callable[[], Any]], dict[str, int]]:
    """How a batch is made, and the voxels of one."""
    theirs, ours, before = (_loader(recipe) for recipe in (NNUNET, AMT, AMT))
    before.transforms = volume_transforms(tuple(before.final_patch_size))
    grid = ours.transforms.transforms[1]
    crop = torch.rand(ours.patch_size[0], *ours.patch_size[1:])
    drawn = grid.get_parameters(image=crop)

    def floor() -> None:
        for case in ours.get_indices():
            image, label, _, properties = ours._data.load_case(case)
            lower, upper = ours.get_bbox(image.shape[1:], True, properties["class_locations"])
            bounds = [list(pair) for pair in zip(lower, upper, strict=True)]
            crop_and_pad_nd(image, bounds, 0)
            crop_and_pad_nd(label, bounds, -1)
            grid._apply_to_image(crop, **drawn)

    ways: dict[str, Callable[[], Any]] = {
        NNUNET.name: theirs.generate_train_batch,
        BEFORE: before.generate_train_batch,
        AMT.name: ours.generate_train_batch,
        FLOOR: floor,
    }
    sizes = {NNUNET.name: theirs, BEFORE: before, AMT.name: ours, FLOOR: ours}
    return ways, {name: loader.batch_size * int(np.prod(loader.final_patch_size)) for name, loader in sizes.items()}


def _loader(recipe: Recipe) -> Any:
    from nnunetv2.run.run_training import get_trainer_from_args

    trainer = get_trainer_from_args(DATASET, CONFIGURATION, 0, recipe.trainer, recipe.plans, device=torch.device("cpu"))
    trainer.initialize()
    batches, _ = trainer.get_dataloaders()
    return batches.data_loader  # of nnU-Net's augmenter without worker processes


def _seconds(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, make in ways.items():
            started = process_time()
            make()
            if number:  # the first warms up
                seconds[name].append(process_time() - started)
    return seconds


def _megabytes(recipe: Recipe, temporary: Path) -> dict[str, float]:
    """MB of the images and labels of all cases, as they are and as nnU-Net would write them."""
    from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2

    folder = folder_from_environment("nnUNet_preprocessed") / DATASET / f"{recipe.plans}_{CONFIGURATION}"
    cases = nnUNetDatasetBlosc2(str(folder))
    again = temporary / recipe.plans
    again.mkdir()
    for name in cases.identifiers:
        image, label, _, properties = cases.load_case(name)
        (blocks, chunks), (label_blocks, label_chunks) = (
            comp_blosc2_params(array.shape, _patch_size(recipe), array.dtype.itemsize) for array in (image, label)
        )
        nnUNetDatasetBlosc2.save_case(
            image[:], label[:], properties, str(again / name),
            chunks=chunks, blocks=blocks, chunks_seg=label_chunks, blocks_seg=label_blocks,
        )  # fmt: skip
    return {"as it is": _size(folder), "as nnU-Net writes it": _size(again)}


def _patch_size(recipe: Recipe) -> list[int]:
    plans = folder_from_environment("nnUNet_preprocessed") / DATASET / f"{recipe.plans}.json"
    patch: list[int] = read_json(plans, advice="")["configurations"][CONFIGURATION]["patch_size"]
    return patch


def _preparation(rounds: int) -> tuple[dict[str, list[float]], float]:
    """Prepare an external CT by nnU-Net's preprocessor and by ours; give the seconds and the largest difference."""
    import SimpleITK as sitk
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from nnunet_amt.nnunet.network_grid import NetworkGrid

    plans = read_json(folder_from_environment("nnUNet_preprocessed") / DATASET / f"{AMT.plans}.json", advice="")
    raw = folder_from_environment("nnUNet_raw") / DATASET
    image = sitk.ReadImage(str(min((raw / "imagesTs").glob("*_0000.nii.gz"))))
    values, spacing = sitk.GetArrayFromImage(image), image.GetSpacing()[::-1]  # (z, y, x)
    manager, grid = PlansManager(plans), NetworkGrid.of_plans(plans)
    configuration = manager.get_configuration(CONFIGURATION)
    description = read_json(raw / "dataset.json", advice="")

    def theirs() -> np.ndarray:
        properties = {"spacing": list(spacing)}
        preprocessor = configuration.preprocessor_class(verbose=False)
        ct = values[None].astype(np.float32)
        array: np.ndarray = preprocessor.run_case_npy(ct, None, properties, manager, configuration, description)[0]
        return array

    def ours() -> np.ndarray:
        return np.asarray(grid.to_network(values, spacing).array)

    apart = float(np.abs(theirs() - ours()).max())
    return _seconds({NNUNET.name: theirs, AMT.name: ours}, rounds), apart


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.glob("*.b2nd")) / 1e6


def _print(
    seconds: dict[str, list[float]], voxels: dict[str, int], sizes: dict[str, dict[str, float]], title: str
) -> None:
    table = Table(title=title)
    for column in ("a batch", "processor s", "s a million voxels", "times ours", "a second, 4 workers"):
        table.add_column(column, justify="left" if column == "a batch" else "right")
    ours = median(seconds[AMT.name])
    for name, taken in seconds.items():
        one = median(taken)
        rate = f"{one / voxels[name] * 1e6:.3f}"
        table.add_row(name, f"{one:.3f}", rate, f"{one / ours:.2f}", f"{4 / one:.0f}")
    CONSOLE.print(table)
    for row in _size_lines(sizes):
        CONSOLE.print(row)


def _size_lines(sizes: dict[str, dict[str, float]]) -> Iterator[str]:
    theirs = sizes[NNUNET.name]["as nnU-Net writes it"]
    for name, ways in sizes.items():
        for way, size in ways.items():
            yield f"arrays of {name}, {way}: {size:.1f} MB, {size / theirs:.2f} of default nnU-Net's"


if __name__ == "__main__":
    main()
