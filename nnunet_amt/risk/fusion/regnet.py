"""The RegNet: a residual network whose blocks hand a memory on to each other, by a convolutional recurrent cell.

J. Xu, Y. Pan, X. Pan, S. Hoi, Z. Yi, Z. Xu, RegNet: self-regulated network for image classification, IEEE Transactions
on Neural Networks and Learning Systems, 2023, doi:10.1109/TNNLS.2022.3158966. It is another network than the RegNet of
torchvision. The authors published no code; what the equations leave open, and is chosen here:

- One cell a stage, shared by its blocks, begins each stage with a state of zeros: maps change size between stages.
- Hidden state and memory are normalised and rectified in each block, with statistics of that block's own.
- A convolution before a batch normalisation has no bias, which that would take away again.
- Where a stage changes the size, its first convolution has the stride, as the state must fit all maps of the stage; the
  shortcut is a 1x1 convolution there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import nn
from torch.nn import functional

from nnunet_amt.errors import BadInputError

Depth = Literal[20, 32, 56, 50]
Cell = Literal["lstm", "gru", "rnn"]
DEPTHS: tuple[Depth, ...] = get_args(Depth)
CELLS: tuple[Cell, ...] = get_args(Cell)
_WIDTHS: tuple[int, ...] = (16, 32, 64)
_BOTTLENECK, _EXPANSION = 50, 4
_BOTTLENECK_WIDTHS: tuple[int, ...] = (64, 128, 256, 512)
_BOTTLENECK_BLOCKS: tuple[int, ...] = (3, 4, 6, 3)
State = tuple[torch.Tensor, ...]  # each (n, channels, y, x); the first is the hidden state


class RegulatorConvolution(nn.Module):
    """A convolution of input and hidden state together, from twice the channels to the channels, for several gates.

    A 1x1 convolution joins a channel of the input with the same channel of the state, and a 3x3 convolution looks
    around in that channel alone: channels do not mix. It has 12 parameters a channel and gate.
    """

    def __init__(self, channels: int, *, gates: int) -> None:
        super().__init__()
        self.gates = gates
        self.join = nn.Conv2d(2 * channels, gates * channels, 1, groups=channels, bias=False)
        self.look_around = nn.Conv2d(gates * channels, gates * channels, 3, padding=1, groups=gates * channels)

    def forward(self, x: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give what each gate has before its activation, each (n, channels, y, x)."""
        pairs = torch.stack((x, hidden), dim=2).flatten(1, 2)  # x 0, hidden 0, x 1, hidden 1, ...
        joined = self.look_around(self.join(pairs))
        return joined.unflatten(1, (-1, self.gates)).unbind(dim=2)


class ConvRNN(nn.Module):
    """H' = tanh(W [X, H] + b)."""

    states = 1

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = RegulatorConvolution(channels, gates=1)

    def forward(self, x: torch.Tensor, state: State) -> State:
        """Give the state (H,) after the one before."""
        (hidden,) = state
        (candidate,) = self.convolution(x, hidden)
        return (torch.tanh(candidate),)


class ConvGRU(nn.Module):
    """H' = (1 - z) H + z tanh(W [X, r H] + b), with the update gate z and the reset gate r."""

    states = 1

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = RegulatorConvolution(channels, gates=2)
        self.candidate = RegulatorConvolution(channels, gates=1)

    def forward(self, x: torch.Tensor, state: State) -> State:
        """Give the state (H,) after the one before."""
        (hidden,) = state
        update, reset = (torch.sigmoid(gate) for gate in self.convolution(x, hidden))
        (candidate,) = self.candidate(x, reset * hidden)
        return ((1 - update) * hidden + update * torch.tanh(candidate),)


class ConvLSTM(nn.Module):
    """C' = f C + i tanh(g), H' = o tanh(C'), with gates i (input), f (forget) and o (output)."""

    states = 2

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = RegulatorConvolution(channels, gates=4)

    def forward(self, x: torch.Tensor, state: State) -> State:
        """Give the state (H, C) after the one before."""
        hidden, memory = state
        enter, forget, leave, candidate = self.convolution(x, hidden)
        memory = torch.sigmoid(forget) * memory + torch.sigmoid(enter) * torch.tanh(candidate)
        return torch.sigmoid(leave) * torch.tanh(memory), memory


_CELLS: dict[Cell, Callable[[int], ConvRNN | ConvGRU | ConvLSTM]] = {"lstm": ConvLSTM, "gru": ConvGRU, "rnn": ConvRNN}


