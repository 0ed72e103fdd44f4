"""Trained models that nobody trained: what nnU-Net writes, and what an enemy might put in its place."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nnunet_amt.models.plans import CONFIGURATION, DEFAULT_TRAINER, PLANS_NAME
from nnunet_amt.trainers.unet import AMTUNet
from tests.conftest import TINY_DATASET


class Marker:
    """An object whose unpickling makes a file: what stands here could as well be any other command."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple:
        return os.system, (f"touch '{self.file}'",)


def checkpoint_content(plans: dict[str, Any], labels: int = 2, trainer: str = DEFAULT_TRAINER) -> dict[str, Any]:
    """Give what our trainer and nnU-Net's save, NumPy's numbers in the log of losses included."""
    return {
        "network_weights": AMTUNet(1, labels).state_dict(),
        "optimizer_state": {"state": {}, "param_groups": []},
        "grad_scaler_state": None,
        "logging": {"train_losses": [np.float32(0.5)], "mean_fg_dice": [np.float64(0.25)]},
        "_best_ema": np.float64(0.25),
        "current_epoch": 1,
        "init_args": {
            "plans": plans,
            "configuration": CONFIGURATION,
            "fold": 0,
            "dataset_json": {},
            "device": torch.device("cpu"),
        },
        "trainer_name": trainer,
        "inference_allowed_mirroring_axes": None,
        "tuning_interval": 1,
    }


def write_model(
    results: Path,
    planned_base: Path,
    name: str = "checkpoint_best.pth",
    features: Sequence[int] | None = None,
    **content: Any,
) -> Path:
    """Write the folder of a model of the tiny dataset, fold 0, as wide as `features` say; give its checkpoint."""
    preprocessed = planned_base / "nnUNet_preprocessed" / TINY_DATASET
    model = results / TINY_DATASET / f"{DEFAULT_TRAINER}__{PLANS_NAME}__{CONFIGURATION}"
    checkpoint = model / "fold_0" / name
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    plans = json.loads((preprocessed / f"{PLANS_NAME}.json").read_text())
    if features is not None:
        plans["configurations"][CONFIGURATION]["architecture"]["arch_kwargs"]["features_per_level"] = list(features)
        content = {"network_weights": AMTUNet(1, 2, features).state_dict(), **content}
    (model / "plans.json").write_text(json.dumps(plans))
    shutil.copyfile(preprocessed / "dataset.json", model / "dataset.json")
    torch.save({**checkpoint_content(plans), **content}, checkpoint)
    return checkpoint
