"""Crops of CTs whose HU rise by 1 a row, or a column, and by 10 a slice; a square of as many pixels as mm is the CT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError, GeometryMismatchError, LabelValueError
from nnunet_amt.risk.fusion.denoising import denoised
from nnunet_amt.risk.fusion.lesion_crop import LesionCrop, cut_lesion
from tests.conftest import write_image

SHAPE = (5, 60, 70)  # (z, y, x)
SPACING = (1.0, 1.0, 2.0)  # x, y, z
IMAGE, MASK, DENOISED = range(3)


def hu_of(axis: int = 1, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """HU that tell the slice, and the voxel's place along an axis."""
    places = np.indices(shape)
    return (10 * places[0] + places[axis]).astype(np.int16)


def mask_of(rows: slice, columns: slice, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """Slices 1 to 3; slice 2 is the largest, as the others lack its last column."""
    mask = np.zeros(shape, np.uint8)
    mask[1:4, rows, columns.start : columns.stop - 1] = 1
    mask[2, rows, columns] = 1
    return mask


def write_case(
    folder: Path, mask: np.ndarray, hu: np.ndarray | None = None, spacing: tuple[float, float, float] = SPACING
) -> tuple[Path, Path]:
    image = hu_of(shape=mask.shape) if hu is None else hu
    return write_image(folder / "ct.nii.gz", image, spacing), write_image(folder / "mask.nii.gz", mask, spacing)


def cut(folder: Path, mask: np.ndarray, hu: np.ndarray | None = None, *, pixels: int, **options: Any) -> LesionCrop:
    spacing = options.pop("spacing", SPACING)
    crop, reason = cut_lesion(*write_case(folder, mask, hu, spacing), case_id="a", pixels=pixels, **options)
    assert (reason, crop is not None) == ("", True)
    assert crop is not None
    return crop


def windowed(hu: np.ndarray | float) -> Any:
    return (hu + 125) / 350


def test_image_mask_and_denoised_image_of_both_planes(tmp_path: Path) -> None:
    """10 x 10 mm with 5 mm on either side are 20 mm: rows 15 to 34 and columns 25 to 44 of slice 2, pixel for pixel.

    The plane 1 mm above lies halfway to slice 3. A slope has no noise in it.
    """
    crop = cut(tmp_path, mask_of(slice(20, 30), slice(30, 40)), pixels=20)
    rows = np.arange(15, 35)[:, None] + np.zeros(20)
    assert crop.largest[IMAGE] == pytest.approx(windowed(20 + rows), abs=1e-6)
    assert crop.adjacent[IMAGE] == pytest.approx(windowed(25 + rows), abs=1e-6)
    assert crop.largest[DENOISED] == pytest.approx(crop.largest[IMAGE], abs=1e-6)
    inside = np.zeros((20, 20))
    inside[5:15, 5:15] = 1
    assert np.array_equal(crop.largest[MASK], inside)
    assert np.array_equal(crop.adjacent[MASK], inside)  # halfway between 10 and 9 columns: those with at least a half
    assert (crop.largest.dtype, crop.adjacent.shape, crop.case_id) == (np.float32, (3, 20, 20), "a")


def test_a_tenth_of_the_longer_edge_is_the_margin_from_50_mm_on(tmp_path: Path) -> None:
    """60 x 5 mm: a square of 72 mm around row 50 and column 42.5. Half a column beside the pixels' own middles."""
    shape = (5, 100, 100)
    crop = cut(tmp_path, mask_of(slice(20, 80), slice(40, 45), shape), hu_of(2, shape), pixels=72)
    assert crop.largest[IMAGE, 0] == pytest.approx(windowed(20 + 6.5 + np.arange(72)), abs=1e-5)
    assert crop.largest[MASK].sum(axis=0).max() == 60
    assert crop.largest[MASK, 30].sum() == 6  # four whole pixels, and a half at either edge


def test_a_square_in_mm_has_other_numbers_of_rows_and_columns(tmp_path: Path) -> None:
    """Columns of 0.5 mm: 8 rows of 1 mm are longer than 10 columns, and 18 mm are 36 columns, two to a pixel."""
    crop = cut(tmp_path, mask_of(slice(20, 28), slice(30, 40)), hu_of(2), pixels=18, spacing=(0.5, 1.0, 2.0))
    first = 35 - 18 + 0.5  # the middle of columns 17 and 18
    assert crop.largest[IMAGE, 0, 1:-1] == pytest.approx(windowed(20 + first + 2 * np.arange(1, 17)), abs=1e-5)
    assert crop.largest[MASK].sum(axis=0).tolist() == [0] * 6 + [8] * 6 + [0] * 6


def test_more_pixels_are_interpolated(tmp_path: Path) -> None:
    """Two pixels a row: row r of the crop lies at row 15 + r / 2 - 1/4 of the CT."""
    crop = cut(tmp_path, mask_of(slice(20, 30), slice(30, 40)), pixels=40)
    assert crop.largest[IMAGE, 1:-1, 0] == pytest.approx(windowed(20 + 14.75 + np.arange(1, 39) / 2), abs=1e-5)
    assert crop.largest[MASK].sum() == 400


def test_outside_the_ct_is_black(tmp_path: Path) -> None:
    """The lesion touches the first row: 5 mm of the square are outside, and hold neither CT nor mask."""
    crop = cut(tmp_path, mask_of(slice(0, 10), slice(30, 40)), pixels=20)
    assert not crop.largest[:, :5].any()
    assert crop.largest[IMAGE, 5:, 0] == pytest.approx(windowed(20 + np.arange(15)), abs=1e-6)


def test_the_window_is_50_plus_and_minus_175_hu(tmp_path: Path) -> None:
    hu = hu_of()
    hu[2, 20, 30:35] = (-1000, -125, 50, 225, 3000)
    crop = cut(tmp_path, mask_of(slice(20, 30), slice(30, 40)), hu, pixels=20)
    assert crop.largest[IMAGE, 5, 5:10] == pytest.approx([0, 0, 0.5, 1, 1])


def test_noise_is_taken_out_unless_it_is_to_stay(tmp_path: Path) -> None:
    """In the CT's own pixels, of the square alone, and never beyond 0 to 1."""
    noise = np.random.default_rng(0).normal(0, 60, SHAPE).round().astype(np.int16)
    mask = mask_of(slice(20, 30), slice(30, 40))
    crop = cut(tmp_path / "a", mask, hu_of() + noise, pixels=20)
    assert crop.largest[DENOISED] == pytest.approx(np.clip(denoised(crop.largest[IMAGE]), 0, 1), abs=1e-6)
    assert crop.largest[DENOISED].std() < crop.largest[IMAGE].std()
    kept = cut(tmp_path / "b", mask, hu_of() + noise, pixels=20, denoise=False)
    assert np.array_equal(kept.largest[DENOISED], crop.largest[IMAGE])


def test_the_largest_component_is_the_lesion(tmp_path: Path) -> None:
    """A speck far away does not move the square, and is not in the mask even where it is near."""
    mask = mask_of(slice(20, 30), slice(30, 40))
    whole = cut(tmp_path / "a", mask, pixels=20)
    mask[0, 0, 0] = mask[2, 17, 27] = 1
    crop = cut(tmp_path / "b", mask, pixels=20)
    assert np.array_equal(crop.largest, whole.largest)
    assert np.array_equal(crop.adjacent, whole.adjacent)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (np.zeros(SHAPE, np.uint8), "no tumour in the mask"),
        (mask_of(slice(20, 30), slice(30, 40)) * (np.arange(5) == 2)[:, None, None].astype(np.uint8), "no tumour 1 mm"),
    ],
)
def test_no_crop_and_why(tmp_path: Path, mask: np.ndarray, reason: str) -> None:
    """Of one slice of 1 mm there is no plane beside it."""
    crop, why = cut_lesion(*write_case(tmp_path, mask, spacing=(1.0, 1.0, 1.0)), case_id="a")
    assert (crop, why.startswith(reason)) == (None, True)


def test_what_cannot_be_cut_is_refused(tmp_path: Path) -> None:
    mask = mask_of(slice(20, 30), slice(30, 40))
    image, path = write_case(tmp_path, mask, np.full(SHAPE, -1000, np.int16))
    with pytest.raises(
        BadInputError, match=r"case a: its CT has the one intensity 0 around the lesion after the window"
    ):
        cut_lesion(image, path, case_id="a")
    with pytest.raises(BadInputError, match=r"pixels is 0; the side of a crop must be 1 or more"):
        cut_lesion(image, path, case_id="a", pixels=0)
    write_image(path, 3 * mask, SPACING)
    with pytest.raises(LabelValueError, match="holds the values 0, 3"):
        cut_lesion(image, path, case_id="a")
    write_image(image, hu_of(), SPACING)
    assert cut_lesion(image, path, case_id="a", foreground=3)[1] == ""
    write_image(path, mask, (1.0, 1.0, 3.0))
    with pytest.raises(GeometryMismatchError, match=r"case a: .*spacing"):
        cut_lesion(image, path, case_id="a")
