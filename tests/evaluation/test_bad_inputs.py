"""What is refused, and the whole line that says so; P and R stand for the two folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation import EvaluationSettings, evaluate
from tests.evaluation.builders import row_mask, write_label_map, write_pair

MASK = row_mask(20, (4, 16))
Damage = Callable[[Path], object]


def rewritten(**change: object) -> Damage:
    return lambda path: write_label_map(path, **({"voxels": MASK} | change))  # type: ignore[arg-type]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-12])


GRID = "case b: P/b.nii.gz against R/b.nii.gz: {} (x, y, z; tolerance 0.001); " + (
    "predictions must be made on the grid of their reference"
)
TABLE: list[tuple[Damage, str]] = [
    (rewritten(voxels=row_mask(19)), GRID.format("size (19, 1, 1) against (20, 1, 1)")),
    (rewritten(spacing=(1.0, 2.0, 5.002)), GRID.format("spacing (1, 2, 5.002) against (1, 2, 5)")),
    (rewritten(origin=(0.0, 0.0, 50.0)), GRID.format("origin (0, 0, 50) against (0, 0, 0)")),
    (
        rewritten(direction=(-1, 0, 0, 0, 1, 0, 0, 0, 1)),
        GRID.format("direction (-1, 0, 0, 0, 1, 0, 0, 0, 1) against (1, 0, 0, 0, 1, 0, 0, 0, 1)"),
    ),
    (
        rewritten(voxels=MASK * np.uint8(255)),
        "P/b.nii.gz: case b: holds the values 0, 255; a mask holds 0 and 1 only; if 255 is tumour: --foreground 255",
    ),
    (
        rewritten(voxels=np.arange(20, dtype=np.int16).reshape(1, 1, 20) % 3),
        "P/b.nii.gz: case b: holds the values 0, 1, 2; a mask holds 0 and 1 only; "
        "write the tumour as 1 and everything else as 0",
    ),
    (
        rewritten(voxels=MASK * 0.998),
        "P/b.nii.gz: case b: holds floating point numbers (0, 0.998); a mask holds 0 and 1 only, as integers; "
        "these are no labels but probabilities or resampled values: threshold them first",
    ),
    (
        rewritten(voxels=MASK * 0.25),
        "P/b.nii.gz: case b: holds floating point numbers (0, 0.25); a mask holds 0 and 1 only, as integers; "
        "these are no labels but probabilities or resampled values: threshold them first",
    ),
    (
        truncated,
        "P/b.nii.gz: case b: is damaged (its compressed data end too early); copy or export it again",
    ),
    (
        Path.unlink,
        "no prediction for 1 case (b) of R (--missing-as-empty counts them as empty); every case needs one label map "
        "in both folders, named <case id> + one of .nii.gz, .nii, .nrrd, .mha",
    ),
    (
        lambda path: write_label_map(path.with_name("c.nii.gz"), MASK),
        "no reference for 1 case (c) of P; every case needs one label map in both folders, named <case id> + one of "
        ".nii.gz, .nii, .nrrd, .mha",
    ),
    (
        lambda path: (path.parents[1] / "cohort.csv").write_text("case_id,sex\na,F\n"),
        "cohort.csv: no row for 1 case (b) that the predictions hold; "
        "add the rows or give the cohort.csv of these cases",
    ),
]


@pytest.mark.parametrize(("damage", "line"), TABLE, ids=[line[:60] for _, line in TABLE])
def test_refused(tmp_path: Path, damage: Damage, line: str) -> None:
    for case_id in ("a", "b"):
        write_pair(tmp_path, case_id, MASK, MASK)
    cohort = tmp_path / "cohort.csv"
    cohort.write_text("case_id,sex\na,F\nb,M\n")
    folders = tmp_path / "predictions", tmp_path / "references"
    settings = EvaluationSettings(bootstrap_resamples=10)
    evaluate(*folders, tmp_path / "out", cohort=cohort, settings=settings, figures=False)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    damage(folders[0] / "b.nii.gz")
    with pytest.raises(BadInputError) as raised:
        evaluate(*folders, tmp_path / "out", cohort=cohort, settings=settings, figures=False)
    told = str(raised.value).replace(str(folders[0]), "P").replace(str(folders[1]), "R")
    assert told.replace(f"{tmp_path}/", "") == line
    assert raised.value.exit_code == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
