"""The commands of the study of risk: each once, again, and with what a clinician may give them by mistake."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.base.run_record import read_runs
from nnunet_amt.risk.scores import read_models
from tests.conftest import write_image
from tests.risk.radiomics.phantoms import FEW
from tests.risk.risk_dataset import SPACING, box_mask
from tests.risk.tiny_study import (
    DATASET,
    NETWORK,
    TRAINED,
    copied,
    done,
    files_of,
    refusal,
    risk,
    tiny_rows,
    without_drawing,
    write_tiny_study,
)

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study as its commands leave it, the dataset beside it; do not change it."""
    base = tmp_path_factory.mktemp("risk")
    write_tiny_study(base)
    study = base / "study"
    with without_drawing():
        done(risk("rois", 712, "-o", study))
        done(risk("train", 712, "-o", study, *TRAINED))
        done(risk("evaluate", 712, "-o", study))
    return study


def nothing_changes(study: Path, *words: object) -> None:
    """Run a command again: what it would take long to make stays as it is."""
    before = {name: at for name, at in files_of(study).items() if name.endswith((".npz", ".pth", "model.json"))}
    assert before
    done(risk(*words))
    assert {name: at for name, at in files_of(study).items() if name in before} == before


def test_each_command_says_what_was_written_and_what_comes_next(tmp_path: Path) -> None:
    """A line under next is a command that runs as it stands: number and folder are in it."""
    write_tiny_study(tmp_path)
    study = tmp_path / "study"
    said = done(risk("rois", 712, "-o", study)).output
    assert f"nnunet_amt risk features 712 -o {study}" in said
    said = done(risk("train", 712, "-o", study, "--model", "clinical", "--folds", "2")).output
    assert f"nnunet_amt risk evaluate 712 -o {study}" in said
    said = done(risk("evaluate", 712, "-o", study)).output
    assert f"open {study / 'evaluation' / 'risk_tables.html'}" in said
    said = done(risk("readers", 712, "-o", study)).output
    assert "simulated" in said
    assert (study / "readers" / "reader_tables.md").is_file()


def test_every_stage_leaves_a_record(studied: Path) -> None:
    stages = {
        "rois": "rois",
        f"models/{NETWORK}": "risk-train",
        "scores": "risk-scores",
        f"heat_maps/{NETWORK}": "risk-heat-maps",
        "evaluation": "risk-evaluate",
    }
    assert {folder: [run["stage"] for run in read_runs(studied / folder)] for folder in stages} == {
        folder: [stage] for folder, stage in stages.items()
    }
    software = read_runs(studied / "scores")[-1]["software"]
    assert {"scikit-learn", "torchvision", "timm", "imbalanced-learn", "pyradiomics-cuda"} <= software.keys()


def test_run_again_nothing_is_made_twice_and_no_look_is_counted(studied: Path, tmp_path: Path) -> None:
    """One look at the external set a model: the same scores again are no new chance to choose by them."""
    study = copied(studied, tmp_path)
    for command in ("rois", "evaluate"):  # ROIs of other files, as copies are, are cut anew
        done(risk(command, 712, "-o", study))
    nothing_changes(study, "rois", 712, "-o", study)
    nothing_changes(study, "train", 712, "-o", study, *TRAINED)
    nothing_changes(study, "evaluate", 712, "-o", study)
    nothing_changes(study, "study", 712, "-o", study, *TRAINED)
    assert {name: entry.external_looks for name, entry in read_models(study / "scores").items()} == {
        NETWORK: 1,
        "clinical": 1,
    }


def test_another_training_is_another_look(studied: Path, tmp_path: Path) -> None:
    study = copied(studied, tmp_path)
    done(risk("train", 712, "-o", study, *TRAINED, "--seed", "5", "--restart"))
    assert read_models(study / "scores")[NETWORK].external_looks == 2


