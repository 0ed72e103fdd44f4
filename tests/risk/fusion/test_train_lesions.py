"""All models of a task: trained once, scored into one table, never mixed with others, resumed where they stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnunet_amt.base.run_record import newest_run
from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.risk.fusion import lesion_training
from nnunet_amt.risk.fusion.class_scores import ClassScoreTable, read_class_scores
from nnunet_amt.risk.fusion.fit_lesions import fit_lesions
from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
from nnunet_amt.risk.fusion.lesion_case import LesionCohort
from nnunet_amt.risk.fusion.lesion_model import read_lesion_model_info
from nnunet_amt.risk.fusion.shuffled_ctc import with_shuffled_ctc
from nnunet_amt.risk.fusion.train_lesions import STAGE, train_lesion_models
from nnunet_amt.statistics.roc import auc, youden_threshold
from tests.risk.fusion.training_cases import (
    CLASSES,
    SETTINGS,
    Dropping,
    cohort_of,
    crop_of,
    crops_of,
    lesion,
    without_levels,
)

COHORT = cohort_of()
CROPS = crops_of(COHORT.cases)
ABLATED = replace(SETTINGS, models=("dmfn", "dmfn-shuffled-ctc"), epochs=1)


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> FusionFolder:
    """The plain CNN of two seeds, binary; its folder must not be changed."""
    at = FusionFolder(tmp_path_factory.mktemp("trained") / "fusion")
    assert train_lesion_models(COHORT, CROPS, at, settings=replace(SETTINGS, epochs=3)) == _late(at)
    return at


def _late(at: FusionFolder) -> tuple[str, ...]:
    """What is said of seeds whose last epoch was the best."""
    best = read_lesion_model_info(at.model("binary", "plain-cnn")).training["best_epochs"]
    late = f"Monomodal CNN (plain): the tuning loss of {best.count(3)} of 2 seeds was lowest in the last of 3 epochs"
    return (f"{late}; more of them may do better",) if 3 in best else ()


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """The trainings that are made from here on, by model and seed."""
    made: list[tuple[str, int]] = []

    def counted(*args: Any, **options: Any) -> Any:
        made.append((options["name"], options["seed"]))
        return fit_lesions(*args, **options)

    monkeypatch.setattr(lesion_training, "fit_lesions", counted)
    yield made


def table_of(at: FusionFolder, task: str = "binary") -> ClassScoreTable:
    return read_class_scores(at.scores(task))  # type: ignore[arg-type]


def test_every_case_is_scored_by_every_seed_and_the_baselines_stand_beside(trained: FusionFolder) -> None:
    table = table_of(trained)
    assert table.classes == ("benign", "malignant")
    assert {model: table.seeds(model) for model in table.models} == {
        "clinical+ctc": (0,),
        "ctc": (0,),
        "plain-cnn": (0, 1),
    }
    for split in ("training", "tuning", "external"):
        cases = {case.case_id: "malignant" if case.malignant else "benign" for case in COHORT.of_split(split)}
        for model in table.models:
            assert {row.case_id: row.reference for row in table.of(model, split)} == cases
    run = newest_run(trained.scores("binary"), STAGE)
    assert run is not None and run["counts"] == {"training": 12, "tuning": 6, "external": 6}
    assert run["settings"]["seeds"] == [0, 1]


def test_the_model_folder_says_what_it_comes_from_and_names_nobody(trained: FusionFolder) -> None:
    """Whoever gets the folder knows the cohort by its counts; no case, patient or centre is in it."""
    folder = trained.model("binary", "plain-cnn")
    info = read_lesion_model_info(folder)
    assert vars(info.trained_on) == {
        "cases": 12,
        "patients": 12,
        "institutions": 2,
        "tuning_cases": 6,
        "classes": {"benign": 4, "malignant": 8},
        "diagnoses": {"cyst": 4, "thymoma": 4, "lymphoma": 4},
        "subjects": None,
    }
    assert "12 phantoms from" in replace(info.trained_on, subjects="phantoms").sentence
    assert info.trained_on.sentence == (
        "trained on 12 lesions of 12 patients or phantoms (which, is not on record) from 2 institutions; epoch and "
        "threshold chosen on 6 more"
    )
    text = (folder / "model.json").read_text()
    assert not any(word in text for word in ("AMT_", "patient_", "centre_"))
    tuning = table_of(trained).of("plain-cnn", "tuning")
    expected = youden_threshold(
        [row.probabilities[1] for row in tuning], [row.reference == "malignant" for row in tuning]
    )
    assert info.threshold == expected and info.ctc_unit == "pg/ml"
    assert {path.name for path in folder.iterdir()} == {*info.files}


def test_curves_are_kept_and_no_checkpoint(trained: FusionFolder) -> None:
    folder = trained.training("binary", "plain-cnn", 0)
    assert {path.name for path in folder.iterdir()} == {
        "training.json",
        "weights.pth",
        "loss_curves.csv",
        "result.json",
    }
    assert len((folder / "loss_curves.csv").read_text().splitlines()) == 4


def test_a_rerun_trains_nothing_and_gives_the_same(trained: FusionFolder, fits: list) -> None:
    before = table_of(trained)
    reversed_cohort = replace(COHORT, cases=COHORT.cases[::-1])
    assert train_lesion_models(reversed_cohort, CROPS, trained, settings=SETTINGS) == _late(trained)
    assert table_of(trained) == before and not fits


def test_after_a_kill_only_what_is_missing_is_trained(trained: FusionFolder, tmp_path: Path, fits: list) -> None:
    at = FusionFolder(tmp_path)

    seen: list[tuple[int, int, str]] = []

    def kill(done: int, total: int, what: str) -> None:
        seen.append((done, total, what))
        if what == "training plain-cnn, seed 1" and done == 4:
            raise KilledError

    with pytest.raises(KilledError):
        train_lesion_models(COHORT, CROPS, at, settings=SETTINGS, progress=kill)
    assert seen == [
        *((done, 6, "training plain-cnn, seed 0") for done in range(4)),
        (24, 24, "scoring with plain-cnn, seed 0"),
        *((done, 6, "training plain-cnn, seed 1") for done in (3, 4)),
    ]
    assert not at.scores("binary").joinpath("class_scores.csv").exists()
    train_lesion_models(COHORT, CROPS, at, settings=SETTINGS)
    assert fits == [("plain-cnn", 0), ("plain-cnn", 1), ("plain-cnn", 1)]
    assert table_of(at) == table_of(trained)  # as without a kill, to the last digit


def test_external_cases_have_no_say_in_training_and_can_be_added(
    trained: FusionFolder, tmp_path: Path, fits: list
) -> None:
    """More external cases are scored by the same networks, which are not trained again."""
    at = FusionFolder(Path(shutil.copytree(trained.root, tmp_path / "fusion")))
    more = replace(COHORT, cases=(*COHORT.cases, lesion(50, "external")))
    train_lesion_models(more, crops_of(more.cases), at, settings=SETTINGS)
    assert not fits and {row.case_id for row in table_of(at).of("plain-cnn", "external")} >= {"AMT_050"}
    before = {(row.model, row.seed, row.case_id): row.probabilities for row in table_of(trained).rows}
    after = {(row.model, row.seed, row.case_id): row.probabilities for row in table_of(at).rows}
    assert all(after[key] == pytest.approx(values, abs=1e-6) for key, values in before.items())


def test_the_ablation_sees_shuffled_levels_alone_and_leaves_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training and scoring both get the levels of others; the DMFN beside it gets the patients' own."""
    seen: dict[tuple[str, int], list[float | None]] = {}
    real = lesion_training.train_lesions

    def spied(training: lesion_training.LesionTraining, **options: Any) -> Any:
        seen[training.model, training.seed] = [case.ctc_level for case in training.cases]
        return real(training, **options)

    monkeypatch.setattr(lesion_training, "train_lesions", spied)
    monkeypatch.setattr(lesion_training, "build_network", lambda *args, **options: Dropping(classes=2))
    at = FusionFolder(tmp_path)
    train_lesion_models(COHORT, CROPS, at, settings=ABLATED)
    own = [case.ctc_level for case in COHORT.cases]
    assert seen["dmfn", 0] == seen["dmfn", 1] == own
    for seed in (0, 1):
        assert seen["dmfn-shuffled-ctc", seed] == [c.ctc_level for c in with_shuffled_ctc(COHORT.cases, seed=seed)]
    assert at.model("binary", "dmfn").is_dir() and not at.model("binary", "dmfn-shuffled-ctc").exists()
    table = table_of(at)
    assert table.of("dmfn", "external") != table.of("dmfn-shuffled-ctc", "external")


