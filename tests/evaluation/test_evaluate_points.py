"""An evaluation at an operating point: of saved probabilities, beside what the point reached on the tuning cases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nnunet_amt.base.run_record import newest_run
from nnunet_amt.cli.commands import app
from nnunet_amt.evaluation.operating_points.point import apply_point
from nnunet_amt.evaluation.operating_points.point_file import point_record
from nnunet_amt.images.probability_file import RECORDS, probability_file
from tests.evaluation.builders import SPACING, row_mask, write_label_map
from tests.evaluation.operating_points.builders import LARGE, WIDE, write_points, write_predictions


def levels(*runs: tuple[int, int, int]) -> np.ndarray:
    row = np.zeros((1, 1, 60), np.uint8)
    for start, stop, level in runs:
        row[0, 0, start:stop] = level
    return row


# Of 20 voxels of tumour the network sees half, and the other half faintly; what is false has 9 voxels: 0.09 cm³.
CASE = levels((0, 10, 255), (10, 20, 77), (40, 49, 255))
# The same tumour seen whole, and nothing else.
CLEAR = levels((0, 20, 255))


@pytest.fixture
def folder(tmp_path: Path, no_figures: None) -> Path:
    checkpoint = tmp_path / "model" / "fold_0" / "checkpoint_best.pth"
    write_predictions(tmp_path / "predictions", checkpoint, {"a": CASE, "b": CLEAR})
    for case_id in "ab":
        write_label_map(tmp_path / "references" / f"{case_id}.nii.gz", row_mask(60, (0, 20)))
    write_points(checkpoint, WIDE, LARGE)
    return tmp_path


def evaluate(folder: Path, *words: str) -> tuple[int, str]:
    paths = [str(folder / name) for name in ("predictions", "references")]
    done = CliRunner().invoke(app, ["evaluate", *paths, "-o", str(folder / "out"), *words], env={"COLUMNS": "200"})
    return done.exit_code, done.output


def dice(folder: Path) -> float:
    return float(json.loads((folder / "out" / "summary.json").read_text())["voxel"]["dice"]["mean"])


def error(folder: Path, *words: str) -> str:
    code, text = evaluate(folder, *words)
    assert code == 2, text
    (line,) = [line for line in text.splitlines() if line.startswith("error:")]
    assert not (folder / "out").exists()
    return line


def test_the_argmax_is_what_it_was(folder: Path) -> None:
    assert evaluate(folder)[0] == 0
    assert dice(folder) == pytest.approx((20 / 39 + 1) / 2)
    assert "operating_point" not in newest_run(folder / "out", "evaluate")["settings"]  # type: ignore[index]
    assert "Operating point" not in (folder / "out" / "tables.md").read_text()


@pytest.mark.parametrize(("name", "first"), [("wide", 40 / 49), ("large", 20 / 30)])
def test_a_point_is_applied_to_saved_probabilities(folder: Path, name: str, first: float) -> None:
    """The faint half comes with the one, the false voxels go with the other."""
    before = (folder / "predictions" / "a.nii.gz").read_bytes()
    code, text = evaluate(folder, "--operating-point", name)
    assert code == 0, text
    assert dice(folder) == pytest.approx((first + 1) / 2)
    assert (folder / "predictions" / "a.nii.gz").read_bytes() == before
    assert newest_run(folder / "out", "evaluate")["settings"]["operating_point"]["name"] == name  # type: ignore[index]


def test_tuning_and_these_cases_stand_side_by_side(folder: Path) -> None:
    """The sensitivity was 0.50 on the tuning cases and is 1 here; of 40 voxels of tumour 49 are predicted."""
    _, text = evaluate(folder, "--operating-point", "wide")
    table = (folder / "out" / "tables.md").read_text()
    for shown in (text, table):
        assert "Operating point wide: voxels of probability 0.24 or more" in shown
        assert "Tuning (7 cases)" in shown
        assert "Here (2 cases)" in shown
        assert "+0.500" in shown
        assert "+22.5" in shown
    assert json.loads((folder / "out" / "tables.json").read_text())["tables"][0]["columns"][2] == "Moved by"
    assert "Moved by" in (folder / "out" / "tables.html").read_text()
    assert "Moved by" in (folder / "out" / "tables.tex").read_text()
    summary = json.loads((folder / "out" / "summary.json").read_text())["operating_point"]
    assert (summary["name"], summary["tuning"]["dice"]["mean"]) == ("wide", 0.5)
    assert summary["here"]["volume_bias"]["mean"] == pytest.approx(49 / 40 - 1)


def relabel(folder: Path, digest: str | None = None) -> None:
    """Make the label maps those of the point, as predict does, with the record that says so."""
    (folder / "predictions" / RECORDS).mkdir()
    record = {"operating_point": point_record(WIDE) | ({} if digest is None else {"digest": digest})}
    for case_id, case in (("a", CASE), ("b", CLEAR)):
        write_label_map(folder / "predictions" / f"{case_id}.nii.gz", apply_point(case, SPACING, WIDE))
        (folder / "predictions" / RECORDS / f"{case_id}.json").write_text(json.dumps(record))


def test_label_maps_of_a_point_bring_its_tuning_figures_along(folder: Path) -> None:
    """Also without their probabilities, and where another point is asked for that one's stand there."""
    relabel(folder)
    evaluate(folder, "--operating-point", "large")
    assert "Operating point large" in (folder / "out" / "tables.md").read_text()
    assert dice(folder) == pytest.approx((20 / 30 + 1) / 2)
    probability_file(folder / "predictions", "a").unlink()
    assert evaluate(folder)[0] == 0
    assert dice(folder) == pytest.approx((40 / 49 + 1) / 2)
    assert "Operating point wide" in (folder / "out" / "tables.md").read_text()