def test_study_runs_all_stages_with_predicted_masks_and_readers(
    studied: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Masks one voxel wider; of one case nothing was predicted, which is said and costs its score."""
    study, masks = copied(studied, tmp_path), tmp_path / "masks"
    for number in range(6):
        mask = box_mask(width=7) if number else np.zeros_like(box_mask())
        write_image(masks / f"external_{number}.nii.gz", mask, SPACING)
    with (tmp_path / "readers.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("reader", "level", "condition", "case", "rating"))
        for reader in ("one", "two"):
            for condition in ("without", "with"):
                for number in range(6):
                    writer.writerow((reader, "senior", condition, f"external_{number}", "high" if number > 1 else "no"))
    done(risk("study", 712, "-o", study, *TRAINED, "--masks", masks, "--readers", tmp_path / "readers.csv"))
    tables = (study / "evaluation" / "risk_tables.md").read_text()
    assert "no ROI of 1 case (external_0): no tumour in the mask" in caplog.text
    assert "redicted mask" in tables
    assert (study / "readers" / "reader_study.json").is_file()
    assert read_models(study / "scores_predicted")[NETWORK].external_looks == 1
    done(risk("evaluate", 712, "-o", study))
    assert read_models(study / "scores_predicted")[NETWORK].external_looks == 1


def test_masks_that_hold_no_tumour_at_all_are_refused(studied: Path, tmp_path: Path) -> None:
    study = copied(studied, tmp_path)
    for number in range(6):
        write_image(tmp_path / "masks" / f"external_{number}.nii.gz", np.zeros_like(box_mask()), SPACING)
    said = refusal(risk("study", 712, "-o", study, *TRAINED, "--masks", tmp_path / "masks"))
    assert "no predicted mask holds a tumour" in said
    assert "remove this folder" in said


def test_masks_that_lack_a_case_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    write_tiny_study(tmp_path)
    write_image(tmp_path / "masks" / "external_0.nii.gz", box_mask(), SPACING)
    said = refusal(risk("study", 712, "-o", tmp_path / "study", *TRAINED, "--masks", tmp_path / "masks"))
    assert "external_1" in said
    assert not (tmp_path / "study" / "models").exists()


def test_a_clinical_baseline_can_stand_alone(tmp_path: Path) -> None:
    write_tiny_study(tmp_path)
    done(risk("study", 712, "-o", tmp_path / "study", "--model", "clinical", "--folds", "2"))
    assert list(read_models(tmp_path / "study" / "scores")) == ["clinical"]


def test_carcinoma_stays_as_the_study_was_begun(tmp_path: Path) -> None:
    """Left out at the start: a later stage leaves it out too, and refuses to count it."""
    carcinoma = {"case_id": "tc", "split": "external", "who_type": "TC"}
    write_tiny_study(tmp_path, [*tiny_rows(), carcinoma])
    study = tmp_path / "study"
    assert "left out: thymic carcinoma: 1" in done(risk("rois", 712, "-o", study)).output
    for command in (("rois",), ("features",), ("train", *TRAINED), ("evaluate",), ("readers",), ("study", *TRAINED)):
        said = refusal(risk(command[0], 712, "-o", study, "--carcinoma", "high", *command[1:]))
        assert "begun with carcinoma out, now it is high" in said
    other = tmp_path / "other"
    assert "left out" not in done(risk("rois", 712, "-o", other, "--carcinoma", "high")).output
    done(risk("train", 712, "-o", other, "--model", "clinical", "--folds", "2"))
    assert (other / "scores" / "scores.csv").read_text().count("external,") > 6


def test_another_dataset_is_refused(tmp_path: Path, studied: Path) -> None:
    study = copied(studied, tmp_path)
    shutil.copytree(study.parent / "nnUNet_raw" / DATASET, study.parent / "nnUNet_raw" / "Dataset713_Other")
    assert f"begun with dataset {DATASET}, now it is Dataset713_Other" in refusal(risk("evaluate", 713, "-o", study))


def test_a_cohort_that_grew_is_not_taken_for_cases_without_a_tumour(tmp_path: Path, studied: Path) -> None:
    study = copied(studied, tmp_path)
    shutil.rmtree(study.parent / "nnUNet_raw")
    write_tiny_study(study.parent, tiny_rows(external=8))
    said = refusal(risk("evaluate", 712, "-o", study))
    assert "says nothing of 2 cases (external_6, external_7)" in said
    assert "nnunet_amt risk rois" in said


def changed(rows: list[dict[str, str]], **cells: str) -> list[dict[str, str]]:
    return [row | cells if row["split"] == "external" else row for row in rows]


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (tiny_rows(), ("margin",), "has no column 'who_type'"),
        ([row for row in tiny_rows() if row["split"] == "external"], ("who_type", "margin"), "test set alone"),
        (changed(tiny_rows(), who_type="A"), ("who_type", "margin"), "the external set has no HRT"),
        (changed(tiny_rows(), who_type="thymoma"), ("who_type", "margin"), "column 'who_type'"),
        (changed(tiny_rows(), patient="patient-0000"), ("who_type", "margin"), "are of one patient"),
    ],
)
def test_a_dataset_that_cannot_be_studied(
    tmp_path: Path, rows: list[dict[str, str]], columns: tuple[str, ...], message: str
) -> None:
    """No types; a test set alone; one class in a split; no such type; a patient on both sides."""
    rows = [{name: cell for name, cell in row.items() if name in columns or name != "who_type"} for row in rows]
    write_tiny_study(tmp_path, rows, columns=columns)
    for command in (("rois",), ("study", *TRAINED)):
        said = refusal(risk(command[0], 712, "-o", tmp_path / "study", *command[1:]))
        assert message in said
    assert not (tmp_path / "study").exists()


def test_stages_in_the_wrong_order_name_the_one_that_is_missing(tmp_path: Path) -> None:
    write_tiny_study(tmp_path)
    study = tmp_path / "study"
    assert "run nnunet_amt risk rois" in refusal(risk("train", 712, "-o", study, *TRAINED))
    assert "run nnunet_amt risk features" in refusal(risk("train", 712, "-o", study, "--model", "radiomics"))
    assert "run nnunet_amt risk train" in refusal(risk("evaluate", 712, "-o", study))
    assert "run nnunet_amt risk train" in refusal(risk("readers", 712, "-o", study))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", 712, "--model", "resnet"), "'resnet': is not known; choose among densenet121, "),
        (("train", 712, *TRAINED, "--model", "resnet101", "--weights", __file__), "holds the weights of one network"),
        (("train", 712, "--model", NETWORK, "--weights", __file__), "without running what is in it"),
        (("train", 712, "--model", NETWORK, "--weights", "no_such_file.pth"), "no such file"),
        (("train", 712, *TRAINED, "--epochs", "2"), "epochs is 1, now it is 2"),
        (("study", 712, *TRAINED, "--epochs", "2"), "risk train --restart"),
        (("train", 712, *TRAINED, "--folds", "5"), "4 patients of low risk: 5 folds"),
        (("train", 712, *TRAINED, "--grid", "0"), "grid is (0.0,)"),
        (("train", 712, "--model", "inception_v3", "--size", "32", "--from-scratch"), "75 px or more"),
        (("train", 712, *TRAINED, "--device", "tpu"), "--device tpu"),
        (("evaluate", 712, "--carcinoma", "maybe"), "--carcinoma maybe: must be one of out, high"),
        (("evaluate", 712, "--main-model", "vgg11"), "model 'vgg11': has no scores; there are those of"),
        (("evaluate", 712, "--reference", "vgg11"), "model 'vgg11': has no scores"),
        (("readers", 712, "--table", "no_such_file.csv"), "no_such_file.csv"),
        (("readers", 712, "--model", "vgg11"), "model 'vgg11': has no scores"),
        (("study", 712, *TRAINED, "--readers", "no_such_file.csv"), "no_such_file.csv"),
        (("study", "no_such_manifest.csv", *TRAINED), "no_such_manifest.csv"),
        (("study", "1000", *TRAINED), "1000: is no number of a dataset"),
        (("rois", 712, "--masks", "no_such_folder"), "no_such_folder"),
    ],
)
def test_bad_input_is_exit_2_and_one_line(
    studied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    study = copied(studied, tmp_path)
    before = files_of(study / "scores")
    assert message in refusal(risk(*words, "-o", study))
    assert files_of(study / "scores") == before


def test_a_file_in_place_of_a_folder(studied: Path, tmp_path: Path) -> None:
    write_tiny_study(tmp_path)
    (tmp_path / "study").write_text("x")
    for command in (("rois",), ("features",), ("train", *TRAINED), ("evaluate",), ("readers",), ("study", *TRAINED)):
        assert "is a file" in refusal(risk(command[0], 712, "-o", tmp_path / "study", *command[1:]))
    ct, mask = new_patient(tmp_path)
    model = studied / "models" / NETWORK / "model"
    assert "is a file" in refusal(risk("predict", ct, "--mask", mask, "--model", model, "-o", tmp_path / "study"))


def test_weights_of_another_network_are_refused(tmp_path: Path, studied: Path) -> None:
    other = studied / "models" / NETWORK / "model" / "weights.pth"
    study = copied(studied, tmp_path)
    said = refusal(risk("train", 712, "-o", study, "--model", "mobilenet_v2", "--size", "32", "--weights", other))
    assert "another network than mobilenet_v2" in said


def test_readers_of_patients_are_not_simulated(tmp_path: Path, studied: Path) -> None:
    study = copied(studied, tmp_path)
    (dataset,) = (one.parent for one in tmp_path.rglob("cohort.csv"))
    (dataset / "dataset.json").write_text('{"subjects": "patients"}')
    assert "its cases are of patients, whom no simulated reader has read" in refusal(risk("readers", 712, "-o", study))


def test_readers_of_other_cases_are_refused(tmp_path: Path, studied: Path) -> None:
    study, table = copied(studied, tmp_path), tmp_path / "readers.csv"
    rows = ["reader,level,condition,case,rating"]
    rows += [f"one,senior,{condition},other_{case},high" for condition in ("without", "with") for case in range(4)]
    table.write_text("\n".join(rows))
    assert "other_0" in refusal(risk("readers", 712, "-o", study, "--table", table))


def new_patient(folder: Path) -> tuple[Path, Path]:
    """Write a CT in noise with a tumour, and its mask."""
    mask = box_mask(width=6, shape=(10, 24, 24))
    values = np.where(mask > 0, 40, -80) + np.random.default_rng(9).integers(-30, 30, mask.shape)
    ct = write_image(folder / "new_0000.nii.gz", values.astype(np.int16), SPACING)
    return ct, write_image(folder / "new_mask.nii.gz", mask, SPACING)


def test_predict_of_a_ct_and_a_mask(studied: Path, tmp_path: Path) -> None:
    ct, mask = new_patient(tmp_path)
    model, output = studied / "models" / NETWORK / "model", tmp_path / "out"
    said = done(risk("predict", ct, "--mask", mask, "--model", model, "-o", output)).output
    (row,) = csv.DictReader((output / "risk.csv").open())
    assert row["case_id"] == "new"
    assert f"new: score {float(row['score']):.2f}, {row['called']} risk" in said
    assert [run["stage"] for run in read_runs(output)] == ["risk-predict"]
    assert [path.name for path in output.glob("heat_maps/*")] == ["new.heat.npz"]


def test_an_empty_mask_is_listed_with_the_reason(studied: Path, tmp_path: Path) -> None:
    ct, mask = new_patient(tmp_path)
    model, output = studied / "models" / NETWORK / "model", tmp_path / "out"
    done(risk("predict", ct, "--mask", mask, "--model", model, "-o", output))
    image = sitk.ReadImage(str(mask))
    sitk.WriteImage(image * 0, str(mask))
    result = risk("predict", ct, "--mask", mask, "--model", model, "-o", output)
    assert result.exit_code == 1
    assert "new: no tumour in the mask" in result.output
    assert not list(output.glob("heat_maps*"))[1:]  # nor a figure of the run before
    assert not list((output / "heat_maps").glob("*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("CT",), "give one folder that nnunet_amt segment wrote"),
        (("CT", "CT", "--mask", "MASK"), "goes with one CT"),
        (("CT", "--mask", "no_such_mask.nii.gz"), "no_such_mask.nii.gz: no such file"),
        (("FOLDER",), "holds no segmented case"),
        (("CT", "--segment-with", "711", "--model", "FOLDER"), "holds no model.json"),
    ],
)
def test_what_predict_cannot_take(
    studied: Path, tmp_path: Path, words: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ct, mask = new_patient(tmp_path)
    (tmp_path / "empty").mkdir()
    places = {"CT": ct, "MASK": mask, "FOLDER": tmp_path / "empty"}
    given = [str(places.get(word, word)) for word in words]
    model = () if "--model" in words else ("--model", studied / "models" / NETWORK / "model")
    assert message in refusal(risk("predict", *given, *model, "-o", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_features_and_radiomics_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features of the original image alone; the scores of a training that is there are read again, not made."""
    monkeypatch.setattr("nnunet_amt.risk.radiomics.feature_tables.FeatureSettings", lambda: FEW)
    write_tiny_study(tmp_path)
    study = tmp_path / "study"
    done(risk("rois", 712, "-o", study))
    said = done(risk("features", 712, "-o", study)).output
    assert f"nnunet_amt risk train 712 -o {study}" in said
    words = ("train", 712, "-o", study, "--model", "radiomics", "--folds", "2")
    first = done(risk(*words)).output
    scores, made = (study / "scores" / "scores.csv").read_text(), files_of(study / "models" / "radiomics")
    assert read_models(study / "scores")["Rad_LR"].external_looks == 1
    again = done(risk(*words)).output
    warnings = [line for line in first.splitlines() if line.startswith("warning: ")]
    assert all(line.startswith("warning: radiomics, ") for line in warnings)
    assert [line for line in again.splitlines() if line.startswith("warning: ")] == warnings
    assert (study / "scores" / "scores.csv").read_text() == scores
    assert files_of(study / "models" / "radiomics") == made
    assert read_models(study / "scores")["Rad_LR"].external_looks == 1


def test_a_manifest_is_converted_into_the_study(tmp_path: Path) -> None:
    """The stages find the dataset there again, without any variable of nnU-Net's."""
    dataset = write_tiny_study(tmp_path / "given")
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("case_id", "patient_id", "institution", "split", "image", "mask", "who_type", "age", "sex"))
        for row in csv.DictReader((dataset / "cohort.csv").open()):
            subset = "Ts" if row["split"] == "external" else "Tr"
            files = (dataset / f"images{subset}" / f"{row['case_id']}_0000.nii.gz", dataset / f"labels{subset}")
            writer.writerow(
                (
                    *(row["case_id"], row["patient"], "B" if subset == "Ts" else "A"),
                    *("tuning" if row["case_id"].endswith(("g_6", "g_7")) else row["split"], files[0]),
                    *(files[1] / f"{row['case_id']}.nii.gz", row["who_type"], row["age"], row["sex"]),
                )
            )
    study = tmp_path / "study"
    words = ("--model", "clinical", "--folds", "2")
    done(risk("study", tmp_path / "manifest.csv", "-o", study, *words))
    assert (study / "nnUNet_raw" / "Dataset711_AMT" / "cohort.csv").is_file()
    done(risk("study", tmp_path / "manifest.csv", "-o", study, *words))
    done(risk("evaluate", 711, "-o", study))