def test_of_several_classes_those_without_a_class_take_no_part(tmp_path: Path) -> None:
    """A diagnosis of the binary task alone, and a class without training cases: told, and never mixed."""
    cases = [replace(case, lesion_class=None) if case.case_id == "AMT_000" else case for case in COHORT.cases]
    cases = [case for case in cases if not (case.split == "training" and case.lesion_class == "lymphoma")]
    cohort = replace(COHORT, cases=tuple(cases))
    at = FusionFolder(tmp_path)
    warnings = train_lesion_models(
        cohort, CROPS, at, settings=replace(SETTINGS, task="multiclass", epochs=1, patience=1)
    )
    table = table_of(at, "multiclass")
    assert table.classes == CLASSES and "AMT_000" not in {row.case_id for row in table.rows}
    assert warnings[0] == "no training case is of lymphoma: no model can find it (4 cases of the other splits)"
    info = read_lesion_model_info(at.model("multiclass", "plain-cnn"))
    assert info.threshold is None and info.trained_on.classes["lymphoma"] == 0


def test_cases_without_crop_and_levels_that_are_missing_are_told(tmp_path: Path) -> None:
    some = {name: crop for name, crop in CROPS.items() if name not in ("AMT_000", "AMT_020")}
    settings = replace(SETTINGS, epochs=1, seeds=(0,))
    warnings = train_lesion_models(without_levels(COHORT, "external"), some, FusionFolder(tmp_path), settings=settings)
    assert warnings[:2] == (
        "2 lesions without a crop (1 training, 1 external) took no part; the crops' table says why",
        "the CTC level is missing in 0 of 11 training, 0 of 6 tuning, 5 of 5 external cases; no training case lacked "
        "it, so their mean stands in for it",
    )
    nobody = without_levels(COHORT, "training", "tuning", "external")
    (first, *_) = train_lesion_models(nobody, CROPS, FusionFolder(tmp_path / "b"), settings=settings)
    assert first == "no training case has a CTC level: the DMFN has learned from CT and clinical data alone"


