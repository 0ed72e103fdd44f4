"""New patients: scored as the cases of the training were, with what was missing; and folders that cannot be used."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion import fit_lesions
from nnunet_amt.risk.fusion.class_scores import read_class_scores
from nnunet_amt.risk.fusion.encoding import PatientData
from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
from nnunet_amt.risk.fusion.lesion_case import LesionCase, Task
from nnunet_amt.risk.fusion.lesion_model import read_lesion_model_info
from nnunet_amt.risk.fusion.predict_lesions import predict_lesions
from nnunet_amt.risk.fusion.train_lesions import train_lesion_models
from tests.risk.fusion.training_cases import CLASSES, SETTINGS, cohort_of, crop_of, crops_of

COHORT = cohort_of(6, 3, 3)
EXTERNAL = COHORT.of_split("external")
NOT_STATED = (
    "CTC level: not stated; every training case had one, their mean is taken",
    "age: not stated; every training case had one, their mean is taken",
    "sex: not stated; every training case had one, their shares are taken",
    "location: not stated; every training case had one, their shares are taken",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> FusionFolder:
    """DMFN and plain CNN of two seeds and one epoch, the plain one for several classes too; not to be changed."""
    at, crops = FusionFolder(tmp_path_factory.mktemp("trained")), crops_of(COHORT.cases)
    settings = replace(SETTINGS, models=("dmfn", "plain-cnn"), epochs=1)
    train_lesion_models(COHORT, crops, at, settings=settings)
    train_lesion_models(COHORT, crops, at, settings=replace(settings, task="multiclass", models=("plain-cnn",)))
    return at


@pytest.fixture
def model(trained: FusionFolder, tmp_path: Path) -> Path:
    """A copy of the binary DMFN."""
    return Path(shutil.copytree(trained.model("binary", "dmfn"), tmp_path / "model"))


def data_of(case: LesionCase) -> PatientData:
    return PatientData(case.ctc_level, case.age, case.sex, case.location, case.clinical)


@pytest.mark.parametrize(("task", "name"), [("binary", "dmfn"), ("binary", "plain-cnn"), ("multiclass", "plain-cnn")])
def test_a_new_patient_is_scored_as_the_external_cases_were(trained: FusionFolder, task: Task, name: str) -> None:
    """The mean of the seeds' probabilities, the three first classes in order, and the threshold of the model."""
    patients = {case.case_id: data_of(case) for case in EXTERNAL}
    folder = trained.model(task, name)
    seen: list[tuple[int, int]] = []
    found = predict_lesions(
        folder,
        crops_of(EXTERNAL),
        patients,
        ctc_unit="pg/ml",
        progress=lambda done, total, _: seen.append((done, total)),
    )
    assert seen == [(3, 6), (6, 6)]  # two networks, three lesions
    rows = read_class_scores(trained.scores(task)).of(name, "external")
    threshold = read_lesion_model_info(folder).threshold
    for one, row in zip(found, rows, strict=True):
        assert one.case_id == row.case_id
        assert tuple(one.probabilities.values()) == pytest.approx(row.probabilities, abs=1e-6)
        assert [name for name, _ in one.top] == sorted(one.probabilities, key=lambda c: -one.probabilities[c])[:3]
        if task == "binary":
            assert threshold is not None and one.malignant is (one.probabilities["malignant"] >= threshold)
        else:
            assert one.malignant is None and set(one.probabilities) == {*CLASSES}
    assert predict_lesions(folder, {}, {}) == ()


def test_what_nothing_is_known_of_is_told_where_the_model_looks_at_it(trained: FusionFolder) -> None:
    """A CT alone is scored; the DMFN says what it lacks, a network that sees the CT alone lacks nothing."""
    crop = {"new": crop_of(EXTERNAL[0])}
    (of_dmfn,) = predict_lesions(trained.model("binary", "dmfn"), crop, {})
    assert [note for note in of_dmfn.notes if "not stated" in note] == [*NOT_STATED]
    (of_plain,) = predict_lesions(trained.model("binary", "plain-cnn"), crop, {})
    assert not any("stated" in note for note in of_plain.notes)


def test_a_level_outside_the_range_of_training_is_told(trained: FusionFolder) -> None:
    """100 among levels of 10 to 18.2: a batch of another laboratory, or another unit."""
    crops, data = crops_of(EXTERNAL[:1]), {EXTERNAL[0].case_id: replace(data_of(EXTERNAL[0]), ctc_level=100.0)}
    (found,) = predict_lesions(trained.model("binary", "dmfn"), crops, data)
    assert "CTC level: 100 is outside the training cases' 10 to 18.2" in found.notes


