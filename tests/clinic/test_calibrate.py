"""Points chosen on a tiny dataset, two tuning cases of which stand beside one external case.

The model is played by one that is sure of all above 0 HU: the tumour, 720 voxels, and a voxel at the CT's corner.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from typer.testing import CliRunner

from nnunet_amt.base.run_record import file_sha256, newest_run
from nnunet_amt.cli.commands import app
from nnunet_amt.evaluation.operating_points.point_file import read_point
from nnunet_amt.nnunet.network_grid import Prediction
from nnunet_amt.study.settings import StudySettings, write_settings
from tests.conftest import TINY_DATASET, set_nnunet_folders, tiny_case, write_image
from tests.models.model_fixtures import write_model
from tests.nnunet.test_predict_cases import FakeModel

TUNING = ("d", "e")


class Sure(FakeModel):
    def finish(self, logits: NDArray, values: NDArray, *, probabilities: bool) -> Prediction:
        above = (logits > 0).astype(np.uint8)
        return Prediction(above, above * np.uint8(230))


@pytest.fixture
def checkpoint(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(planned_base / "nnUNet_raw", tmp_path / "nnUNet_raw")
    set_nnunet_folders(monkeypatch, tmp_path)
    monkeypatch.delenv("nnUNet_preprocessed")
    return write_model(tmp_path / "nnUNet_results", planned_base)


@pytest.fixture
def model(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Sure:
    fake = Sure()
    monkeypatch.setattr("nnunet_amt.clinic.tuning_cases.load_model", lambda *_, **__: fake)
    return fake


@pytest.fixture
def raw(checkpoint: Path, tmp_path: Path) -> Path:
    return tmp_path / "nnUNet_raw" / TINY_DATASET


def calibrate(*words: object) -> tuple[int, str]:
    words = words or ("-d", 711)
    done = CliRunner().invoke(app, ["calibrate", "--device", "cpu", *map(str, words)], env={"COLUMNS": "120"})
    return done.exit_code, done.output


def error(*words: object) -> str:
    code, text = calibrate(*words)
    assert code == 2, text
    (line,) = [line for line in text.splitlines() if line.startswith("error:")]
    return line


def content(checkpoint: Path) -> dict:
    return json.loads((checkpoint.parent / "operating_points.json").read_text())


def test_points_are_written_beside_the_checkpoint(checkpoint: Path, model: Sure) -> None:
    """The corner's voxel, 0.02 cm³, costs the Dice 1 of 1441; the smallest size on the dial, 0.1 cm³, drops it."""
    code, text = calibrate()
    assert code == 0, text
    volumetry = read_point(checkpoint, "volumetry")
    point = volumetry.point
    assert (point.candidate_level, point.score_threshold, point.minimum_cm3) == (128, 0.0, 0.1)
    assert {name: one.mean for name, one in volumetry.tuning.items()} == {
        "dice": 1.0, "sensitivity": 1.0, "fp_per_scan": 0.0, "volume_bias": 0.0,
    }  # fmt: skip
    told = content(checkpoint)
    assert told["model"] == {"checkpoint": "checkpoint_best.pth", "sha256": file_sha256(checkpoint)}
    assert told["argmax"]["tuning"]["dice"]["mean"] == pytest.approx(1440 / 1441)
    assert told["argmax"]["tuning"]["volume_bias"]["mean"] == pytest.approx(1 / 720)
    assert told["argmax"]["tuning"]["dice"]["ci95"] is None  # withheld under 20
    assert (told["tuning_cases"], told["tuning_lesions"], told["intervals"]["drawn"]) == (2, 2, "case")
    assert "volumetry: voxels of probability 0.50 or more, 0.1 cm³ or more" in text
    assert "no patients are told: each case counts as one" in text
    run = newest_run(checkpoint.parent, "calibrate")
    assert run is not None
    assert run["outputs"].keys() == {"operating_points.json", "reliability.png", "reliability.svg"}


def test_what_the_probabilities_say(checkpoint: Path, model: Sure) -> None:
    """Two sorts of voxels: 0, and 230 of 255 of which 720 of 721 are tumour. From 0.9 up nothing is left."""
    calibrate()
    told = content(checkpoint)
    assert told["reliability"]["voxels"] == 2 * 721
    assert told["reliability"]["before"]["ece"] == pytest.approx(720 / 721 - 230 / 255)
    assert told["reliability"]["after"]["ece"] == pytest.approx(0.0, abs=1e-3)
    assert told["dial"]["stuck_voxels"] == pytest.approx({"at_0": 1 - 721 / 25600, "at_1": 0.0, "tumour_at_0": 0.0})
    # the lesion is kept or not: two points
    assert (told["dial"]["distinct_points"], told["dial"]["sensitivity"]) == (2, [0.0, 1.0])


def test_again_the_network_does_not_run(checkpoint: Path, model: Sure) -> None:
    """Nor where only a rule is another one; a case that was lost is predicted again."""
    calibrate()
    first = content(checkpoint)
    assert calibrate("-d", 711, "--fp-per-scan", 2)[0] == 0
    second = content(checkpoint)
    assert (first["rules"].pop("most_fp_per_scan"), second["rules"].pop("most_fp_per_scan")) == (1.0, 2.0)
    assert first == second
    assert len(model.seen) == 2
    (checkpoint.parent / "calibration" / "probabilities" / "d.nii.gz").unlink()
    calibrate()
    assert len(model.seen) == 3


def test_another_checkpoint_is_calibrated_anew(checkpoint: Path, model: Sure, planned_base: Path) -> None:
    calibrate()
    write_model(checkpoint.parents[3], planned_base, current_epoch=2)
    calibrate()
    assert len(model.seen) == 4
    assert content(checkpoint)["model"]["sha256"] == file_sha256(checkpoint)


