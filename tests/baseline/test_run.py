"""Stock nnU-Net on the same split: the words of its commands, what is done again and what is not, what is refused."""

from __future__ import annotations

import csv
import inspect
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from nnunet_amt.base.run_record import read_runs
from nnunet_amt.baseline import BaselineSettings, baseline_script, commands, run, run_baseline, stock_models
from nnunet_amt.cli.commands import app
from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.evaluation import evaluate
from tests.cli.test_mutated_files import try_all
from tests.conftest import TINY_DATASET, set_nnunet_folders, write_tiny_dataset
from tests.evaluation.comparison.evaluations import FIRST, write_evaluation
from tests.models.model_fixtures import Marker

DEFAULT, RESENC = stock_models()
INTENSITIES = {"0": {"mean": 40.0, "std": 20.0}}


class FakeNNUNet:
    """Writes what nnU-Net's commands write, and notes how they were called; may be killed in the middle of one."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.called: list[str] = []
        self.evaluated: list[Path] = []
        self.environments: list[Mapping[str, str]] = []
        self.killed_in = ""
        self.preprocessed = base / "nnUNet_preprocessed" / TINY_DATASET
        self.raw = base / "nnUNet_raw" / TINY_DATASET

    def __call__(self, command: Sequence[str], environment: Mapping[str, str], **_: object) -> int:
        self.called.append(" ".join(command))
        self.environments.append(environment)
        words = list(command)
        work: Callable[[list[str], bool], None] = getattr(self, words[0].removeprefix("nnUNetv2_"))
        killed = bool(self.killed_in) and words[0].endswith(self.killed_in)
        work(words, killed)
        if killed:
            self.killed_in = ""
            raise WorkFailedError(f"{words[0]} ended with exit code 137")
        return 300_000_000

    def plan_and_preprocess(self, words: list[str], killed: bool) -> None:
        self.plan_experiment(words, False)
        self.preprocess(words, killed)

    def plan_experiment(self, words: list[str], killed: bool) -> None:
        model = RESENC if RESENC.planner in words else DEFAULT
        write_json(
            self.preprocessed / "dataset_fingerprint.json", {"foreground_intensity_properties_per_channel": INTENSITIES}
        )
        write_json(self.preprocessed / f"{model.plans}.json", plans_of(model.plans, model.planner))

    def preprocess(self, words: list[str], killed: bool) -> None:
        folder = self.preprocessed / "nnUNetPlans_3d_fullres"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for case in "ab" if killed else "abcde":
            for ending in (".b2nd", "_seg.b2nd", ".pkl"):
                (folder / f"{case}{ending}").touch()

    def train(self, words: list[str], killed: bool) -> None:
        trainer = words[words.index("-tr") + 1] if "-tr" in words else "nnUNetTrainer"
        plans = words[words.index("-p") + 1] if "-p" in words else "nnUNetPlans"
        model = self.base / "nnUNet_results" / TINY_DATASET / f"{trainer}__{plans}__3d_fullres"
        fold = model / "fold_0"
        fold.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.preprocessed / f"{plans}.json", model / "plans.json")
        shutil.copy(self.raw / "dataset.json", model / "dataset.json")
        name = "checkpoint_best.pth" if killed else "checkpoint_final.pth"
        if "--val" not in words:
            torch.save({"network_weights": {"w": torch.zeros(7)}, "trainer_name": trainer}, fold / name)
        if not killed:
            (fold / "validation").mkdir(exist_ok=True)
            for case in "de":
                shutil.copy(self.raw / "labelsTr" / f"{case}.nii.gz", fold / "validation")
            write_json(fold / "validation" / "summary.json", {})

    def predict(self, words: list[str], killed: bool) -> None:
        output = Path(words[words.index("-o") + 1])
        if not killed:
            shutil.copy(self.raw / "labelsTs" / "f.nii.gz", output)


def plans_of(name: str, planner: str, spacing: float = 5.0) -> dict[str, Any]:
    settings = {"data_identifier": "nnUNetPlans_3d_fullres", "spacing": [spacing, 2.0, 2.0], "patch_size": [16, 40, 40]}
    return {
        "plans_name": name,
        "experiment_planner_used": planner,
        "foreground_intensity_properties_per_channel": INTENSITIES,
        "configurations": {"3d_fullres": {**settings, "batch_size": 2}},
    }


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def nnunet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNNUNet:
    """Tiny dataset a-c, d-e, f, a fake of nnU-Net's commands, and no evaluation: its figures take seconds."""
    set_nnunet_folders(monkeypatch, tmp_path)
    write_tiny_dataset(tmp_path / "nnUNet_raw")
    fake = FakeNNUNet(tmp_path)
    monkeypatch.setattr("nnunet_amt.nnunet.process.run_stock_command", fake)
    monkeypatch.setattr(run, "evaluate", lambda *folders, cohort, progress: fake.evaluated.append(folders[2]))
    return fake


