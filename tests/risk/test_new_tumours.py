"""New patients' tumours: a folder that was segmented is worth the same as the CT and a mask.

The model that segments is played by one that takes everything above 0 HU for tumour.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.networks.architectures import build_network
from nnunet_amt.risk.networks.model_folder import write_model
from nnunet_amt.risk.new_tumours import segmented_tumours
from tests.clinic.test_segment import FakeModel
from tests.conftest import set_nnunet_folders
from tests.models.model_fixtures import write_model as write_segmenting_model
from tests.risk.tiny_study import done, risk

pytestmark = pytest.mark.usefixtures("undrawn", "segmenting")
SPACING = (4.0, 4.0, 5.0)  # (x, y, z) in mm: the CT is wider than what segment keeps of it


@pytest.fixture
def segmenting(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    write_segmenting_model(tmp_path / "results", planned_base)
    monkeypatch.setattr("nnunet_amt.clinic.segment.load_model", lambda *_, **__: FakeModel())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ShuffleNet as it is drawn at random."""
    folder = tmp_path_factory.mktemp("model")
    write_model(
        folder, build_network("shufflenet_v2_x0_5"), network="shufflenet_v2_x0_5", size=32, normalisation="image",
        threshold=0.5, sensitive_threshold=0.4, pretrained_sha256=None, trained_cases=8,
    )  # fmt: skip
    return folder


def chest(*, tumour: bool = True) -> NDArray[np.int16]:
    """Lung and fat, and a tumour of 5 slices beside a smaller one, (z, y, x); with noise."""
    volume = np.full((24, 60, 56), -100.0)
    volume[:12] = -800
    if tumour:
        volume[10:15, 40:52, 8:19] = 60
        volume[12:14, 40:43, 24:28] = 60
    noise = np.random.default_rng(3).normal(0, 15, volume.shape).clip(-50, 50)
    return (volume + np.where(volume < -500, 4, 1) * noise).round().astype(np.int16)


def write_ct(path: Path, values: NDArray[np.int16], axes: str = "LPS") -> Path:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(SPACING)
    sitk.WriteImage(sitk.DICOMOrient(image, axes), str(path))
    return path


def segment(tmp_path: Path, *cts: Path) -> Path:
    folder = tmp_path / "segmented"
    result = CliRunner().invoke(app, ["segment", *map(str, cts), "-o", str(folder), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    return folder


def rows(output: Path) -> dict[str, dict[str, str]]:
    return {row["case_id"]: row for row in csv.DictReader((output / "risk.csv").open())}


@pytest.mark.parametrize("axes", ["LPS", "RAS", "PIL"])
def test_a_segmented_case_is_worth_what_the_ct_and_the_mask_are(tmp_path: Path, model: Path, axes: str) -> None:
    """Bit by bit the same slice and mask, so the same score, though only a crop of the CT was kept."""
    ct = write_ct(tmp_path / "one.nii.gz", chest(), axes)
    folder = segment(tmp_path, ct)
    crop = sitk.ReadImage(str(folder / "one" / "ct_crop.nii.gz"))
    assert crop.GetNumberOfPixels() < chest().size / 2
    done(risk("predict", folder, "--model", model, "-o", tmp_path / "a"))
    mask = folder / "one" / "segmentation.nii.gz"
    done(risk("predict", ct, "--mask", mask, "--model", model, "-o", tmp_path / "b"))
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    first, second = (dict(np.load(tmp_path / name / "heat_maps" / "one.heat.npz")) for name in ("a", "b"))
    assert first["mask"].sum() == 12 * 11
    assert all(np.array_equal(first[name], second[name]) for name in ("crop", "mask", "spacing", "heat"))


def test_a_segmented_case_without_a_lesion_is_listed_and_stops_no_other(tmp_path: Path, model: Path) -> None:
    one = write_ct(tmp_path / "one.nii.gz", chest())
    none = write_ct(tmp_path / "none.nii.gz", chest(tumour=False))
    result = risk("predict", segment(tmp_path, one, none), "--model", model, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "none: no lesion that is large enough was found" in result.output
    found = rows(tmp_path / "out")
    assert (found["none"]["score"], found["none"]["called"]) == ("", "")
    assert 0 < float(found["one"]["score"]) < 1
    assert found["one"]["called"] in ("low", "high")


def test_cts_are_segmented_first_and_what_is_not_taken_is_told(tmp_path: Path, model: Path) -> None:
    one = write_ct(tmp_path / "one.nii.gz", chest())
    shifted = write_ct(tmp_path / "shifted.nii.gz", chest() + np.int16(3000))
    words = ("--segment-with", "711", "--model", model, "--device", "cpu", "-o", tmp_path / "out")
    result = risk("predict", one, shifted, *words)
    assert result.exit_code == 1
    assert "not taken: shifted.nii.gz: " in result.output
    assert list(rows(tmp_path / "out")) == ["one"]
    assert done(risk("predict", one, *words)).output.count("one: score") == 1


def test_a_case_that_was_not_segmented_to_its_end_is_refused(tmp_path: Path) -> None:
    """Its crop and label map may be of two runs."""
    folder = segment(tmp_path, write_ct(tmp_path / "one.nii.gz", chest()))
    (folder / "one" / "result.json").unlink()
    with pytest.raises(BadInputError, match=r"case one has no result.json; segment it again"):
        segmented_tumours(folder)