def test_tuning_cases_of_the_external_test_set_are_refused_by_name(raw: Path, model: Sure) -> None:
    shutil.copyfile(raw / "imagesTr" / "e_0000.nii.gz", raw / "imagesTs" / "e_0000.nii.gz")
    assert "tuning case e is in the external test set" in error()
    assert model.seen == []


@pytest.mark.parametrize("how", ["copied", "as other numbers", "on other axes"])
def test_tuning_cases_of_the_external_test_set_are_refused_by_their_voxels(raw: Path, model: Sure, how: str) -> None:
    """Under another name, and where no file is equal byte for byte."""
    image = sitk.ReadImage(str(raw / "imagesTr" / "e_0000.nii.gz"))
    if how == "as other numbers":
        image = sitk.Cast(image, sitk.sitkFloat32)
    elif how == "on other axes":
        image = sitk.DICOMOrient(image, "RAI")
    sitk.WriteImage(image, str(raw / "imagesTs" / "x_0000.nii.gz"))
    told = error()
    assert "x_0000.nii.gz: is the same CT, voxel for voxel, as tuning case e; take it out of one of both" in told
    assert model.seen == []


def test_a_model_of_all_cases_has_no_tuning_set(checkpoint: Path, model: Sure) -> None:
    shutil.copytree(checkpoint.parent, checkpoint.parents[1] / "fold_all")
    assert "--fold all: trained on the tuning cases too" in error("-d", 711, "--fold", "all")


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ({"train": ["a", "b", "c"], "val": []}, "fold 0 has no tuning case (val)"),
        ({"train": ["a", "b", "d"], "val": ["d", "e"]}, "case d is in training and tuning of fold 0"),
        ({"train": ["a"], "val": ["nobody"]}, "tuning case nobody has no image"),
    ],
)
def test_splits_without_a_tuning_set_are_refused(raw: Path, model: Sure, split: dict, told: str) -> None:
    (raw / "splits_final.json").write_text(json.dumps([split]))
    assert told in error()


def test_the_split_that_the_model_was_trained_with_counts(
    raw: Path, model: Sure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nnU-Net trains by the copy in nnUNet_preprocessed: there a and b are the tuning cases."""
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "nnUNet_preprocessed"))
    preprocessed = tmp_path / "nnUNet_preprocessed" / TINY_DATASET
    preprocessed.mkdir(parents=True)
    (preprocessed / "splits_final.json").write_text(json.dumps([{"train": ["c", "d", "e"], "val": ["a", "b"]}]))
    assert calibrate()[0] == 0
    expected = [tiny_case(seed)[0] for seed in (0, 1)]
    assert [any((seen == one).all() for seen in model.seen) for one in expected] == [True, True]


def test_a_tuning_set_without_a_tumour_is_refused(raw: Path, model: Sure, checkpoint: Path) -> None:
    for case in TUNING:
        write_image(raw / "labelsTr" / f"{case}.nii.gz", np.zeros((16, 40, 40), np.uint8), (2.0, 2.0, 5.0))
    assert "none of 2 tuning cases has a tumour" in error()
    assert not (checkpoint.parent / "operating_points.json").exists()


def test_patients_of_several_cases_are_drawn_and_held_out_together(raw: Path, model: Sure, checkpoint: Path) -> None:
    """Both CTs are of one patient: nobody is left to fit a temperature on."""
    rows = "".join(f"{case},patient-{'1' if case in TUNING else case},i\n" for case in "abcdef")
    (raw / "cohort.csv").write_text(f"case_id,patient,institution\n{rows}")
    code, text = calibrate()
    assert code == 0, text
    told = content(checkpoint)
    assert (told["intervals"]["drawn"], told["reliability"]["after"]) == ("patient", None)
    assert told["argmax"]["tuning"]["sensitivity"]["ci95"] is None  # two lesions of one patient


def test_a_study_is_calibrated_where_it_stands(
    checkpoint: Path, model: Sure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nnUNet_raw", "nnUNet_results"):
        monkeypatch.delenv(name)
    name = TINY_DATASET.removeprefix("Dataset711_")
    write_settings(tmp_path, StudySettings().changed({"study": {"name": name}}))
    code, text = calibrate("--study", tmp_path)
    assert code == 0, text
    assert (checkpoint.parent / "operating_points.json").is_file()


def test_a_limit_that_is_no_number_is_refused(checkpoint: Path) -> None:
    """NaN and negative ones the option refuses by itself."""
    assert "--fp-per-scan inf: must be a number, 0 or more" in error("-d", 711, "--fp-per-scan", "inf")
    assert calibrate("-d", 711, "--fp-per-scan", "nan")[0] == 2


def test_what_comes_next_names_the_model_and_a_point_that_is_there(checkpoint: Path, model: Sure) -> None:
    _, text = calibrate("-d", 711, "--fp-per-scan", 1)
    assert "nnunet_amt predict -d 711 --operating-point balanced -o balanced" in " ".join(text.split())


@pytest.mark.parametrize("words", [("--fold", "1"), ("--trainer", "nnUNetTrainerAMT_demo"), ("--checkpoint", "x.pth")])
def test_the_model_of_a_study_is_not_chosen_once_more(tmp_path: Path, words: tuple[str, str]) -> None:
    assert "with --study these are the study's" in error("--study", tmp_path, *words)


def test_either_a_dataset_or_a_study(checkpoint: Path, tmp_path: Path) -> None:
    assert "give the number of the dataset (-d N) or the folder of the study" in error("--study", tmp_path, "-d", 711)
    assert "give the number of the dataset" in error("--seed", 1)