def test_another_training_in_the_folder_is_refused_until_a_restart_is_asked_for(
    trained: FusionFolder, tmp_path: Path, fits: list
) -> None:
    at = FusionFolder(Path(shutil.copytree(trained.root, tmp_path / "fusion")))
    with pytest.raises(BadInputError, match=r"seed_0: holds a training whose batch_size is 8, now it is 9; .*restart"):
        train_lesion_models(COHORT, CROPS, at, settings=replace(SETTINGS, batch_size=9))
    train_lesion_models(COHORT, CROPS, at, settings=replace(SETTINGS, depth=32))  # the plain CNN has no such depth
    fewer = replace(COHORT, cases=COHORT.cases[1:])
    with pytest.raises(BadInputError, match="holds a training whose cases, crops and classes"):
        train_lesion_models(fewer, CROPS, at, settings=SETTINGS)
    assert not fits
    train_lesion_models(fewer, CROPS, at, settings=SETTINGS, restart=True)
    assert len(fits) == 2 and "AMT_000" not in {row.case_id for row in table_of(at).rows}


def test_other_models_scores_of_other_classes_are_never_mixed_with_new_ones(
    trained: FusionFolder, tmp_path: Path
) -> None:
    """The class map was edited: what the plain CNN was told is malignant would stand beside what a DMFN was told."""
    at = FusionFolder(Path(shutil.copytree(trained.root, tmp_path / "fusion")))
    edited = replace(COHORT, cases=tuple(replace(c, malignant=c.lesion_class == "lymphoma") for c in COHORT.cases))
    with pytest.raises(BadInputError, match=r"class_scores\.csv: holds scores of plain-cnn with other classes or an"):
        train_lesion_models(edited, CROPS, at, settings=replace(ABLATED, models=("dmfn",)))
    assert not at.training("binary", "dmfn", 0).exists()


