"""Facts are read from the files that the stages write; hand-made ones here."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt import trainers
from nnunet_amt.base.files import write_json
from nnunet_amt.base.run_record import read_runs
from nnunet_amt.evaluation.results.summary_json import write_summary_json
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.report.checklists import answered_items
from nnunet_amt.study import find_study
from nnunet_amt.study.facts import FailureFacts, ModelFacts, SetFacts, StudyFacts
from nnunet_amt.study.read_facts import facts_of
from tests.report.checklists.facts import group
from tests.study.recorded_model import MODEL, recorded, write_model, write_runs

COHORT = """case_id,institution,split,age,sex,histology,manufacturer,slice_thickness_mm
half,institution-0001,external,70,M,thymoma,Siemens,5
missed,institution-0002,external,,F,thymoma,Siemens,7
whole,institution-0002,external,50,F,,,2.5
without,institution-0003,external,60,M,thymoma,Canon,5
AMT-0005,institution-0004,training,60,M,thymoma,Canon,5
"""
COUNTS = "tp,fp,fn,reference_cm3,prediction_cm3,lesion_tp_0.1,lesion_tp_0.5"
CASES = f"""case_id,reference_lesions,dice,iou,precision,recall,size_mm,tumour_size,{COUNTS}
half,1,,,,,,small,0,0,0,0,0,0,0
missed,1,,,,,,small,0,0,0,0,0,0,0
whole,2,,,,,,small,0,0,0,0,0,0,0
without,0,,,,,,no lesion,0,0,0,0,0,0,0
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """An evaluation of four cases and the dataset around it, without records and without images."""
    dataset = tmp_path / "nnUNet_raw" / "Dataset711_AMT"
    for folder in (tmp_path / "evaluation", tmp_path / "predictions", dataset / "labelsTs"):
        folder.mkdir(parents=True)
    write_summary_json(
        tmp_path / "evaluation" / "summary.json",
        settings=EvaluationSettings(),
        overall=group(4, 0.75, None),
        subgroups=[],
    )
    (tmp_path / "evaluation" / "cases.csv").write_text(CASES)
    for case_id in ("half", "missed", "whole", "without"):
        for folder in (tmp_path / "predictions", dataset / "labelsTs"):
            (folder / f"{case_id}.nii.gz").touch()
    (dataset / "cohort.csv").write_text(COHORT)
    (dataset / "table1.csv").write_text("Variable\n")
    write_json(dataset / "dataset.json", {"converted_by": "nnunet_amt 0.1.0", "intensity_floor_hu": -1024})
    write_json(dataset / "audit.json", _audit())
    return tmp_path


def test_the_dataset_is_read(study: Path) -> None:
    dataset = _facts(study).dataset
    assert dataset is not None
    assert (dataset.identified, dataset.excluded, dataset.excluded_by_reason) == (6, 1, {"motion": 1})
    assert dataset.sets["external"] == SetFacts(4, 4, 3)
    assert dataset.compared_voxels == 5
    assert (dataset.cases, dataset.known["age"], dataset.known["histology"]) == (5, 4, 4)
    assert dataset.manufacturers == {"Siemens": 2, "Canon": 2}
    assert dataset.slice_thickness_mm == (2.5, 7.0)
    assert dataset.table_1
    assert not dataset.flow_figure
    assert dataset.audited
    assert not dataset.options_recorded
    assert not dataset.coded, "'half' is no code of the conversion"


def test_codes_are_known_as_codes(study: Path) -> None:
    cohort = study / "nnUNet_raw" / "Dataset711_AMT" / "cohort.csv"
    text = cohort.read_text()
    for number, name in enumerate(("half", "missed", "whole", "without"), start=1):
        text = text.replace(f"\n{name},", f"\nAMT-{number:04},")
    cohort.write_text(text)
    dataset = _facts(study).dataset
    assert dataset is not None
    assert dataset.coded is None, "no record says that these were not the names of the manifest"
    for kept, coded in ((False, True), (True, False)):
        write_runs(cohort.parent, recorded("convert", "2026-11-19", settings={"keep_case_ids": kept}))
        dataset = _facts(study).dataset
        assert dataset is not None
        assert dataset.coded is coded


