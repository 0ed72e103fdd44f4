"""What failures, score-froc and components refuse: one whole line each, exit code 2, and nothing written.

P, R, I stand for the folders of predictions, references and images.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from tests.evaluation.builders import row_mask, write_label_map, write_pair

runner = CliRunner()
MASK = row_mask(60, (0, 20))
TUMOUR = np.full((1, 1, 60), 0.9, np.float32)
Damage = Callable[[Path], object]
ALL = ("failures", "score-froc", "components")
ENDINGS = "named <case id> + one of .nii.gz, .nii, .nrrd, .mha"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for case_id, stop in (("a", 12), ("b", 20)):
        write_pair(tmp_path, case_id, row_mask(60, (0, stop)), MASK)
        save(tmp_path, np.stack([1 - TUMOUR, TUMOUR]), case_id)
        write_label_map(tmp_path / "images" / f"{case_id}_0000.nii.gz", np.full((1, 1, 60), 40, np.int16))
    return tmp_path


def save(folder: Path, probabilities: np.ndarray, case_id: str = "b", name: str = "probabilities") -> None:
    np.savez(folder / "predictions" / f"{case_id}.npz", **{name: probabilities})  # type: ignore[arg-type]


def refused(folder: Path, command: str, *options: str) -> str:
    """Run a command that must refuse, and give its line with the folders' names made short."""
    arguments = [command, str(folder / "predictions"), str(folder / "references"), "-o", str(folder / "out"), *options]
    if command == "failures" and "--images" not in options:
        arguments += ["--images", str(folder / "images")]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2
    assert not (folder / "out").exists()
    lines = [line for line in result.stderr.splitlines() if not re.search(r" \d+/\d+$", line)]
    (line,) = lines  # besides the progress
    for letter, name in (("P", "predictions"), ("R", "references"), ("I", "images")):
        line = line.replace(str(folder / name), letter)
    return line.replace(f"{folder}/", "").removeprefix("error: ")


def remove_all(folder: Path) -> None:
    for path in (folder / "predictions").iterdir():
        path.unlink()


def cut(name: str) -> Damage:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-12])


COMMON: list[tuple[Damage, str]] = [
    (remove_all, "P: no label map found; their names end with .nii.gz, .nii, .nrrd, .mha"),
    (
        lambda folder: write_label_map(folder / "predictions" / "c.nii.gz", MASK),
        f"no reference for 1 case (c) of P; every case needs one label map in both folders, {ENDINGS}",
    ),
    (
        lambda folder: (folder / "predictions" / "b.nii.gz").unlink(),
        "no prediction for 1 case (b) of R (--missing-as-empty counts them as empty); every case needs one label map "
        f"in both folders, {ENDINGS}",
    ),
    (
        lambda folder: write_label_map(folder / "predictions" / "b.nii.gz", row_mask(59)),
        "case b: P/b.nii.gz against R/b.nii.gz: size (59, 1, 1) against (60, 1, 1) (x, y, z; tolerance 0.001); "
        "predictions must be made on the grid of their reference",
    ),
    (
        lambda folder: write_label_map(folder / "references" / "b.nii.gz", MASK * np.uint8(255)),
        "R/b.nii.gz: case b: holds the values 0, 255; a mask holds 0 and 1 only; if 255 is tumour: --foreground 255",
    ),
    (
        cut("predictions/b.nii.gz"),
        "P/b.nii.gz: case b: is damaged (its compressed data end too early); copy or export it again",
    ),
]


@pytest.mark.parametrize("command", ALL)
@pytest.mark.parametrize(("damage", "line"), COMMON, ids=[line[:40] for _, line in COMMON])
def test_label_maps(folder: Path, command: str, damage: Damage, line: str) -> None:
    damage(folder)
    assert refused(folder, command) == line


def ct(voxels: np.ndarray, **geometry: object) -> Damage:
    return lambda folder: write_label_map(folder / "images" / "b_0000.nii.gz", voxels, **geometry)  # type: ignore[arg-type]