def test_label_maps_of_the_point_that_is_asked_for_need_no_probabilities(folder: Path) -> None:
    """Where they are others, the results say that pictures show these."""
    told = "pictures and the report show the label maps in the folder"
    evaluate(folder, "--operating-point", "wide")
    assert told in (folder / "out" / "tables.md").read_text()
    relabel(folder)
    probability_file(folder / "predictions", "a").unlink()
    assert evaluate(folder, "--operating-point", "wide")[0] == 0
    assert told not in (folder / "out" / "tables.md").read_text()


def test_label_maps_of_a_point_are_not_evaluated_as_those_of_the_argmax(folder: Path) -> None:
    """Without the points nothing in the results would tell them from the network's own decision."""
    relabel(folder)
    (folder / "model").rename(folder / "elsewhere")
    code, text = evaluate(folder)
    assert code == 2
    assert "are of the operating point wide, which the results must tell; --operating-point wide: the" in text


def test_label_maps_of_a_point_that_was_chosen_anew_are_refused(folder: Path) -> None:
    relabel(folder, digest="of another day")
    assert "that was chosen anew since" in error(folder)


def test_label_maps_of_a_point_have_no_score_froc(folder: Path) -> None:
    relabel(folder)
    assert "not of the operating point wide" in error(folder, "--probabilities", str(folder / "predictions"))


def test_refusals_are_one_line_and_name_the_points(folder: Path) -> None:
    assert "the points of this model are: large, wide" in error(folder, "--operating-point", "narrow")
    told = error(folder, "--operating-point", "wide", "--probabilities", str(folder / "predictions"))
    assert "the score FROC is of the network's own label maps, not of the operating point wide" in told
    probability_file(folder / "predictions", "b").unlink()
    assert "no saved probabilities for 1 case (b)" in error(folder, "--operating-point", "wide")
    (folder / "model" / "fold_0" / "checkpoint_best.pth").unlink()
    assert "the checkpoint that made" in error(folder, "--operating-point", "wide")
    (folder / "predictions" / "nnunet_amt_runs.json").unlink()
    assert "has no record of the model that made it" in error(folder, "--operating-point", "wide")


def test_a_model_that_was_trained_on_since_is_told_by_the_record(folder: Path) -> None:
    """The probabilities are of the old checkpoint, the points of the new one."""
    checkpoint = folder / "model" / "fold_0" / "checkpoint_best.pth"
    checkpoint.write_bytes(b"other weights")
    write_points(checkpoint, WIDE)
    assert "were made for checkpoint_best.pth" in error(folder, "--operating-point", "wide")
