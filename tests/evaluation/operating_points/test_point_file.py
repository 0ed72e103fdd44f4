"""The file of a model's points: read back, and refused in one line that names the points there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.operating_points.point_file import point_of_predictions, read_point
from nnunet_amt.images.probability_file import RECORDS
from tests.evaluation.operating_points.builders import LARGE, TUNING, WIDE, write_points


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "model" / "fold_0" / "checkpoint_best.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    return path


def refused(checkpoint: Path, name: str) -> str:
    with pytest.raises(BadInputError) as raised:
        read_point(checkpoint, name)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_point_comes_back_with_its_tuning_figures(checkpoint: Path) -> None:
    write_points(checkpoint, WIDE, LARGE)
    found = read_point(checkpoint, "large")
    assert (found.point, found.tuning, found.tuning_cases) == (LARGE, TUNING, 7)


def test_a_model_without_points_says_how_to_make_them(checkpoint: Path) -> None:
    assert "the model has no points" in refused(checkpoint, "wide")
    assert "nnunet_amt calibrate" in refused(checkpoint, "wide")


def test_an_unknown_name_is_told_the_points_there_are(checkpoint: Path) -> None:
    write_points(checkpoint, WIDE, LARGE)
    assert refused(checkpoint, "wid") == "--operating-point wid: the points of this model are: large, wide"


def test_a_point_that_could_not_be_had_is_told_why(checkpoint: Path) -> None:
    write_points(checkpoint, WIDE)
    assert "volumetry: no setting has a total volume within 2%; the nearest is +9.0%; the" in refused(
        checkpoint, "volumetry"
    )


def test_an_interval_of_one_number_is_damage(checkpoint: Path) -> None:
    write_points(checkpoint, WIDE)
    path = checkpoint.parent / "operating_points.json"
    content = json.loads(path.read_text())
    content["points"]["wide"]["tuning"]["dice"]["ci95"] = [0.1]
    path.write_text(json.dumps(content))
    assert "is damaged (" in refused(checkpoint, "wide")


def test_points_of_another_model_are_refused(checkpoint: Path) -> None:
    """Trained on, or another checkpoint of the fold: the probabilities are other ones."""
    write_points(checkpoint, WIDE)
    checkpoint.write_bytes(b"other weights")
    told = refused(checkpoint, "wide")
    assert "(wide) were made for checkpoint_best.pth" in told
    assert "make it again with: nnunet_amt calibrate" in told


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("candidate_level", 0), ("candidate_level", "128"), ("score", "median"), ("score_threshold", 2),
        ("minimum_cm3", -1), ("connectivity", 5), ("tuning", {}), ("minimum_cm3", None),
    ],
)  # fmt: skip
def test_a_file_that_somebody_changed_is_refused(checkpoint: Path, entry: str, value: Any) -> None:
    path = write_points(checkpoint, WIDE)
    content = json.loads(path.read_text())
    content["points"]["wide"][entry] = value
    path.write_text(json.dumps(content))
    assert f"{path}: is damaged (" in refused(checkpoint, "wide")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema_version": 1}'])
def test_what_is_no_file_of_points_is_refused(checkpoint: Path, text: str) -> None:
    path = write_points(checkpoint, WIDE)
    path.write_text(text)
    assert f"{path}: is damaged (" in refused(checkpoint, "wide")


def test_a_file_of_a_later_version_is_refused(checkpoint: Path) -> None:
    write_points(checkpoint, WIDE, schema_version=2)
    assert "is of version 2, not 1" in refused(checkpoint, "wide")


def write_record(folder: Path, case: str, **content: Any) -> None:
    (folder / RECORDS).mkdir(parents=True, exist_ok=True)
    (folder / RECORDS / f"{case}.json").write_text(json.dumps(content))
    (folder / f"{case}.nii.gz").touch()


def test_label_maps_of_two_points_are_never_taken_for_one(tmp_path: Path) -> None:
    """As two machines leave them that were given two points; also one point that was chosen anew in between."""
    assert point_of_predictions(tmp_path) == {}
    one = {"name": "wide", "digest": "1"}
    write_record(tmp_path, "a", operating_point=one)
    write_record(tmp_path, "b", operating_point=one)
    assert point_of_predictions(tmp_path) == one
    write_record(tmp_path, "c", model="m")
    with pytest.raises(BadInputError, match=r"are of several operating points \(argmax, wide\)"):
        point_of_predictions(tmp_path)
    (tmp_path / "c.nii.gz").unlink()  # a case that is not there any more does not count
    assert point_of_predictions(tmp_path) == one
    write_record(tmp_path, "b", operating_point={**one, "digest": "2"})
    with pytest.raises(BadInputError, match="several operating points"):
        point_of_predictions(tmp_path)
