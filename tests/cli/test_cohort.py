"""The commands that convert a cohort and write manifests: options, what they show, exit codes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from nnunet_amt.cli.commands import app
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask, write_cohort, write_image, write_manifest
from tests.images.dicom.dicom_fixtures import square, write_ct_series, write_rtstruct

pytestmark = pytest.mark.usefixtures("undrawn")
AREA = [square(1, (2.5, 6.5), (1.5, 4.5))]


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
    assert set(kinds) == {"kind", "patient", "secret"}  # ids of cases and institutions are kept, those of patients not


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


def command(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def write_mela(folder: Path) -> None:
    write_image(folder / "Train" / "mela_0001.nii.gz", make_ct(11))
    header = "public_id,coordX,coordY,coordZ,x_length,y_length,z_length"
    (folder / "mela_train_val_annotations.csv").write_text(f"{header}\nmela_0001,5,3.5,1.5,4,3,2\n")


def write_lnq(folder: Path) -> None:
    write_image(folder / "val" / "lnq2023-val-0001-ct.nrrd", make_ct(12))
    write_image(folder / "val" / "lnq2023-val-0001-seg.nrrd", make_mask())


def write_tcia(folder: Path) -> None:
    write_ct_series(folder / "CT Lymph Nodes" / "MED_LYMPH_001" / "study" / "series")
    mask = np.pad(make_mask(), ((0, 2), (0, 1), (0, 1)))  # to the 6 x 10 x 12 voxels of the series
    write_image(folder / "MED_ABD_LYMPH_MASKS" / "MED_LYMPH_001" / "MED_LYMPH_001_mask.nii.gz", mask)


def write_nsclc(folder: Path) -> None:
    write_ct_series(folder / "LUNG1-001" / "study" / "ct")
    write_rtstruct(folder / "LUNG1-001" / "study" / "rs", {"GTV-1": AREA})


COHORTS = {
    "mela2022": (write_mela, ["--shape", "ellipsoid"], "mela-0001"),
    "lnq2023": (write_lnq, [], "lnq2023-val-0001"),
    "tcia_ct_lymph_nodes": (write_tcia, ["--region", "mediastinal"], "MED_LYMPH_001"),
    "nsclc_radiomics": (write_nsclc, ["--roi", "GTV.*"], "LUNG1-001"),
}


@pytest.mark.parametrize("cohort", COHORTS)
def test_each_cohort_can_be_joined_with_ones_own_and_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cohort: str
) -> None:
    """The own cohort brings the institutions and sets that a public one lacks."""
    write, options, case_id = COHORTS[cohort]
    write(tmp_path / "source")
    own, public, joint = write_cohort(tmp_path / "own"), tmp_path / "public.csv", tmp_path / "joint" / "cohort.csv"
    result = command("public-cohort", cohort, tmp_path / "source", "-o", public, "--split", "external", *options)
    assert result.exit_code == 0, result.stderr
    assert f"nnunet_amt join-manifests {public}" in result.stdout
    result = command("join-manifests", own, public, "-o", joint)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.rstrip().endswith(f"nnunet_amt convert {joint} -d 711")
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    result = command("convert", joint, "-d", "711", "--keep-case-ids")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "raw" / "Dataset711_AMT" / "labelsTs" / f"{case_id}.nii.gz").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("mela2022", "nowhere", "-o", "m.csv"),
            "error: nowhere: is no folder; give the one that holds the unpacked cohort",
        ),
        (("mela2022", ".", "-o", "m.txt"), "error: --output m.txt: must end in .csv"),
        (
            ("lnq2023", ".", "-o", "m.csv", "--roi", "GTV"),
            "error: --roi: is an option of nsclc_radiomics, not of lnq2023; leave it out",
        ),
        (("nsclc_radiomics", ".", "-o", "m.csv", "--roi", "(a+)+"), "error: --roi (a+)+: could take hours to match"),
        (("lnq2023", ".", "-o", "m.csv"), "holds no file that ends in -ct.nrrd; give the folder of LNQ2023"),
    ],
)
def test_mistakes_are_exit_2_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = command("public-cohort", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_manifest_is_not_overwritten_by_the_joint_one(tmp_path: Path) -> None:
    own = write_cohort(tmp_path)
    result = command("join-manifests", own, "-o", own)
    assert result.exit_code == 2
    assert "is one of the manifests; choose another name" in result.stderr
