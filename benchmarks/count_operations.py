"""Count what the networks compute for a cohort like the paper's: no GPU, no images, the same on every machine.

    python -m benchmarks.count_operations

Default nnU-Net's own planner is given the fingerprint of 547 CTs of 512 x 512 x 60 voxels of 0.7 x 0.7 x 5 mm; our
patch is `planning.TARGET_PATCH_SIZE`. Counted are the operations of all convolutions, a multiplication and an addition
as two, in one training step and in the sliding window over one CT, mirrored passes included. The fast recipe's window
slides over the part of the chest that its first look leaves.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window
from rich.console import Console
from rich.table import Table
from torch import nn

from benchmarks.network_cost import forward_flops, training_flops
from nnunet_amt.base.files import write_json
from nnunet_amt.models.fast_network import FAST_FEATURES, fast_architecture
from nnunet_amt.models.plans import CONFIGURATION
from nnunet_amt.nnunet.environment import folders_below
from nnunet_amt.nnunet.planning import TARGET_PATCH_SIZE
from nnunet_amt.paper import BATCH_SIZE
from nnunet_amt.trainers.networks import network_of_plans
from nnunet_amt.trainers.unet import AMTUNet

SHAPE, SPACING = (60, 512, 512), (5.0, 0.7, 0.7)  # (z, y, x), mm
CASES = 485 + 62  # training and tuning cases of the paper
OVERLAP = 0.5  # nnU-Net's: windows advance by half a patch
MIRRORED_PASSES = 8
# Of such a CT, (z, y, x): all slices, and 198 x 265 mm, what `MediastinalRegion` leaves of a chest 247 mm wide inside.
REGION = (60, 283, 379)
CONSOLE = Console()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        plans = _default_plans(Path(folder))
    settings = plans["configurations"]["3d_fullres"]
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    design = settings["architecture"]
    with torch.device("meta"):
        ours, fast = AMTUNet(1, 2), fast_network()
        theirs = get_network_from_plans(
            design["network_class_name"], design["arch_kwargs"], design["_kw_requires_import"], 1, 2,
            allow_init=False, deep_supervision=False,
        )  # fmt: skip
    patch = [int(edge) for edge in settings["patch_size"]]
    columns = (
        count(fast, TARGET_PATCH_SIZE, BATCH_SIZE, 1, REGION),
        count(ours, TARGET_PATCH_SIZE, BATCH_SIZE, 1),
        count(theirs, patch, settings["batch_size"], MIRRORED_PASSES),
    )
    table = Table(title=f"{CASES} CTs of 512 x 512 x 60 voxels, 0.7 x 0.7 x 5 mm")
    for title in ("", "fast", "paper", "default nnU-Net", "paper / fast", "default / paper"):
        table.add_column(title, justify="right" if title else "left")
    for name in columns[0]:
        values = [column[name] for column in columns]
        shown = [value if isinstance(value, str) else f"{value:.4g}" for value in values]
        table.add_row(name, *shown, _ratio(*values[:2]), _ratio(*values[1:]))
    CONSOLE.print(table)


def fast_network() -> nn.Module:
    """Build the network of the fast recipe, as its plans describe it."""
    plans = {"configurations": {CONFIGURATION: {"architecture": fast_architecture(FAST_FEATURES)}}}
    return network_of_plans(plans, 1, 2)


def count(
    network: nn.Module, patch: Sequence[int], batch: int, passes: int, part: Sequence[int] = SHAPE
) -> dict[str, Any]:
    """Count the operations of a network for patches (z, y, x) in voxels, in training and over a `part` of a CT."""
    windows = prod(len(starts) for starts in compute_steps_for_sliding_window(tuple(part), tuple(patch), OVERLAP))
    step = training_flops(network, (batch, 1, *patch))
    voxels = batch * prod(patch)
    return {
        "batch: samples x patch (z, y, x)": " x ".join(map(str, (batch, *patch))),
        "million parameters": sum(parameter.numel() for parameter in network.parameters()) / 1e6,
        "million voxels a step": voxels / 1e6,
        "training: thousand operations a voxel": step / voxels / 1e3,
        "training: 1e12 operations a step": step / 1e12,
        "prediction: windows a CT": float(windows),
        "prediction: passes a window": float(passes),
        "prediction: 1e12 operations a CT": windows * passes * forward_flops(network, (1, 1, *patch)) / 1e12,
    }


def _ratio(ours: Any, theirs: Any) -> str:
    return "" if isinstance(ours, str) else f"{theirs / ours:.2f}"


def _default_plans(folder: Path) -> dict[str, Any]:
    """Let nnU-Net plan: the smallest dataset that its planner takes, with the fingerprint of the cohort."""
    os.environ.update(folders_below(folder))
    from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner

    name = "Dataset711_Operations"
    raw, preprocessed = folder / "nnUNet_raw" / name, folder / "nnUNet_preprocessed" / name
    for file in ("imagesTr/AMT_0000_0000.nii.gz", "labelsTr/AMT_0000.nii.gz"):
        (raw / file).parent.mkdir(parents=True)
        sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4, 4), np.uint8)), str(raw / file))
    labels = {"background": 0, "tumour": 1}
    content = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    write_json(raw / "dataset.json", content)
    keys = ("max", "mean", "median", "min", "percentile_00_5", "percentile_99_5", "std")
    fingerprint = {
        "spacings": [SPACING] * CASES,
        "shapes_after_crop": [SHAPE] * CASES,
        "foreground_intensity_properties_per_channel": {"0": dict.fromkeys(keys, 1.0)},  # no part in the network
        "median_relative_size_after_cropping": 1.0,
    }
    write_json(preprocessed / "dataset_fingerprint.json", fingerprint)
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123
        ExperimentPlanner(711).plan_experiment()
    plans: dict[str, Any] = json.loads((preprocessed / "nnUNetPlans.json").read_text(encoding="utf-8"))
    return plans


if __name__ == "__main__":
    main()
