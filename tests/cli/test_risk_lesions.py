"""``nnunet_amt risk`` with --task binary and multiclass: each command once, again, and with what may go wrong."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.base.run_record import read_runs
from nnunet_amt.risk.fusion.class_map import PUBLISHED_CLASS_MAP
from nnunet_amt.risk.fusion.class_scores import read_class_scores
from nnunet_amt.risk.networks.architectures import build_network
from nnunet_amt.risk.networks.model_folder import write_model
from tests.conftest import write_image
from tests.risk.fusion.tiny_lesion_study import COLUMNS, DATASET, SIZE, TRAINED, lesion_rows, write_tiny_lesions
from tests.risk.risk_dataset import SPACING, box_mask
from tests.risk.tiny_study import copied, done, files_of, refusal, risk, without_drawing

pytestmark = pytest.mark.usefixtures("undrawn")
BINARY, MULTICLASS = ("--task", "binary"), ("--task", "multiclass")
SMALL = ("--model", "plain-cnn", "--epochs", "1", "--repeats", "1")


@pytest.fixture(scope="session")
def said() -> dict[str, str]:
    """What the commands of `studied` said, by command and task."""
    return {}


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory, said: dict[str, str]) -> Path:
    """A study of both tasks as its commands leave it, the dataset beside it; do not change it."""
    base = tmp_path_factory.mktemp("lesions")
    write_tiny_lesions(base)
    study = base / "study"
    with without_drawing():
        said["rois"] = done(risk("rois", 713, "-o", study, *BINARY, *SIZE, "--ctc-unit", "pg/ml")).output
        for task in (BINARY, MULTICLASS):
            said[f"train {task[1]}"] = done(risk("train", 713, "-o", study, *task, *TRAINED)).output
            said[f"evaluate {task[1]}"] = done(risk("evaluate", 713, "-o", study, *task)).output
            said[f"readers {task[1]}"] = done(risk("readers", 713, "-o", study, *task)).output
    return study


def made(study: Path) -> dict[str, int]:
    """Tell when what takes long was made: crops and trainings."""
    names = (".npz", "weights.pth", "result.json")
    return {name: at for name, at in files_of(study).items() if name.endswith(names)}


def model_of(study: Path, name: str = "dmfn", task: str = "binary") -> Path:
    return study / "fusion" / task / "models" / name / "model"


def test_each_command_says_what_was_written_and_what_comes_next(studied: Path, said: Mapping[str, str]) -> None:
    """A line under next is a command that runs as it stands: number, folder and task are in it."""
    fusion = studied / "fusion"
    assert f"nnunet_amt risk train 713 -o {studied} --task binary" in said["rois"]
    for task in ("binary", "multiclass"):
        assert f"nnunet_amt risk evaluate 713 -o {studied} --task {task}" in said[f"train {task}"]
        assert f"open {fusion / task / 'evaluation' / 'lesion_tables.html'}" in said[f"evaluate {task}"]
        assert f"open {fusion / task / 'readers' / 'lesion_reader_tables.html'}" in said[f"readers {task}"]
        assert "simulated readers" in said[f"readers {task}"]
    assert "the CTC level is missing in 1 of 8 training, 1 of 4 tuning, 1 of 8 external cases" in said["train binary"]


def test_every_stage_leaves_a_record(studied: Path) -> None:
    stages = {
        "rois": "rois",
        "binary/scores": "fusion-train",
        "binary/evaluation": "lesion-evaluate",
        "binary/readers": "lesion-readers",
        "multiclass/scores": "fusion-train",
    }
    fusion = studied / "fusion"
    assert {folder: [run["stage"] for run in read_runs(fusion / folder)] for folder in stages} == {
        folder: [stage] for folder, stage in stages.items()
    }


def test_baselines_without_images_always_stand_beside(studied: Path) -> None:
    for task in ("binary", "multiclass"):
        table = read_class_scores(studied / "fusion" / task / "scores")
        assert {*table.models} == {"dmfn", "regnet", "clinical+ctc", "ctc"}


def test_run_again_nothing_is_made_twice(studied: Path, tmp_path: Path) -> None:
    """Neither by single stages nor by all of them, though size and unit are not said again."""
    study = copied(studied, tmp_path)
    done(risk("rois", 713, "-o", study, *BINARY))  # crops of other files, as copies are, are cut anew
    before, words = made(study), [word for word in TRAINED if word not in SIZE]
    assert any(name.endswith("weights.pth") for name in before)
    done(risk("rois", 713, "-o", study, *MULTICLASS))
    done(risk("train", 713, "-o", study, *BINARY, *words))
    done(risk("study", 713, "-o", study, *BINARY, *MULTICLASS, *words))
    assert made(study) == before
    tables = (study / "fusion" / "binary" / "evaluation" / "lesion_tables.md").read_text()
    assert "pg/ml" in tables


def test_a_further_training_leaves_those_before_it(studied: Path, tmp_path: Path) -> None:
    """Of two repeats the first is there; another model's scores stay in the table, too."""
    study = copied(studied, tmp_path)
    before = made(study / "fusion" / "binary")
    done(risk("train", 713, "-o", study, *BINARY, "--model", "regnet", "--epochs", "1", "--repeats", "2"))
    after = made(study / "fusion" / "binary")
    new = {name for name in after if after[name] != before.get(name)}
    assert new == {"models/regnet/seed_1/weights.pth", "models/regnet/seed_1/result.json"}
    table = read_class_scores(study / "fusion" / "binary" / "scores")
    assert (table.seeds("regnet"), table.seeds("dmfn")) == ((0, 1), (0,))


