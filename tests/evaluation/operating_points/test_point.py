"""What a point keeps of candidates whose sizes and probabilities are counted by hand; voxels of 1 cm³."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnunet_amt.evaluation.operating_points.point import ARGMAX, OperatingPoint, apply_point, find_candidates

CUBE = (10.0, 10.0, 10.0)  # mm
# Three voxels of 51, 153 and 255 (0.2, 0.6, 1: mean 0.6), one of 153 (0.6), and one of 13 (0.05).
ROW = np.array([[[51, 153, 255, 0, 153, 0, 13]]], np.uint8)


def point(level: int = 51, **others: object) -> OperatingPoint:
    return replace(OperatingPoint("p", level, "mean", 0.0, 0.0), **others)  # type: ignore[arg-type]


def row(chosen: OperatingPoint) -> list[int]:
    return apply_point(ROW, CUBE, chosen)[0, 0].tolist()


def test_candidates_are_components_with_mean_maximum_and_volume() -> None:
    found = find_candidates(ROW, CUBE, level=51)
    assert found.voxels.tolist() == [3, 1]
    assert found.cm3.tolist() == [3.0, 1.0]
    assert found.mean.tolist() == [0.6, 0.6]  # exactly: of whole numbers
    assert found.maximum.tolist() == [1.0, 0.6]


def test_a_lower_threshold_joins_and_adds_candidates() -> None:
    assert row(point(13)) == [1, 1, 1, 0, 1, 0, 1]
    assert row(point(51)) == [1, 1, 1, 0, 1, 0, 0]
    assert row(point(154)) == [0, 0, 1, 0, 0, 0, 0]


def test_score_and_size_keep_or_drop_whole_candidates() -> None:
    assert row(point(score_threshold=0.6)) == [1, 1, 1, 0, 1, 0, 0]  # 0.6 itself is kept
    assert row(point(score_threshold=0.61)) == [0] * 7
    assert row(point(score="max", score_threshold=0.61)) == [1, 1, 1, 0, 0, 0, 0]
    assert row(point(minimum_cm3=1.0)) == [1, 1, 1, 0, 1, 0, 0]  # 1 cm³ itself is kept
    assert row(point(minimum_cm3=1.01)) == [1, 1, 1, 0, 0, 0, 0]


def test_a_volume_at_the_limit_does_not_depend_on_the_rounding_of_a_header() -> None:
    """NIfTI keeps 0.7 mm as 0.699999988."""
    rounded = tuple(float(np.float32(edge)) for edge in (0.7, 0.7, 1.0))
    whole = apply_point(np.full((1, 1, 4), 255, np.uint8), rounded, point(minimum_cm3=4 * 0.49 / 1000))
    assert whole.all()


def test_the_argmax_is_every_voxel_above_one_half() -> None:
    """Rounded up to 128 and down to 127: see the description of the file of probabilities."""
    levels = np.array([[[127, 128, 0, 255]]], np.uint8)
    assert apply_point(levels, CUBE, ARGMAX)[0, 0].tolist() == [0, 1, 0, 1]


def test_nothing_gives_an_empty_label_map() -> None:
    assert not apply_point(np.zeros((2, 3, 4), np.uint8), CUBE, point()).any()


def test_a_point_knows_itself_and_says_what_it_does() -> None:
    one = point(score="max", score_threshold=0.6, minimum_cm3=0.5)
    assert one.described == "voxels of probability 0.20 or more, max of a candidate 0.6 or more, 0.5 cm³ or more"
    assert one.digest == replace(one).digest
    assert one.digest != replace(one, minimum_cm3=1.0).digest


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a b"}, {"name": ""}, {"name": "x" * 17}, {"candidate_level": 0}, {"candidate_level": 256},
        {"score": "median"}, {"score_threshold": 1.1}, {"score_threshold": float("nan")}, {"minimum_cm3": -1.0},
        {"minimum_cm3": float("nan")}, {"connectivity": 4},
    ],
)  # fmt: skip
def test_what_cannot_be_is_no_point(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"name|score|must be"):
        point(**wrong) if "candidate_level" not in wrong else point(wrong["candidate_level"])  # type: ignore[arg-type]
