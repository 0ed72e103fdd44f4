"""From the folder of a public cohort to a dataset, by commands alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from nnunet_amt.cli.commands import app
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask, write_cohort, write_image
from tests.images.dicom.dicom_fixtures import square, write_ct_series, write_rtstruct

pytestmark = pytest.mark.usefixtures("undrawn")
AREA = [square(1, (2.5, 6.5), (1.5, 4.5))]


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
