"""A study from its settings to its stages: what is opened, written, run and skipped. The stages here are stand-ins."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.nnunet.environment import folder_from_environment
from nnunet_amt.study import run_study as module
from nnunet_amt.study.run_study import is_running, open_study, run_study, the_only_run
from nnunet_amt.study.settings import read_settings
from nnunet_amt.study.stage import Stage
from tests.study.test_stage import copying


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "cohort" / "manifest.csv"
    path.parent.mkdir()
    path.write_text("case_id\n")
    return path


@pytest.fixture(autouse=True)
def folders_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study sets nnU-Net's variables for its process; put them back after the test."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(name, "restored after the test")


def test_a_new_study_writes_its_settings_down(tmp_path: Path, manifest: Path) -> None:
    """The manifest by a path that holds when both folders are moved together."""
    folder = tmp_path / "study"
    settings = open_study(folder, manifest=manifest, changes={"train": {"trainer": "nnUNetTrainerAMT_5epochs"}})
    assert settings.study.manifest == "../cohort/manifest.csv"
    assert read_settings(folder) == settings
    assert settings.train.trainer == "nnUNetTrainerAMT_5epochs"


def test_the_command_line_goes_before_the_file_and_leaves_it(tmp_path: Path, manifest: Path) -> None:
    """With the manifest or without it: the study is the same."""
    folder = tmp_path / "study"
    written = open_study(folder, manifest=manifest)
    for given in (manifest, None):
        settings = open_study(folder, manifest=given, changes={"plan": {"spacing": (6.0, 3.0, 3.0)}})
        assert settings.plan.spacing == (6.0, 3.0, 3.0)
        assert read_settings(folder) == written
        assert written.plan.spacing is None


def test_a_study_of_another_manifest_is_refused(tmp_path: Path, manifest: Path) -> None:
    """Two cohorts in one folder would be one cohort in the end."""
    folder = tmp_path / "study"
    open_study(folder, manifest=manifest)
    other = manifest.with_name("other.csv")
    other.write_text("case_id\n")
    with pytest.raises(BadInputError, match=r"study.toml: is of another manifest \(../cohort/manifest.csv\)"):
        open_study(folder, manifest=other)


def test_what_is_not_there_is_named(tmp_path: Path, manifest: Path) -> None:
    """A manifest, a study, a setting."""
    with pytest.raises(BadInputError, match=r"none.csv: no such file; give the manifest"):
        open_study(tmp_path / "study", manifest=manifest.with_name("none.csv"))
    assert not (tmp_path / "study").exists()
    with pytest.raises(BadInputError, match=r"give the folder of a study"):
        open_study(tmp_path / "none")
    with pytest.raises(BadInputError, match=r"^--dataset 0: input should be greater than or equal to 1; give another"):
        open_study(tmp_path / "study", manifest=manifest, changes={"study": {"dataset": 0}})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"plan": {"spacing": (0.0, 5.0, 5.0)}}, r"^--spacing \(0.0, 5.0, 5.0\): input should be greater than"),
        ({"study": {"name": "a b"}}, r"^--name 'a b': must be of the form"),
        ({"train": {"trainer": "foo"}}, r"^--trainer foo: a study is trained by one of ours, nnUNetTrainerAMT or"),
        ({"train": {"trainer": "nnUNetTrainerAMT_6epochs"}}, r"^--trainer nnUNetTrainerAMT_6epochs: there is no such"),
    ],
)
def test_a_value_that_a_later_stage_would_refuse_is_refused_before_the_first(
    tmp_path: Path, manifest: Path, changes: dict[str, dict[str, object]], message: str
) -> None:
    """Not after a night of conversion; and it is not written into the settings either."""
    with pytest.raises(BadInputError, match=message):
        open_study(tmp_path / "study", manifest=manifest, changes=changes)
    assert not (tmp_path / "study").exists()


def test_what_is_done_is_skipped_and_a_failure_keeps_what_was_done(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second stage fails once: the first is not run again."""
    folder, ran = tmp_path / "study", []
    settings = open_study(folder, manifest=manifest)
    broken = [True]

    def counted(stage: Stage) -> Stage:
        def run(progress: object) -> str:
            ran.append(stage.name)
            if stage.name == "second" and broken[0]:
                raise WorkFailedError("second: failed")
            stage.record.mkdir(exist_ok=True)  # type: ignore[union-attr]
            return stage.run(progress) or f"{stage.name} said this"  # type: ignore[arg-type]

        return Stage(stage.name, stage.purpose, stage.record, stage.reads, stage.settings, run)

    first = counted(copying(folder, "first", manifest))
    second = counted(copying(folder, "second", folder / "first" / "copy.txt"))
    monkeypatch.setattr("nnunet_amt.nnunet.environment.require_device", lambda device: device)  # without torch
    monkeypatch.setattr(module, "study_stages", lambda *args, **kwargs: (first, second))
    seen: list[tuple[int, int, str, bool]] = []

    def on_stage(number: int, stages: int, stage: Stage, skipped: bool) -> None:
        seen.append((number, stages, stage.name, skipped))

    with pytest.raises(WorkFailedError):
        run_study(folder, settings)
    broken[0] = False
    result = run_study(folder, settings, on_stage=on_stage)
    assert ran == ["first", "second", "second"]
    assert result.ran == {"second": "second said this"}
    assert result.skipped == ("first",)
    assert seen == [(1, 2, "first", True), (2, 2, "second", False)]
    assert run_study(folder, settings).skipped == ("first", "second")
    assert folder_from_environment("nnUNet_raw") == folder / "nnUNet_raw"


@pytest.mark.parametrize(
    ("trainer", "says"),
    [
        ("nnUNetTrainerAMT", "is the study's own"),
        ("nnUNetTrainerAMT_5epochs", "no model of it was trained in"),
        ("nnUNetTrainer", "take one of ours"),
    ],
)
def test_another_model_must_be_one_that_was_trained(tmp_path: Path, manifest: Path, trainer: str, says: str) -> None:
    settings = open_study(tmp_path / "study", manifest=manifest)
    with pytest.raises(BadInputError, match=says):
        module.evaluate_other_model(tmp_path / "study", settings, trainer)


def test_a_study_is_run_by_one_process_at_a_time(tmp_path: Path) -> None:
    """A second training in the same folder would write over the checkpoints of the first."""
    (tmp_path / "study.toml").write_text("")
    with the_only_run(tmp_path):
        assert is_running(tmp_path)
        with (
            pytest.raises(WorkFailedError, match="another process runs this study now; wait until it has ended"),
            the_only_run(tmp_path, patience_seconds=0),
        ):
            pass
    assert not is_running(tmp_path)
    with the_only_run(tmp_path, patience_seconds=0):
        pass
