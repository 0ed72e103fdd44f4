"""A raw dataset of tiny thymic tumours in noise, large enough for two folds, and commands run on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner, Result

from nnunet_amt.cli.commands import app
from tests.risk.risk_dataset import write_risk_dataset

DATASET = "Dataset712_TinyRisk"
NETWORK = "shufflenet_v2_x0_5"
TRAINED = ("--model", NETWORK, "--model", "clinical", "--from-scratch", "--epochs", "1", "--size", "32", "--folds", "2")
COLUMNS = ("who_type", "margin")


def tiny_rows(*, training: int = 8, external: int = 6) -> list[dict[str, str]]:
    """Give rows of low and high risk by turns: a patient each, margins unclear in half of the high ones."""
    rows = []
    for split, number in (("training", training), ("external", external)):
        for place in range(number):
            high = place % 2 == 1
            rows.append(
                {
                    "case_id": f"{split}_{place}",
                    "split": split,
                    "who_type": "B2" if high else "AB",
                    "margin": "unclear" if high and place % 4 == 1 else "clear",
                    "age": str(40 + 3 * place),
                    "sex": "F",
                }
            )
    return rows


def write_tiny_study(
    base: Path, rows: Sequence[Mapping[str, str]] | None = None, *, columns: Sequence[str] = COLUMNS, **options: Any
) -> Path:
    """Write the dataset below ``nnUNet_raw`` of a folder, where studies beside it find it; give its folder."""
    folder = write_risk_dataset(
        base / "nnUNet_raw" / DATASET, tiny_rows() if rows is None else rows, columns=columns, **options
    )
    add_noise(folder)
    return folder


def add_noise(dataset: Path) -> None:
    """Put noise of 20 HU over the CTs of a raw dataset, another one over each."""
    for number, path in enumerate(sorted(dataset.glob("images*/*"))):
        image = sitk.ReadImage(str(path))
        values = sitk.GetArrayFromImage(image)
        noisy = values + np.random.default_rng(number).normal(0, 20, values.shape)
        noise = sitk.GetImageFromArray(noisy.round().astype(np.int16))
        noise.CopyInformation(image)
        sitk.WriteImage(noise, str(path))


def risk(*words: object) -> Result:
    """Run a command of ``nnunet_amt risk``."""
    return CliRunner().invoke(app, ["risk", *map(str, words)])


def done(result: Result) -> Result:
    """Give a command that must have ended well."""
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result


def refusal(result: Result) -> str:
    """Give the one line that a command says to a user's mistake."""
    assert result.exit_code == 2, result.output + repr(result.exception)
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.output
    assert result.stderr.splitlines()[-1] == lines[0]
    return lines[0]


def files_of(folder: Path) -> dict[str, int]:
    """Tell when each file was written."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


@contextmanager
def without_drawing() -> Iterator[None]:
    """What the fixture ``undrawn`` does, for fixtures of a session."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _figure, path, **_options: Path(path).touch())
        monkeypatch.setattr("matplotlib.figure.Figure.draw_without_rendering", lambda _figure: None)
        yield


def copied(study: Path, tmp_path: Path) -> Path:
    """Copy dataset and study, so that a test may change them; give the study."""
    shutil.copytree(study.parent, tmp_path / "copy")
    return tmp_path / "copy" / study.name
