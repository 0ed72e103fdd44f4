"""The page of a study's training: its settings, its figures against a log by hand, its pictures. No network trains."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnunet_amt.app.jobs import JobStore, job_store
from nnunet_amt.app.language import texts
from nnunet_amt.app.study_settings import FIELDS
from nnunet_amt.app.training_chart import dice_chart, loss_chart
from nnunet_amt.app.training_view import expected_times, training_view, trainings_below
from nnunet_amt.models.plans import CONFIGURATION, DEFAULT_TRAINER, PLANS_NAME
from nnunet_amt.models.tuning_pictures import ShownPrediction, ShownSlice, write_shown_prediction, write_shown_slice
from nnunet_amt.nnunet.train import length_of_ours
from nnunet_amt.study.run_study import open_study
from nnunet_amt.study.settings import StudyFolders, read_settings
from tests.app.stand_ins import python, wait_for
from tests.models.epochs import epoch, measured, write_epochs

if TYPE_CHECKING:
    from starlette.testclient import TestClient

SAME_SITE = {"origin": "http://127.0.0.1:8123"}
FORM = {"trainer": "nnUNetTrainerAMT_5epochs", "device": "cpu"}


@pytest.fixture
def study(folder: Path) -> Path:
    (folder / "manifest.csv").write_text("case_id,patient_id,institution,image,mask\n")
    open_study(folder / "mine", manifest=folder / "manifest.csv")
    return folder / "mine"


@pytest.fixture
def store(folder: Path) -> Iterator[JobStore]:
    store = job_store(folder.resolve())
    yield store
    for job in store.jobs():
        store.stop(job.id)
    wait_for(lambda: all(job.is_over for job in store.jobs()))


def fold_of(study: Path, **train: Any) -> Path:
    return StudyFolders.of(study, read_settings(study).changed({"train": train})).fold_folder


def in_words(page: str) -> str:
    """Give what a reader reads of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


# ---- settings ---------------------------------------------------------------------------------------------------