def test_the_evaluation_is_read(study: Path) -> None:
    evaluation = _facts(study).evaluation
    assert evaluation is not None
    assert evaluation.summary.overall.cases == 4
    assert evaluation.cases_by_set == {"external": 4}
    assert (evaluation.institutions, evaluation.without_tumour) == (3, 1)
    assert evaluation.missing_as_empty is None, "no record says it"
    assert not evaluation.component_analysis


def test_without_records_the_model_is_not_known(study: Path) -> None:
    facts = _facts(study)
    assert facts.model is None
    assert facts.runs.stages == ()
    assert answered_items(facts)[0].items[21].status == "authors"


def test_records_lead_to_the_model(study: Path) -> None:
    write_model(study)
    facts = _facts(study)
    model = facts.model
    assert model is not None
    assert (model.trainer, model.plans, model.folds) == ("nnUNetTrainerAMT_5epochs", "nnUNetAMTPlans", ("0",))
    assert (model.checkpoint, model.checkpoint_sha256) == ("checkpoint_best.pth", "c0" * 32)
    assert (model.spacing, model.patch_size, model.batch_size) == ((5.0, 0.8, 0.8), (32, 64, 64), 3)
    assert model.intensities == (-1000.0, 3000.0)
    assert model.epochs == 2, "the third epoch has not ended"
    assert model.steps_per_epoch == 50
    assert (model.parameters, model.training_seconds, model.training_device) == (1234, 2.0, "GPU X")
    assert model.pretrained is False
    assert model.usual_window
    assert facts.runs.stages == ("train", "predict")
    assert facts.runs.software == {"torch": ("2.13.0", "2.14.0")}


def test_another_models_training_is_not_taken_for_this_ones(study: Path) -> None:
    write_model(study)
    other = study / "baseline" / "fold_0"
    write_runs(other, recorded("train", "2026-11-20", seconds=999.0, software={"torch": "1.0"}))
    model = _facts(study).model
    assert model is not None
    assert model.training_seconds == 2.0
    assert _facts(study).runs.software == {"torch": ("2.13.0", "2.14.0")}


def test_label_maps_that_were_written_over_since_are_not_those_evaluated(study: Path) -> None:
    """The evaluation's record has their hash, and so has that of the prediction; one in parts has none."""
    write_model(study)
    [predicted] = read_runs(study / "predictions")
    evaluated = {"predictions": {"path": "../predictions", "sha256": "aa"}}
    write_runs(study / "evaluation", recorded("evaluate", "2026-11-22", inputs=evaluated))
    for hashes, known in ((["aa"], True), (["bb"], False), (["aa", "bb"], True), ([None], True)):
        outputs = [{} if sha is None else {".": {"sha256": sha}} for sha in hashes]
        write_runs(study / "predictions", *(predicted | {"outputs": output} for output in outputs))
        model = _facts(study).model
        assert (model is not None and model.trainer is not None) is known, hashes


def test_a_training_begun_anew_since_is_not_that_of_the_checkpoint(study: Path) -> None:
    """The prediction's record has the hash of its checkpoint, c0c0..., the training's that of what it wrote."""
    fold = write_model(study) / "fold_0"
    for wrote, known in (("c0" * 32, True), ("d1" * 32, False)):
        outputs = {"checkpoint_best.pth": {"sha256": wrote}}
        write_runs(fold, recorded("train", "2026-11-22", outputs=outputs, command="nnunet_amt train 711"))
        model = _facts(study).model
        assert model is not None
        assert model.trained is known
        assert (model.epochs, model.training_seconds) == ((2, 2.0) if known else (None, None))
        assert model.trainer == "nnUNetTrainerAMT_5epochs", "the folder names it still"


def test_options_of_a_recorded_command_are_seen(study: Path) -> None:
    write_model(study, "nnunet_amt train 711 -pretrained_weights w.pth", "nnunet_amt predict 711 -step_size 0.9")
    model = _facts(study).model
    assert model is not None
    assert model.pretrained is True
    assert not model.usual_window


def test_options_that_stood_in_study_toml_are_seen(study: Path) -> None:
    """The command of a whole study names none of them, so that without the record's list they are not denied."""
    fold = write_model(study, "nnunet_amt study m.csv -o s", "nnunet_amt study m.csv -o s") / "fold_0"
    model = _facts(study).model
    assert model is not None
    assert (model.pretrained, model.usual_window) == (None, False)
    for options, given in ((["-pretrained_weights", "w.pth"], True), (["--val_best"], False)):
        run = recorded("train", "2026-11-20", command="nnunet_amt study m.csv", settings={"options": options})
        write_runs(fold, run)
        model = _facts(study).model
        assert model is not None
        assert model.pretrained is given


