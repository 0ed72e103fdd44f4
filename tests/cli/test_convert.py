"""The command that converts a cohort: its options, what it shows, its exit codes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nnunet_amt.cli.commands import app
from tests.dataset_conversion.cohort_fixtures import make_mask, write_cohort, write_image, write_manifest

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a cohort of four cases, and tell nnU-Net's raw folder."""
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    write_cohort(tmp_path)
    return tmp_path


def convert(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["convert", str(folder / "manifest.csv"), "-d", "711", *options])


def test_it_shows_the_audit_and_what_it_wrote(folder: Path) -> None:
    result = convert(folder)
    assert result.exit_code == 0, result.stderr
    rows = [line.split("│")[1:-1] for line in result.stdout.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["training", "2", "2", "1"],
        ["tuning", "1", "1", "1"],
        ["external", "1", "1", "1"],
        ["all", "4", "4", "2"],
    ]
    assert "institutions: 1 of the external test set, 1 of training and tuning, none of both" in result.stdout
    assert "4 cases converted, 0 kept from an earlier run" in result.stdout
    assert str(folder / "raw" / "Dataset711_AMT" / "flow.svg") in result.stdout
    assert str(folder / "manifest_key.csv") in result.stdout
    assert result.stdout.rstrip().endswith("nnunet_amt plan -d 711")


def test_a_failed_case_is_exit_1_and_one_line_unless_it_is_to_be_excluded(folder: Path) -> None:
    write_image(folder / "masks" / "3.nii.gz", make_mask() * 0)
    result = convert(folder)
    assert result.exit_code == 1
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "manifest.csv line 5, column 'mask' (case 'c3'): " in line
    assert "--exclude-unreadable" in line
    result = convert(folder, "--exclude-unreadable")
    assert result.exit_code == 0
    assert "excluded: 1 for 'mask is empty'" in result.stdout


def test_of_many_failed_cases_five_are_shown_and_the_file_that_lists_all(folder: Path) -> None:
    rows = list(csv.DictReader((folder / "manifest.csv").open(encoding="utf-8")))
    rows += [
        rows[0] | {"case_id": f"x{number}", "image": f"none{number}.nii", "mask": f"none{number}.nii"}
        for number in range(6)
    ]
    write_manifest(folder / "manifest.csv", rows)
    result = convert(folder)
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith(("failed ", "error: "))]
    assert [line.partition("(case ")[2][:4] for line in lines[:-1]] == ["'x0'", "'x1'", "'x2'", "'x3'", "'x4'"]
    assert lines[-1] == (
        f"error: 4 of 10 cases are converted, 6 failed ({folder / 'manifest_failures.csv'} lists them): mend the cases "
        "and run the same command again, or leave them out with --exclude-unreadable"
    )
    assert len((folder / "manifest_failures.csv").read_text().splitlines()) == 7


def test_the_help_is_whole_at_80_columns() -> None:
    result = CliRunner().invoke(app, ["convert", "--help"], env={"COLUMNS": "80", "TERM": "dumb"})
    assert "--external-institutions " in result.stdout
    assert "…" not in result.stdout
    assert "23%" in result.stdout


def test_a_bad_list_of_institutions_is_named_not_the_manifest(folder: Path) -> None:
    write_cohort(folder, {number: {"split": ""} for number in range(4)})
    (folder / "institutions.txt").write_text("Mars\n")
    result = convert(folder, "--external-institutions", str(folder / "institutions.txt"))
    assert result.exit_code == 2
    assert result.stderr.startswith("error: institutions.txt line 1: no included case is of institution 'Mars'; ")


def test_options_reach_the_stage(folder: Path) -> None:
    write_cohort(folder, {number: {"split": ""} for number in range(4)})
    (folder / "institutions.txt").write_text("East\n")
    options = ("--external-institutions", str(folder / "institutions.txt"), "--keep-case-ids", "--table1-p-values")
    result = convert(folder, *options, "--tuning-cases", "2", "--name", "Other")
    assert result.exit_code == 0, result.stderr
    dataset = folder / "raw" / "Dataset711_Other"
    assert [path.name for path in (dataset / "imagesTs").iterdir()] == ["c2_0000.nii.gz"]
    assert (dataset / "table1.csv").read_text().splitlines()[0].endswith(",p")
    kinds = [line.partition(",")[0] for line in (folder / "manifest_key.csv").read_text().splitlines()]
    assert kinds == ["kind", "secret"]  # no name is in it


def test_masks_on_another_grid_are_resampled_when_asked(folder: Path) -> None:
    write_image(folder / "masks" / "3.nii.gz", make_mask().repeat(2, axis=0), spacing=(0.8, 0.7, 2.5))
    assert convert(folder).exit_code == 1
    assert convert(folder, "--resample-masks").exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--external-cases", "1"), "gives the split already"),
        (("--executor", "slurm"), "--executor slurm: is not known; give dask://HOST:PORT"),
        (("--name", "a b"), "dataset name 'a b' is not allowed"),
    ],
)
def test_bad_options_are_exit_2_and_one_line(folder: Path, options: tuple[str, ...], message: str) -> None:
    result = convert(folder, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (folder / "raw").exists()