CT = np.full((1, 1, 60), 40, np.int16)
AGAINST = "case b: I/b_0000.nii.gz against R/b.nii.gz: {} (x, y, z; tolerance 0.001); " + (
    "the reference must be drawn on the CT's own grid"
)
IMAGES: list[tuple[Damage, str]] = [
    (
        lambda folder: (folder / "images" / "b_0000.nii.gz").unlink(),
        "I: no image for 1 case (b); they are named <case id>_0000 + one of .nii.gz, .nii, .nrrd, .mha",
    ),
    (ct(CT[..., :59]), AGAINST.format("size (59, 1, 1) against (60, 1, 1)")),
    (ct(CT, origin=(0.0, 0.0, 9.0)), AGAINST.format("origin (0, 0, 9) against (0, 0, 0)")),
    (ct(CT, spacing=(1.0, 2.0, 4.0)), AGAINST.format("spacing (1, 2, 4) against (1, 2, 5)")),
    (
        cut("images/b_0000.nii.gz"),
        "I/b_0000.nii.gz: is damaged (its compressed data end too early); copy or export it again",
    ),
    (
        lambda folder: (folder / "images" / "b_0000.nii.gz").write_text("hello"),
        "I/b_0000.nii.gz: is damaged (it ends after 5 bytes, within its header); copy or export it again",
    ),
    (
        ct(np.full((1, 1, 60), np.nan, np.float32)),
        "I/b_0000.nii.gz: holds NaN or infinite values (60 of 60 voxels); give them numbers: 0 in a mask, "
        "-1024 HU outside of a scan",
    ),
]


@pytest.mark.parametrize(("damage", "line"), IMAGES, ids=[line[:60] for _, line in IMAGES])
def test_images(folder: Path, damage: Damage, line: str) -> None:
    damage(folder)
    assert refused(folder, "failures") == line


DAMAGED = "P/b.npz: is damaged or no file of nnU-Net's; predict this case again"
PROBABILITIES: list[tuple[Damage, str]] = [
    (
        lambda folder: (folder / "predictions" / "b.npz").unlink(),
        "P: no probabilities for 1 case (b); predict with --probabilities, which writes probabilities/<case id>.nii.gz "
        "beside the predictions, or with nnU-Net's --save_probabilities (<case id>.npz)",
    ),
    (lambda folder: (folder / "predictions" / "b.npz").write_bytes(b""), DAMAGED),
    (cut("predictions/b.npz"), DAMAGED),
    (
        lambda folder: save(folder, np.stack([TUMOUR, TUMOUR])[..., :50]),
        "case b: P/b.npz against P/b.nii.gz: size (50, 1, 1) against (60, 1, 1) (x, y, z); both must be of one "
        "prediction",
    ),
    (
        lambda folder: save(folder, np.stack([TUMOUR] * 3)),
        "P/b.npz: holds 3 classes; background and tumour are 2",
    ),
    (
        lambda folder: save(folder, np.stack([TUMOUR, TUMOUR - 3])),
        "P/b.npz: holds values from -2.1 to -2.1; a probability is from 0 to 1",
    ),
    (
        lambda folder: save(folder, np.stack([TUMOUR, TUMOUR * np.nan])),
        "P/b.npz: holds values from nan to nan; a probability is from 0 to 1",
    ),
    (
        lambda folder: save(folder, np.stack([TUMOUR, 1 - TUMOUR])),
        "case b: P/b.npz against P/b.nii.gz: the tumour probability is 0.1 at a voxel predicted as tumour, where it "
        "must be 0.5 or more; the two files are not of one prediction, or the label map is of an operating point",
    ),
    (
        lambda folder: save(folder, TUMOUR, name="logits"),
        "P/b.npz: has no array 'probabilities' (it holds: logits); give nnU-Net's own file",
    ),
]


@pytest.mark.parametrize(
    ("damage", "line"), PROBABILITIES, ids=[f"{i} {x[1][:50]}" for i, x in enumerate(PROBABILITIES)]
)
def test_probabilities(folder: Path, damage: Damage, line: str) -> None:
    damage(folder)
    assert refused(folder, "score-froc") == line


@pytest.mark.parametrize("command", ALL)
def test_folders(folder: Path, command: str) -> None:
    assert refused(folder, command, "-o", str(folder / "references")) == (
        "R: holds the label maps; give another folder for the results"
    )
    # A kill while the results are exchanged would leave what else is in the folder under another name.
    line = refused(folder, command, "-o", str(folder))
    what = "the CTs" if command == "failures" else "the label maps"
    assert line.endswith(f": {what} are below it; give another folder for the results")
    (folder / "notes").write_text("")
    assert refused(folder, command, "-o", str(folder / "notes")) == "notes: is a file; give a folder for the results"
    assert refused(folder, command, "--false-positive-rule", "x") == (
        "--false-positive-rule x: must be one of unmatched, no_overlap"
    )
    remove_all(folder)
    (folder / "predictions").rmdir()
    assert refused(folder, command) == "P: no such folder; give the folder that holds the label maps"
    (folder / "predictions").write_text("")
    assert refused(folder, command) == "P: is a file; give the folder that holds the label maps"


def test_one_case_is_too_few_to_compare(folder: Path) -> None:
    for path in folder.glob("*/b*"):
        path.unlink()
    assert refused(folder, "failures") == (
        "Dice is defined in 1 of 1 cases; comparing the worst with the best takes 2 or more, with a tumour in each"
    )