def test_restart_trains_anew(studied: Path, tmp_path: Path) -> None:
    study = copied(studied, tmp_path)
    words = ("train", 713, "-o", study, *BINARY, "--model", "regnet", "--repeats", "1", "--epochs", "2")
    assert "epochs is 1, now it is 2" in refusal(risk(*words))
    done(risk(*words, "--restart"))
    result = json.loads((study / "fusion/binary/models/regnet/seed_0/result.json").read_text())
    assert result["epochs"] == 2


def test_crops_are_as_the_study_was_begun(tmp_path: Path) -> None:
    """Of a size and noise that is said once: a model that believed them otherwise would read patients' wrongly."""
    write_tiny_lesions(tmp_path)
    study = tmp_path / "study"
    done(risk("rois", 713, "-o", study, *BINARY, "--size", "48", "--with-noise"))
    done(risk("train", 713, "-o", study, *BINARY, *SMALL))
    info = json.loads((model_of(study, "plain-cnn") / "model.json").read_text())
    assert (info["pixels"], info["denoise"]) == (48, False)
    before = files_of(study)
    for command in (("rois",), ("train", *SMALL), ("study", *SMALL)):
        said = refusal(risk(command[0], 713, "-o", study, *BINARY, *command[1:], "--size", "64"))
        assert "begun with crops of 48 px, now it is 64 px" in said
    assert files_of(study) == before


def test_noise_that_was_taken_away_does_not_come_back(studied: Path, tmp_path: Path) -> None:
    study = copied(studied, tmp_path)
    said = refusal(risk("train", 713, "-o", study, *BINARY, *TRAINED, "--with-noise"))
    assert "begun with crops without noise, now it is crops with noise" in said


def test_another_unit_is_refused_and_an_unstated_one_can_be_stated(studied: Path, tmp_path: Path) -> None:
    """Nothing is converted, so that the networks stay as they are; only what the model says of itself is new."""
    study = copied(studied, tmp_path)
    for command in (("rois",), ("train", *TRAINED), ("study", *TRAINED)):
        said = refusal(risk(command[0], 713, "-o", study, *BINARY, *command[1:], "--ctc-unit", "cells/7.5 ml"))
        assert "begun with CTC levels in pg/ml, now it is cells/7.5 ml" in said
    begun = study / "fusion" / "fusion_study.json"
    begun.write_text(begun.read_text().replace("pg/ml", "unit not stated"))
    before = made(study / "fusion" / "binary")
    done(risk("train", 713, "-o", study, *BINARY, *TRAINED, "--ctc-unit", " ng/l "))
    assert made(study / "fusion" / "binary") == before
    assert json.loads((model_of(study) / "model.json").read_text())["ctc_unit"] == "ng/l"
    assert "begun with CTC levels in ng/l" in refusal(
        risk("train", 713, "-o", study, *BINARY, *TRAINED, "--ctc-unit", "pg/ml")
    )


@pytest.fixture
def own_map(tmp_path: Path) -> Path:
    """The paper's map, with schwannoma and cyst in one class."""
    path = tmp_path / "own.csv"
    path.write_text(PUBLISHED_CLASS_MAP.read_text().replace("Schwannoma,Schwannoma", "Schwannoma,Cyst"))
    return path