def test_what_a_killed_training_began_from_is_not_known(study: Path) -> None:
    """The run that was killed left no record of its options; its hours are in nnU-Net's log."""
    fold = write_model(study) / "fold_0"
    going_on = recorded("train", "2026-11-21", seconds=5.0, settings={"options": ["--c"]})
    write_runs(fold, going_on)
    model = _facts(study).model
    assert model is not None
    assert (model.trained, model.training_seconds, model.pretrained) == (True, 2.0, None)
    begun = recorded("train", "2026-11-20", settings={"options": []})
    replaced = recorded("train", "2026-11-19", settings={"options": ["-pretrained_weights", "w.pth"]})
    write_runs(fold, replaced, begun, going_on)
    model = _facts(study).model
    assert model is not None
    assert model.pretrained is False, "the training before it was begun anew"


def test_cases_are_unseen_only_by_a_model_that_was_trained_by_their_split(study: Path) -> None:
    """Of the split the recorded hash is compared with the file that stands in the dataset."""
    splits = study / "nnUNet_raw" / "Dataset711_AMT" / "splits_final.json"
    assert not _facts(study).unseen
    assert _facts(study).all_external
    splits.write_text('[{"train": ["AMT-0005"], "val": []}]')
    write_model(study)
    assert _facts(study).unseen
    splits.write_text('[{"train": ["half"], "val": []}]')
    facts = _facts(study)
    assert facts.model is not None
    assert facts.model.same_split is False
    assert not facts.unseen


def test_a_failed_check_of_the_audit_makes_no_external_test(study: Path) -> None:
    path = study / "nnUNet_raw" / "Dataset711_AMT" / "audit.json"
    audit = json.loads(path.read_text())
    audit["checks"].append({"check": "patients: 5, none in two splits", "passed": False})
    write_json(path, audit)
    facts = _facts(study)
    assert facts.dataset is not None
    assert not facts.dataset.audited
    assert not facts.all_external


def test_the_named_trainers_are_ours_and_no_others() -> None:
    """Of a class that somebody derived the recipe is not known."""
    folder = Path(trainers.__file__).parent
    sources = (folder / f"nnUNetTrainerAMT{ending}.py" for ending in ("", "_variants"))
    classes = [
        node.name for path in sources for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)
    ]
    assert len(classes) > 5
    assert all(ModelFacts(trainer=name).is_amt_recipe for name in classes)
    assert not any(ModelFacts(trainer=name).is_amt_recipe for name in ("nnUNetTrainer", "nnUNetTrainerAMT_mine", None))


def test_a_command_that_is_not_known_denies_nothing(study: Path) -> None:
    write_model(study, "python", "python")
    model = _facts(study).model
    assert model is not None
    assert model.pretrained is None
    assert not model.usual_window


def test_plans_that_rescale_to_something_else_give_no_range(study: Path) -> None:
    folder = write_model(study)
    plans = json.loads((folder / "plans.json").read_text())
    plans["foreground_intensity_properties_per_channel"]["0"]["mean"] = 40.0
    write_json(folder / "plans.json", plans)
    model = _facts(study).model
    assert model is not None
    assert model.intensities is None
    assert model.normalisation == "CTNormalization"


@pytest.mark.parametrize(("lowest", "chosen"), [(-1000.0, False), (-1024.0, True)])
def test_a_chosen_window_is_not_called_the_range_of_the_dataset(study: Path, lowest: float, chosen: bool) -> None:
    """-1000 to 3000 HU are rescaled; it is the dataset's own range only if that is what the plans give for it."""
    folder = write_model(study)
    plans = json.loads((folder / "plans.json").read_text())
    plans["foreground_intensity_properties_per_channel"]["0"] |= {"min": lowest, "max": 3000.0}
    write_json(folder / "plans.json", plans)
    facts = _facts(study)
    assert facts.model is not None
    assert facts.model.window_chosen is chosen
    told = " ".join(item.answer for checklist in answered_items(facts) for item in checklist.items)
    assert ("a window chosen beforehand" in told) is chosen
    assert ("the range of all training and tuning images" in told) is not chosen