def settings_for(base: Path, **changes: Any) -> BaselineSettings:
    return BaselineSettings(**{"dataset_id": 711, "output": base / "out", "device": "cpu", **changes})


# The commands


def test_commands_are_those_of_nnunets_documentation() -> None:
    """As its how_to_use_nnunet.md and resenc_presets.md write them, for a GPU and with nothing asked for."""
    plain = BaselineSettings(711, Path("out"))
    typed = [
        commands.plan_and_preprocess_command(plain, DEFAULT),
        commands.plan_command(plain, RESENC),
        commands.preprocess_command(plain, DEFAULT),
        commands.train_command(plain, DEFAULT),
        commands.train_command(plain, RESENC, "--c"),
        commands.predict_command(plain, RESENC, Path("imagesTs"), Path("o")),
    ]
    assert [" ".join(words) for words in typed] == [
        "nnUNetv2_plan_and_preprocess -d 711 -c 3d_fullres",
        "nnUNetv2_plan_experiment -d 711 -pl nnUNetPlannerResEncM",
        "nnUNetv2_preprocess -d 711 -c 3d_fullres",
        "nnUNetv2_train 711 3d_fullres 0",
        "nnUNetv2_train 711 3d_fullres 0 -p nnUNetResEncUNetMPlans --c",
        "nnUNetv2_predict -i imagesTs -o o -d 711 -c 3d_fullres -f 0 -p nnUNetResEncUNetMPlans",
    ]


def test_options_for_a_small_run_are_nnunets_own_words() -> None:
    small = BaselineSettings(
        7, Path("out"), (RESENC,), "nnUNetTrainer_5epochs", "cpu", "all", (8.0, 7.5, 7.5), 0.5, jobs=2
    )
    planning = " ".join(commands.plan_and_preprocess_command(small, RESENC))
    assert planning == (
        "nnUNetv2_plan_and_preprocess -d 7 -c 3d_fullres -pl nnUNetPlannerResEncM -gpu_memory_target 0.5 "
        "-overwrite_target_spacing 8 7.5 7.5 -npfp 2 -np 2"
    )
    training = " ".join(commands.train_command(small, DEFAULT))
    assert training == "nnUNetv2_train 7 3d_fullres all -tr nnUNetTrainer_5epochs -device cpu"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"trainer": "nnUNetTrainer_5epochs"}, "--trainer nnUNetTrainer_5epochs: this .* trains 5 of its 1000 epochs"),
        ({"trainer": "nnUNetTrainer_2000epochs"}, "this is not nnU-Net's default; do not"),
        ({"gpu_memory_target": 0.25}, "-gpu_memory_target 0.25 in the planning: this is not nnU-Net's default; do not"),
    ],
)
def test_what_is_less_than_default_nnunet_says_so(changes: dict[str, Any], said: str | None) -> None:
    """A baseline of a few epochs is easily beaten, and means nothing."""
    caveat = BaselineSettings(711, Path("out"), **changes).caveat()
    assert caveat is None if said is None else re.search(said, caveat or "")