def test_an_edited_class_map_is_kept_with_the_study(tmp_path: Path, own_map: Path) -> None:
    """The user's file may change or go: later stages take the copy, and refuse one that was edited."""
    write_tiny_lesions(tmp_path)
    study = tmp_path / "study"
    done(risk("rois", 713, "-o", study, *MULTICLASS, *SIZE, "--class-map", own_map))
    own_map.write_text(own_map.read_text().replace("Lymphoma,Lymphoma", "Lymphoma,Others"))
    said = refusal(risk("train", 713, "-o", study, *MULTICLASS, *SMALL, "--class-map", own_map))
    assert f"begun with {study / 'fusion' / 'class_map.csv'}, now it is {own_map}, which differs from it" in said
    own_map.unlink()
    done(risk("train", 713, "-o", study, *MULTICLASS, *SMALL))
    assert "Schwannoma" not in read_class_scores(study / "fusion" / "multiclass" / "scores").classes
    kept = study / "fusion" / "class_map.csv"
    kept.write_text(kept.read_text().replace("Lymphoma,Lymphoma", "Lymphoma,Others"))
    for words in (("rois",), ("train", *SMALL), ("evaluate",), ("readers",), ("study", *SMALL)):
        said = refusal(risk(words[0], 713, "-o", study, *MULTICLASS, *words[1:]))
        assert "class_map.csv: is not the class map that the study was begun with; put that back" in said


def test_a_class_map_after_the_paper_s_is_refused(studied: Path, tmp_path: Path, own_map: Path) -> None:
    study = copied(studied, tmp_path)
    said = refusal(risk("rois", 713, "-o", study, *MULTICLASS, "--class-map", own_map))
    assert f"begun with the paper's class map, now it is {own_map}" in said
    assert not (study / "fusion" / "class_map.csv").exists()


def changed(split: str, **cells: str) -> list[dict[str, str]]:
    return [row | cells if row["split"] == split else row for row in lesion_rows()]


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (lesion_rows(), ("ctc_level",), "has no column 'diagnosis'"),
        (lesion_rows(tuning=0), COLUMNS, "has no tuning case that takes part"),
        (lesion_rows(training=0, tuning=0), COLUMNS, "has no training case that takes part"),
        (changed("external", diagnosis="Cyst"), COLUMNS, "the external set has no malignant lesion"),
        (changed("tuning", diagnosis=""), COLUMNS, "the tuning set has no benign lesion"),
        (changed("external", diagnosis="Lymfoma"), COLUMNS, "'Lymfoma' (8 cases: did you mean 'Lymphoma'?)"),
        (changed("external", ctc_level="<5"), COLUMNS, "column 'ctc_level'"),
        (changed("external", location="left"), COLUMNS, "column 'location'"),
        (changed("external", patient="patient_training_0"), COLUMNS, "are of one patient"),
    ],
)
def test_a_dataset_that_cannot_be_studied(
    tmp_path: Path, rows: Sequence[Mapping[str, str]], columns: Sequence[str], message: str
) -> None:
    """Told before anything is written, so that no study was begun with it."""
    rows = [{name: cell for name, cell in row.items() if name in columns or name not in COLUMNS} for row in rows]
    write_tiny_lesions(tmp_path, rows, columns=columns)
    for command in (("rois",), ("study", *TRAINED)):
        assert message in refusal(risk(command[0], 713, "-o", tmp_path / "study", *BINARY, *command[1:]))
    assert not (tmp_path / "study").exists()


