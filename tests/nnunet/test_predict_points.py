"""Label maps of an operating point: made with the prediction, or of saved probabilities, and of one point at a time.

The model is played by one that is sure of what is above 0 HU, and half sure of what is above -890 HU.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import newest_run
from nnunet_amt.cli.commands import app
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.operating_points.point import OperatingPoint, apply_point
from nnunet_amt.evaluation.operating_points.point_file import point_of_predictions, point_record
from nnunet_amt.images.probability_file import read_probabilities
from nnunet_amt.nnunet.network_grid import Prediction
from nnunet_amt.nnunet.predict import PredictionResult, PredictionSettings, predict
from tests.evaluation.operating_points.builders import LARGE, WIDE, model_with_points, write_points
from tests.nnunet.test_input_images import TURNS, chest, read, write_ct
from tests.nnunet.test_predict_cases import FakeModel


class HalfSure(FakeModel):
    def finish(self, logits: NDArray, values: NDArray, *, probabilities: bool) -> Prediction:
        sure = (logits > 0).astype(np.uint8)
        levels = np.where(logits > -890, np.uint8(77), np.uint8(0))
        return Prediction(sure, np.where(sure == 1, np.uint8(204), levels) if probabilities else None)


@pytest.fixture
def checkpoint(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return model_with_points(planned_base, tmp_path, monkeypatch)


@pytest.fixture
def model(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HalfSure:
    fake = HalfSure()
    monkeypatch.setattr("nnunet_amt.nnunet.loaded_model.load_model", lambda *_, **__: fake)
    for number, case in enumerate("ab"):
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", TURNS[17 * number], chest(number))
    return fake


def predicted(
    folder: Path,
    point: str | None = None,
    *,
    probabilities: bool = False,
    options: Sequence[str] = (),
    progress: Progress = silent,
) -> PredictionResult:
    settings = PredictionSettings(
        711, device="cpu", operating_point=point, probabilities=probabilities, options=options
    )  # fmt: skip
    return predict(folder / "in", folder / "out", settings, progress=progress)


def label_maps(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "out").glob("*.nii.gz")}


@pytest.mark.parametrize("point", [WIDE, LARGE])
def test_label_maps_are_those_of_the_point(tmp_path: Path, model: HalfSure, point: OperatingPoint) -> None:
    """On the axes of the images, whichever these are; and the records say which point it was."""
    predicted(tmp_path, point.name)
    for case in "ab":
        labels, grid = read(tmp_path / "out" / f"{case}.nii.gz")
        image, _ = read(tmp_path / "in" / f"{case}_0000.nii.gz")
        levels = read_probabilities(tmp_path / "out" / "probabilities" / f"{case}.nii.gz", grid)
        assert (levels == np.where(image > 0, 204, np.where(image > -890, 77, 0))).all()
        assert (labels == apply_point(levels, grid.spacing, point)).all()
        assert labels.any()
    assert point_of_predictions(tmp_path / "out") == point_record(point)
    run = newest_run(tmp_path / "out", "predict")
    assert run is not None
    assert run["settings"]["operating_point"]["name"] == point.name
    assert run["settings"]["operating_point"]["candidate_level"] == point.candidate_level


def test_another_point_is_of_the_saved_probabilities(tmp_path: Path, model: HalfSure) -> None:
    """From the argmax with --probabilities to a point, to another and back: the network runs once a case."""
    predicted(tmp_path, probabilities=True)
    argmax = label_maps(tmp_path)
    assert "operating_point" not in json.loads((tmp_path / "out" / "prediction_records" / "a.json").read_text())
    assert predicted(tmp_path, "wide") == PredictionResult(0, 2, 2)
    wide = label_maps(tmp_path)
    assert all(wide[name] != argmax[name] for name in argmax)
    assert predicted(tmp_path, "wide") == PredictionResult(2, 0, 0)
    assert predicted(tmp_path, "large") == PredictionResult(0, 2, 2)
    assert predicted(tmp_path) == PredictionResult(0, 2, 2)
    assert label_maps(tmp_path) == argmax
    assert point_of_predictions(tmp_path / "out") == {}
    assert len(model.seen) == 2
    (tmp_path / "fresh").mkdir()
    (tmp_path / "in").rename(tmp_path / "fresh" / "in")
    predicted(tmp_path / "fresh", "wide")  # with the network in the same run: the same bytes
    assert label_maps(tmp_path / "fresh") == wide


def test_without_saved_probabilities_the_network_runs_again(tmp_path: Path, model: HalfSure) -> None:
    """The argmax keeps none; and those that are cut off are none."""
    predicted(tmp_path)
    predicted(tmp_path, "wide")
    assert len(model.seen) == 4
    saved = tmp_path / "out" / "probabilities" / "a.nii.gz"
    saved.write_bytes(saved.read_bytes()[:-20])
    assert predicted(tmp_path, "large") == PredictionResult(0, 2, 1)
    assert len(model.seen) == 5


def test_a_kill_leaves_no_label_maps_of_two_points(
    tmp_path: Path, model: HalfSure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the old ones go before the first new one comes; the next run makes what is missing, without network."""
    predicted(tmp_path, "wide")
    told = []

    def stop(done: int, total: int, what: str) -> None:
        if what == "prediction" and done == 1:
            told.append(done)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predicted(tmp_path, "large", progress=stop)
    assert told
    assert len(label_maps(tmp_path)) == 1
    assert point_of_predictions(tmp_path / "out") == point_record(LARGE)
    assert predicted(tmp_path, "large") == PredictionResult(1, 1, 1)
    assert len(model.seen) == 2


