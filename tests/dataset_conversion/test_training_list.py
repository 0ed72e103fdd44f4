"""A test set alone, for a model that was trained elsewhere: whose CTs it must not hold."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.clinic.model_source import training_list_of
from nnunet_amt.dataset_conversion import ConversionSettings, convert
from nnunet_amt.dataset_conversion.convert_case import CONVERSION_VERSION
from nnunet_amt.dataset_conversion.training_list import TRAINING_KEY, TrainingList, training_list
from nnunet_amt.errors import BadInputError, SplitLeakageError
from nnunet_amt.nnunet.raw_cases import list_cases
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask, write_cohort, write_image, write_manifest


def write_hospital(folder: Path, numbers: tuple[int, ...] = (5, 6), split: str = "") -> Path:
    """Write cases of one hospital; give their manifest."""
    rows = []
    for number in numbers:
        write_image(folder / "ct" / f"{number}.nii.gz", make_ct(number))
        write_image(folder / "masks" / f"{number}.nii.gz", make_mask())
        row = {"case_id": f"t{number}", "patient_id": f"P{number}", "institution": "South", "split": split}
        rows.append({**row, "image": f"ct/{number}.nii.gz", "mask": f"masks/{number}.nii.gz"})
    return write_manifest(folder / "manifest.csv", rows)


@pytest.fixture(scope="module")
def trained_on(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of cases 0, 1 and 3 for training and tuning, and 2 for testing."""
    folder = tmp_path_factory.mktemp("trained")
    return convert(write_cohort(folder), folder / "raw", dataset_id=711).dataset_folder


def run(manifest: Path, trained_on: TrainingList | None = None) -> Path:
    settings = ConversionSettings(keep_case_ids=True, test_only=True)
    raw = manifest.parent / "raw"
    return convert(manifest, raw, dataset_id=712, settings=settings, trained_on=trained_on).dataset_folder


def last_check(dataset: Path) -> str:
    return str(json.loads((dataset / "audit.json").read_text())["checks"][-1]["check"])


def test_all_cases_are_external_and_one_institution_is_enough(tmp_path: Path, trained_on: Path) -> None:
    dataset = run(write_hospital(tmp_path), training_list([trained_on], [trained_on]))
    assert sorted(path.name for path in (dataset / "imagesTs").iterdir()) == ["t5_0000.nii.gz", "t6_0000.nii.gz"]
    assert sorted(path.name for path in (dataset / "labelsTs").iterdir()) == ["t5.nii.gz", "t6.nii.gz"]
    assert not list((dataset / "imagesTr").iterdir())
    assert not (dataset / "splits_final.json").exists()
    assert json.loads((dataset / "dataset.json").read_text())["numTraining"] == 0
    assert last_check(dataset) == (
        "compared voxel for voxel with 3 CTs that the model was trained on, none is among them"
    )


def test_a_ct_that_the_model_has_learnt_is_refused_by_its_case(tmp_path: Path, trained_on: Path) -> None:
    """Case 1 tuned the model; case 2 tested it, and may be tested again."""
    known = training_list([trained_on], [trained_on])
    where = "manifest.csv line 3, column 'image' (case 't1'): is in the training list of the model (its dataset.json"
    with pytest.raises(SplitLeakageError, match=re.escape(where)):
        run(write_hospital(tmp_path / "a", (2, 1, 5)), known)
    images = tmp_path / "a" / "raw" / trained_on.name.replace("711", "712") / "imagesTs"
    assert sorted(path.name for path in images.iterdir()) == [
        "t2_0000.nii.gz",
        "t5_0000.nii.gz",
    ]  # none to be predicted
    run(write_hospital(tmp_path / "b", (2, 5)), known)


def test_the_hashes_in_the_model_alone_are_enough(tmp_path: Path, trained_on: Path) -> None:
    """A hospital has the model's folder, not the dataset: of that nnU-Net has copied dataset.json into the model."""
    shutil.copy(trained_on / "dataset.json", tmp_path / "dataset.json")
    with pytest.raises(SplitLeakageError, match=r"case 't0'.*and 1 more"):
        run(write_hospital(tmp_path / "a", (0, 3)), training_list([tmp_path], []))
    hashes = json.loads((tmp_path / "dataset.json").read_text())[TRAINING_KEY]["sha256"]
    assert hashes == sorted(hashes)  # nothing tells whose is which
    assert len(hashes) == 3


