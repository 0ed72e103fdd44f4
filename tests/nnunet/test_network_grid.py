"""Preprocessing and export without their detours give the arrays and the labels of nnU-Net's own."""

from __future__ import annotations

import copy
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.preprocessing.resampling.default_resampling import determine_do_sep_z_and_axis
from nnunetv2.preprocessing.resampling.resample_torch import resample_torch_simple
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from nnunet_amt.images.probability_file import LOWEST_LEVEL, LOWEST_OF_TUMOUR
from nnunet_amt.nnunet.network_grid import NetworkGrid, NetworkInput, resample, thick_axis
from tests.conftest import TINY_DATASET

Plans = dict[str, Any]
Spacing = tuple[float, float, float]

# Of the CT and of the plans, (z, y, x) in mm: what nnU-Net decides by them stands beside.
GRIDS: dict[str, tuple[Spacing, Spacing]] = {
    "thick slices, resampled in their planes": ((5.0, 0.65, 0.65), (5.0, 0.7, 0.7)),
    "thick slices, more of them": ((5.0, 0.78, 0.78), (3.0, 0.7, 0.7)),
    "thick slices, fewer of them": ((2.0, 0.6, 0.6), (5.0, 0.7, 0.7)),
    "thick only in the plans": ((1.5, 0.9, 0.9), (5.0, 0.9, 0.9)),
    "thin slices": ((1.0, 0.8, 0.7), (2.0, 1.5, 1.5)),
    "no resampling": ((5.0, 0.7, 0.7), (5.0, 0.7, 0.7)),
    "coronal": ((0.7, 5.0, 0.8), (0.9, 4.0, 0.9)),
    "sagittal": ((0.7, 0.8, 5.0), (0.9, 0.9, 4.0)),
    "two long edges": ((0.7, 4.0, 4.0), (0.9, 3.0, 3.0)),
}
WINDOWS = {"minimum to maximum": (-1000.0, 1500.0), "mediastinum": (-160.0, 240.0)}


@pytest.fixture(scope="module")
def plans(planned_base: Path) -> Plans:
    return json.loads((planned_base / "nnUNet_preprocessed" / TINY_DATASET / "nnUNetAMTPlans.json").read_text())


@pytest.fixture(scope="module")
def description(planned_base: Path) -> Plans:
    return json.loads((planned_base / "nnUNet_preprocessed" / TINY_DATASET / "dataset.json").read_text())


def with_spacing(plans: Plans, spacing: Spacing, window: tuple[float, float] = (-1000.0, 1500.0)) -> Plans:
    changed = copy.deepcopy(plans)
    changed["configurations"]["3d_fullres"]["spacing"] = list(spacing)
    low, high = window
    changed["foreground_intensity_properties_per_channel"]["0"].update(
        percentile_00_5=low, percentile_99_5=high, mean=low, std=high - low
    )
    return changed


def ct(shape: tuple[int, int, int] = (11, 37, 42)) -> NDArray[np.int16]:
    """Noise with a rim of 0 of another width on every side, and holes of 0 in it."""
    values = np.random.default_rng(7).integers(-1024, 2000, shape).astype(np.int16)
    values[4:6, 10:20, 10:20] = 0
    for axis, (low, high) in enumerate(((1, 2), (0, 3), (4, 1))):
        moved = np.moveaxis(values, axis, 0)
        moved[:low] = 0
        moved[len(moved) - high :] = 0
    return values


def of_nnunet(plans: Plans, description: Plans, values: NDArray, spacing: Spacing) -> tuple[NDArray, dict[str, Any]]:
    manager = PlansManager(plans)
    data, _, properties = DefaultPreprocessor(verbose=False).run_case_npy(
        values[None], None, {"spacing": list(spacing)}, manager, manager.get_configuration("3d_fullres"), description
    )
    return data, properties


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("grid", GRIDS)
def test_array_is_nnunets(plans: Plans, description: Plans, grid: str, window: str) -> None:
    spacing, target = GRIDS[grid]
    changed = with_spacing(plans, target, WINDOWS[window])
    expected, properties = of_nnunet(changed, description, ct(), spacing)
    found = NetworkGrid.of_plans(changed).to_network(ct(), spacing)
    assert found.array.dtype == torch.float32
    assert np.array_equal(found.array.numpy(), expected)
    assert [[part.start, part.stop] for part in found.box] == properties["bbox_used_for_cropping"]


def test_ct_of_nothing_but_0_is_kept_whole(plans: Plans, description: Plans) -> None:
    values = np.zeros((4, 6, 6), np.int16)
    expected, _ = of_nnunet(plans, description, values, (5.0, 2.0, 2.0))
    assert np.array_equal(NetworkGrid.of_plans(plans).to_network(values, (5.0, 2.0, 2.0)).array.numpy(), expected)


def smooth_logits(shape: tuple[int, ...], seed: int, coarse: int = 3) -> torch.Tensor:
    """Two logits as a network gives them, (2, z, y, x): large, changing slowly, in half precision."""
    noise = torch.randn((1, 2, coarse, coarse, coarse), generator=torch.Generator().manual_seed(seed))
    return (interpolate(noise, shape, mode="trilinear")[0] * 8).half()


