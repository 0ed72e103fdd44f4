"""The list of stages: their order, and which results of others a page is made from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from nnunet_amt.base.progress import silent
from nnunet_amt.base.run_record import recorded_run
from nnunet_amt.report import write_report
from nnunet_amt.study.run_study import study_status
from nnunet_amt.study.settings import StudySettings
from nnunet_amt.study.stage import stale_reason
from nnunet_amt.study.stages import other_model_stages, study_stages
from nnunet_amt.study.study_files import risk_files
from nnunet_amt.writing.table import Document
from tests.conftest import write_image
from tests.report.studies import write_study


def test_the_stages_stand_in_their_order(tmp_path: Path) -> None:
    """The baseline only where it is asked for, before the page that shows it."""
    stages = study_stages(tmp_path, StudySettings(), device="cpu", jobs=1)
    assert [stage.name for stage in stages] == [
        *("convert", "plan", "doctor", "train", "predict", "evaluate", "failures", "report"),
    ]
    with_baseline = StudySettings().changed({"baseline": {"run": True}})
    names = [stage.name for stage in study_stages(tmp_path, with_baseline, device="cpu", jobs=1)]
    assert names[-3:] == ["failures", "baseline", "report"]
    assert all(state.why for state in study_status(tmp_path, with_baseline))  # nothing ran yet


def test_failures_are_left_out_where_one_case_alone_has_a_tumour(tmp_path: Path) -> None:
    """The worst cannot be compared with the best then, and the page is made all the same."""
    mask = np.zeros((4, 9, 11), np.uint8)
    mask[1:3, 2:5, 3:7] = 1
    raw = tmp_path / "nnUNet_raw" / "Dataset711_AMT"
    for folder in (tmp_path / "predictions", raw / "labelsTs", raw / "imagesTs"):
        for name, voxels in (("a", mask), ("b", mask * 0)):
            channel = "_0000" if folder.name == "imagesTs" else ""
            write_image(folder / f"{name}{channel}.nii.gz", voxels.astype(np.int16) if channel else voxels)
    stages = {stage.name: stage for stage in study_stages(tmp_path, StudySettings(), device="cpu", jobs=1)}
    said = stages["failures"].run(silent)
    assert said.startswith("left out: Dice is defined in 1 of 2 cases")
    assert not (tmp_path / "evaluation_failures" / "failures.json").exists()


def test_what_an_operating_point_made_is_not_the_studys(tmp_path: Path) -> None:
    """Whoever predicts or evaluates with one into a study's folder gets the argmax back by running the study."""
    stages = {stage.name: stage for stage in study_stages(tmp_path, StudySettings(), device="cpu", jobs=1)}
    for name in ("predict", "evaluate"):
        stage = stages[name]
        assert stage.record is not None
        plain = {key: value for key, value in stage.settings.items() if key != "operating_point"}
        with recorded_run(stage.record, name, settings=plain, seed=711):
            pass
        assert "operating_point" not in str(stale_reason(stage))
        with recorded_run(stage.record, name, settings={**plain, "operating_point": {"name": "screening"}}, seed=711):
            pass
        assert stale_reason(stage) == "its settings changed: operating_point"


def test_a_training_must_be_of_the_seed_that_is_asked_for(tmp_path: Path) -> None:
    """Without one it may be of any: every training is another anyway."""
    for seed, asked in ((None, {}), (7, {"seed": 7})):
        settings = StudySettings().changed({"train": {"seed": seed}})
        train = study_stages(tmp_path, settings, device="cpu", jobs=1)[3]
        assert train.settings == {"trainer": "nnUNetTrainerAMT", "fold": "0", **asked}


def test_what_is_drawn_is_so_in_all_stages_and_old_studies_stay_done(tmp_path: Path) -> None:
    """Patients are a matter of the failures too, which read the cohort for them; by default they do not."""
    plain = {stage.name: stage for stage in study_stages(tmp_path, StudySettings(), device="cpu", jobs=1)}
    assert "cohort" not in plain["failures"].reads
    settings = StudySettings().changed({"evaluate": {"cluster": "patient"}})
    stages = {stage.name: stage for stage in study_stages(tmp_path, settings, device="cpu", jobs=1)}
    assert stages["evaluate"].settings["cluster"] == stages["failures"].settings["cluster"] == "patient"
    assert stages["failures"].reads["cohort"] == stages["evaluate"].reads["cohort"]