@pytest.mark.parametrize("model", stock_models(), ids=lambda model: model.key)
def test_planners_write_the_names_that_we_think_they_do(model: Any) -> None:
    """Read from nnU-Net itself: the name of the plans, and that the arrays of 3d_fullres are the same folder."""
    from nnunetv2.experiment_planning.experiment_planners import default_experiment_planner as default
    from nnunetv2.experiment_planning.experiment_planners.residual_unets import residual_encoder_unet_planners as resenc

    planner = getattr(default if model is DEFAULT else resenc, model.planner)
    assert inspect.signature(planner).parameters["plans_name"].default == model.plans
    bare = planner.__new__(planner)
    bare.plans_identifier = model.plans
    assert bare.generate_data_identifier("3d_fullres") == "nnUNetPlans_3d_fullres"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_script_can_be_run_by_bash_and_runs_nothing_here(nnunet: FakeNNUNet, device: str) -> None:
    script = baseline_script(settings_for(nnunet.base, device=device))
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    lines = [line for line in script.splitlines() if line and not line.startswith(("#", "export", "set"))]
    words = [line.split()[0] for line in lines]
    each = ["nnUNetv2_train", "nnUNetv2_predict", "nnunet_amt"]
    assert words == ["nnUNetv2_plan_and_preprocess", "nnUNetv2_plan_experiment", "cmp", *each, *each]
    assert f"export nnUNet_raw={nnunet.base / 'nnUNet_raw'}" in script
    # nnU-Net's planner ends in a traceback with 0 of these workers; its training needs none on a CPU
    planned, zero = script.index("nnUNetv2_plan_experiment"), script.find("export nnUNet_n_proc_DA=0")
    assert zero > planned if device == "cpu" else zero == -1
    assert nnunet.called == []
    assert not (nnunet.base / "out").exists()
    assert not nnunet.preprocessed.exists()


def test_script_names_our_evaluation_where_it_is_known(nnunet: FakeNNUNet) -> None:
    settings = settings_for(nnunet.base, models=(DEFAULT,))
    assert "\n# nnunet_amt compare EVALUATION " in baseline_script(settings)
    assert "\nnnunet_amt compare ours " in baseline_script(settings, Path("ours"))


# A run, and a second one


def test_a_whole_run_plans_trains_predicts_and_evaluates_and_a_second_one_does_nothing(nnunet: FakeNNUNet) -> None:
    shown: list[str] = []
    results = run_baseline(settings_for(nnunet.base), show=shown.append)
    assert [command.split()[0].removeprefix("nnUNetv2_") for command in nnunet.called] == [
        *("plan_and_preprocess", "plan_experiment"),  # of ResEnc-M: the arrays are the same
        *("train", "predict", "train", "predict"),
    ]
    to_log = f" >> {nnunet.base / 'out' / 'planning.log'} 2>&1"  # nnU-Net prints whole plans
    assert shown == [command + (to_log if "plan" in command.split()[0] else "") for command in nnunet.called]
    folders = [nnunet.base / "out" / key / "evaluation" for key in ("default", "resenc-m")]
    assert [result.evaluation_folder for result in results] == folders == nnunet.evaluated
    nnunet.called.clear()
    run_baseline(settings_for(nnunet.base))
    assert nnunet.called == []
    assert nnunet.evaluated == folders * 2  # that takes a moment, and the reference may have changed


def test_models_can_be_run_one_by_one_and_share_the_arrays(nnunet: FakeNNUNet) -> None:
    run_baseline(settings_for(nnunet.base, models=(RESENC,)))
    run_baseline(settings_for(nnunet.base, models=(DEFAULT,)))
    planning = [command for command in nnunet.called if "plan" in command.split()[0]]
    assert planning == [
        "nnUNetv2_plan_and_preprocess -d 711 -c 3d_fullres -pl nnUNetPlannerResEncM",
        "nnUNetv2_plan_experiment -d 711",
    ]


def test_what_ours_planned_stays_as_it_is(nnunet: FakeNNUNet) -> None:
    ours = nnunet.preprocessed / "nnUNetAMTPlans_3d_fullres" / "a.b2nd"
    write_json(ours, [1])
    write_json(nnunet.preprocessed / "nnUNetAMTPlans.json", [2])
    run_baseline(settings_for(nnunet.base))
    assert ours.read_text() == "[1]"
    assert (nnunet.preprocessed / "nnUNetAMTPlans.json").read_text() == "[2]"


def test_planner_is_not_given_zero_workers_but_training_is(nnunet: FakeNNUNet) -> None:
    """nnU-Net's planner sets that many threads and fails with 0 ("expects a positive integer")."""
    run_baseline(settings_for(nnunet.base, models=(DEFAULT,)))
    plan, train, _ = nnunet.environments
    assert "nnUNet_n_proc_DA" not in plan
    assert train["nnUNet_n_proc_DA"] == "0"