def test_another_dataset_of_the_same_name_is_not_the_models(tmp_path: Path, trained_on: Path) -> None:
    """A hospital's own Dataset711_AMT stands where the model's would: its CTs were not learnt from."""
    own = tmp_path / trained_on.name
    own.mkdir()
    content = {TRAINING_KEY: {"conversion": CONVERSION_VERSION, "sha256": ["of a CT of its own"]}}
    (own / "dataset.json").write_text(json.dumps(content))
    assert training_list([trained_on], [own]) == training_list([trained_on], [])


def test_a_part_of_a_known_ct_is_found_by_its_slices(tmp_path: Path, trained_on: Path) -> None:
    manifest = write_hospital(tmp_path, (1, 5))
    write_image(tmp_path / "ct" / "1.nii.gz", make_ct(1)[:3])
    write_image(tmp_path / "masks" / "1.nii.gz", make_mask()[:3])
    with pytest.raises(SplitLeakageError, match="has 3 of 3 slices of a CT that is in the training list"):
        run(manifest, training_list([trained_on], [trained_on]))


def test_without_a_list_the_audit_says_so(tmp_path: Path) -> None:
    assert training_list([tmp_path], [tmp_path / "raw"]) is None
    audit = json.loads((run(write_hospital(tmp_path)) / "audit.json").read_text())
    assert audit["compared_with_training_cts"] == 0
    assert not any("trained" in one["check"] for one in audit["checks"])


def test_hashes_of_another_version_are_not_compared(tmp_path: Path, trained_on: Path) -> None:
    """The same CT has other hashes there: nothing would be found, and all would seem well."""
    content = json.loads((trained_on / "dataset.json").read_text())
    content[TRAINING_KEY]["conversion"] -= 1
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    assert training_list([tmp_path], []) is None
    del content[TRAINING_KEY]
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    assert training_list([tmp_path], []) is None


def test_there_is_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"is a test set alone \(convert --test-only\)"):
        list_cases(run(write_hospital(tmp_path)))


def test_a_dataset_with_training_cases_keeps_them(tmp_path: Path) -> None:
    """A test set alone under the number and name of the dataset that a model is trained on would take them away."""
    dataset = convert(write_cohort(tmp_path / "trained"), tmp_path / "raw", dataset_id=712).dataset_folder
    before = sorted(path.name for path in dataset.rglob("*"))
    with pytest.raises(BadInputError, match="holds 3 images to train on"):
        run(write_hospital(tmp_path))
    assert sorted(path.name for path in dataset.rglob("*")) == before


def test_rows_for_training_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"column 'split' \(case 't5'\): is 'training', with --test-only all cases"):
        run(write_hospital(tmp_path, split="training"))
    assert run(write_hospital(tmp_path / "external", split="external")).is_dir()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--test-only", "--tuning-cases", "1"], "--test-only: makes a test set of all cases; leave out"),
        (["--model", "711"], "--model: is compared with a test set alone; add --test-only, or leave it out"),
        (["--test-only", "--model", "nowhere"], "--model nowhere: is neither"),
    ],
)
def test_options_that_do_not_fit_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], reason: str
) -> None:
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    done = CliRunner().invoke(app, ["convert", str(write_hospital(tmp_path)), "-d", "712", *words])
    assert done.exit_code == 2
    assert reason in " ".join(done.output.split())


def test_a_datasets_number_means_all_its_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained_on: Path
) -> None:
    """They have learnt from the same CTs, whatever trainer; `convert` has no option to name one."""
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    model = tmp_path / trained_on.name / "nnUNetTrainerAMT_demo__nnUNetAMTPlans__3d_fullres"
    model.mkdir(parents=True)
    with pytest.raises(BadInputError, match="no model has been trained of this dataset"):
        training_list_of("711")
    shutil.copy(trained_on / "dataset.json", model)
    found = training_list_of("711")
    assert found is not None
    assert found.pixels == set(json.loads((trained_on / "dataset.json").read_text())[TRAINING_KEY]["sha256"])


def test_what_is_to_be_typed_next_names_the_model_that_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained_on: Path
) -> None:
    """By its dataset's number where that was given; else it cannot be known."""
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    model = tmp_path / trained_on.name / "nnUNetTrainerAMT_demo__nnUNetAMTPlans__3d_fullres"
    model.mkdir(parents=True)
    shutil.copy(trained_on / "dataset.json", model)
    command = ["convert", str(write_hospital(tmp_path)), "-d", "712", "--test-only"]
    told = " ".join(CliRunner().invoke(app, [*command, "--model", "711"]).output.split())
    assert "next nnunet_amt predict -d 711 --input" in told
    told = " ".join(CliRunner().invoke(app, command).output.split())
    assert "next nnunet_amt predict -d N --input" in told
    assert "# N: the model's dataset nnunet_amt evaluate" in told.replace(" next", "")