def test_other_models_stay_in_the_table_and_other_cases_of_theirs_are_told(
    trained: FusionFolder, tmp_path: Path
) -> None:
    """A second command trains the next model beside the first; of a damaged table what can be is made anew."""
    at = FusionFolder(Path(shutil.copytree(trained.root, tmp_path / "fusion")))
    settings = replace(SETTINGS, models=())
    more = replace(COHORT, cases=(*COHORT.cases, lesion(50, "external")))
    warnings = train_lesion_models(more, crops_of(more.cases), at, settings=settings)
    assert warnings == ("plain-cnn: scored other cases than these models; train them again to compare them",)
    assert table_of(at).models == ("clinical+ctc", "ctc", "plain-cnn")
    nobody = without_levels(COHORT, "training", "tuning", "external")
    train_lesion_models(nobody, CROPS, at, settings=settings)
    assert table_of(at).models == ("clinical+ctc", "plain-cnn")  # no levels, and none of before
    (at.scores("binary") / "class_scores.csv").write_text("case_id,model\n")
    (first, *_) = train_lesion_models(COHORT, CROPS, at, settings=settings)
    assert first.endswith(
        "class_scores.csv: could not be read, and is made anew with the models of this training alone"
    )
    assert table_of(at).models == ("clinical+ctc", "ctc")


@pytest.mark.parametrize(
    ("training", "tuning", "said"),
    [
        (0, 6, "binary task: the training split has crops of 0 lesions of no class, to learn from"),
        (1, 6, "binary task: the training split has crops of 1 lesion of benign, to learn from"),
        (6, 0, "binary task: the tuning split has crops of 0 lesions of no class, to choose epoch and threshold by"),
    ],
)
def test_too_few_cases_are_refused_before_anything_is_written(
    tmp_path: Path, training: int, tuning: int, said: str
) -> None:
    cohort = cohort_of(training, tuning, 3)
    with pytest.raises(TooFewCasesError, match=said):
        train_lesion_models(cohort, crops_of(cohort.cases), FusionFolder(tmp_path / "fusion"), settings=SETTINGS)
    assert not (tmp_path / "fusion").exists()


def test_the_levels_reach_the_dmfn_and_not_the_regnet(tmp_path: Path) -> None:
    """With other levels of the external cases the DMFN says something else of them, the RegNet the very same."""
    at, settings = FusionFolder(tmp_path), replace(SETTINGS, models=("dmfn", "regnet"), seeds=(0,), epochs=1)
    train_lesion_models(COHORT, CROPS, at, settings=settings)
    before = table_of(at)
    train_lesion_models(without_levels(COHORT, "external"), CROPS, at, settings=settings)
    after = table_of(at)
    for model, is_same in (("dmfn", False), ("regnet", True)):
        first, second = ([row.probabilities for row in table.of(model, "external")] for table in (before, after))
        assert np.allclose(first, second, atol=1e-9) is is_same
    assert json.loads((at.model("binary", "dmfn") / "model.json").read_text())["training"]["epochs"] == 1


@pytest.mark.slow
def test_the_dmfn_gains_from_levels_and_not_from_those_of_others(tmp_path: Path) -> None:
    """All CTs are alike and levels of 10 and 18 tell the classes: with shuffled ones an AUC of .5, SD .09, is left."""
    lesions = (lesion(n, case.split, lesion_class=CLASSES[n % 2]) for n, case in enumerate(cohort_of(40, 20, 40).cases))
    cases = [replace(case, sex=None, age=None, location=None) for case in lesions]
    cases = [replace(case, ctc_level=(case.ctc_level or 0) + 4 * case.malignant) for case in cases]
    alike = {case.case_id: crop_of(replace(case, lesion_class="cyst")) for case in cases}
    at = FusionFolder(tmp_path)
    settings = replace(ABLATED, seeds=(0,), epochs=10, patience=10, learning_rate=0.02)
    train_lesion_models(LesionCohort(tuple(cases), {}, CLASSES), alike, at, settings=settings)
    found = {}
    for model in settings.models:
        rows = table_of(at).of(model, "external")
        found[model] = auc([row.probabilities[1] for row in rows], [row.reference == "malignant" for row in rows])
    assert found["dmfn"] > 0.9 and 0.2 < found["dmfn-shuffled-ctc"] < 0.8
