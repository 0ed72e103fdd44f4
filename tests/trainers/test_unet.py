"""The network is the paper's: levels, shapes, initialisation."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import nn

from nnunet_amt.trainers.unet import AMTUNet

CONVOLUTIONS = (nn.Conv3d, nn.ConvTranspose3d)


@pytest.fixture(scope="module")
def network() -> AMTUNet:
    torch.manual_seed(0)
    return AMTUNet(1, 2)


def test_logits_have_the_shape_of_the_input(network: AMTUNet) -> None:
    """The paper predicts masks of the resolution of the input."""
    network.eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 1, 8, 16, 24)).shape == (1, 2, 8, 16, 24)


def test_four_levels_halve_the_resolution_three_times(network: AMTUNet) -> None:
    """The coarsest of four levels sees a 16-voxel cube as 2 voxels, with 256 channels."""
    seen: list[tuple[int, ...]] = []
    hooks = [
        encoder.register_forward_hook(lambda *call: seen.append(tuple(call[2].shape[1:])))
        for encoder in network.encoders
    ]
    with torch.no_grad():
        network.eval()(torch.zeros(1, 1, 16, 16, 16))
    for hook in hooks:
        hook.remove()
    assert seen == [(32, 16, 16, 16), (64, 8, 8, 8), (128, 4, 4, 4), (256, 2, 2, 2)]


def test_every_block_is_convolution_batch_normalisation_relu(network: AMTUNet) -> None:
    """Six blocks of convolution and six of deconvolution, in this order of layers; the head stands alone."""
    blocks = [
        module
        for module in network.modules()
        if isinstance(module, nn.Sequential) and isinstance(module[0], CONVOLUTIONS)
    ]
    assert all([type(layer) for layer in block][1:] == [nn.BatchNorm3d, nn.ReLU] for block in blocks)
    assert sum(isinstance(block[0], nn.Conv3d) for block in blocks) == 8
    assert sum(isinstance(block[0], nn.ConvTranspose3d) for block in blocks) == 6


def test_number_of_parameters_by_hand(network: AMTUNet) -> None:
    """Weights of every layer added up: kernel volume x channels in x channels out, one bias a channel."""
    encoder = [(1, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256)]
    upsampling = [(256, 128), (128, 64), (64, 32)]
    decoder = [(256, 128), (128, 64), (64, 32)]
    expected = sum(27 * i * o + o for i, o in encoder + decoder) + sum(8 * i * o + o for i, o in upsampling)
    expected += sum(2 * o for _, o in encoder + decoder + upsampling)  # batch normalisation: scale and shift
    expected += 32 * 2 + 2  # head
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_weights_are_uniform_glorot_and_biases_zero(network: AMTUNet) -> None:
    """Glorot: uniform within sqrt(6 / (fan in + fan out)) on all 15 layers."""
    assert sum(isinstance(module, CONVOLUTIONS) for module in network.modules()) == 15
    for module in network.modules():
        if isinstance(module, CONVOLUTIONS):
            weight = module.weight
            fans = (weight.shape[0] + weight.shape[1]) * math.prod(weight.shape[2:])
            bound = math.sqrt(6.0 / fans)
            assert weight.abs().max() <= bound
            assert weight.abs().max() > 0.9 * bound  # the head's 64 weights stay below with a chance of 0.9 ** 64
            scaled = weight.detach().flatten()[:20_000].numpy()  # of all the test would see float32's grain
            assert stats.kstest(scaled, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3
            assert module.bias is not None
            assert torch.all(module.bias == 0)


def test_receptive_field_is_84_voxels() -> None:
    """What one output voxel depends on, by hand and with gradients.

    Down, a voxel of the coarsest level sees 5, pooled 6 (step 2), 14, pooled 16 (step 4), 32, pooled 36 (step 8),
    68 voxels. Up, kernel 3 needs 3 voxels, from 2 of the next coarser level; with its kernel 4, from up to 3; with
    its kernel 5, from 3 of the coarsest: 68 + 2 * 8. Average pooling stands in for max pooling, whose gradient
    takes one way only.
    """
    network = AMTUNet(1, 2).eval()
    network.pool = nn.AvgPool3d(2)
    for module in network.modules():
        if isinstance(module, CONVOLUTIONS):
            nn.init.constant_(module.weight, 1.0 / module.weight[:, 0].numel())
    image = torch.ones(1, 1, 8, 8, 192, requires_grad=True)
    reach = []
    for position in range(92, 100):  # the field shifts with the position in the grid of 8
        (gradient,) = torch.autograd.grad(network(image)[0, 1, 4, 4, position], image)
        touched = torch.nonzero(gradient[0, 0].abs().sum((0, 1)))
        reach.append(int(touched.max() - touched.min()) + 1)
    assert max(reach) == 84


def test_wrong_number_of_levels_is_refused() -> None:
    with pytest.raises(ValueError, match="3 levels, the paper 4"):
        AMTUNet(1, 2, features_per_level=(8, 16, 32))