def _convolution(inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> nn.Sequential:
    """Make a convolution that keeps the size, but for the stride, with a batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class _Block(nn.Module):
    """What both kinds of block share: entrance, the state's norms, and the shortcut."""

    def __init__(self, inputs: int, channels: int, outputs: int, *, kernel: int, stride: int, states: int) -> None:
        super().__init__()
        self.enter = _convolution(inputs, channels, kernel, stride=stride)  # W12
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(states))
        changes = stride > 1 or inputs != outputs
        self.shortcut = _convolution(inputs, outputs, 1, stride=stride) if changes else nn.Identity()

    def forward(self, x: torch.Tensor, state: State | None, cell: nn.Module) -> tuple[torch.Tensor, State]:
        """Give the block's map and the state that the next block begins with; None is a state of zeros."""
        entered = functional.relu(self.enter(x))
        before = state if state is not None else (torch.zeros_like(entered),) * len(self.norms)
        after = tuple(functional.relu(norm(part)) for norm, part in zip(self.norms, cell(entered, before), strict=True))
        return functional.relu(self.shortcut(x) + self._residual(entered, after[0])), after

    def _residual(self, entered: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class PlainBlock(_Block):
    """Two 3x3 convolutions, and between them a 1x1 convolution that takes in the hidden state."""

    def __init__(self, inputs: int, channels: int, *, stride: int, states: int) -> None:
        super().__init__(inputs, channels, channels, kernel=3, stride=stride, states=states)
        self.take_in = _convolution(2 * channels, channels, 1)  # W23
        self.leave = _convolution(channels, channels, 3)  # W34

    def _residual(self, entered: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        taken_in = functional.relu(self.take_in(torch.cat((entered, hidden), dim=1)))
        result: torch.Tensor = self.leave(taken_in)
        return result


class BottleneckBlock(_Block):
    """1x1, 3x3 and 1x1 convolutions; a fourth, 1x1, takes in the hidden state before the last widens by four."""

    def __init__(self, inputs: int, channels: int, *, stride: int, states: int) -> None:
        outputs = _EXPANSION * channels
        super().__init__(inputs, channels, outputs, kernel=1, stride=stride, states=states)
        self.middle = _convolution(channels, channels, 3)  # W23
        self.take_in = _convolution(2 * channels, channels, 1)  # W34
        self.leave = _convolution(channels, outputs, 1)  # W45

    def _residual(self, entered: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        middle = functional.relu(self.middle(entered))
        taken_in = functional.relu(self.take_in(torch.cat((middle, hidden), dim=1)))
        result: torch.Tensor = self.leave(taken_in)
        return result


class Stage(nn.Module):
    """Blocks of one width and one size of maps, and the one cell that all of them use in turn."""

    def __init__(self, inputs: int, channels: int, *, blocks: int, stride: int, cell: Cell, bottleneck: bool) -> None:
        super().__init__()
        self.cell = _CELLS[cell](channels)
        kind = BottleneckBlock if bottleneck else PlainBlock
        outputs = _EXPANSION * channels if bottleneck else channels
        self.blocks = nn.ModuleList(
            kind(outputs if number else inputs, channels, stride=1 if number else stride, states=self.cell.states)
            for number in range(blocks)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the map of the last block; the state begins with zeros."""
        state: State | None = None
        for block in self.blocks:
            x, state = block(x, state, self.cell)
        return x


class RegNet(nn.Module):
    """RegNet-20, -32 and -56 (6n + 2 layers in stages of 16, 32 and 64 channels), or with bottlenecks -50.

    Parameters
    ----------
    depth
        Layers. RegNet-50 has the entrance, widths and blocks of ResNet-50.
    cell
        Of the regulator: ConvLSTM, ConvGRU or ConvRNN.

    Attributes
    ----------
    widths
        Channels of the stages' maps.

    Raises
    ------
    BadInputError
        If there is no such depth or cell.
    """

    def __init__(self, *, depth: Depth = 20, cell: Cell = "lstm") -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise BadInputError(f"depth is {depth}; a RegNet must have one of {', '.join(map(str, DEPTHS))} layers")
        if cell not in CELLS:
            raise BadInputError(f"cell is {cell!r}; a RegNet must have one of {', '.join(CELLS)}")
        bottleneck = depth == _BOTTLENECK
        widths = _BOTTLENECK_WIDTHS if bottleneck else _WIDTHS
        blocks = _BOTTLENECK_BLOCKS if bottleneck else ((depth - 2) // 6,) * len(widths)
        self.widths = tuple((_EXPANSION if bottleneck else 1) * width for width in widths)
        self.entrance = _convolution(3, widths[0], 7 if bottleneck else 3, stride=2 if bottleneck else 1)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if bottleneck else nn.Identity()
        inputs, strides = (widths[0], *self.widths[:-1]), (1, *(2 for _ in widths[1:]))
        self.stages = nn.ModuleList(
            Stage(of, width, blocks=count, stride=stride, cell=cell, bottleneck=bottleneck)
            for of, width, count, stride in zip(inputs, widths, blocks, strides, strict=True)
        )

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give the maps of all stages of images (n, 3, y, x): (n, 16, y, x), (n, 32, y / 2, x / 2), ..., rounded up.

        RegNet-50's first is (n, 256, y / 4, x / 4).
        """
        x = self.pool(functional.relu(self.entrance(images)))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)
