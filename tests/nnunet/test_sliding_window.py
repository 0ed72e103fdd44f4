"""Window by window, our logits are those of nnU-Net's predictor, number by number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn

from nnunet_amt.errors import WorkFailedError
from nnunet_amt.nnunet.sliding_window import window_logits
from tests.conftest import TINY_DATASET

PATCH = (8, 16, 16)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """Small, and not symmetric: a mirrored image gives other logits."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 2, 3, padding=1)).eval()


@pytest.fixture(scope="module")
def predictor(planned_base: Path, network: nn.Module) -> nnUNetPredictor:
    preprocessed = planned_base / "nnUNet_preprocessed" / TINY_DATASET
    plans = PlansManager(json.loads((preprocessed / "nnUNetAMTPlans.json").read_text()))
    configuration = plans.get_configuration("3d_fullres")
    assert tuple(configuration.patch_size) == PATCH
    predictor = nnUNetPredictor(device=CPU, allow_tqdm=False)
    description = json.loads((preprocessed / "dataset.json").read_text())
    predictor.manual_initialization(network, plans, configuration, None, description, "any", None)
    return predictor


@pytest.mark.parametrize(
    ("size", "step_size", "mirror_axes"),
    [
        ((16, 40, 40), 0.5, ()),
        ((13, 37, 23), 0.5, ()),
        ((13, 37, 23), 0.7, (0, 1, 2)),
        ((9, 17, 33), 1.0, (2,)),
        ((5, 16, 11), 0.5, ()),
        ((3, 50, 7), 0.5, (0, 2)),
        ((8, 16, 16), 0.3, ()),
    ],
)
def test_logits_are_nnunets(
    network: nn.Module,
    predictor: nnUNetPredictor,
    size: tuple[int, ...],
    step_size: float,
    mirror_axes: tuple[int, ...],
) -> None:
    """Images of odd sizes, smaller than a window on some or all sides, mirrored or not."""
    image = torch.randn((1, *size), generator=torch.Generator().manual_seed(0))
    predictor.tile_step_size, predictor.allowed_mirroring_axes = step_size, mirror_axes or None
    expected = predictor.predict_sliding_window_return_logits(image.clone())
    found = window_logits(network, image, patch=PATCH, step_size=step_size, mirror_axes=mirror_axes, device=CPU)
    assert found.dtype == torch.half
    assert found.shape == (2, *size)
    assert torch.equal(found, torch.as_tensor(expected))


def test_infinite_logits_are_an_error() -> None:
    class Endless(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.full((1, 2, *image.shape[2:]), 1e9)

    with pytest.raises(WorkFailedError, match="infinite logits"):
        window_logits(Endless(), torch.zeros((1, *PATCH)), patch=PATCH, device=CPU)