@pytest.mark.parametrize(
    ("killed_in", "then"),
    [
        ("plan_and_preprocess", ["plan_and_preprocess", "train", "predict"]),
        ("train", ["train --c", "predict"]),
        ("predict", ["predict"]),
    ],
)
def test_a_killed_run_goes_on_where_it_was(nnunet: FakeNNUNet, killed_in: str, then: list[str]) -> None:
    nnunet.killed_in = killed_in
    settings = settings_for(nnunet.base, models=(DEFAULT,))
    with pytest.raises(WorkFailedError):
        run_baseline(settings)
    nnunet.called.clear()
    run_baseline(settings)
    done = [command.removeprefix("nnUNetv2_") for command in nnunet.called]
    assert [f"{words.split()[0]}{' --c' if words.endswith('--c') else ''}" for words in done] == then


def test_half_made_arrays_are_made_again(nnunet: FakeNNUNet) -> None:
    settings = settings_for(nnunet.base, models=(DEFAULT,))
    run_baseline(settings)
    shutil.rmtree(nnunet.base / "nnUNet_results")
    (nnunet.preprocessed / "nnUNetPlans_3d_fullres" / "e.pkl").unlink()
    nnunet.called.clear()
    run_baseline(settings)
    assert nnunet.called[0] == "nnUNetv2_preprocess -d 711 -c 3d_fullres"


def test_a_training_that_lacks_its_validation_only_gets_that(nnunet: FakeNNUNet) -> None:
    settings = settings_for(nnunet.base, models=(DEFAULT,))
    (result,) = run_baseline(settings)
    shutil.rmtree(result.model_folder / "fold_0" / "validation")
    nnunet.called.clear()
    run_baseline(settings)
    assert nnunet.called == ["nnUNetv2_train 711 3d_fullres 0 -device cpu --val"]


def test_a_model_trained_by_hand_is_predicted_with_and_needs_no_planning(nnunet: FakeNNUNet) -> None:
    nnunet.plan_experiment([], False)
    nnunet.train([], False)
    run_baseline(settings_for(nnunet.base, models=(DEFAULT,)))
    assert [command.split()[0] for command in nnunet.called] == ["nnUNetv2_predict"]


def test_training_and_prediction_leave_records_with_their_cost(nnunet: FakeNNUNet) -> None:
    (result,) = run_baseline(settings_for(nnunet.base, models=(DEFAULT,), spacing=(6.0, 3.0, 3.0)))
    (train,) = read_runs(result.model_folder / "fold_0")
    (predict,) = read_runs(result.predictions)
    assert (train["stage"], predict["stage"]) == ("train", "predict")
    assert train["settings"]["planning"] == ["-overwrite_target_spacing", "6", "3", "3"]
    for record in (train, predict):
        assert record["cost"]["parameters"] == 7
        assert record["cost"]["peak_memory_bytes"] == 300_000_000
        assert record["settings"]["plans"] == "nnUNetPlans"
        assert record["settings"]["batch_size"] == 2
    assert predict["inputs"]["model"]["path"].endswith("nnUNetTrainer__nnUNetPlans__3d_fullres")
    assert train["counts"] == {"training": 3, "tuning": 2}
    assert predict["counts"] == {"cases": 1, "cases_in_all": 1}


def test_the_whole_leaves_one_record_however_often_it_is_run(nnunet: FakeNNUNet) -> None:
    for _ in range(2):
        run_baseline(settings_for(nnunet.base, models=(DEFAULT,)))
    (whole,) = read_runs(nnunet.base / "out")
    assert (whole["stage"], whole["settings"]["models"]) == ("baseline", ["default nnU-Net"])
    assert whole["inputs"]["splits"]["path"] == f"../nnUNet_raw/{TINY_DATASET}/splits_final.json"


# What is refused


def edit_split(path: Path) -> None:
    write_json(path, [{"train": ["a", "b", "d"], "val": ["c", "e"]}])


def test_another_split_beside_the_arrays_is_refused_before_anything_is_done(nnunet: FakeNNUNet) -> None:
    edit_split(nnunet.preprocessed / "splits_final.json")
    with pytest.raises(BadInputError, match=r"is not the split of the cohort .* not be trained on the same cases"):
        run_baseline(settings_for(nnunet.base))
    assert nnunet.called == []