def test_a_page_is_made_again_when_failures_comparison_or_risk_changed(tmp_path: Path) -> None:
    """Also when they came after it or went, and wherever in the study the user put them."""
    folder = write_study(tmp_path / "study")
    settings = StudySettings().changed({"study": {"name": "Tiny"}, "report": {"viewer": False}})

    def why() -> str | None:
        return stale_reason(study_stages(folder, settings, device="cpu", jobs=1)[-1])

    def write() -> None:
        write_report(folder, folder / "report.html", evaluation=folder / "evaluation", viewer=False)
        assert why() is None

    assert why() == "not run yet"
    write()
    failures = folder / "evaluation_failures" / "failures.json"
    failures.write_text(json.dumps({**json.loads(failures.read_text()), "looked_at": "again"}))
    assert why() == "its failures changed"
    write()
    comparison = folder / "baseline" / "comparison" / "comparison.json"
    comparison.parent.mkdir(parents=True)
    comparison.write_text("{}")
    assert why() == "its comparison changed"
    write()
    comparison.parent.rename(folder / "comparison")
    assert why() == "its comparison changed"
    write()
    (folder / "comparison" / "comparison.json").write_text('{"sentences": []}')
    assert why() == "its comparison changed"
    shutil.rmtree(folder / "comparison")
    assert why() == "its comparison changed"
    write()
    document = {"schema_version": 1, "sentences": [], "pictures": [], "document": Document("Risk", ()).as_json()}
    for name, path in risk_files(folder).items():
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(document))
        assert why() == f"its {name} changed"
        write()


def test_plans_of_one_recipe_are_not_those_of_the_other(tmp_path: Path) -> None:
    """Planned for one, a study that is asked for by the other is to be planned, in both directions; the rest stays."""
    folder = write_study(tmp_path / "study")
    usual = StudySettings()
    fast = usual.changed({"train": {"trainer": "nnUNetTrainerAMTFast_5epochs"}})
    paper_plan, fast_plan = (
        {stage.name: stage for stage in study_stages(folder, settings, device="cpu", jobs=1)}["plan"]
        for settings in (usual, fast)
    )
    assert paper_plan.record is not None
    paper_plan.record.mkdir(parents=True, exist_ok=True)
    for planned, other in ((paper_plan, fast_plan), (fast_plan, paper_plan)):
        settings = {name: value for name, value in planned.settings.items() if name != "recipe" or value is not None}
        with recorded_run(paper_plan.record, "plan", settings=settings):
            pass
        assert stale_reason(other) == "its settings changed: recipe"
        assert "settings" not in str(stale_reason(planned))


def test_probabilities_are_asked_for_only_where_they_are_wanted(tmp_path: Path) -> None:
    """Older studies stay done, kept ones disturb nobody; once wanted, prediction and page are to be made."""
    folder = write_study(tmp_path / "study")
    write_report(folder, folder / "report.html", viewer=False)
    usual = StudySettings().changed({"report": {"viewer": False}})
    wanted = usual.changed({"predict": {"probabilities": True}})
    plain, asked = (
        {stage.name: stage for stage in study_stages(folder, settings, device="cpu", jobs=1)}
        for settings in (usual, wanted)
    )
    with recorded_run(folder / "predictions", "predict", settings={**plain["predict"].settings}):
        pass
    assert "probabilities" not in str(stale_reason(plain["predict"]))
    assert stale_reason(asked["predict"]) == "its settings changed: probabilities"
    with recorded_run(folder / "predictions", "predict", settings={**asked["predict"].settings}):
        pass
    for stages in (plain, asked):
        assert "probabilities" not in str(stale_reason(stages["predict"]))
    write_image(folder / "predictions" / "probabilities" / "AMT-0001.nii.gz", np.zeros((2, 3, 4), np.uint8))
    assert stale_reason(plain["report"]) is None
    assert stale_reason(asked["report"]) == "its probabilities changed"


def test_another_model_writes_into_a_folder_of_its_own(tmp_path: Path) -> None:
    """So that the study's predictions and evaluation stay those of its own model."""
    predict, evaluate = other_model_stages(
        tmp_path, StudySettings(), trainer="nnUNetTrainerAMT_5epochs", device="cpu", jobs=1
    )
    place = tmp_path / "models" / "nnUNetTrainerAMT_5epochs"
    assert (predict.record, evaluate.record) == (place / "predictions", place / "evaluation")
    assert predict.settings["trainer"] == "nnUNetTrainerAMT_5epochs"
    assert "nnUNetTrainerAMT_5epochs__" in str(predict.reads["checkpoint"])
    assert evaluate.reads["predictions"] == place / "predictions"
