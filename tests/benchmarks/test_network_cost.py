"""Operations and foldings that the benchmarks of speed rely on."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.bench_network import fold_normalisation
from benchmarks.count_operations import REGION, SHAPE, count, fast_network
from benchmarks.network_cost import forward_flops, training_flops
from nnunet_amt.nnunet.planning import TARGET_PATCH_SIZE
from nnunet_amt.trainers.unet import AMTUNet


def test_a_convolution_has_two_operations_a_weight_and_voxel() -> None:
    # 3 x 3 x 3 weights from 2 to 5 channels at each of 4 x 6 x 8 voxels, a multiplication and an addition each
    layer = nn.Conv3d(2, 5, 3, padding=1)
    assert forward_flops(layer, (1, 2, 4, 6, 8)) == 2 * 27 * 2 * 5 * 4 * 6 * 8


def test_a_step_has_three_times_the_operations_where_the_input_needs_a_gradient() -> None:
    # Backward: one pass for the weights, and one for the input, which the first layer does not need.
    layers = nn.Sequential(nn.Conv3d(1, 3, 1), nn.Conv3d(3, 3, 1))
    first, second = 2 * 1 * 3 * 64, 2 * 3 * 3 * 64
    assert training_flops(layers, (1, 1, 4, 4, 4)) == 2 * first + 3 * second


def test_operations_of_the_networks_finest_level() -> None:
    # Per voxel of the finest level: 27 (1 * 32 + 32 * 32) of the encoder, 64 * 32 of the deconvolution that doubles
    # the resolution (2 x 2 x 2 weights, each used at an eighth of the voxels), 27 * 64 * 32 of the decoder, 32 * 2
    # of the head. The levels below: 64, 128, 256 channels at an eighth of the voxels each.
    def level(inside: int, features: int, share: float) -> float:
        encoder = 27 * (inside * features + features**2)
        decoder = 2 * features * features + 27 * 2 * features * features
        return share * (encoder + (decoder if features < 256 else 0))

    expected = level(1, 32, 1) + level(32, 64, 1 / 8) + level(64, 128, 1 / 64) + level(128, 256, 1 / 512) + 32 * 2
    shape = (1, 1, 8, 16, 16)
    assert forward_flops(AMTUNet(1, 2), shape) == 2 * expected * 8 * 16 * 16


def test_folded_normalisation_gives_the_same_logits() -> None:
    torch.manual_seed(0)
    network = AMTUNet(1, 2).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    folded = fold_normalisation(network)
    assert not any(isinstance(module, nn.BatchNorm3d) for module in folded.modules())
    with torch.inference_mode():
        image = torch.rand(1, 1, 8, 16, 16)
        assert torch.allclose(folded(image), network(image), atol=1e-5, rtol=1e-5)


def test_the_fast_recipe_needs_less_than_half_of_the_papers_operations_a_ct() -> None:
    """Even where no lungs are seen and its window slides over the whole CT; with the first look it is a tenth."""
    with torch.device("meta"):
        fast, paper = fast_network(), AMTUNet(1, 2)
    key = "prediction: 1e12 operations a CT"
    whole, part, papers = (
        count(network, TARGET_PATCH_SIZE, 3, 1, where)[key]
        for network, where in ((fast, SHAPE), (fast, REGION), (paper, SHAPE))
    )
    assert whole < papers / 2
    assert part < papers / 10
