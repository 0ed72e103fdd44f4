"""Time AMT's network alone, laid out and compiled in several ways, a pass each in turn.

    python -m benchmarks.bench_network --patch 32 192 192       # on a GPU
    python -m benchmarks.bench_network --patch 32 64 64         # on a CPU

Ways: as the trainer builds it; with the channels last in memory; with the batch normalisation folded into the
(de)convolutions (prediction only); compiled by torch (a GPU only). A ratio is the median over the rounds of the
time as built by the time of that way in the same round; the largest difference of the logits is printed. On a
CPU one thread is used and its processor time is taken, which other work on the machine hardly changes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from functools import partial
from statistics import median
from time import perf_counter, process_time
from typing import cast

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks.hardware import describe_machine
from benchmarks.network_cost import synchronise
from nnunet_amt.trainers.unet import AMTUNet

CONSOLE = Console()
BUILT = "as built"
Pass = Callable[[], torch.Tensor]


def main() -> None:
    arguments = _arguments()
    device = torch.device(arguments.device)
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(711)
    if device.type == "cpu":
        torch.set_num_threads(1)
    network = _with_statistics(AMTUNet(1, 2).to(device))
    image = torch.rand(1, 1, *arguments.patch, device=device)
    batch = torch.rand(arguments.batch, 1, *arguments.patch, device=device)
    prediction = _prediction_ways(network, image)
    training = _training_ways(network, batch)
    machine = describe_machine(arguments.device)
    for title, ways in (("prediction, one window", prediction), (f"training, batch of {arguments.batch}", training)):
        _print(f"{title}, {machine['device']}, patch {arguments.patch}", ways, arguments.rounds, device)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", choices=("cuda", "cpu"), default=device, help="default here: %(default)s")
    parser.add_argument("--patch", type=int, nargs=3, default=[32, 64, 64], help="z y x (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=3, help="samples of a training step (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="passes of each way (default: %(default)s)")
    return parser.parse_args()


def fold_normalisation(network: AMTUNet) -> AMTUNet:
    """Copy a network in evaluation mode with every normalisation folded into the (de)convolution before it."""
    folded = deepcopy(network).eval()
    for block in [module for module in folded.modules() if isinstance(module, nn.Sequential)]:
        if len(block) == 3 and isinstance(block[1], nn.BatchNorm3d):
            layer = block[0]
            assert isinstance(layer, nn.Conv3d | nn.ConvTranspose3d)
            block[0] = fuse_conv_bn_eval(layer, block[1], isinstance(layer, nn.ConvTranspose3d))
            block[1] = nn.Identity()
    return folded


def _with_statistics(network: AMTUNet) -> AMTUNet:
    """Give the normalisation means and variances of its own, as a trained network has."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
    return network


def _ways(network: AMTUNet) -> dict[str, nn.Module]:
    ways: dict[str, nn.Module] = {
        BUILT: deepcopy(network),
        "channels last": deepcopy(network).to(memory_format=torch.channels_last_3d),
    }
    if next(network.parameters()).is_cuda:
        ways["compiled"] = cast(nn.Module, torch.compile(deepcopy(network)))
        ways["compiled, channels last"] = cast(nn.Module, torch.compile(deepcopy(ways["channels last"])))
    return ways


def _prediction_ways(network: AMTUNet, image: torch.Tensor) -> dict[str, Pass]:
    ways = _ways(network.eval())
    ways["normalisation folded"] = fold_normalisation(network)
    ways["folded, channels last"] = fold_normalisation(network).to(memory_format=torch.channels_last_3d)

    def predict(way: nn.Module) -> torch.Tensor:
        with torch.inference_mode(), _precision(image):
            return way(image)

    return {name: partial(predict, way.eval()) for name, way in ways.items()}


def _training_ways(network: AMTUNet, batch: torch.Tensor) -> dict[str, Pass]:
    def step(way: nn.Module) -> torch.Tensor:
        with _precision(batch):
            logits = way(batch)
        logits.float().square().mean().backward()
        way.zero_grad(set_to_none=True)
        return logits.detach()

    return {name: partial(step, way.train()) for name, way in _ways(network).items()}


def _precision(image: torch.Tensor) -> torch.autocast | nullcontext:
    return torch.autocast("cuda") if image.is_cuda else nullcontext()


def _print(title: str, ways: dict[str, Pass], rounds: int, device: torch.device) -> None:
    clock = perf_counter if device.type == "cuda" else process_time
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    logits = {name: run().float() for name, run in ways.items()}  # also warms up
    apart = {name: float((output - logits[BUILT]).abs().max()) for name, output in logits.items()}
    for _ in track(range(rounds), title, console=CONSOLE, transient=True):
        for name, run in ways.items():
            synchronise(device)
            started = clock()
            run()
            synchronise(device)
            seconds[name].append(clock() - started)
    table = Table(title=title)
    for column in ("way", "median s", "times faster", "logits apart by"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for name, taken in seconds.items():
        ratio = median(built / other for built, other in zip(seconds[BUILT], taken, strict=True))
        table.add_row(name, f"{median(taken):.4f}", f"{ratio:.2f}", f"{apart[name]:.0e}")
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
