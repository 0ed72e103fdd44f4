"""A converted cohort that tests share, and conversions that leave the flow figure out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nnunet_amt.dataset_conversion.flow_figure import FlowCounts
from tests.dataset_conversion.cohort_fixtures import write_cohort
from tests.dataset_conversion.test_manifest2nnunet import run

FLOW_WRITER = "nnunet_amt.dataset_conversion.dataset_files.write_flow_figure"


def write_counts(folder: Path, counts: FlowCounts) -> tuple[Path, Path]:
    """Write what the figure would be drawn from."""
    paths = folder / "flow.png", folder / "flow.svg"
    for path in paths:
        path.write_text(repr(counts))
    return paths


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the cohort of `write_cohort`, converted once below ``raw``, without figure; do not change it."""
    folder = tmp_path_factory.mktemp("converted")
    write_cohort(folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(FLOW_WRITER, write_counts)
        run(folder)
    return folder


@pytest.fixture()
def converted_copy(converted: Path, tmp_path: Path) -> Path:
    """Give a copy of `converted` in `tmp_path` to change; finished cases stay finished, as times of files are kept."""
    shutil.copytree(converted, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture()
def without_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the flow figure's counts in its place: drawing is two thirds of a tiny conversion."""
    monkeypatch.setattr(FLOW_WRITER, write_counts)
