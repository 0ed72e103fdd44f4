"""Grad-CAM on networks whose maps one can work out by hand, and its shares on maps one can count."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.networks.architectures import build_network
from nnunet_amt.risk.networks.heat_map import (
    CaseHeat,
    HeatShares,
    grad_cam,
    heat_map,
    heat_maps,
    heat_shares,
    randomised,
    write_heat_shares,
)
from nnunet_amt.risk.networks.predict import predict_roi
from nnunet_amt.risk.networks.settings import NETWORKS
from nnunet_amt.risk.networks.train import TrainedModel
from tests.risk.risk_cases import cases_of, roi_of


class TwoMaps(nn.Module):
    """Two maps, the image and what is below .5 of it; their means, weighted, are two logits."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(1, 2, 1)
        self.head = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.maps.weight.copy_(torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1))
            self.maps.bias = nn.Parameter(torch.tensor([0.0, 0.5]))
            self.head.weight.copy_(torch.tensor([[0.0, 4.0], [8.0, 0.0]]))  # class 0 looks at the dark, 1 at the bright

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.maps(images)
        return self.head(nn.functional.relu(maps, inplace=True).mean(dim=(2, 3)))


IMAGE = torch.tensor([[[[1.0, 0.0], [0.0, 0.25]]]])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        # The logit is 8 times the mean of 4 pixels, of which the rectifier lets those above 0 through: 2 of 4. The mean
        # gradient is 8 / 4 * 2 / 4 = 1, times the image.
        (1, [[1.0, 0.0], [0.0, 0.25]]),
        # 4 / 4 * 3 / 4 = .75, times .5 minus the image; what is negative goes.
        (0, [[0.0, 0.375], [0.375, 0.1875]]),
    ],
)
def test_the_map_is_the_feature_maps_weighted_by_their_mean_gradient(target: int, expected: list) -> None:
    """The rectifier in place, as DenseNet has it, must not change the maps that were kept."""
    heat, logits = grad_cam(TwoMaps().eval(), IMAGE, layer="maps", target=target)
    assert heat[0].tolist() == expected
    assert logits[0].tolist() == [4 * (0.5 + 0.5 + 0.25) / 4, 8 * 1.25 / 4]


def test_maps_that_are_rectified_after_the_layer_are_taken_so() -> None:
    """Class 0 looks at .5 minus the image, rectified: 0, .5, .5 and .25; the gradient is 4 / 4, of all four pixels."""
    heat, logits = grad_cam(TwoMaps().eval(), IMAGE, layer="maps", target=0, rectify=True)
    assert heat[0].tolist() == [[0.0, 0.5], [0.5, 0.25]]
    assert logits[0].tolist() == [1.25, 2.5]  # as without a look at the maps


def test_densenets_map_is_its_head_applied_to_each_place(densenet: nn.Module) -> None:
    """After the rectifier come a mean over 2 x 2 places and a linear layer, so that the gradients are weight / 4."""
    network = copy.deepcopy(densenet).eval()
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    heat, logits = grad_cam(network, image, layer="features", target=1, rectify=True)
    with torch.inference_mode():
        maps = network.get_submodule("features")(image).relu()
        weights = network.state_dict()["classifier.weight"][1].reshape(1, -1, 1, 1)
        assert torch.allclose(logits, network(image))
    assert torch.allclose(heat, (weights / 4 * maps).sum(dim=1).relu(), atol=1e-6)
    assert NETWORKS["densenet121"].rectified_after


def test_of_a_network_with_a_linear_head_the_map_adds_up_to_its_logit() -> None:
    """Where a mean and a linear layer follow, the mean gradient times maps is the logit, but for its negative part."""
    torch.manual_seed(0)
    network = build_network("shufflenet_v2_x0_5").eval()
    network.get_submodule("fc").bias.data.zero_()  # type: ignore[operator]
    network.get_submodule("fc").weight.data.abs_()  # type: ignore[operator]
    images = torch.rand(2, 3, 64, 64)
    heat, logits = grad_cam(network, images, layer="conv5", target=1)
    assert heat.shape == (2, 2, 2)
    # nothing is negative; each of 4 places has a gradient of weight / 4, and 4 places of it sum up to the logit
    assert heat.sum(dim=(1, 2)).tolist() == pytest.approx(logits[:, 1].tolist(), rel=1e-4)


def test_shares_are_counted_in_mask_and_rim() -> None:
    """One row of 1 x 2 mm pixels, mask at 0 and 1: with 5 mm of rim, pixels 2 and 3 are 2 and 4 mm away, 4 is 6."""
    heat = np.array([[4.0, 2.0, 1.0, 1.0, 2.0, 0.0]])
    mask = np.array([[True, True, False, False, False, False]])
    assert heat_shares(heat, mask, spacing=(1.0, 2.0)) == HeatShares(0.6, 0.2, 2 / 6, 2 / 6)
    assert heat_shares(0 * heat, mask, spacing=(1.0, 2.0)) == HeatShares(None, None, 2 / 6, 2 / 6)


def test_an_empty_mask_and_one_of_another_size_are_refused() -> None:
    for mask in (np.zeros((2, 2), dtype=bool), np.ones((2, 3), dtype=bool)):
        with pytest.raises(BadInputError, match="must be of one size, and the mask not empty"):
            heat_shares(np.ones((2, 2)), mask, spacing=(1.0, 1.0))


def test_a_randomised_network_has_other_weights_and_the_first_stays() -> None:
    network = TwoMaps()
    other = randomised(network, seed=3)
    assert network.head.weight[1, 0] == 8
    weights = other.state_dict()["head.weight"]
    assert not torch.equal(weights, network.head.weight)
    assert torch.equal(weights, randomised(network, seed=3).state_dict()["head.weight"])


def test_maps_lie_on_the_crop_with_the_controls_beside(trained: TrainedModel) -> None:
    rois = [roi_of(case) for case in cases_of(2)]
    maps = heat_maps(trained.folder, rois)
    for of_case, roi in zip(maps, rois, strict=True):
        assert of_case.heat.shape == roi.largest.shape
        assert of_case.heat.min() >= 0 and of_case.heat.max() in (0, pytest.approx(1))
        assert of_case.score == pytest.approx(predict_roi(trained.folder, roi), abs=1e-6)
        assert of_case.shares.area_inside == roi.mask_largest.mean() == of_case.control.area_inside
    assert np.array_equal(maps[0].heat, heat_map(trained.folder, rois[0]))


def test_shares_are_a_table(tmp_path: Path) -> None:
    """A map without heat has no shares: empty cells, not zeros."""
    shares, none = HeatShares(0.5, 0.25, 0.4, 0.3), HeatShares(None, None, 0.4, 0.3)
    write_heat_shares(tmp_path / "heat.csv", [CaseHeat("a", 0.75, True, np.zeros((1, 1)), shares, none, None)])
    assert (tmp_path / "heat.csv").read_text().splitlines() == [
        "case_id,score,high,inside,rim,area_inside,area_rim,control_inside,control_rim,likeness",
        "a,0.75,1,0.5,0.25,0.4,0.3,,,",
    ]