def test_stages_in_the_wrong_order_name_the_one_that_is_missing(tmp_path: Path) -> None:
    """And leave nothing behind: a study that they began would lack the unit, which is said to the first stage."""
    write_tiny_lesions(tmp_path)
    study = tmp_path / "study"
    for command in (("train", *SMALL), ("evaluate",), ("readers",)):
        said = refusal(risk(command[0], 713, "-o", study, *BINARY, *command[1:]))
        assert "no study of lesions was begun there; run nnunet_amt risk rois --task binary" in said
        assert not study.exists()
    done(risk("rois", 713, "-o", study, *BINARY, *SIZE))
    for command in ("evaluate", "readers"):
        assert "no model is trained; run nnunet_amt risk train" in refusal(risk(command, 713, "-o", study, *BINARY))
    (study / "fusion" / "rois" / "rois.csv").unlink()
    said = refusal(risk("train", 713, "-o", study, *BINARY, *SMALL))
    assert "run nnunet_amt risk rois --task binary" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", *TRAINED, "--task", "three"), "--task three: must be one of risk, binary, multiclass"),
        (("train", *BINARY, *TRAINED, "--model", "vgg11"), "models is dmfn, regnet, vgg11; must be among dmfn"),
        (("train", *BINARY, *TRAINED, "--cell", "grue"), "cell is grue; must be one of lstm, gru, rnn"),
        (("train", *BINARY, *TRAINED, "--cell", "gru"), "cell is lstm, now it is gru"),
        (("train", *BINARY, *TRAINED, "--regnet", "21"), "depth is 21; must be one of 20, 32, 56, 50"),
        (("train", *BINARY, *TRAINED, "--ctc-unit", " "), "--ctc-unit ' ': is empty"),
        (("train", *BINARY, *TRAINED, "--device", "tpu"), "--device tpu"),
        (("train", *BINARY, *TRAINED, "--class-map", "none.csv"), "none.csv: cannot be read"),
        (("train", *BINARY, *TRAINED, "--from-scratch"), "--from-scratch: is of --task risk, and this is --task bin"),
        (("train", *MULTICLASS, *TRAINED, "--folds", "2"), "--folds: is of --task risk"),
        (("train", *BINARY, *TRAINED, "--grid", "0.1"), "--grid: is of --task risk"),
        (("train", *BINARY, *TRAINED, "--weights", "x"), "--weights: is of --task risk"),
        (("train", *BINARY, *TRAINED, "--carcinoma", "out"), "--carcinoma: is of --task risk"),
        (("train", "--cell", "gru"), "--cell: is of --task binary or multiclass, and this is --task risk"),
        (("train", "--repeats", "2"), "--repeats: is of --task binary or multiclass"),
        (("rois", *BINARY, "--masks", "x"), "--masks: is of --task risk"),
        (("rois", "--with-noise"), "--with-noise: is of --task binary or multiclass"),
        (("rois", "--size", "64"), "--size: is of --task binary or multiclass"),
        (("evaluate", *BINARY, "--main-model", "dmfn"), "--main-model: is of --task risk"),
        (("evaluate", *BINARY, "--reference", "ctc"), "--reference: is of --task risk"),
        (("readers", *BINARY, "--carcinoma", "high"), "--carcinoma: is of --task risk"),
        (("readers", *BINARY, "--model", "plain-cnn"), "there are no scores of plain-cnn; name one of clinical+ctc"),
        (("readers", *BINARY, "--table", "none.csv"), "none.csv: cannot be read"),
        (("study", *BINARY, *TRAINED, "--readers", "none.csv"), "none.csv: cannot be read"),
        (("study", *BINARY, *TRAINED, "--masks", "x"), "--masks: is of --task risk"),
        (("study", *BINARY, "--task", "risk", "--model", "clinical"), "--task risk: has other models and settings"),
    ],
)
def test_bad_input_is_exit_2_and_one_line(
    studied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], message: str
) -> None:
    """Such as an option of another task, which is named; nothing is changed."""
    monkeypatch.chdir(tmp_path)
    study = copied(studied, tmp_path)
    before = files_of(study)
    assert message in refusal(risk(words[0], 713, *words[1:], "-o", study))
    assert files_of(study) == before


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    assert "none.csv" in refusal(risk("study", "none.csv", *BINARY, *TRAINED, "-o", tmp_path / "study"))


def test_a_dataset_of_lesions_is_no_study_of_risk(studied: Path, tmp_path: Path) -> None:
    study = copied(studied, tmp_path)
    assert "has no column 'who_type'" in refusal(risk("rois", 713, "-o", study))


def test_another_dataset_is_refused(studied: Path, tmp_path: Path) -> None:
    study = copied(studied, tmp_path)
    raw = study.parent / "nnUNet_raw"
    shutil.copytree(raw / DATASET, raw / "Dataset714_Other")
    said = refusal(risk("evaluate", 714, "-o", study, *BINARY))
    assert f"begun with dataset {DATASET}, now it is Dataset714_Other" in said


@pytest.mark.parametrize("content", ["", "[]", '{"dataset": "x"}'])
def test_a_damaged_file_of_the_study_is_told(studied: Path, tmp_path: Path, content: str) -> None:
    """Passed over, the study would go on with another unit and another class map."""
    study = copied(studied, tmp_path)
    (study / "fusion" / "fusion_study.json").write_text(content)
    for command in (("rois",), ("train", *TRAINED), ("evaluate",), ("readers",), ("study", *TRAINED)):
        said = refusal(risk(command[0], 713, "-o", study, *BINARY, *command[1:]))
        assert "fusion_study.json: is damaged" in said


