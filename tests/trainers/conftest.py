"""Folders of the tiny dataset, with results of one test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.conftest import set_nnunet_folders


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tiny volumes gain nothing from threads, which on a busy machine wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture
def base(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The tiny dataset's folders, results of its own."""
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "nnUNet_results"))
    yield tmp_path