def labels_of_nnunet(
    plans: Plans, description: Plans, logits: torch.Tensor, properties: dict[str, Any], probabilities: bool = False
) -> Any:
    manager = PlansManager(plans)
    return convert_predicted_logits_to_segmentation_with_correct_shape(
        logits.clone(), manager, manager.get_configuration("3d_fullres"), manager.get_label_manager(description),
        properties, return_probabilities=probabilities, num_threads_torch=1,
    )  # fmt: skip


@pytest.mark.parametrize("grid", GRIDS)
def test_labels_and_probabilities_are_nnunets(plans: Plans, description: Plans, grid: str) -> None:
    spacing, target = GRIDS[grid]
    changed = with_spacing(plans, target)
    _, properties = of_nnunet(changed, description, ct(), spacing)
    own = NetworkGrid.of_plans(changed)
    prepared = own.to_network(ct(), spacing)
    for seed in range(3):
        logits = smooth_logits(tuple(prepared.array.shape[1:]), seed)
        labels, probabilities = labels_of_nnunet(changed, description, logits, properties, probabilities=True)
        found = own.to_ct(logits, prepared, probabilities=True)
        assert 0.02 < labels.mean() < 0.98  # both classes are there
        assert found.labels.dtype == np.uint8
        assert np.array_equal(found.labels, labels)
        assert np.array_equal(own.to_ct(logits, prepared).labels, labels)
        assert found.levels is not None
        assert np.array_equal(found.levels >= LOWEST_OF_TUMOUR, labels == 1)
        levels = np.where(probabilities[1] * 255 < LOWEST_LEVEL - 0.5, 0, probabilities[1] * 255)
        inside = np.zeros(labels.shape, bool)  # outside of the box nnU-Net gives the background 1
        inside[prepared.box] = True
        assert np.abs(found.levels - levels)[inside].max() <= 0.51
        assert not found.levels[~inside].any()


@pytest.mark.parametrize("grid", ["thick slices, more of them", "thin slices", "sagittal", "no resampling"])
def test_where_rounding_decides_it_decides_as_in_nnunet(plans: Plans, description: Plans, grid: str) -> None:
    """Two large logits that are equal or nearly so in most voxels: the sign of their difference alone is not enough."""
    spacing, target = GRIDS[grid]
    changed = with_spacing(plans, target)
    _, properties = of_nnunet(changed, description, ct(), spacing)
    own = NetworkGrid.of_plans(changed)
    prepared = own.to_network(ct(), spacing)
    shape = tuple(prepared.array.shape[1:])
    random = torch.Generator().manual_seed(3)
    background = (torch.randn(shape, generator=random) * 30).half()
    ulps = torch.randint(-1, 2, shape, generator=random).half() * 2.0**-7
    logits = torch.stack([background, background + ulps])
    labels = labels_of_nnunet(changed, description, logits, properties)
    assert labels.any()
    assert np.array_equal(own.to_ct(logits, prepared).labels, labels)


def test_nothing_found_is_nothing(plans: Plans) -> None:
    grid = NetworkGrid.of_plans(with_spacing(plans, (5.0, 0.7, 0.7)))
    prepared = grid.to_network(ct(), (5.0, 0.65, 0.65))
    logits = torch.stack([torch.full(prepared.array.shape[1:], value).half() for value in (9.0, -9.0)])
    found = grid.to_ct(logits, prepared, probabilities=True)
    assert found.levels is not None
    assert found.labels.shape == found.levels.shape == ct().shape
    assert not found.labels.any()
    assert not found.levels.any()


def test_axis_of_thick_slices_is_nnunets() -> None:
    """Spacings at and next to three times the shortest edge, and every way to force it."""
    random = np.random.default_rng(0)
    spacings = [tuple(random.choice([0.5, 0.7, 1.5, 2.1, 2.2, 5.0], 3).tolist()) for _ in range(60)]
    for current, new in pairwise(spacings):
        for forced in (None, True, False):
            separate, axis = determine_do_sep_z_and_axis(forced, current, new)
            assert thick_axis(current, new, forced) == (axis if separate else None)


def test_slices_that_are_taken_are_nnunets() -> None:
    """Where the middle of a new slice falls between two old ones, as for 3 of 2, rounding decides."""
    for old in range(1, 45, 2):
        volume = torch.arange(old, dtype=torch.float32)[:, None, None].expand(old, 2, 3)
        for new in range(1, 45):
            expected = resample_torch_simple(volume[None].contiguous(), (new, 2, 3), mode="nearest-exact")[0, :, 0, 0]
            found = resample(volume, (new, 2, 3), current=(5.0, 1.0, 1.0), new=(5.0, 1.0, 1.0))[:, 0, 0]
            assert torch.equal(found, expected)


def test_box_is_where_it_was(plans: Plans) -> None:
    """One voxel of tumour in the network's grid becomes its place in the CT, the rim of 0 counted."""
    grid = NetworkGrid.of_plans(with_spacing(plans, (5.0, 0.7, 0.7)))
    prepared: NetworkInput = grid.to_network(ct(), (5.0, 0.7, 0.7))
    logits = torch.zeros((2, *prepared.array.shape[1:]), dtype=torch.half)
    logits[1, 2, 3, 4] = 1
    assert np.argwhere(grid.to_ct(logits, prepared).labels).tolist() == [[3, 3, 8]]
