"""SimpleITK reads broken series without a word: the gate must find each defect and name it with its numbers."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.series import DicomSeries, ct_series_among
from tests.images.dicom.dicom_fixtures import make_volume, series_uid, write_ct_series


def open_series(path: Path) -> DicomSeries:
    folder = DicomFolder(path)
    return ct_series_among(folder, folder.headers())


def along_z(*heights: float) -> list[tuple[float, float, float]]:
    return [(0.0, 0.0, height) for height in heights]


def changed(**elements: object) -> Callable[[int, Dataset], None]:
    """Change elements of the third slice."""

    def change(z: int, dataset: Dataset) -> None:
        if z == 2:
            for keyword, value in elements.items():
                setattr(dataset, keyword, value)

    return change


def without(keyword: str) -> Callable[[int, Dataset], None]:
    def change(z: int, dataset: Dataset) -> None:
        if z == 2:
            delattr(dataset, keyword)

    return change


# tan(12 degrees) * 2.5 mm = 0.5314 mm a slice; 2.657 mm over five
TILTED = [(0.0, 0.5314 * z, 2.5 * z) for z in range(6)]

BAD_POSITIONS = {
    "missing slices": (
        along_z(0, 2.5, 5, 12.5, 15, 20),
        "slices are missing (3), the first between 5.00 and 12.50 mm, where slices are 2.5 mm apart",
    ),
    "doubled slice": (along_z(0, 2.5, 5, 5, 7.5, 10), "slices are there twice (1), the first at 5.00 mm"),
    "uneven slices": (along_z(0, 2, 4, 6, 11, 16), "unevenly spaced, 2.000 to 5.000 mm (usually 2.000)"),
    "one slice a little off": (along_z(0, 2.5, 5, 7.7, 10, 12.5), "unevenly spaced, 2.300 to 2.700 mm"),
    "gantry tilt": (TILTED, "the gantry was tilted by 12.0 degrees, slices drift by 2.7 mm"),
    "shifted slice": (
        [(8.0 if z == 3 else 0.0, 0.0, 2.5 * z) for z in range(6)],
        "slices are shifted sideways by up to 8.0 mm",
    ),
}


@pytest.mark.parametrize(("positions", "message"), BAD_POSITIONS.values(), ids=BAD_POSITIONS.keys())
def test_uneven_stacks_are_refused_with_the_numbers(
    tmp_path: Path, positions: list[tuple[float, float, float]], message: str
) -> None:
    write_ct_series(tmp_path / "scan", positions=positions)
    with pytest.raises(ImageReadError) as error:
        open_series(tmp_path / "scan")
    assert message in str(error.value)
    assert str(error.value).startswith("scan: ")


BAD_SLICES = {
    "turned slice": (
        changed(ImageOrientationPatient=[0, 1, 0, -1, 0, 0]),
        "the CT series mixes orientations",
    ),
    "other pixel spacing": (changed(PixelSpacing=[0.7, 0.9]), "the CT series mixes pixel spacings"),
    "other size": (
        changed(Rows=5, Columns=24),
        "the CT series mixes sizes: (12, 10) and, in 1 of 6 images, [(24, 5)]",
    ),
    "localiser among the slices": (
        changed(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        "1 of 6 images of the CT series are localisers",
    ),
    "no position": (without("ImagePositionPatient"), "does not say where it lies"),
    "no pixel spacing": (without("PixelSpacing"), "does not say where it lies"),
    "no intercept": (without("RescaleIntercept"), "has no RescaleIntercept: HU are unknown"),
    "truncated pixels": (changed(PixelData=bytes(100)), "is truncated, 140 bytes are missing"),
}


@pytest.mark.parametrize(("change", "message"), BAD_SLICES.values(), ids=BAD_SLICES.keys())
def test_a_slice_that_does_not_fit_is_refused(
    tmp_path: Path, change: Callable[[int, Dataset], None], message: str
) -> None:
    write_ct_series(tmp_path / "scan", change=change)
    with pytest.raises(ImageReadError) as error:
        open_series(tmp_path / "scan")
    assert message in str(error.value)


def test_rows_and_columns_must_be_at_right_angles(tmp_path: Path) -> None:
    write_ct_series(tmp_path, orientation=(1, 0, 0, 0.6, 0.8, 0))
    with pytest.raises(ImageReadError, match="not at right angles"):
        open_series(tmp_path)


def turned(degrees_about_x: float, degrees_about_z: float) -> NDArray[np.float64]:
    """Rows, columns and normal of slices that were reformatted, as columns of a matrix."""
    (x, z) = np.radians([degrees_about_x, degrees_about_z])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return about_z @ about_x


@pytest.mark.parametrize("digits", [3, 4, 6, 16])
@pytest.mark.parametrize("angles", [(20.0, 0.0), (30.0, 5.0), (-12.3, 44.1), (1.0, -3.0), (37.0, 61.0)])
def test_rounded_cosines_are_no_tilted_gantry(tmp_path: Path, angles: tuple[float, float], digits: int) -> None:
    """100 slices of 5 mm along the true normal: cosines of three digits lean by up to 0.4 mm from it at the far end."""
    axes = turned(*angles)
    cosines = np.round(axes[:, :2].T.ravel(), digits)
    positions = [tuple(np.round(axes[:, 2] * 5.0 * z, 3).tolist()) for z in range(100)]
    write_ct_series(tmp_path, make_volume(100, 3, 4), positions=positions, orientation=cosines.tolist())
    series = open_series(tmp_path)
    direction = series.stored_geometry.axes
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-12)  # SimpleITK takes no other
    np.testing.assert_allclose(direction, axes, atol=2.1e-3 if digits == 3 else 2.1e-4)
    assert series.stored_geometry.spacing[2] == pytest.approx(5.0, abs=5e-3)
    last = np.array(series.stored_geometry.origin) + direction[:, 2] * series.stored_geometry.spacing[2] * 99
    np.testing.assert_allclose(last, positions[-1], atol=0.4)


@pytest.mark.parametrize("degrees", [0.3, 1.0])
def test_a_tilt_beyond_rounding_is_still_one(tmp_path: Path, degrees: float) -> None:
    """Over 495 mm, 0.3 degrees are 2.6 mm."""
    step = 5.0 * np.tan(np.radians(degrees))
    write_ct_series(tmp_path, make_volume(100, 3, 4), positions=[(0.0, step * z, 5.0 * z) for z in range(100)])
    with pytest.raises(ImageReadError, match=f"tilted by {degrees:.1f} degrees"):
        open_series(tmp_path)


def test_axes_that_are_not_rounded_stay_as_they_are(tmp_path: Path) -> None:
    """Axial cosines give the grid to the last bit, also where positions are rounded."""
    write_ct_series(tmp_path, positions=[(0.0, round(0.0004 * z, 3), 2.5 * z) for z in range(6)])
    assert open_series(tmp_path).stored_geometry.direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)


NOT_NUMBERS = {
    "a decimal comma": ("PixelSpacing", b"0,7\\0,8", "has PixelSpacing '0,7\\0,8', which is not what DICOM has there"),
    "two points": ("RescaleIntercept", b"-1.024.0", "has RescaleIntercept '-1.024.0', which is not what"),
    "a name": ("ImagePositionPatient", b"planted\\1\\2", "has ImagePositionPatient, which is not what DICOM has there"),
}


def with_raw(keyword: str, content: bytes) -> Callable[[int, Dataset], None]:
    """Put bytes into an element of the third slice that pydicom would not write as they are."""

    def change(z: int, dataset: Dataset) -> None:
        if z == 2:
            tag = tag_for_keyword(keyword)
            assert tag is not None
            dataset.pop(tag, None)
            dataset.add_new(tag, "LO", content.decode())

    return change


def retyped(path: Path, keyword: str) -> None:
    """Give an element that was written as text the type that it has in DICOM: DS."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    element = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    content = path.read_bytes()
    assert content.count(element + b"LO") == 1
    path.write_bytes(content.replace(element + b"LO", element + b"DS"))