def test_a_cohort_that_grew_is_not_taken_for_cases_without_a_lesion(studied: Path, tmp_path: Path) -> None:
    study = copied(studied, tmp_path)
    shutil.rmtree(study.parent / "nnUNet_raw")
    write_tiny_lesions(study.parent, lesion_rows(external=10))
    said = refusal(risk("evaluate", 713, "-o", study, *BINARY))
    assert "says nothing of 2 cases (external_8, external_9)" in said
    assert "nnunet_amt risk rois --task binary" in said


def test_a_case_without_a_lesion_in_its_mask_is_left_out_and_counted(tmp_path: Path) -> None:
    dataset = write_tiny_lesions(tmp_path)
    write_image(dataset / "labelsTs" / "external_3.nii.gz", np.zeros_like(box_mask()), SPACING)
    study = tmp_path / "study"
    result = done(risk("study", 713, "-o", study, *BINARY, *SMALL, *SIZE))
    assert "external_3: no ROI: no tumour in the mask" in result.output
    assert "7 external cases (4 benign, 3 malignant) take part" in " ".join(result.output.split())
    assert "no ROI" in (study / "fusion" / "binary" / "evaluation" / "lesion_tables.md").read_text()


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    write_tiny_lesions(tmp_path)
    (tmp_path / "study").write_text("x")
    for command in (("rois",), ("train", *TRAINED), ("evaluate",), ("readers",), ("study", *TRAINED)):
        said = refusal(risk(command[0], 713, "-o", tmp_path / "study", *BINARY, *command[1:]))
        assert "is a file" in said


