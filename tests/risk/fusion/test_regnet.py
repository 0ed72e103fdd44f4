"""Cells and blocks of one channel and one pixel, of which one can do the sums; sharing, shapes and counts."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion.regnet import (
    BottleneckBlock,
    Cell,
    ConvGRU,
    ConvLSTM,
    ConvRNN,
    Depth,
    PlainBlock,
    RegNet,
    RegulatorConvolution,
)


def pixel(*channels: float) -> torch.Tensor:
    """An image of one pixel, (1, channels, 1, 1)."""
    return torch.tensor(channels, dtype=torch.float32).reshape(1, -1, 1, 1)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def set_gates(convolution: RegulatorConvolution, *gates: tuple[float, float, float, float]) -> None:
    """Set what a gate of one channel takes of x and of the state, by what that is multiplied, and its bias."""
    with torch.no_grad():
        convolution.look_around.weight.zero_()
        for number, (of_x, of_hidden, factor, bias) in enumerate(gates):
            convolution.join.weight[number] = torch.tensor([of_x, of_hidden]).reshape(2, 1, 1)
            convolution.look_around.weight[number, 0, 1, 1] = factor  # of one pixel, only the kernel's middle counts
            assert convolution.look_around.bias is not None
            convolution.look_around.bias[number] = bias


def set_kernel(layer: nn.Module, *weights: float) -> None:
    """Set the middle of a convolution's kernel, zero around it, for each pair of channels in turn."""
    kernel: torch.Tensor = layer[0].weight  # type: ignore[index]
    middle = kernel.shape[-1] // 2
    with torch.no_grad():
        kernel.zero_()
        kernel[:, :, middle, middle] = torch.tensor(weights).reshape(kernel.shape[:2])


def test_convrnn() -> None:
    """tanh(0.5 (3 x - h) + 0.25) of x = 1 and h = 2 is tanh(0.75)."""
    cell = ConvRNN(1)
    set_gates(cell.convolution, (3, -1, 0.5, 0.25))
    (hidden,) = cell(pixel(1), (pixel(2),))
    assert hidden.item() == pytest.approx(math.tanh(0.75))


def test_convgru() -> None:
    """x = 1, h = 2. Update 1/2 (a bias of 0), reset 3/4 (a bias of ln 3); the candidate has (x + 2 * 3/4 h) / 4 = 1."""
    cell = ConvGRU(1)
    set_gates(cell.convolution, (0, 0, 0, 0), (0, 0, 0, math.log(3)))
    set_gates(cell.candidate, (1, 2, 0.25, 0))
    (hidden,) = cell(pixel(1), (pixel(2),))
    assert hidden.item() == pytest.approx(0.5 * 2 + 0.5 * math.tanh(1))


def test_convlstm() -> None:
    """x = 1, h = 2, c = 3. Input x = 1, forget h / 2 = 1, output -x + 1 = 0, candidate x - h + 0.5 = -0.5."""
    cell = ConvLSTM(1)
    set_gates(cell.convolution, (1, 0, 1, 0), (0, 1, 0.5, 0), (-1, 0, 1, 1), (1, -1, 1, 0.5))
    hidden, memory = cell(pixel(1), (pixel(2), pixel(3)))
    expected = sigmoid(1) * 3 + sigmoid(1) * math.tanh(-0.5)
    assert memory.item() == pytest.approx(expected)
    assert hidden.item() == pytest.approx(0.5 * math.tanh(expected))


@pytest.mark.parametrize("gates", [1, 4])
def test_channels_of_a_cell_do_not_mix(gates: int) -> None:
    """Input and state of channel 1 change all gates of channel 1, and none of the other two channels."""
    convolution = RegulatorConvolution(3, gates=gates)
    x, hidden = torch.rand(2, 1, 3, 4, 4)
    before = torch.stack(convolution(x, hidden))  # (gates, 1, 3, 4, 4)
    for changed in ((x + torch.eye(3)[1].reshape(1, 3, 1, 1), hidden), (x, hidden + torch.eye(3)[1].reshape(3, 1, 1))):
        differs = (torch.stack(convolution(*changed)) != before).flatten(3).any(dim=3)[:, 0]
        assert differs.tolist() == [[False, True, False]] * gates


