"""Options that the benchmarks of training and prediction share."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks.phantom_dataset import DatasetSize

__all__ = ["parser_of_sizes", "size_of"]

PIXELS, SLICES = {"cuda": 512, "cpu": 64}, {"cuda": 60, "cpu": 32}


def parser_of_sizes(description: str) -> argparse.ArgumentParser:
    """Make a parser with the options of `DatasetSize`, the device, the folder and the JSON file."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default=device, help="default here: %(default)s")
    parser.add_argument("--pixels", type=int, help="rows and columns (default: 512 on a GPU, 64 on a CPU)")
    parser.add_argument("--slices", type=int, help="slices (default: 60 on a GPU, 32 on a CPU)")
    defaults = DatasetSize(0, 0)
    for name in ("training", "tuning", "external"):
        number = getattr(defaults, name)
        parser.add_argument(f"--{name}", type=int, default=number, help=f"{name} cases (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="keep the dataset and the weights here, for the next run")
    parser.add_argument("--json", type=Path, help="write everything that was measured to this file")
    return parser


def size_of(arguments: argparse.Namespace) -> DatasetSize:
    """Size that the options ask for."""
    return DatasetSize(
        arguments.pixels or PIXELS[arguments.device],
        arguments.slices or SLICES[arguments.device],
        arguments.training,
        arguments.tuning,
        arguments.external,
    )