def readings(path: Path, cases: Sequence[str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("reader", "level", "condition", "question", "case", "rating"))
        for reader in ("one", "two"):
            for condition in ("without", "with"):
                for place, case in enumerate(cases):
                    rating = "malignant" if place % 2 else "benign"
                    writer.writerow((reader, "chief", condition, "diagnosis", case, rating))
    return path


def test_readers_of_patients_are_not_simulated_and_their_table_is_read(studied: Path, tmp_path: Path) -> None:
    study = copied(studied, tmp_path)
    (study.parent / "nnUNet_raw" / DATASET / "dataset.json").write_text('{"subjects": "patients"}')
    said = refusal(risk("readers", 713, "-o", study, *BINARY))
    assert "the cases are patients, and readers are simulated of phantoms alone" in said
    table = readings(tmp_path / "readers.csv", [f"external_{number}" for number in range(8)])
    result = done(risk("readers", 713, "-o", study, *BINARY, "--table", table))
    assert "simulated" not in result.output
    assert "DMFN" in result.output
    others = readings(tmp_path / "others.csv", [f"other_{number}" for number in range(4)])
    assert "other_0" in refusal(risk("readers", 713, "-o", study, *BINARY, "--table", others))


def test_a_study_reads_its_readers_before_it_trains(tmp_path: Path) -> None:
    write_tiny_lesions(tmp_path)
    study, table = tmp_path / "study", tmp_path / "readers.csv"
    table.write_text("reader,case\n")
    assert "readers.csv" in refusal(risk("study", 713, "-o", study, *BINARY, *TRAINED, "--readers", table))
    readings(table, ["external_0", "external_1"])
    said = refusal(risk("study", 713, "-o", study, *MULTICLASS, *TRAINED, "--readers", table))
    assert "no reading is of the multiclass task, whose questions are class" in said
    assert not (study / "fusion" / "rois").exists()


def test_a_table_of_readers_goes_to_the_task_that_it_is_of(studied: Path, tmp_path: Path) -> None:
    """Of two tasks that are run together: those who told benign from malignant need not have named classes."""
    study = copied(studied, tmp_path)
    table = readings(tmp_path / "readers.csv", [f"external_{number}" for number in range(8)])
    for task in ("binary", "multiclass"):
        shutil.rmtree(study / "fusion" / task / "readers")
    done(risk("study", 713, "-o", study, *BINARY, *MULTICLASS, *TRAINED, "--readers", table))
    assert (study / "fusion" / "binary" / "readers" / "lesion_reader_tables.md").is_file()
    assert not (study / "fusion" / "multiclass" / "readers").exists()


def test_a_manifest_is_converted_into_the_study(tmp_path: Path) -> None:
    """With its levels, locations and diagnoses; the stages find the dataset there again."""
    dataset = write_tiny_lesions(tmp_path / "given")
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        names = ("case_id", "institution", "split", "age", "sex", "diagnosis", "ctc_level", "location")
        writer.writerow(("patient_id", "image", "mask", *names))
        for row in csv.DictReader((dataset / "cohort.csv").open()):
            subset = "Ts" if row["split"] == "external" else "Tr"
            image = dataset / f"images{subset}" / f"{row['case_id']}_0000.nii.gz"
            mask = dataset / f"labels{subset}" / f"{row['case_id']}.nii.gz"
            writer.writerow((row["patient"], image, mask, *(row[name] for name in names)))
    study = tmp_path / "study"
    words = ("study", tmp_path / "manifest.csv", "-o", study, *BINARY, *SMALL, *SIZE)
    done(risk(*words))
    before = made(study)
    done(risk(*words))
    assert made(study) == before
    done(risk("evaluate", 711, "-o", study, *BINARY))


@pytest.fixture
def new_patient(tmp_path: Path) -> tuple[object, ...]:
    """A CT in noise with a lesion, and its mask, as ``risk predict`` is given them."""
    mask = box_mask(width=6, shape=(10, 24, 24))
    values = np.where(mask > 0, 40, -80) + np.random.default_rng(9).integers(-30, 30, mask.shape)
    ct = write_image(tmp_path / "new_0000.nii.gz", values.astype(np.int16), SPACING)
    return ct, "--mask", write_image(tmp_path / "new_mask.nii.gz", mask, SPACING)


@pytest.fixture(scope="session")
def risk_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A network of low or high risk, as it is drawn at random."""
    folder = tmp_path_factory.mktemp("risk_model")
    write_model(
        folder, build_network("shufflenet_v2_x0_5"), network="shufflenet_v2_x0_5", size=32, normalisation="image",
        threshold=0.5, sensitive_threshold=0.4, pretrained_sha256=None, trained_cases=8,
    )  # fmt: skip
    yield folder


def diagnosis(output: Path) -> dict[str, str]:
    (row,) = csv.DictReader((output / "diagnosis.csv").open())
    return row


def test_predict_says_what_a_lesion_is_and_what_was_not_known(
    studied: Path, tmp_path: Path, new_patient: Sequence[object]
) -> None:
    output = tmp_path / "out"
    said = done(risk("predict", *new_patient, "--model", model_of(studied), "-o", output)).output
    row = diagnosis(output)
    assert (row["case_id"], row["model"], row["task"]) == ("new", "dmfn", "binary")
    assert float(row["benign"]) + float(row["malignant"]) == pytest.approx(1)
    assert f"new: {row['called']} (" in said
    assert f"malignant {float(row['malignant']):.2f}" in said
    assert "CTC level: not stated" in row["notes"]
    assert [run["stage"] for run in read_runs(output)] == ["fusion-predict"]


@pytest.mark.parametrize(("threshold", "called"), [(0.0, "malignant"), (1.0, "benign")])
def test_a_call_against_the_higher_probability_is_explained(
    studied: Path, tmp_path: Path, new_patient: Sequence[object], threshold: float, called: str
) -> None:
    """The threshold of the tuning cases is seldom 0.5, and "benign (malignant 0.54)" looks like a mistake."""
    model = Path(shutil.copytree(model_of(studied), tmp_path / "model"))
    content = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps({**content, "threshold": threshold}))
    done(risk("predict", *new_patient, "--model", model, "-o", tmp_path / "out"))
    row = diagnosis(tmp_path / "out")
    assert (row["called"], float(row["threshold"])) == (called, threshold)
    higher = max(("benign", "malignant"), key=lambda name: float(row[name]))
    words = f"called {called} by the tuning cases' threshold, malignant from {threshold:.2f} on"
    assert (words in row["notes"]) == (called != higher)


def test_predict_names_three_classes(studied: Path, tmp_path: Path, new_patient: Sequence[object]) -> None:
    """The paper's output; the table has all of them."""
    model = model_of(studied, task="multiclass")
    said = done(risk("predict", *new_patient, "--model", model, "-o", tmp_path / "out")).output
    row = diagnosis(tmp_path / "out")
    classes = [name for name in row if name not in ("case_id", "model", "task", "called", "threshold", "notes")]
    ranked = sorted(classes, key=lambda name: -float(row[name]))[:3]
    assert len(classes) == 14
    assert row["called"] == ranked[0]
    assert f"new: {ranked[0]} ({', '.join(f'{name} {float(row[name]):.2f}' for name in ranked)})" in said


def test_predict_takes_a_model_of_either_study(
    studied: Path, risk_model: Path, tmp_path: Path, new_patient: Sequence[object]
) -> None:
    """Of the folder of one and the same patient both answers stand, each in a table of its own."""
    done(risk("predict", *new_patient, "--model", risk_model, "-o", tmp_path / "out"))
    done(risk("predict", *new_patient, "--model", model_of(studied, "regnet"), "-o", tmp_path / "out"))
    assert (tmp_path / "out" / "risk.csv").is_file()
    assert diagnosis(tmp_path / "out")["model"] == "regnet"


def test_a_table_of_patients_counts(studied: Path, tmp_path: Path, new_patient: Sequence[object]) -> None:
    """A level far above moves the answer, and its unit and range are told; what fits no CT is named."""
    table = tmp_path / "patients.csv"
    probabilities = []
    for level in ("10.5", "45"):
        table.write_text(f"Case_ID,CTC_level,age,sex,location\nnew,{level},50,f,anterior\nnwe,12,,,\n")
        words = ("--model", model_of(studied), "--patients", table, "-o", tmp_path / "out")
        result = done(risk("predict", *new_patient, *words))
        probabilities.append(float(diagnosis(tmp_path / "out")["malignant"]))
        assert "must be in the model's unit, pg/ml" in result.output
        assert "the patients' table has 1 case (nwe) that is none of the CTs" in result.output
    assert probabilities[0] != probabilities[1]
    assert "CTC level: 45 is outside the training cases' 10.2 to 14.7" in diagnosis(tmp_path / "out")["notes"]


def test_a_ct_that_the_table_of_patients_lacks_is_named(
    studied: Path, tmp_path: Path, new_patient: Sequence[object]
) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("case_id,ctc_level\nnwe,12\n")
    words = ("--model", model_of(studied), "--patients", table, "-o", tmp_path / "out")
    said = done(risk("predict", *new_patient, *words)).output
    assert "the patients' table has no row of 1 case (new)" in said
    assert "unit" not in said  # no level was used


def test_a_table_for_a_model_of_the_ct_alone_is_refused(
    studied: Path, risk_model: Path, tmp_path: Path, new_patient: Sequence[object]
) -> None:
    """The user believes that a level counts, and it does not."""
    table = tmp_path / "patients.csv"
    table.write_text("case_id,ctc_level\nnew,12\n")
    for model, words in ((model_of(studied, "regnet"), "regnet looks at"), (risk_model, "low or high risk looks at")):
        said = refusal(risk("predict", *new_patient, "--model", model, "--patients", table, "-o", tmp_path / "out"))
        assert f"{words} the CT alone; leave it out" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content", ["", "5", "[]", "{}", '{"task": "binary"}', '{"task": "risk", "schema_version": 1}']
)
def test_a_model_that_cannot_be_read(tmp_path: Path, new_patient: Sequence[object], content: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text(content)
    said = refusal(risk("predict", *new_patient, "--model", tmp_path / "model", "-o", tmp_path / "out"))
    assert "model.json" in said


def test_weights_that_are_not_the_model_s_are_refused(
    studied: Path, tmp_path: Path, new_patient: Sequence[object]
) -> None:
    model = Path(shutil.copytree(model_of(studied), tmp_path / "model"))
    shutil.copy(model_of(studied, "regnet") / "weights_seed_0.pth", model)
    assert "weights_seed_0.pth" in refusal(risk("predict", *new_patient, "--model", model, "-o", tmp_path / "out"))


def test_an_empty_mask_is_listed_with_the_reason(studied: Path, tmp_path: Path, new_patient: Sequence[object]) -> None:
    mask = Path(str(new_patient[-1]))
    sitk.WriteImage(sitk.ReadImage(str(mask)) * 0, str(mask))
    result = risk("predict", *new_patient, "--model", model_of(studied), "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "new: no tumour in the mask" in result.output
    row = diagnosis(tmp_path / "out")
    assert (row["called"], row["malignant"], row["notes"]) == ("", "", "no tumour in the mask")