def test_a_point_that_was_chosen_anew_makes_new_label_maps(tmp_path: Path, model: HalfSure, checkpoint: Path) -> None:
    predicted(tmp_path, "wide")
    write_points(checkpoint, replace(WIDE, candidate_level=128))
    assert predicted(tmp_path, "wide") == PredictionResult(0, 2, 2)


def test_parts_of_two_points_are_told(tmp_path: Path, model: HalfSure) -> None:
    """Two tasks of an array that were given two points: what reads the folder says so."""
    predicted(tmp_path, "wide", options=["-num_parts", "2", "-part_id", "0"])
    predicted(tmp_path, "large", options=["-num_parts", "2", "-part_id", "1"])
    with pytest.raises(BadInputError, match=r"several operating points \(large, wide\)"):
        point_of_predictions(tmp_path / "out")


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["predict", "711", "--device", "cpu", *map(str, words)])
    return done.exit_code, done.output


def test_refusals_are_one_line_before_anything_is_predicted(tmp_path: Path, model: HalfSure, checkpoint: Path) -> None:
    words = ["-i", tmp_path / "in", "-o", tmp_path / "out"]
    refusals = {
        ("--operating-point", "narrow"): "error: --operating-point narrow: the points of this model are: large, wide",
        ("--operating-point", "wide", "--save_probabilities"): "error: --operating-point: needs probabilities that",
    }
    for more, told in refusals.items():
        code, text = run(*words, *more)
        (line,) = [line for line in text.splitlines() if line.startswith("error:")]
        assert (code, line.startswith(told)) == (2, True), text
    write_points(checkpoint, WIDE, model={"checkpoint": "checkpoint_best.pth", "sha256": "0" * 64})
    assert "were made for checkpoint_best.pth 000000000000, not for" in run(*words, "--operating-point", "wide")[1]
    (checkpoint.parent / "operating_points.json").unlink()
    assert "the model has no points" in run(*words, "--operating-point", "wide")[1]
    assert model.seen == []
    assert not (tmp_path / "out").exists()


def test_the_tasks_of_an_array_are_given_the_point(tmp_path: Path, model: HalfSure) -> None:
    code, text = run("-i", tmp_path / "in", "-o", tmp_path / "out", "--operating-point", "wide", "--slurm-array", 2)
    assert code == 0
    assert "--operating-point wide" in text
    code, text = run("-i", tmp_path / "in", "-o", tmp_path / "out", "--operating-point", "no", "--slurm-array", 2)
    assert (code, "the points of this model are" in text) == (2, True)