def test_a_model_that_was_trained_on_another_split_is_refused(nnunet: FakeNNUNet) -> None:
    (result,) = run_baseline(settings_for(nnunet.base, models=(DEFAULT,)))
    validation = result.model_folder / "fold_0" / "validation"
    (validation / "d.nii.gz").rename(validation / "c.nii.gz")
    with pytest.raises(BadInputError, match=r"not the 2 tuning cases of the split, so it was trained on another split"):
        run_baseline(settings_for(nnunet.base, models=(DEFAULT,)))


def test_plans_of_other_options_are_not_overwritten(nnunet: FakeNNUNet) -> None:
    """ResEnc-M would write its arrays over those of the default planner, whose models belong to the old ones."""
    run_baseline(settings_for(nnunet.base, models=(DEFAULT,)))
    with pytest.raises(BadInputError, match="planned with no options, asked for is -overwrite_target_spacing 6 3 3"):
        run_baseline(settings_for(nnunet.base, models=(RESENC,), spacing=(6.0, 3.0, 3.0)))


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {}, None),  # nnU-Net's own, as with nnUNetv2_plan_experiment: taken
        ({"experiment_planner_used": "MyPlanner"}, {}, "made by MyPlanner, not by ExperimentPlanner"),
        ({"foreground_intensity_properties_per_channel": {"0": {}}}, {}, "made from another fingerprint"),
        ({}, {"spacing": (6.0, 3.0, 3.0)}, "made by somebody else, asked for is -overwrite_target_spacing 6 3 3"),
    ],
)
def test_plans_that_somebody_else_made(nnunet: FakeNNUNet, changes: dict, options: dict, message: str | None) -> None:
    nnunet.plan_experiment([], False)
    file = nnunet.preprocessed / "nnUNetPlans.json"
    write_json(file, {**json.loads(file.read_text()), **changes})
    settings = settings_for(nnunet.base, models=(DEFAULT,), **options)
    if message:
        with pytest.raises(BadInputError, match=message):
            run_baseline(settings)
        assert nnunet.called == []
    else:
        run_baseline(settings)
        assert nnunet.called[0] == "nnUNetv2_preprocess -d 711 -c 3d_fullres"


def test_a_checkpoint_that_would_run_code_is_not_gone_on_with(nnunet: FakeNNUNet) -> None:
    nnunet.killed_in = "train"
    settings = settings_for(nnunet.base, models=(DEFAULT,))
    with pytest.raises(WorkFailedError):
        run_baseline(settings)
    (checkpoint,) = nnunet.base.rglob("checkpoint_best.pth")
    mark = nnunet.base / "it_ran"
    torch.save({"network_weights": Marker(mark)}, checkpoint)
    nnunet.called.clear()
    with pytest.raises(BadInputError, match="can run code on your machine"):
        run_baseline(settings)
    assert nnunet.called == []
    assert not mark.exists()


def test_a_training_begun_with_other_plans_is_refused(nnunet: FakeNNUNet) -> None:
    nnunet.killed_in = "train"
    settings = settings_for(nnunet.base, models=(DEFAULT,))
    with pytest.raises(WorkFailedError):
        run_baseline(settings)
    (begun_with,) = (nnunet.base / "nnUNet_results").rglob("plans.json")
    write_json(begun_with, plans_of("nnUNetPlans", "ExperimentPlanner", spacing=4.0))
    with pytest.raises(
        BadInputError, match=r"was trained with other plans \(spacing \[4.0.*move .* away to train anew"
    ):
        run_baseline(settings)


def no_images(base: Path) -> None:
    shutil.rmtree(base / "nnUNet_raw" / TINY_DATASET / "imagesTs")


def no_split(base: Path) -> None:
    (base / "nnUNet_raw" / TINY_DATASET / "splits_final.json").unlink()


def changed_images(base: Path) -> None:
    write_json(
        base / "nnUNet_preprocessed" / TINY_DATASET / "nnunet_amt_fingerprint.json", {"raw_files_sha256": "another"}
    )


def other_evaluation(base: Path) -> None:
    write_json(base / "ours" / "summary.json", {})
    (base / "ours" / "cases.csv").write_text("case_id,dice\ng,0.5\n")


