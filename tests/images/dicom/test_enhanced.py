"""Enhanced (multi-frame) CTs: the same voxels as in classic files, and the same refusals of what is no even stack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.mask import open_dicom_mask, require_same_series
from nnunet_amt.images.dicom.series import DicomSeries, ct_series_among
from nnunet_amt.images.image_file import FLOOR_HU
from tests.images.dicom.dicom_fixtures import (
    ORIGIN,
    SPACING,
    make_volume,
    square,
    write_ct_series,
    write_enhanced_ct,
    write_rtstruct,
)

Change = Callable[[Dataset], None]


def opened(path: Path) -> DicomSeries:
    folder = DicomFolder(path)
    return ct_series_among(folder, folder.headers())


def voxels(path: Path) -> NDArray:
    scratch = path.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    return sitk.GetArrayFromImage(opened(path).read(scratch))


def of_frame(number: int, **elements: object) -> Change:
    """Change elements in the functional groups of one frame, those that stand there."""

    def change(dataset: Dataset) -> None:
        groups = dataset.PerFrameFunctionalGroupsSequence[number - 1]
        for sequence in groups:
            for keyword, value in elements.items():
                if keyword in sequence.value[0]:
                    setattr(sequence.value[0], keyword, value)

    return change


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless])
def test_frames_in_any_order_are_the_volume_of_the_classic_files(tmp_path: Path, syntax: str | None) -> None:
    volume = make_volume(6, 40, 36)  # the encoder wants 32 pixels and more
    write_ct_series(tmp_path / "classic", volume)
    write_enhanced_ct(tmp_path / "enhanced", volume, syntax=syntax)
    classic, enhanced = opened(tmp_path / "classic"), opened(tmp_path / "enhanced")
    assert enhanced.geometry == classic.geometry
    assert enhanced.manufacturer == "SIEMENS"
    np.testing.assert_array_equal(voxels(tmp_path / "enhanced"), volume)


def test_every_frame_is_rescaled_by_its_own_numbers(tmp_path: Path) -> None:
    """The third frame of the file has the intercept 0 in place of -1024."""
    write_enhanced_ct(tmp_path / "ct", order=range(6), change=of_frame(3, RescaleIntercept=0))
    expected = make_volume().astype(int)
    expected[2] += 1024
    np.testing.assert_array_equal(voxels(tmp_path / "ct"), expected)


def test_what_all_frames_share_need_not_stand_in_each(tmp_path: Path) -> None:
    def share(dataset: Dataset) -> None:
        for groups in dataset.PerFrameFunctionalGroupsSequence:
            del groups.PixelValueTransformationSequence

    write_enhanced_ct(tmp_path / "ct", change=share, share_rescaling=True)
    np.testing.assert_array_equal(voxels(tmp_path / "ct"), make_volume())


def test_padding_gets_the_floor(tmp_path: Path) -> None:
    def pad(dataset: Dataset) -> None:
        pixels = np.frombuffer(dataset.PixelData, "<i2").copy().reshape(6, 10, 12)
        pixels[:, 0, 0] = -2000
        dataset.PixelData = pixels.tobytes()
        dataset.add_new(0x00280120, "SS", -2000)

    write_enhanced_ct(tmp_path / "ct", change=pad)
    expected = make_volume()
    expected[:, 0, 0] = FLOOR_HU
    np.testing.assert_array_equal(voxels(tmp_path / "ct"), expected)


def test_contours_drawn_on_it_are_its_own(tmp_path: Path) -> None:
    """A square of 4 x 3 voxels on one slice, in an RTSTRUCT of the same series."""
    write_enhanced_ct(tmp_path / "ct")
    write_rtstruct(tmp_path / "rs", {"GTV": [square(2, (2.5, 6.5), (1.5, 4.5))]})
    folder, series = DicomFolder(tmp_path / "rs"), opened(tmp_path / "ct")
    mask = open_dicom_mask(folder, folder.headers(), roi="GTV")
    assert require_same_series(mask, series) is None
    assert mask.read(series.geometry).labels.sum() == 12


def lost_frame(dataset: Dataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[2]


def without_one(dataset: Dataset) -> None:
    """The third slice was never there."""
    lost_frame(dataset)
    pixels = np.frombuffer(dataset.PixelData, "<i2").reshape(6, 10, 12)
    dataset.PixelData = np.delete(pixels, 2, axis=0).tobytes()
    dataset.NumberOfFrames = 5


def no_position(dataset: Dataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence


def no_rescaling(dataset: Dataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[3].PixelValueTransformationSequence


def localisers(dataset: Dataset) -> None:
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        groups.CTImageFrameTypeSequence[0].FrameType = ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]


X, Y, Z = ORIGIN
REFUSED = {
    "a frame without groups": (lost_frame, "has 6 frames, and says of 5 where they lie; export it again"),
    "a lost slice": (without_one, r"slices are missing \(1\), the first between 102.50 and 107.50 mm"),
    "two at one place": (of_frame(3, ImagePositionPatient=[X, Y, Z + SPACING[2]]), r"slices are there twice \(1\)"),
    "shifted": (of_frame(3, ImagePositionPatient=[X + 3, Y, Z + 2 * SPACING[2]]), "slices are shifted sideways"),
    "turned": (of_frame(3, ImageOrientationPatient=[0, 1, 0, -1, 0, 0]), "mixes orientations"),
    "another spacing": (of_frame(3, PixelSpacing=[0.9, 0.9]), "mixes pixel spacings"),
    "another unit": (of_frame(3, RescaleType="Z_EFF"), r"frame 3, has RescaleType 'Z_EFF': its values are not HU"),
    "no place": (no_position, r"frame 4, does not say where it lies"),
    "no rescaling": (no_rescaling, r"frame 4, has no RescaleIntercept: HU are unknown"),
    "localisers": (localisers, "the 6 CT images in it are localisers"),
    "cut off": (lambda dataset: setattr(dataset, "PixelData", dataset.PixelData[:-200]), "is truncated, 200 bytes"),
    "colours": (lambda dataset: setattr(dataset, "SamplesPerPixel", 3), "3 values a pixel"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_even_stack_in_hu_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    write_enhanced_ct(tmp_path / "ct", order=range(6), change=change)
    with pytest.raises(ImageReadError, match=message):
        opened(tmp_path / "ct")


def test_several_files_of_one_series_are_one_stack(tmp_path: Path) -> None:
    """Long scans are divided into concatenations of some hundred frames."""
    volume = make_volume()
    for number in (0, 1):
        part = slice(3 * number, 3 * number + 3)
        write_enhanced_ct(tmp_path / "ct", volume[part], name=str(number), first=3 * number)
    np.testing.assert_array_equal(voxels(tmp_path / "ct"), volume)


def test_a_copy_of_the_file_counts_once(tmp_path: Path) -> None:
    write_enhanced_ct(tmp_path / "ct")
    [file] = (tmp_path / "ct").iterdir()
    (tmp_path / "ct" / "again").write_bytes(file.read_bytes())
    np.testing.assert_array_equal(voxels(tmp_path / "ct"), make_volume())
