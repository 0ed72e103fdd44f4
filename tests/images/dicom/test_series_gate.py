"""SimpleITK reads broken series without a word: the gate must find each defect and name it with its numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.series import DicomSeries, ct_series_among
from tests.images.dicom.dicom_fixtures import series_uid, write_ct_series


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


def test_no_message_shows_who_the_patient_is(tmp_path: Path) -> None:
    """The fixture's headers carry a name and an id; every defect's message must leave them out."""
    for number, (positions, _) in enumerate(BAD_POSITIONS.values()):
        write_ct_series(tmp_path / str(number), positions=positions)
        with pytest.raises(ImageReadError) as error:
            open_series(tmp_path / str(number))
        assert "planted" not in str(error.value).lower()
        assert series_uid("ct") not in str(error.value)
