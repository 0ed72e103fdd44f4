"""New patients at an operating point: of saved probabilities, told in every result, with objects of their own.

The model is played by one that is sure of what is above 0 HU, and half sure of what is above -60 HU.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.evaluation.operating_points.point import apply_point
from nnunet_amt.evaluation.operating_points.point_file import point_record
from nnunet_amt.images.probability_file import RECORDS
from nnunet_amt.nnunet.network_grid import Prediction
from tests.clinic.test_segment import FakeModel, rows, segment, write_series
from tests.evaluation.operating_points.builders import LARGE, WIDE, model_with_points, write_points


class HalfSure(FakeModel):
    def finish(self, logits: NDArray, values: NDArray, *, probabilities: bool) -> Prediction:
        levels = np.where(values > 0, 204, np.where(values > -60, 77, 0)).astype(np.uint8)
        return Prediction((values > 0).astype(np.uint8), levels)


@pytest.fixture
def checkpoint(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return model_with_points(planned_base, tmp_path, monkeypatch)


@pytest.fixture
def model(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> HalfSure:
    fake = HalfSure()
    monkeypatch.setattr("nnunet_amt.clinic.segment.load_model", lambda *_, **__: fake)
    return fake


def mask(tmp_path: Path, case: str = "a") -> NDArray:
    image = sitk.ReadImage(str(tmp_path / "out" / case / "segmentation.nii.gz"))
    return sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LPS"))


def result(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "out" / "a" / "result.json").read_text())


def test_a_point_decides_and_every_result_says_so(tmp_path: Path, model: HalfSure) -> None:
    write_series(tmp_path / "a")
    code, text = segment(tmp_path, tmp_path / "a", "--operating-point", "wide", "--as", "seg", "--as", "sc")
    assert code == 0, text
    assert (mask(tmp_path) == (model.seen[0] > -60)).all()
    assert result(tmp_path)["operating_point"]["name"] == "wide"
    (row,) = rows(tmp_path / "out" / "cases.csv")
    assert row["note"] == "operating point wide"
    assert "operating point wide" in (tmp_path / "out" / "index.html").read_text()
    assert pydicom.dcmread(tmp_path / "out" / "a" / "seg.dcm").ManufacturerModelName.endswith(" wide")


def test_other_points_and_the_argmax_are_of_saved_probabilities(tmp_path: Path, model: HalfSure) -> None:
    """Also of a file on other axes; the label map of the argmax is the same bytes as before."""
    write_series(tmp_path / "dicom")
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "dicom"))
    image = sitk.DICOMOrient(sitk.Cast(sitk.ReadImage(list(names)), sitk.sitkInt16), "PSR")
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    segment(tmp_path, tmp_path / "a.nii.gz")
    (values,) = model.seen
    argmax = (tmp_path / "out" / "a" / "segmentation.nii.gz").read_bytes()
    _, text = segment(tmp_path, tmp_path / "a.nii.gz", "--operating-point", "wide")
    assert "segmented 1 now, 0 before" in text
    assert (mask(tmp_path) == (values > -60)).all()
    _, text = segment(tmp_path, tmp_path / "a.nii.gz", "--operating-point", "wide")
    assert "segmented 0 now, 1 before" in text
    segment(tmp_path, tmp_path / "a.nii.gz", "--operating-point", "large")
    levels = np.where(values > 0, 204, np.where(values > -60, 77, 0)).astype(np.uint8)
    x, y, z = sitk.DICOMOrient(image, "LPS").GetSpacing()
    assert (mask(tmp_path) == apply_point(levels, (x, y, z), LARGE)).all()
    segment(tmp_path, tmp_path / "a.nii.gz")
    assert (tmp_path / "out" / "a" / "segmentation.nii.gz").read_bytes() == argmax
    assert "operating_point" not in result(tmp_path)
    assert len(model.seen) == 1


def test_damaged_probabilities_are_made_anew(tmp_path: Path, model: HalfSure) -> None:
    write_series(tmp_path / "a")
    segment(tmp_path, tmp_path / "a")
    (tmp_path / "out" / "a" / "probabilities.nii.gz").write_bytes(b"damaged")
    code, text = segment(tmp_path, tmp_path / "a", "--operating-point", "wide")
    assert code == 0, text
    assert len(model.seen) == 2
    assert (mask(tmp_path) == (model.seen[0] > -60)).all()


def test_the_same_mask_of_another_point_is_another_object(tmp_path: Path, model: HalfSure, checkpoint: Path) -> None:
    """An archive keeps the first object of a UID: what another point says must not vanish behind it."""
    write_points(checkpoint, replace(WIDE, candidate_level=128))
    write_series(tmp_path / "a")
    uids, masks = [], []
    for words in ([], ["--operating-point", "wide"], ["--operating-point", "wide", "--as", "rtstruct"]):
        segment(tmp_path, tmp_path / "a", "--as", "seg", *words)
        uids.append(pydicom.dcmread(tmp_path / "out" / "a" / "seg.dcm").SOPInstanceUID)
        masks.append(mask(tmp_path))
    assert masks[0].any()
    assert (masks[0] == masks[1]).all()
    assert uids[0] != uids[1]
    assert uids[1] == uids[2]


def test_export_takes_the_point_from_the_records_of_the_label_maps(tmp_path: Path, model: HalfSure) -> None:
    """The same mask without and with a record of the point, and beside one of another point."""
    write_series(tmp_path / "a")
    segment(tmp_path, tmp_path / "a")
    predictions, records = tmp_path / "predictions", tmp_path / "predictions" / RECORDS
    records.mkdir(parents=True)
    shutil.copyfile(tmp_path / "out" / "a" / "segmentation.nii.gz", predictions / "a.nii.gz")
    words = ["export", str(predictions), "--dicom", str(tmp_path / "a"), "-o", str(tmp_path / "objects")]
    objects = []
    for record in ({}, {"operating_point": point_record(WIDE)}):
        (records / "a.json").write_text(json.dumps(record))
        assert CliRunner().invoke(app, words).exit_code == 0
        objects.append(pydicom.dcmread(tmp_path / "objects" / "a" / "seg.dcm"))
    assert objects[1].ManufacturerModelName.endswith(" wide")
    assert objects[0].SOPInstanceUID != objects[1].SOPInstanceUID
    shutil.copyfile(predictions / "a.nii.gz", predictions / "b.nii.gz")
    (records / "b.json").write_text("{}")
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, "are of several operating points (argmax, wide)" in done.output) == (2, True)


def test_refusals_are_one_line_before_anything_is_read(tmp_path: Path, model: HalfSure, checkpoint: Path) -> None:
    write_series(tmp_path / "a")
    told = segment(tmp_path, tmp_path / "a", "--operating-point", "narrow")
    assert told == (2, "error: --operating-point narrow: the points of this model are: large, wide\n")
    checkpoint.with_name("operating_points.json").unlink()
    code, text = segment(tmp_path, tmp_path / "a", "--operating-point", "wide")
    assert (code, text.count("\n"), "the model has no points" in text) == (2, 1, True)
    assert model.seen == []
