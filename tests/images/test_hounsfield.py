"""One floor, whole HU, and no image that is not in HU."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.image_file import to_hounsfield


def test_floors_of_all_scanners_become_one() -> None:
    values = np.array([-3024, -2000, -1025, -1024, -1000, 0, 3071], np.int16)
    result = to_hounsfield(values)
    assert result.tolist() == [-1024, -1024, -1024, -1024, -1000, 0, 3071]
    assert result.dtype == np.int16


def test_fractions_are_rounded() -> None:
    result = to_hounsfield(np.array([-999.6, -0.4, 40.5, 41.5, 1200.4]))
    assert result.tolist() == [-1000, 0, 40, 42, 1200]  # halves to even
    assert result.dtype == np.int16


def test_values_beyond_int16_are_kept() -> None:
    result = to_hounsfield(np.array([-2000, 40000], np.int32))
    assert (result.tolist(), result.dtype) == ([-1024, 40000], np.int32)
    assert to_hounsfield(np.array([0, 60000], np.uint16)).tolist() == [0, 60000]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([0.0, np.nan, np.inf]), "2 voxels are NaN or infinite"),
        (np.array([0.0, 0.25, 1.0]), "values run from 0 to 1: the image is rescaled"),
        (np.array([-1.8, 3.2]), "values run from -1.8 to 3.2: the image is rescaled"),
        (np.array([0, 2**40]), "the highest value is 1099511627776"),
    ],
)
def test_what_cannot_be_hu_is_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(ImageReadError, match=message):
        to_hounsfield(values)