def test_a_first_class_of_few_training_cases_is_told(trained: FusionFolder) -> None:
    """Each of the three classes has two training cases."""
    (found,) = predict_lesions(trained.model("multiclass", "plain-cnn"), crops_of(EXTERNAL[:1]), {})
    assert f"{found.top[0][0]}: is known from 2 training cases alone" in found.notes


def test_seeds_that_disagree_are_told(trained: FusionFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mean of .1 and .9 looks like one of .5 and .5; the threshold of the binary model is of the mean alone."""
    answers = iter([np.array([[0.1, 0.9]]), np.array([[0.9, 0.1]])])
    monkeypatch.setattr(fit_lesions, "probabilities_of", lambda *args, **options: next(answers))
    (found,) = predict_lesions(trained.model("binary", "plain-cnn"), crops_of(EXTERNAL[:1]), {})
    assert found.probabilities == pytest.approx({"benign": 0.5, "malignant": 0.5})
    assert found.notes[-1] == "the networks of the 2 seeds disagree: malignant, benign"


def test_levels_in_another_unit_and_crops_of_another_size_are_refused(trained: FusionFolder) -> None:
    folder = trained.model("binary", "dmfn")
    with pytest.raises(BadInputError, match=r"trained with CTC levels in pg/ml, these are in cells; levels are never"):
        predict_lesions(folder, crops_of(EXTERNAL), {}, ctc_unit="cells")
    with pytest.raises(BadInputError, match=r"crop is of 3 x 64 x 64, .* cut the crops again with 32 px"):
        predict_lesions(folder, {"a": crop_of(EXTERNAL[0], pixels=64)}, {})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"schema_version": 2}, "is of version 2, this program reads version 1"),
        ({"model": "resnet"}, "model is resnet; must be one of dmfn, regnet, plain-cnn"),
        ({"model": "plain-cnn"}, "holds the weights of another network than plain-cnn"),
        ({"task": "both"}, "task is both; must be binary or multiclass"),
        ({"depth": 21}, "depth is 21; must be one of"),
        ({"depth": 32}, "holds the weights of another network than dmfn"),
        ({"pixels": "32"}, "is damaged .pixels is .32"),
        ({"pixels": 8}, "pixels is 8; must be 32 to 4096 px"),
        ({"classes": ["malignant", "benign"]}, "must be benign and malignant"),
        ({"threshold": None}, "threshold is None; must be a number of the binary task alone"),
        ({"threshold": 2}, "threshold is 2; must be a probability"),
        ({"weights": {}}, "weights is ..; must be SHA-256"),
        ({"weights": {"../0": "a"}}, "must be SHA-256 by whole numbers"),
        ({"weights": {"0": "0" * 64}}, "weights_seed_0.pth: has the SHA-256 .*, model.json says otherwise"),
        ({"encoding": {"ctc": {}, "clinical": []}}, "is damaged .encoding.ctc.name is missing"),
    ],
)
def test_a_changed_model_is_refused_in_one_line(model: Path, changed: dict, words: str) -> None:
    path = model / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    with pytest.raises(BadInputError, match=words) as caught:
        predict_lesions(model, crops_of(EXTERNAL), {})
    assert "\n" not in str(caught.value)


def test_missing_weights_and_weights_that_run_code_are_refused(model: Path, tmp_path: Path) -> None:
    """A model comes from somebody: nothing in it is run."""
    weights, description = model / "weights_seed_0.pth", model / "model.json"
    torch.save({"weight": _RunsCode(tmp_path / "ran")}, weights)
    content = json.loads(description.read_text())
    content["weights"]["0"] = file_sha256(weights)
    description.write_text(json.dumps(content))
    with pytest.raises(BadInputError, match=r"weights_seed_0\.pth: cannot be read as weights without running"):
        predict_lesions(model, crops_of(EXTERNAL), {})
    assert not (tmp_path / "ran").exists()
    weights.unlink()
    with pytest.raises(BadInputError, match=r"weights_seed_0\.pth: is missing; copy the model again"):
        predict_lesions(model, crops_of(EXTERNAL), {})
    with pytest.raises(BadInputError, match=r"holds no model\.json; give the model folder of a trained network"):
        predict_lesions(tmp_path, crops_of(EXTERNAL), {})


class _RunsCode:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)