def test_settings_are_written_into_the_study(client: TestClient, study: Path) -> None:
    """As the file has them: the next run of the page or of the command line is by them."""
    given = {**FORM, "spacing_z": "5", "spacing_y": "0,8", "spacing_x": "0.8", "patch_size_z": "16"}
    given |= {"patch_size_y": "64", "patch_size_x": "64"}
    answer = client.post("/studies/mine/training/settings", data=given, headers=SAME_SITE, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/studies/mine/training?saved#settings")
    settings = read_settings(study)
    assert (settings.train.trainer, settings.study.device) == ("nnUNetTrainerAMT_5epochs", "cpu")
    assert (settings.plan.spacing, settings.plan.patch_size) == ((5.0, 0.8, 0.8), (16, 64, 64))
    page = client.get("/studies/mine/training?saved").text
    assert "The settings are saved." in page
    assert 'name="spacing_y" value="0.8"' in page
    assert '<option value="nnUNetTrainerAMT_5epochs" selected>' in page
    client.post("/studies/mine/training/settings", data=FORM, headers=SAME_SITE)
    assert read_settings(study).plan.spacing is None


@pytest.mark.parametrize(
    ("field", "values", "says"),
    [
        ("spacing", ("5", "", "0.8"), "“5  0.8”: give three numbers from 0.1 to 20"),
        ("spacing", ("0", "1", "1"), "“0 1 1”: give three numbers from 0.1 to 20"),
        ("spacing", ("nan", "1", "1"), "“nan 1 1”: give three numbers from 0.1 to 20"),
        ("patch_size", ("30", "64", "64"), "“30 64 64”: give three multiples of 8"),
        ("patch_size", ("8.5", "64", "64"), "“8.5 64 64”: give three multiples of 8"),
        ("patch_size", ("-8", "64", "<b>"), "“-8 64 &lt;b&gt;”: give three multiples of 8"),
        ("window", ("240", "-160"), "“240 -160”: give two numbers in HU, the lower one first"),
        ("window", ("", "240"), "“ 240”: give two numbers in HU"),
        ("features", ("32", "64", "128", "2000"), "“32 64 128 2000”: give four whole numbers from 1 to 1024"),
        ("seed", ("-1",), "“-1”: give a whole number from 0"),
    ],
)
def test_a_wrong_setting_is_told_at_its_field(
    client: TestClient, study: Path, field: str, values: tuple[str, ...], says: str
) -> None:
    """What was typed stays in the form, and the file as it was."""
    before = (study / "study.toml").read_bytes()
    [offered] = [one for one in FIELDS if one.name == field]
    given = {**FORM, **dict(zip(offered.fields, values, strict=True))}
    answer = client.post("/studies/mine/training/settings", data=given, headers=SAME_SITE)
    assert answer.status_code == 400
    fieldset = answer.text.partition(f'id="{field}-problem"')[2].partition('-hint">')[0]
    assert says in fieldset
    assert 'aria-invalid="true"' in fieldset
    assert (study / "study.toml").read_bytes() == before


@pytest.mark.parametrize(("name", "value"), [("trainer", "nnUNetTrainer"), ("device", "abacus"), ("fold", "1")])
def test_a_choice_that_is_not_offered_is_refused(client: TestClient, study: Path, name: str, value: str) -> None:
    answer = client.post("/studies/mine/training/settings", data={**FORM, name: value}, headers=SAME_SITE)
    assert answer.status_code == 400
    assert value in answer.text.partition(f'id="{name}-problem"')[2].partition("</span>")[0]
    assert read_settings(study).train.trainer == "nnUNetTrainerAMT"


def test_settings_do_not_change_under_a_run(client: TestClient, study: Path, store: JobStore) -> None:
    job = store.submit("study", python("import time; time.sleep(60)"), study="mine", takes_device=True)
    answer = client.post("/studies/mine/training/settings", data=FORM, headers=SAME_SITE)
    assert answer.status_code == 400
    assert "Settings can be changed when the study does not run" in answer.text
    assert read_settings(study).train.trainer == "nnUNetTrainerAMT"
    store.stop(job.id)


def test_a_training_is_begun_anew_and_the_old_model_kept(client: TestClient, study: Path, store: JobStore) -> None:
    """Not without the tick; and while the study runs not a second time."""
    fold = fold_of(study)
    fold.mkdir(parents=True)
    (fold / "checkpoint_final.pth").write_bytes(b"the old model")
    assert "Lost are the results" in in_words(client.get("/studies/mine/training").text)
    answer = client.post("/studies/mine/training/anew", headers=SAME_SITE)
    assert (answer.status_code, fold.is_dir(), store.jobs()) == (400, True, ())
    assert "tick the box first" in answer.text
    for _ in range(2):
        client.post("/studies/mine/training/anew", data={"sure": "yes"}, headers=SAME_SITE)
    assert not fold.exists()
    [kept] = fold.parent.iterdir()
    assert re.fullmatch(r"kept_\d{8}-\d{6}_fold_0", kept.name)
    assert (kept / "checkpoint_final.pth").read_bytes() == b"the old model"
    assert [job.command[1:2] for job in store.jobs()] == [("study",)]
    assert kept.name in client.get("/studies/mine/training").text


# ---- figures ----------------------------------------------------------------------------------------------------


def test_a_study_that_was_never_trained_says_so(client: TestClient, study: Path) -> None:
    """No figure is made up, and no time."""
    page = in_words(client.get("/studies/mine/training").text)
    assert "Nothing has been learnt yet." in page
    assert "It is not known before the images are prepared" in page
    assert "<svg" not in client.get("/studies/mine/training").text
    assert client.get("/studies/mine/training/pictures/1.png").status_code == 404
    assert client.get("/studies/mine/training/live").status_code == 200


def test_the_page_says_what_the_log_says(client: TestClient, study: Path) -> None:
    """Four of 100 epochs, of 10 s but the fourth of 30 s: 15 s each, so 96 * 15 s = 24 min are left."""
    best = (1, 0.25)
    write_epochs(
        fold_of(study), measured(1, 0.25, best=best), epoch(2, best_epoch=1, best_dice=0.25),
        epoch(3, best_epoch=1, best_dice=0.25), measured(4, 0.125, best=best, ended=1060.0),
    )  # fmt: skip
    (fold_of(study) / "checkpoint_latest.pth").touch()
    page = in_words(client.get("/studies/mine/training").text)
    assert "4 of 100" in page
    assert "Dice 0.250 after epoch 1; this model is kept" in page
    # 10 s without, (10 + 30) / 2 = 20 s with a look at the tuning cases: 15 s
    assert "An epoch takes about 15 s" in page
    assert "about 24 min 0 s (epochs still to do: 96). It does not run now" in page
    assert "エポック1の後のDice 0.250" in client.get("/studies/mine/training?lang=ja").text
    table = client.get("/studies/mine/training/epochs.csv").text.splitlines()
    assert table[0] == "epoch,training_loss,tuning_loss,tuning_dice,seconds"
    assert table[1:3] == ["1,-0.5,-0.25,0.25,10.0", "2,-0.5,,,10.0"]


def test_the_rows_of_the_table_are_those_of_the_log(client: TestClient, study: Path) -> None:
    write_epochs(fold_of(study), measured(1, 0.25, best=(1, 0.25)), epoch(2, training_loss=None, best_epoch=1))
    table = client.get("/studies/mine/training").text.partition("Epochs, the latest first: 2 of 2")[2]
    rows = [in_words(row).split("|") for row in table.partition("</table>")[0].split("<tr>")[2:]]
    assert [" ".join(row).split() for row in rows] == [
        ["2", "not", "measured", "no", "number", "not", "measured", "10", "s"],
        ["1", "best", "0.2500", "-0.5000", "-0.2500", "10", "s"],
    ]


def test_a_loss_that_is_no_number_is_said_loudly(client: TestClient, study: Path) -> None:
    write_epochs(fold_of(study), epoch(1), epoch(2, training_loss=None))
    page = client.get("/studies/mine/training").text
    assert "Epochs whose loss was no number: 1." in page.partition("notice bad")[2][:200]
    assert "none yet: the Dice of the tuning cases is not known" in page


def test_when_it_will_be_over_counts_from_the_last_epoch_or_the_start_of_the_run(study: Path) -> None:
    """One epoch of 10 s done of 100, ended at 1010 s: 990 s later, or after a start at 5000 s; never in the past."""
    write_epochs(fold_of(study), epoch(1))
    view = training_view(study, read_settings(study))

    def moment(seconds: float) -> datetime:
        return datetime.fromtimestamp(seconds, timezone.utc)

    assert view.left == timedelta(seconds=990)
    assert view.ends(moment(1011), begun=moment(900)) == moment(2000)
    assert view.ends(moment(5001), begun=moment(5000)) == moment(5990)
    assert view.ends(moment(9000), begun=moment(900)) == moment(9000)


def test_a_training_that_runs_says_when_it_will_be_over(client: TestClient, study: Path, store: JobStore) -> None:
    write_epochs(fold_of(study), epoch(1))
    says = "import sys, time; print(sys.argv[1], flush=True); time.sleep(60)"
    line = "4/8 train, 9.0 s: training: epoch 2 of 100 1/9"
    store.submit("study", python(says, line), study="mine", takes_device=True)
    wait_for(lambda: store.lines("1"))
    page = client.get("/studies/mine/training").text
    assert "The training will be over at about" in page
    assert 'data-fragment="/studies/mine/training/live"' in page
    assert 'action="/jobs/1/stop?to=/training"' in page
    answer = client.post("/jobs/1/stop?to=/training", headers=SAME_SITE, follow_redirects=False)
    assert answer.headers["location"] == "/studies/mine/training"
    answer = client.post("/jobs/1/stop?to=//elsewhere", headers=SAME_SITE, follow_redirects=False)
    assert answer.headers["location"] == "/studies/mine"


def test_a_study_at_an_earlier_stage_does_not_say_when_its_training_will_be_over(
    client: TestClient, study: Path, store: JobStore
) -> None:
    """Nobody knows what the conversion takes."""
    write_epochs(fold_of(study), epoch(1))
    store.submit("study", python("import time; time.sleep(60)"), study="mine", takes_device=True)
    page = client.get("/studies/mine/training").text
    assert "epochs still to do: 99" in page
    assert "will be over" not in page and "It does not run now" not in page


def test_a_finished_training_says_what_was_learnt(client: TestClient, study: Path) -> None:
    """One epoch alone, as of the shortest trainer: 10 s, and nothing left."""
    write_epochs(fold_of(study), measured(1, 0.5, best=(1, 0.5), epochs=1))
    (fold_of(study) / "checkpoint_final.pth").touch()
    page = in_words(client.get("/studies/mine/training").text)
    assert "What was learnt" in page
    assert "The epochs took 10 s" in page
    assert f"{fold_of(study).relative_to(study)}/checkpoint_best.pth" in page
    assert "A finished training is not made longer." in page
    assert "still to do" not in page


def test_a_training_without_a_log_is_not_called_none(client: TestClient, study: Path) -> None:
    """Of an earlier version."""
    fold_of(study).mkdir(parents=True)
    (fold_of(study) / "checkpoint_final.pth").touch()
    assert "it was done by an earlier version" in client.get("/studies/mine/training").text


def test_two_folds_are_two_trainings(client: TestClient, study: Path) -> None:
    """That of the settings is shown, the other named."""
    write_epochs(fold_of(study), measured(1, 0.25, best=(1, 0.25)))
    write_epochs(fold_of(study, fold="all"), measured(1, 0.75, best=(1, 0.75)), epoch(2, best_epoch=1, best_dice=0.75))
    assert [(one.fold, len(one.epochs)) for one in trainings_below(study)] == [("0", 1), ("all", 2)]
    page = in_words(client.get("/studies/mine/training").text)
    assert "Dice 0.250 after epoch 1" in page
    assert "nnUNetTrainerAMT training and tuning cases together 2 of 100 0.750" in page
    client.post("/studies/mine/training/settings", data={"fold": "all"}, headers=SAME_SITE)
    page = in_words(client.get("/studies/mine/training").text)
    assert "Dice 0.750 after epoch 1" in page
    assert "nnUNetTrainerAMT the training cases" in page


# ---- curves -----------------------------------------------------------------------------------------------------


def test_the_points_of_the_curves_by_hand() -> None:
    """Epochs 1 to 5 lie 52 to 626 from the left, 143.5 each; Dice 0 at 204 and 1 at 12 from the top, 192 in all."""
    epochs = [measured(1, 0.0, best=None), epoch(2), measured(3, 0.5, best=None), epoch(4)]
    epochs.append(measured(5, 1.0, best=(5, 1.0)))
    chart = dice_chart(epochs, texts("en"))
    [curve] = chart.curves
    assert curve.pieces == ("52,204 339,108 626,12",)
    assert list(curve.dots) == [(52, 204), (339, 108), (626, 12)]
    assert list(chart.best or ()) == [626, 12]
    assert [(tick.place, tick.label) for tick in chart.values][:2] == [(204, "0.00"), (156, "0.25")]


def test_a_curve_is_broken_where_there_is_no_number() -> None:
    """The loss of epoch 3 of 5 is none: two pieces; that of the last stands alone, as a dot."""
    losses = (-0.25, -0.5, None, -0.75, None)
    epochs = [epoch(number, training_loss=loss) for number, loss in enumerate(losses, start=1)]
    training, tuning = loss_chart(epochs, texts("en")).curves
    assert training.pieces == ("52,60 195.5,108",)
    assert (482.5, 156) in training.dots
    assert tuning.pieces == () and tuning.dots == ()


def test_one_epoch_is_a_dot() -> None:
    chart = dice_chart([measured(1, 0.5, best=(1, 0.5))], texts("en"))
    assert (chart.curves[0].pieces, chart.curves[0].dots, chart.best) == ((), ((52, 108),), (52, 108))
    assert [tick.label for tick in chart.epochs] == ["1", "2", "3", "4", "5"]


def test_a_thousand_epochs_keep_the_page_small(client: TestClient, study: Path) -> None:
    """The table has the measured ones, the best, and some between; all are in the CSV file."""
    best = (500, 0.5)
    rows = [measured(n, 0.4, best=best) if n % 10 == 0 else epoch(n, best_epoch=500) for n in range(1, 1001)]
    write_epochs(fold_of(study), *rows)
    page = client.get("/studies/mine/training/live")
    assert len(page.content) < 120_000
    shown = [one.epoch for one in training_view(study, read_settings(study)).rows()]
    assert len(shown) <= 220 and {1, 500, 1000} <= set(shown)
    assert len(client.get("/studies/mine/training/epochs.csv").text.splitlines()) == 1001


# ---- what it will take ------------------------------------------------------------------------------------------


def plan(study: Path, *, patch_size: tuple[int, ...] = (8, 16, 16)) -> None:
    """Write the plans of a study, as far as they say how long an epoch takes."""
    folder = StudyFolders.of(study, read_settings(study)).preprocessed
    folder.mkdir(parents=True)
    network = {"features_per_level": [32, 64, 128, 256], "blocks_per_level": 2}
    planned = {
        "batch_size": 3,
        "patch_size": patch_size,
        "spacing": [5.0, 1.0, 1.0],
        "normalization_schemes": ["CTNormalization"],
        "architecture": {"network_class_name": "nnunet_amt.trainers.unet.AMTUNet", "arch_kwargs": network},
    }
    intensities = {"percentile_00_5": 0.0, "percentile_99_5": 1.0, "mean": 0.0, "std": 1.0}
    plans = {
        "plans_name": PLANS_NAME,
        "configurations": {CONFIGURATION: planned},
        "foreground_intensity_properties_per_channel": {"0": intensities},
    }
    (folder / f"{PLANS_NAME}.json").write_text(json.dumps(plans))


def expected(opened: Path, /, **changes: dict[str, Any]) -> list[tuple[str, str, float]] | None:
    found = expected_times(opened.parent, opened, read_settings(opened).changed(changes))
    return None if found is None else [(one.study, one.computer, one.whole.total_seconds()) for one in found]


def test_the_time_is_reckoned_from_trainings_that_did_the_same_work(study: Path, folder: Path) -> None:
    """10 s an epoch of the other study: 1000 epochs take 10 000 s, 5 take 50 s; other work or device says nothing."""
    assert expected(study) is None
    plan(study)
    assert expected(study) == []
    other = folder / "other"
    open_study(other, manifest=folder / "manifest.csv")
    write_epochs(fold_of(other), epoch(1), epoch(2))
    assert expected(study) == [("other", "2", 10_000.0)]
    assert expected(study, train={"trainer": "nnUNetTrainerAMT_5epochs"}) == [("other", "2", 50.0)]
    assert expected(study, train={"trainer": "nnUNetTrainerAMT_1epoch"}) == []  # five steps an epoch
    assert expected(study, study={"device": "cuda"}) == []
    write_epochs(fold_of(other, fold="all"), epoch(1, patch_size=(8, 16, 24), ended=9000.0))
    assert expected(study) == [("other", "2", 10_000.0)]


def test_every_computer_counts_by_its_latest_training(study: Path, folder: Path) -> None:
    plan(study)
    write_epochs(fold_of(study), epoch(1))
    write_epochs(fold_of(study, fold="all"), epoch(1, started=2000.0, ended=2020.0))
    card = epoch(1, device="cuda", computer="card", ended=1001.0)
    write_epochs(fold_of(study, trainer="nnUNetTrainerAMT_5epochs"), card)
    found = expected(study)
    assert found is not None and sorted(found) == [("mine", "2", 20_000.0), ("mine", "card", 1000.0)]


@pytest.mark.slow
def test_the_lengths_known_by_name_are_those_of_the_trainers() -> None:
    from nnunet_amt.nnunet.hook import amt_trainers

    for name in amt_trainers.__all__:
        trainer, length = getattr(amt_trainers, name), length_of_ours(name)
        assert length is not None
        assert (length.epochs, length.iterations) == (trainer.epochs, trainer.iterations_per_epoch), name
    assert length_of_ours("SomebodysTrainer") is None
    assert length_of_ours(DEFAULT_TRAINER) is not None


# ---- pictures ---------------------------------------------------------------------------------------------------


def keep_pictures(study: Path, *epochs: int) -> None:
    image = np.full((60, 80), 40, np.int16)
    mask = np.zeros(image.shape, bool)
    mask[20:40, 30:50] = True
    write_shown_slice(fold_of(study), ShownSlice("AMT_0007", 3, (0, 0), (5.0, 1.0, 1.0), image, mask))
    for number in epochs:
        grown = np.zeros(image.shape, bool)
        grown[20:40, 30 : 30 + 2 * number] = True
        write_shown_prediction(fold_of(study), ShownPrediction(number, 0.5, grown))


def test_pictures_are_drawn_of_one_size_and_the_best_is_marked(client: TestClient, study: Path) -> None:
    """80 by 60 mm: 420 by 315 pixels, however large the outline is."""
    from io import BytesIO

    from PIL import Image

    write_epochs(fold_of(study), measured(1, 0.2, best=(1, 0.2)), measured(2, 0.5, best=(2, 0.5)))
    keep_pictures(study, 1, 2)
    page = client.get("/studies/mine/training").text
    assert "Case AMT_0007" in page
    second = page.partition("/pictures/2.png")[2].partition("</figure>")[0]
    assert "After epoch 2: Dice 0.500" in second and "best" in second
    sizes, drawn = [], []
    for number in (1, 2):
        answer = client.get(f"/studies/mine/training/pictures/{number}.png")
        assert answer.headers["content-type"] == "image/png"
        drawn.append(answer.content)
        sizes.append(Image.open(BytesIO(answer.content)).size)
    assert sizes == [(420, 315)] * 2
    assert drawn[0] != drawn[1]
    assert client.get("/studies/mine/training/pictures/3.png").status_code == 404


# ---- another machine --------------------------------------------------------------------------------------------


def test_the_script_is_shown_and_given_to_save(client: TestClient, study: Path) -> None:
    client.post("/studies/mine/training/settings", data={**FORM, "seed": "711"}, headers=SAME_SITE)
    answer = client.get("/studies/mine/training/script")
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''train_mine.sh"
    assert "nnunet_amt train 711 --fold 0 --trainer nnUNetTrainerAMT_5epochs --seed 711" in answer.text
    assert answer.text.splitlines()[-1] in client.get("/studies/mine/training").text.replace("&#34;", '"')
    assert str(study) not in answer.text