@pytest.mark.parametrize(("keyword", "content", "message"), NOT_NUMBERS.values(), ids=NOT_NUMBERS.keys())
def test_a_value_that_is_none_is_shown_as_it_is(tmp_path: Path, keyword: str, content: bytes, message: str) -> None:
    files = write_ct_series(tmp_path, change=with_raw(keyword, content))
    retyped(files[2], keyword)
    with pytest.raises(ImageReadError) as error:
        open_series(tmp_path)
    assert message in str(error.value)
    assert "planted" not in str(error.value)
    assert "damaged" not in str(error.value)


def test_what_is_not_needed_may_be_nonsense(tmp_path: Path) -> None:
    """The slices' distance is that of their positions."""
    files = write_ct_series(tmp_path, change=with_raw("SliceThickness", b"2,5 mm"))
    retyped(files[2], "SliceThickness")
    assert open_series(tmp_path).geometry.size == (12, 10, 6)


def test_terms_in_small_letters_are_the_same_terms(tmp_path: Path) -> None:
    """The standard has capitals only, and some programs write others."""
    write_ct_series(tmp_path, change=changed(Modality="ct", RescaleType="hu"))
    assert open_series(tmp_path).geometry.size == (12, 10, 6)


def test_no_message_shows_who_the_patient_is(tmp_path: Path) -> None:
    """The fixture's headers carry a name and an id; every defect's message must leave them out."""
    for number, (positions, _) in enumerate(BAD_POSITIONS.values()):
        write_ct_series(tmp_path / str(number), positions=positions)
        with pytest.raises(ImageReadError) as error:
            open_series(tmp_path / str(number))
        assert "planted" not in str(error.value).lower()
        assert series_uid("ct") not in str(error.value)
