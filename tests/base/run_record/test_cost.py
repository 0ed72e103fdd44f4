"""Costs that a record tells."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nnunet_amt.base.run_record import number_of_parameters, read_runs


def test_parameters_are_what_training_adjusts() -> None:
    """Convolution of 2 to 3 channels, 3x3x3: 2 * 3 * 27 + 3 = 165; batch normalisation of 3 channels: 3 + 3."""
    layers = torch.nn.Sequential(torch.nn.Conv3d(2, 3, 3), torch.nn.BatchNorm3d(3))
    assert number_of_parameters(layers.state_dict()) == 171


def test_parameters_under_several_names_count_once(tmp_path: Path) -> None:
    """nnU-Net's decoder holds the encoder again; read from a file as well."""
    encoder = torch.nn.Linear(4, 5)  # 25
    network = torch.nn.ModuleDict({"encoder": encoder, "decoder": torch.nn.ModuleDict({"encoder": encoder})})
    assert len(network.state_dict()) == 4
    assert number_of_parameters(network.state_dict()) == 25
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    read = torch.load(tmp_path / "weights.pth", weights_only=True, mmap=True)
    assert number_of_parameters(read) == 25


_SCRIPT = """
import subprocess, sys
from pathlib import Path
from nnunet_amt.base.run_record import recorded_run
for stage, size in (("predict", 200), ("train", 10)):
    with recorded_run(Path(sys.argv[1]), stage, in_children=True):
        subprocess.run([sys.executable, "-c", f"x = bytearray({size}_000_000)"], check=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell")
def test_memory_of_the_largest_child_is_measured_once(tmp_path: Path) -> None:
    """Of 200 MB and then of 10 MB: the system keeps the largest only, which is not the second run's."""
    subprocess.run([sys.executable, "-c", _SCRIPT, str(tmp_path)], check=True)
    first, second = read_runs(tmp_path)
    assert 200_000_000 <= first["cost"]["peak_memory_bytes"] < 300_000_000
    assert second["cost"] == {}