@pytest.mark.parametrize(
    ("subjects", "synthetic"), [("phantoms", True), ("patients", False), (None, False)], ids=["drawn", "real", "unsaid"]
)
def test_what_the_cases_are_is_what_the_conversion_wrote(study: Path, subjects: str | None, synthetic: bool) -> None:
    """A manifest of phantoms in the study, and a dataset that is called after them, say nothing of its cases."""
    (study / "phantom_cohort").mkdir()
    write_json(study / "phantom_cohort" / "phantom_design.json", {"seed": 1})
    (study / "phantom_cohort" / "manifest.csv").write_text("case_id\n" + "P1\n" * 6)
    (study / "manifest.csv").write_text("case_id\n" + "P1\n" * 6)
    path = study / "nnUNet_raw" / "Dataset711_AMT" / "dataset.json"
    content = json.loads(path.read_text()) if path.is_file() else {}
    content.pop("subjects", None)
    write_json(path, content | ({"subjects": subjects} if subjects else {}))
    facts = _facts(study)
    assert facts.synthetic is synthetic
    assert facts.of_patients is (subjects == "patients")


def test_the_record_of_the_conversion_tells_seed_and_resampling(study: Path) -> None:
    record = recorded("convert", "2026-11-19", inputs={"manifest": {"sha256": "00" * 32}})
    record["seed"] = 5
    record["settings"] = {
        "reading": {"resample_tilt": True, "resample_masks": False, "interpolate_contours": True},
    }
    write_runs(study / "nnUNet_raw" / "Dataset711_AMT", record)
    facts = _facts(study)
    assert facts.dataset is not None
    assert facts.dataset.options_recorded
    assert facts.dataset.options == ("resample_tilt", "interpolate_contours")
    assert facts.dataset.seed == 5


def test_the_plans_record_is_found_by_what_the_training_read(study: Path) -> None:
    write_model(study)
    prepared = study / "nnUNet_preprocessed" / "Dataset711_AMT"
    write_runs(prepared, recorded("plan", "2026-11-19"))
    (prepared / "nnUNetAMTPlans.json").write_text("{}")
    plans = {"plans": {"path": "../../../../nnUNet_preprocessed/Dataset711_AMT/nnUNetAMTPlans.json"}}
    write_runs(study / MODEL / "fold_0", recorded("train", "2026-11-20", inputs=plans))
    assert _facts(study).runs.stages == ("plan", "train", "predict")


def test_failures_and_comparison_are_read(study: Path) -> None:
    failures, comparison = study / "failures", study / "comparison"
    failures.mkdir()
    p_values = {"volume_cm3": 0.04, "mean_hu": 0.03, "sphericity": 0.06, "flatness": None}
    features = [{"feature": name, "p_holm": p} for name, p in p_values.items()]
    write_json(failures / "failures.json", {"features": features})
    rows = ["half,,over,found", "missed,bottom,under,missed", "whole,top,balanced,found", "without,,over,"]
    lines = ["case_id,group,segmentation,detection,tp,fp,fn", *(f"{row},0,0,0" for row in rows)]
    (failures / "failure_cases.csv").write_text("\n".join(lines) + "\n")
    write_json(comparison / "comparison.json", {"models": [{"name": "AMT"}, {"name": "default nnU-Net"}]})
    facts = _facts(study)
    differing = ("volume", "mean of the CT numbers")
    # of one case against one no p-value is below 1, whatever the file says
    assert facts.failures == FailureFacts(
        1, over=2, under=1, balanced=1, missed=1, differing_features=differing, can_differ=False
    )
    assert facts.comparison == ("AMT", "default nnU-Net")


def test_no_answer_holds_a_path(study: Path) -> None:
    write_model(study)
    for checklist in answered_items(_facts(study)):
        for item in checklist.items:
            assert str(study) not in item.answer
            assert "nnUNet_results" not in item.answer


def _facts(study: Path) -> StudyFacts:
    return facts_of(find_study(study))


def _audit() -> dict[str, Any]:
    counts = {"training": (1, 1, 1), "external": (4, 4, 3)}
    return {
        "checks": [{"check": "CTs compared voxel for voxel: 5, no two the same", "passed": True}],
        "identified": 6,
        "excluded": 1,
        "excluded_by_reason": {"motion": 1},
        "included": {"cases": 5, "patients": 5, "institutions": 4},
        "splits": {
            name: {"cases": cases, "patients": patients, "institutions": places}
            for name, (cases, patients, places) in counts.items()
        },
        "institutions_of_both_training_and_tuning": 0,
    }
