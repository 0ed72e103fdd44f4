"""The pictures of a tuning case: what is kept, of which epochs, and how little room it takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.models.tuning_pictures import (
    MOST_PICTURES,
    PICTURES_FOLDER,
    ShownPrediction,
    ShownSlice,
    read_shown_prediction,
    read_shown_slice,
    shown_epochs,
    superfluous,
    write_shown_prediction,
    write_shown_slice,
)


def shown_slice(case_id: str = "case_001", rows: int = 5, columns: int = 7) -> ShownSlice:
    image = np.arange(rows * columns, dtype=np.int16).reshape(rows, columns) - 10
    return ShownSlice(case_id, 3, (2, 4), (5.0, 0.7, 0.7), image, image > 10)


def predicted(epoch: int, dice: float | None = 0.5) -> ShownPrediction:
    return ShownPrediction(epoch, dice, np.eye(5, 7, dtype=bool))


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    shown = shown_slice()
    write_shown_slice(tmp_path, shown)
    write_shown_prediction(tmp_path, predicted(1, None))
    read = read_shown_slice(tmp_path)
    assert read is not None and read.is_same(shown)
    assert read.reference.dtype == bool and read.image.dtype == np.int16
    kept = read_shown_prediction(tmp_path, 1, read)
    assert kept is not None and kept.dice is None
    assert np.array_equal(kept.prediction, np.eye(5, 7, dtype=bool))
    assert read_shown_prediction(tmp_path, 2, read) is None


def test_a_training_without_pictures_has_none(tmp_path: Path) -> None:
    assert read_shown_slice(tmp_path) is None
    assert shown_epochs(tmp_path) == []


def test_an_epoch_that_is_done_again_is_drawn_again_and_later_ones_go(tmp_path: Path) -> None:
    write_shown_slice(tmp_path, shown_slice())
    for number in (1, 3, 5, 3):
        write_shown_prediction(tmp_path, predicted(number))
    assert shown_epochs(tmp_path) == [1, 3]


def test_another_case_takes_the_place_of_all(tmp_path: Path) -> None:
    write_shown_slice(tmp_path, shown_slice())
    write_shown_prediction(tmp_path, predicted(1))
    write_shown_slice(tmp_path, shown_slice())
    assert shown_epochs(tmp_path) == [1]
    write_shown_slice(tmp_path, shown_slice("case_002"))
    assert shown_epochs(tmp_path) == []


def test_there_are_never_too_many_and_the_first_the_best_and_the_last_stay(tmp_path: Path) -> None:
    """A thousand evaluations, the best after the seventh."""
    write_shown_slice(tmp_path, shown_slice())
    for number in range(1, 1001):
        write_shown_prediction(tmp_path, predicted(number), best_epoch=7 if number >= 7 else None)
        assert len(shown_epochs(tmp_path)) <= MOST_PICTURES
    kept = shown_epochs(tmp_path)
    assert (kept[0], kept[-1]) == (1, 1000)
    assert 7 in kept
    assert len(kept) >= MOST_PICTURES // 2
    assert superfluous([1, 2, 3], best_epoch=None) == []


def test_a_prediction_of_another_slice_or_a_damaged_file_is_not_shown(tmp_path: Path) -> None:
    write_shown_slice(tmp_path, shown_slice())
    write_shown_prediction(tmp_path, predicted(1))
    assert read_shown_prediction(tmp_path, 1, shown_slice(rows=50)) is None
    for name in ("case.npz", "epoch_0001.npz"):
        (tmp_path / PICTURES_FOLDER / name).write_bytes(b"PK\x03\x04 no")
    assert read_shown_slice(tmp_path) is None
    assert read_shown_prediction(tmp_path, 1, shown_slice()) is None


@pytest.mark.parametrize(("rows", "columns"), [(171, 171)])
def test_an_evaluation_takes_a_few_kilobytes(tmp_path: Path, rows: int, columns: int) -> None:
    """A square of 120 mm at 0.7 mm with a round outline, on noise as of a CT."""
    random = np.random.default_rng(0)
    image = random.normal(40, 15, (rows, columns)).round().astype(np.int16)
    y, x = np.mgrid[:rows, :columns]
    mask = (y - 85) ** 2 + (x - 85) ** 2 < 40**2
    write_shown_slice(tmp_path, ShownSlice("case_001", 3, (0, 0), (5.0, 0.7, 0.7), image, mask))
    write_shown_prediction(tmp_path, ShownPrediction(1, 0.9, mask))
    sizes = {path.name: path.stat().st_size for path in (tmp_path / PICTURES_FOLDER).iterdir()}
    assert sizes["case.npz"] < 60_000
    assert sizes["epoch_0001.npz"] < 2_000