def test_a_cell_looks_one_pixel_around() -> None:
    """The kernel's upper left weight alone moves a pixel one down and to the right; all nine together reach nine."""
    convolution = RegulatorConvolution(1, gates=1)
    set_gates(convolution, (1, 0, 0, 0))
    image = torch.zeros(1, 1, 5, 5)
    image[..., 1, 1] = 1
    with torch.no_grad():
        convolution.look_around.weight[0, 0, 0, 0] = 7
    (moved,) = convolution(image, torch.zeros_like(image))
    assert (moved[0, 0, 2, 2].item(), int(moved.count_nonzero())) == (7, 1)
    nn.init.ones_(convolution.look_around.weight)
    (spread,) = convolution(image, torch.zeros_like(image))
    assert int(spread.count_nonzero()) == 9


def test_two_plain_blocks_in_turn() -> None:
    """x = 2 enters as 1. H = tanh(1 + 3 * 0); what it takes in, 1 + 2 H, leaves as -1/2 of it; the second has H too."""
    cell = ConvRNN(1)
    set_gates(cell.convolution, (1, 3, 1, 0))
    block = PlainBlock(1, 1, stride=1, states=1).eval()  # its norms divide by the root of 1.00001
    set_kernel(block.enter, 0.5)
    set_kernel(block.take_in, 1, 2)
    set_kernel(block.leave, -0.5)
    first, state = block(pixel(2), None, cell)
    hidden = math.tanh(1)
    assert state[0].item() == pytest.approx(hidden, rel=1e-4)
    assert first.item() == pytest.approx(2 - (1 + 2 * hidden) / 2, rel=1e-4)
    second, state = block(pixel(2), state, cell)
    hidden = math.tanh(1 + 3 * hidden)
    assert state[0].item() == pytest.approx(hidden, rel=1e-4)
    assert second.item() == pytest.approx(2 - (1 + 2 * hidden) / 2, rel=1e-4)


def test_a_state_below_zero_is_rectified() -> None:
    """H = tanh(-1) becomes 0 before it is taken in and handed on; so does the memory of an LSTM."""
    cell = ConvLSTM(1)
    set_gates(cell.convolution, *((0, 0, 0, 0),) * 3, (0, 0, 0, -1))
    block = PlainBlock(1, 1, stride=1, states=2).eval()
    _, state = block(pixel(2), None, cell)
    assert [part.item() for part in state] == [0, 0]


def test_a_bottleneck_block() -> None:
    """Of four channels the first, 2, enters as 1. H = tanh 1, the middle has 2; 2 + 2 H leaves by -1/4, 0, 1 and 0."""
    cell = ConvRNN(1)
    set_gates(cell.convolution, (1, 0, 1, 0))
    block = BottleneckBlock(4, 1, stride=1, states=1).eval()
    set_kernel(block.enter, 0.5, 9, 9, 9)
    set_kernel(block.middle, 2)
    set_kernel(block.take_in, 1, 2)
    set_kernel(block.leave, -0.25, 0, 1, 0)
    out, _ = block(pixel(2, 0, 0, 0), None, cell)
    taken_in = 2 + 2 * math.tanh(1)
    assert out.flatten().tolist() == pytest.approx([2 - taken_in / 4, 0, taken_in, 0], rel=1e-4)


def test_a_stage_has_one_cell_that_begins_with_zeros() -> None:
    """Three blocks call it three times; each stage begins anew, whatever the stage or the image before left."""
    network = RegNet(depth=20).eval()
    states: list[list[torch.Tensor]] = [[] for _ in network.stages]
    for stage, seen in zip(network.stages, states, strict=True):
        cell = stage.get_submodule("cell")
        cell.register_forward_hook(lambda _cell, inputs, _output, seen=seen: seen.append(torch.stack(inputs[1])))
    with torch.inference_mode():
        first = network(torch.rand(1, 3, 8, 8))
        again = [
            network(image)[-1] for image in (torch.ones(1, 3, 8, 8), torch.rand(1, 3, 8, 8), torch.ones(1, 3, 8, 8))
        ]
    assert [len(seen) for seen in states] == [4 * 3] * 3
    for seen in states:
        empty = [not state.any() for state in seen]
        assert empty == [True, False, False] * 4
    assert torch.equal(again[0], again[2])
    assert [tuple(maps.shape) for maps in first] == [(1, 16, 8, 8), (1, 32, 4, 4), (1, 64, 2, 2)]