@pytest.mark.parametrize(
    ("spoil", "words", "message"),
    [
        (None, ["-d", "712"], "nothing of Dataset712_* there; make it with: nnunet_amt convert"),
        (None, ["-d", "711", "--model", "resenc-l"], "--model resenc-l: must be one of default, resenc-m"),
        (None, ["-d", "711", "--trainer", "nnUNetTrainerAMT"], "is none of nnU-Net's own"),
        (None, ["-d", "711", "--fold", "3"], "fold 3: "),
        (None, ["-d", "711", "--spacing", "0", "1", "1"], "must be three numbers from 0.1 to 20"),
        (None, ["-d", "711", "--gpu-memory-target", "0"], "--gpu-memory-target 0: must be above 0"),
        (None, ["-d", "711", "--device", "tpu"], "--device tpu: must be one of auto, cpu, cuda, mps"),
        (None, ["-d", "711", "--evaluation", "nowhere"], "holds no results of nnunet_amt evaluate"),
        (no_images, ["-d", "711"], "imagesTs: no such folder"),
        (no_split, ["-d", "711"], "splits_final.json"),
        (changed_images, ["-d", "711"], "its images have changed since they were planned with"),
        (other_evaluation, ["-d", "711", "--evaluation", "ours"], "is of 1 cases, which are not the 1 external ones"),
    ],
)
@pytest.mark.parametrize("print_only", [True, False])
def test_bad_input_is_one_line_and_exit_2(
    nnunet: FakeNNUNet,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None] | None,
    words: list[str],
    message: str,
    print_only: bool,
) -> None:
    monkeypatch.chdir(nnunet.base)
    if spoil:
        spoil(nnunet.base)
    result = CliRunner().invoke(app, ["baseline", *words, *(["--print-only"] if print_only else [])])
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert nnunet.called == []


def test_command_line_shows_every_command_and_compares_with_ours_where_that_is_given(
    nnunet: FakeNNUNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(nnunet.base)
    monkeypatch.setattr(run, "evaluate", evaluate)
    words = ["baseline", "-d", "711", "--model", "default", "--device", "cpu"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert all(command in result.stdout for command in nnunet.called)
    assert "default nnU-Net (1 case)" in result.stdout  # and not "ours"
    with Path("baseline/default/evaluation/cases.csv").open() as lines:
        assert [(row["case_id"], float(row["dice"])) for row in csv.DictReader(lines)] == [("f", 1.0)]
    assert "nnunet_amt compare EVALUATION baseline/default/evaluation -o baseline/comparison" in result.stdout
    # ours is here the baseline's own evaluation under another name
    Path("baseline/default/evaluation").rename("ours")
    result = CliRunner().invoke(app, [*words, "--evaluation", "ours"])
    assert result.exit_code == 0, result.output
    comparison = json.loads(Path("baseline/comparison/comparison.json").read_text())
    assert [model["name"] for model in comparison["models"]] == ["nnunet_amt", "default nnU-Net"]
    assert comparison["models"][1]["cost"]["parameters"] == 7  # found by the records
    assert comparison["sentences"][0] in result.stdout


@pytest.mark.slow
def test_damaged_files_of_a_finished_run_end_in_one_line(nnunet: FakeNNUNet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a finished run, whose commands do not run again."""
    base = nnunet.base
    monkeypatch.setattr(run, "evaluate", lambda *_, **__: SimpleNamespace(overall=None, subjects=None))
    monkeypatch.setattr("nnunet_amt.cli.nnunet.overall_table", lambda *_, **__: "")
    words = ["baseline", "-d", "711", "-o", str(base / "out"), "--device", "cpu", "--model", "default"]
    evaluation = write_evaluation(base / "ours", FIRST)
    run_baseline(settings_for(base, models=stock_models(["default"])))
    raw, preprocessed = base / "nnUNet_raw" / TINY_DATASET, base / "nnUNet_preprocessed" / TINY_DATASET
    model = base / "nnUNet_results" / TINY_DATASET / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    files = [raw / "dataset.json", raw / "splits_final.json", preprocessed / "splits_final.json"]
    files += [*sorted(preprocessed.glob("*.json")), model / "plans.json", model / "fold_0" / "checkpoint_final.pth"]
    for path in dict.fromkeys(files):
        try_all(path, words)
    for name in ("cases.csv", "summary.json"):
        try_all(evaluation / name, [*words, "--evaluation", str(evaluation)])
