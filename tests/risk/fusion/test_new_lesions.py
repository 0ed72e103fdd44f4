"""New patients' lesions: a folder that was segmented is worth the same as the CTs and the masks.

The model that segments is played by one that takes everything above 0 HU for tumour.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.clinic.assessments import read_assessments
from nnunet_amt.clinic.case_results import PAGE
from nnunet_amt.risk.fusion.encoding import PatientData
from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
from nnunet_amt.risk.fusion.lesion_crop import LesionCrop, cut_lesion
from nnunet_amt.risk.fusion.new_lesions import predict_new_lesions
from nnunet_amt.risk.fusion.train_lesions import train_lesion_models
from nnunet_amt.risk.new_tumours import NewTumour, segmented_tumours
from tests.clinic.test_segment import FakeModel
from tests.conftest import set_nnunet_folders
from tests.models.model_fixtures import write_model as write_segmenting_model
from tests.risk.fusion.training_cases import SETTINGS, cohort_of, crops_of
from tests.risk.tiny_study import done, refusal

pytestmark = pytest.mark.usefixtures("undrawn", "segmenting")
SPACING = (4.0, 3.0, 5.0)  # (x, y, z) in mm


@pytest.fixture
def segmenting(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    write_segmenting_model(tmp_path / "results", planned_base)
    monkeypatch.setattr("nnunet_amt.clinic.segment.load_model", lambda *_, **__: FakeModel())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> FusionFolder:
    """DMFN and plain CNN, of one seed and one epoch."""
    at, cohort = FusionFolder(tmp_path_factory.mktemp("trained")), cohort_of(6, 3, 3)
    settings = replace(SETTINGS, models=("dmfn", "plain-cnn"), seeds=(0,), epochs=1)
    train_lesion_models(cohort, crops_of(cohort.cases), at, settings=settings)
    return at


def chest(*boxes: tuple[slice, slice, slice]) -> NDArray[np.int16]:
    """Lung and fat with noise, and lesions, (z, y, x)."""
    volume = np.full((24, 120, 90), -100.0)
    volume[:8] = -800
    for box in boxes:
        volume[box] = 60
    noise = np.random.default_rng(3).normal(0, 15, volume.shape).clip(-50, 50)
    return (volume + np.where(volume < -500, 4, 1) * noise).round().astype(np.int16)


COMPACT = (slice(10, 15), slice(40, 52), slice(8, 19))
# 240 mm by 20 mm, and so the square around it is five times as wide as a margin of 25 mm leaves it.
LONG_IN_Y = (slice(10, 13), slice(20, 100), slice(43, 48))
LONG_IN_X = (slice(10, 13), slice(57, 64), slice(12, 76))
LONG_IN_Z = (slice(2, 22), slice(57, 64), slice(43, 48))
AT_THE_EDGE = (slice(10, 13), slice(20, 100), slice(0, 4))
APART = (slice(18, 20), slice(108, 112), slice(80, 84))


def write_ct(path: Path, values: NDArray[np.int16], axes: str = "LPS") -> Path:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(SPACING)
    sitk.WriteImage(sitk.DICOMOrient(image, axes), str(path))
    return path


def segmented(tmp_path: Path, *cts: Path) -> Path:
    folder = tmp_path / "segmented"
    done(CliRunner().invoke(app, ["segment", *map(str, cts), "-o", str(folder), "--device", "cpu"]))
    return folder


def rows(output: Path) -> dict[str, dict[str, str]]:
    return {row["case_id"]: row for row in csv.DictReader((output / "diagnosis.csv").open())}


def both_crops(tmp_path: Path, ct: Path) -> tuple[LesionCrop, LesionCrop]:
    """Cut the lesion out of what segment kept, and out of the CT with the mask that segment wrote."""
    (tumour,) = segmented_tumours(segmented(tmp_path, ct))
    with tumour.mask_on_grid() as mask:
        assert mask is not None
        kept, _ = cut_lesion(tumour.image, mask, case_id="one", pixels=48)
    whole, _ = cut_lesion(ct, tumour.mask, case_id="one", pixels=48)
    assert kept is not None and whole is not None
    return kept, whole


@pytest.mark.parametrize(
    "boxes",
    [(COMPACT,), (LONG_IN_Y,), (LONG_IN_X,), (LONG_IN_Z,), (AT_THE_EDGE,), (LONG_IN_Y, APART), (COMPACT, APART)],
)
def test_a_segmented_lesion_is_cut_bit_by_bit_as_out_of_the_ct(
    tmp_path: Path, boxes: tuple[tuple[slice, slice, slice], ...]
) -> None:
    """Also a long thin one, whose square reaches far beyond it, and one beside others or the edge of the CT."""
    kept, whole = both_crops(tmp_path, write_ct(tmp_path / "one.nii.gz", chest(*boxes)))
    assert np.array_equal(kept.largest, whole.largest)
    assert np.array_equal(kept.adjacent, whole.adjacent)


@pytest.mark.parametrize("axes", ["RAS", "PIL"])
def test_so_it_is_whatever_the_axes_of_the_ct(tmp_path: Path, axes: str) -> None:
    ct = write_ct(tmp_path / "one.nii.gz", chest(LONG_IN_Y), axes)
    kept, whole = both_crops(tmp_path, ct)
    assert np.array_equal(kept.largest, whole.largest)
    crop = sitk.ReadImage(str(tmp_path / "segmented" / "one" / "ct_crop.nii.gz"))
    assert crop.GetNumberOfPixels() < chest().size  # it is a crop


def test_a_segmented_case_has_the_answer_of_ct_and_mask(tmp_path: Path, trained: FusionFolder) -> None:
    """By the command, with what a table says of the patient."""
    ct = write_ct(tmp_path / "one.nii.gz", chest(LONG_IN_X, APART))
    folder = segmented(tmp_path, ct)
    (table := tmp_path / "patients.csv").write_text("case_id,ctc_level,age,sex,location\none,17.5,52,F,middle\n")
    words = ("--model", trained.model("binary", "dmfn"), "--patients", table)
    done(CliRunner().invoke(app, ["risk", "predict", str(folder), *map(str, words), "-o", str(tmp_path / "a")]))
    mask = ("--mask", folder / "one" / "segmentation.nii.gz")
    done(CliRunner().invoke(app, ["risk", "predict", *map(str, (ct, *mask, *words)), "-o", str(tmp_path / "b")]))
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert rows(tmp_path / "a")["one"]["called"] in ("benign", "malignant")
    assert "not stated" not in rows(tmp_path / "a")["one"]["notes"]


def test_a_lesion_that_cannot_be_scored_stops_no_other(tmp_path: Path, trained: FusionFolder) -> None:
    """None was found in one case, and the CT of another is damaged."""
    cts = [
        write_ct(tmp_path / f"{name}.nii.gz", chest(*boxes))
        for name, boxes in (("good", [COMPACT]), ("none", []), ("torn", [COMPACT]))
    ]
    folder = segmented(tmp_path, *cts)
    (folder / "torn" / "ct_crop.nii.gz").write_bytes(b"torn")
    told: list[tuple[int, int, str]] = []
    found = predict_new_lesions(
        trained.model("binary", "plain-cnn"), segmented_tumours(folder), tmp_path / "out", patients={},
        progress=lambda done, total, what: told.append((done, total, what)),
    )  # fmt: skip
    assert [(one.case_id, one.prediction is None) for one in found] == [("good", False), ("none", True), ("torn", True)]
    table = rows(tmp_path / "out")
    assert table["none"]["notes"] == "no lesion that is large enough was found"
    assert "torn/ct_crop.nii.gz" in table["torn"]["notes"]
    assert float(table["good"]["benign"]) + float(table["good"]["malignant"]) == pytest.approx(1)
    assert {what for _, _, what in told} == {"cutting ROIs", "scoring with plain-cnn"}


def test_what_is_known_of_others_has_no_say(tmp_path: Path, trained: FusionFolder) -> None:
    ct = write_ct(tmp_path / "one.nii.gz", chest(COMPACT))
    mask = segmented(tmp_path, ct) / "one" / "segmentation.nii.gz"
    tumours = [NewTumour("one", ct, mask), NewTumour("two", ct, mask)]
    known = {"two": PatientData(ctc_level=18.0), "three": PatientData(ctc_level=0.0)}
    one, two = predict_new_lesions(trained.model("binary", "dmfn"), tumours, tmp_path / "out", patients=known)
    assert one.prediction is not None and two.prediction is not None
    assert one.prediction.probabilities != two.prediction.probabilities
    assert any(note.startswith("CTC level: not stated") for note in one.notes)
    assert not any(note.startswith("CTC level") for note in two.notes)


def test_segment_puts_answers_or_why_there_are_none_onto_the_page(tmp_path: Path, trained: FusionFolder) -> None:
    """The table goes to the model that looks at it, and the page says whose lesions the models know."""
    cts = [write_ct(tmp_path / f"{name}.nii.gz", chest(*boxes)) for name, boxes in (("one", [COMPACT]), ("none", []))]
    (table := tmp_path / "patients.csv").write_text("case_id,ctc_level\none,17.5\n")
    models = [word for name in ("plain-cnn", "dmfn") for word in ("--assess", trained.model("binary", name))]
    folder = tmp_path / "out"
    words = ["segment", *cts, "-o", folder, "--device", "cpu", *models, "--patients", table]
    result = done(CliRunner().invoke(app, [*map(str, words)]))
    assert "the patients' table has no row of 1 case (none)" in result.output
    (of_one,), (of_none,) = (read_assessments(folder / name) for name in ("one", "none"))
    assert of_one.answer in ("benign", "malignant")
    assert not any(note.startswith("CTC level") for note in of_one.notes)
    assert (of_none.answer, of_none.notes) == ("", ("no lesion that is large enough was found",))
    assert of_one.trained_on in (folder / PAGE).read_text()


def test_a_table_that_no_model_looks_at_is_refused_before_anything_is_segmented(
    tmp_path: Path, trained: FusionFolder
) -> None:
    ct = write_ct(tmp_path / "one.nii.gz", chest(COMPACT))
    (table := tmp_path / "patients.csv").write_text("case_id,ctc_level\none,17.5\n")
    plain = ("--assess", trained.model("binary", "plain-cnn"))
    for models in ((), plain, (*plain, *plain)):
        words = ["segment", ct, "-o", tmp_path / "out", *models, "--patients", table]
        assert "--patients" in refusal(CliRunner().invoke(app, [*map(str, words)]))
    assert not (tmp_path / "out").exists()