# Of the backbone alone. RegNet-20, entrance: 27 * 16 + 2 * 16. A block of N channels from N has 9 N^2 + 2 N^2 + 9 N^2
# in its three convolutions and 2 N in each of its norms, of which there are three and one a state; one that widens from
# N / 2 has 9 N^2 / 2 in its first, and N^2 / 2 + 2 N in its shortcut. A cell has 12 N a gate.
ENTRANCE, GATES, STATES = 27 * 16 + 2 * 16, {"lstm": 4, "gru": 3, "rnn": 1}, {"lstm": 2, "gru": 1, "rnn": 1}


def regnet_parameters(blocks: int, cell: Cell) -> int:
    total = ENTRANCE
    for channels in (16, 32, 64):
        norms = (3 + STATES[cell]) * 2 * channels
        total += blocks * (20 * channels**2 + norms) + GATES[cell] * 12 * channels
        if channels > 16:  # the first block widens
            total += -9 * channels**2 // 2 + channels**2 // 2 + 2 * channels
    return total


def parameters(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(("depth", "blocks"), [(20, 3), (32, 5), (56, 9)])
def test_parameters(depth: Depth, blocks: int, cell: Cell) -> None:
    with torch.device("meta"):
        assert parameters(RegNet(depth=depth, cell=cell)) == regnet_parameters(blocks, cell)


def test_parameters_of_regnet_20_in_numbers() -> None:
    """464; 3 blocks of 5280 and a cell of 768; 16768, 2 of 20800 and 1536; 66304, 2 of 82560 and 3072."""
    with torch.device("meta"):
        network = RegNet()
    stages = (3 * 5280 + 768, 16768 + 2 * 20800 + 1536, 66304 + 2 * 82560 + 3072)
    assert parameters(network) == 464 + sum(stages) == 311_472
    assert tuple(parameters(stage) for stage in network.stages) == stages


def test_parameters_and_shapes_of_regnet_50() -> None:
    """ResNet-50 has 25,557,032 parameters, 2,049,000 of them in its dense layer. Each block of N channels has more:
    2 N^2 + 2 N to take in the state, 2 * 2 N to normalise H and C; each stage a cell of 48 N.
    """
    widths, blocks = (64, 128, 256, 512), (3, 4, 6, 3)
    more = sum(count * (2 * n**2 + 6 * n) + 48 * n for n, count in zip(widths, blocks, strict=True))
    with torch.device("meta"):
        network = RegNet(depth=50).eval()
        assert parameters(network) == 25_557_032 - 2_049_000 + more
        maps = network(torch.zeros(2, 3, 64, 96))
    assert [tuple(one.shape) for one in maps] == [(2, 256, 16, 24), (2, 512, 8, 12), (2, 1024, 4, 6), (2, 2048, 2, 3)]
    assert network.widths == (256, 512, 1024, 2048)


def test_sides_are_rounded_up() -> None:
    with torch.device("meta"):
        maps = RegNet(depth=32, cell="gru").eval()(torch.zeros(1, 3, 33, 46))
    assert [tuple(one.shape[2:]) for one in maps] == [(33, 46), (17, 23), (9, 12)]


def test_all_parameters_learn() -> None:
    """But for the norm of the memory that the last block of a stage hands on to none."""
    network = RegNet(depth=20).train()
    torch.stack([maps.square().sum() for maps in network(torch.rand(4, 3, 16, 16))]).sum().backward()
    idle = {name for name, one in network.named_parameters() if one.grad is None or not one.grad.any()}
    assert idle == {f"stages.{stage}.blocks.2.norms.1.{part}" for stage in range(3) for part in ("weight", "bias")}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 18}, "depth is 18; a RegNet must have one of 20, 32, 56, 50 layers"),
        ({"cell": "peephole"}, "cell is 'peephole'; a RegNet must have one of lstm, gru, rnn"),
    ],
)
def test_other_networks_are_refused(options: dict, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        RegNet(**options)
