"""Find the one CT series in a folder or zip, and read it as it was scanned."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    RTDoseStorage,
    RTPlanStorage,
)

from nnunet_amt.errors import ImageReadError, MissingExtraError
from nnunet_amt.images.dicom.files import DicomFolder, is_dicom_path
from nnunet_amt.images.dicom.series import DicomSeries, ct_series_among
from tests.images.dicom.dicom_fixtures import (
    ORIGIN,
    SPACING,
    Change,
    make_volume,
    save_encoded,
    series_uid,
    write_ct_series,
    write_other,
    write_rtstruct,
)


def open_series(path: Path, *wanted: str) -> DicomSeries:
    folder = DicomFolder(path)
    return ct_series_among(folder, folder.headers(), wanted=[series_uid(name) for name in wanted])


def voxels(series: DicomSeries, scratch: Path) -> NDArray:
    scratch.mkdir(exist_ok=True)
    return sitk.GetArrayFromImage(series.read(scratch))


def test_shuffled_names_give_the_volume_in_hu_on_its_grid(tmp_path: Path) -> None:
    write_ct_series(tmp_path / "ct")
    series = open_series(tmp_path / "ct")
    np.testing.assert_array_equal(voxels(series, tmp_path / "scratch"), make_volume())
    image = series.read(tmp_path / "scratch")
    for geometry in (series.geometry, series.stored_geometry):
        assert geometry.size == image.GetSize() == (12, 10, 6)
        np.testing.assert_allclose(geometry.spacing, SPACING)
        np.testing.assert_allclose(geometry.origin, ORIGIN)
        np.testing.assert_allclose(geometry.direction, np.eye(3).ravel())
    np.testing.assert_allclose(image.GetSpacing(), SPACING)
    assert series.manufacturer == "SIEMENS"


def test_a_zip_gives_the_same_as_its_folder(tmp_path: Path) -> None:
    write_ct_series(tmp_path / "ct")
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "ct")
    series = open_series(tmp_path / "packed.zip")
    np.testing.assert_array_equal(voxels(series, tmp_path / "scratch"), make_volume())
    assert series.geometry == open_series(tmp_path / "ct").geometry


def test_names_in_a_zip_cannot_lead_outside(tmp_path: Path) -> None:
    """A name with .. is only a name: the slices go to the scratch folder under numbers."""
    files = write_ct_series(tmp_path / "ct")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        for file in files:
            archive.write(file, f"../../outside/{file.name}")
    scratch = tmp_path / "scratch"
    voxels(open_series(tmp_path / "bad.zip"), scratch)
    assert sorted(path.name for path in scratch.iterdir()) == [f"{number:05d}.dcm" for number in range(6)]
    assert not list(tmp_path.glob("**/outside"))


def test_a_mixed_folder_gives_its_ct(tmp_path: Path) -> None:
    """Plans, structures, a localiser series and files that are no DICOM lie between the slices."""
    write_ct_series(tmp_path)
    write_rtstruct(tmp_path / "aaa", {"GTV": []})
    write_other(tmp_path / "ct00x", "RTPLAN", RTPlanStorage)

    def localiser(z: int, dataset: Dataset) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    write_ct_series(tmp_path, make_volume(1), series="scout", change=localiser)
    (tmp_path / "notes.txt").write_text("no DICOM")
    (tmp_path / "empty").touch()
    np.testing.assert_array_equal(voxels(open_series(tmp_path), tmp_path / "scratch"), make_volume())


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_series_give_the_same_voxels(tmp_path: Path, syntax: str) -> None:
    volume = make_volume(4, 64, 64)
    write_ct_series(tmp_path, volume, syntax=syntax)
    np.testing.assert_array_equal(voxels(open_series(tmp_path), tmp_path / "scratch"), volume)


def encoded(path: Path, syntax: str) -> None:
    """Write a slice again in another encoding without compression."""
    dataset = dcmread(path)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    save_encoded(dataset, path, syntax)


def half_a_slope(z: int, dataset: Dataset) -> None:
    """What is not read word for word, but by SimpleITK or pydicom."""
    dataset.PixelData = (np.frombuffer(dataset.PixelData, "<i2") * 2).astype("<i2").tobytes()
    dataset.RescaleSlope = 0.5


@pytest.mark.parametrize("change", [None, half_a_slope])
@pytest.mark.parametrize("start", ["with preamble", "with the mark alone", "without preamble", "without meta"])
@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_every_encoding_with_and_without_preamble_gives_the_same_voxels(
    tmp_path: Path, syntax: str, start: str, change: Change | None
) -> None:
    for path in write_ct_series(tmp_path / "ct", change=change):
        encoded(path, syntax)
        content = path.read_bytes()
        begin = {"with preamble": 0, "with the mark alone": 128, "without preamble": 132}.get(
            start, 144 + int.from_bytes(content[140:144], "little")
        )
        if begin > 132 and syntax == DeflatedExplicitVRLittleEndian:
            return  # nothing says what its bytes are
        path.write_bytes(content[begin:])
    np.testing.assert_array_equal(voxels(open_series(tmp_path / "ct"), tmp_path / "scratch"), make_volume())


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_and_so_does_a_zip_of_them(tmp_path: Path, syntax: str) -> None:
    for path in write_ct_series(tmp_path / "ct"):
        encoded(path, syntax)
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "ct"))
    np.testing.assert_array_equal(voxels(open_series(packed), tmp_path / "scratch"), make_volume())


def test_files_that_name_no_class_are_told_by_their_modality(tmp_path: Path) -> None:
    def forget(z: int, dataset: Dataset) -> None:
        del dataset.SOPClassUID

    for path in write_ct_series(tmp_path / "ct", change=forget):
        content = path.read_bytes()
        path.write_bytes(content[144 + int.from_bytes(content[140:144], "little") :])
    np.testing.assert_array_equal(voxels(open_series(tmp_path / "ct"), tmp_path / "scratch"), make_volume())


def test_an_image_that_names_neither_may_be_a_slice(tmp_path: Path) -> None:
    def forget(z: int, dataset: Dataset) -> None:
        del dataset.SOPClassUID, dataset.Modality

    first = write_ct_series(tmp_path / "ct", change=forget)[0]
    content = first.read_bytes()
    first.write_bytes(content[144 + int.from_bytes(content[140:144], "little") :])
    with pytest.raises(ImageReadError, match=r"does not say what it is \(SOPClassUID, Modality\)"):
        open_series(tmp_path / "ct")


def test_a_series_without_a_uid_is_known_by_its_folder(tmp_path: Path) -> None:
    """Two such cases are not taken for one CT."""

    def forget(z: int, dataset: Dataset) -> None:
        del dataset.SeriesInstanceUID

    for name in ("a", "b"):
        write_ct_series(tmp_path / name, change=forget)
    assert open_series(tmp_path / "a").identity != open_series(tmp_path / "b").identity
    np.testing.assert_array_equal(voxels(open_series(tmp_path / "a"), tmp_path / "scratch"), make_volume())


def test_copies_of_the_slices_count_once(tmp_path: Path) -> None:
    """The folder lies in itself once more, as after a second download. Two reconstructions are no copies."""
    write_ct_series(tmp_path / "ct")
    shutil.copytree(tmp_path / "ct", tmp_path / "again")
    (tmp_path / "again").rename(tmp_path / "ct" / "ct")
    np.testing.assert_array_equal(voxels(open_series(tmp_path / "ct"), tmp_path / "scratch"), make_volume())
    write_ct_series(tmp_path / "ct" / "ct", make_volume() + 1)  # of the same UIDs
    with pytest.raises(ImageReadError, match="12 images lie at 6 places, 2 at each: several phases or copies"):
        open_series(tmp_path / "ct")


CORONAL, SAGITTAL = (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)


def coronal(z: int, dataset: Dataset) -> None:
    dataset.ImageOrientationPatient = list(CORONAL)


def two_views(z: int, dataset: Dataset) -> None:
    dataset.ImageOrientationPatient = list((CORONAL, SAGITTAL)[z])


def at_one_place(z: int, dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [0, 0, 100]


def screenshot(z: int, dataset: Dataset) -> None:
    """A dose report, stored as CT: it lies nowhere."""
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing


@pytest.mark.parametrize(
    ("images", "change"), [(1, coronal), (2, two_views), (5, at_one_place), (1, screenshot), (2, screenshot), (1, None)]
)
def test_a_scout_that_does_not_say_so_is_no_second_series(tmp_path: Path, images: int, change: Change | None) -> None:
    """Nor are images that watch the contrast medium arrive, all at one place."""
    write_ct_series(tmp_path / "all")
    write_ct_series(tmp_path / "all", make_volume(images) + 1, series="scout", change=change)
    np.testing.assert_array_equal(voxels(open_series(tmp_path / "all"), tmp_path / "scratch"), make_volume())


def test_the_top_slice_under_another_uid_is_not_taken_for_a_scout(tmp_path: Path) -> None:
    """Passed over, it would leave a CT that is one slice shorter."""

    def next_above(z: int, dataset: Dataset) -> None:
        dataset.ImagePositionPatient = [ORIGIN[0], ORIGIN[1], ORIGIN[2] + 6 * SPACING[2]]

    write_ct_series(tmp_path / "all")
    write_ct_series(tmp_path / "all", make_volume(1) + 1, series="lost", change=next_above)
    with pytest.raises(ImageReadError, match=r"holds 2 CT series \(6 slices of 12 x 10; 1 slices of 12 x 10\)"):
        open_series(tmp_path / "all")


def test_a_mask_on_the_scout_is_still_on_another_series(tmp_path: Path) -> None:
    write_ct_series(tmp_path / "all")
    write_ct_series(tmp_path / "all", make_volume(1) + 1, series="scout", change=coronal)
    assert open_series(tmp_path / "all", "scout").identity == series_uid("ct")  # whoever compares the two refuses it


def test_of_two_series_that_a_mask_names_its_images_decide(tmp_path: Path) -> None:
    """A SEG may name the CT, and the one that it was reformatted from."""
    write_ct_series(tmp_path, series="native")
    files = write_ct_series(tmp_path, make_volume(4) + 1, series="contrast")
    folder = DicomFolder(tmp_path)
    series = ct_series_among(
        folder,
        folder.headers(),
        wanted=[series_uid("native"), series_uid("contrast")],
        wanted_images=[str(dcmread(files[0]).SOPInstanceUID)],
    )
    assert series.identity == series_uid("contrast")


def test_other_files_of_the_folder_may_be_odd(tmp_path: Path) -> None:
    """A dose whose spacing is no number is not needed."""
    write_ct_series(tmp_path / "ct")
    write_other(tmp_path / "ct" / "dose", "RTDOSE", RTDoseStorage)
    dose = dcmread(tmp_path / "ct" / "dose")
    dose.add_new(0x00280030, "LO", "a\\b")
    dose.save_as(tmp_path / "ct" / "dose")
    content = (tmp_path / "ct" / "dose").read_bytes()
    (tmp_path / "ct" / "dose").write_bytes(content.replace(b"\x28\x00\x30\x00LO", b"\x28\x00\x30\x00DS"))
    np.testing.assert_array_equal(voxels(open_series(tmp_path / "ct"), tmp_path / "scratch"), make_volume())


def test_each_slice_has_its_own_rescaling(tmp_path: Path) -> None:
    """Slice z is stored with intercept -1024 - z and slope 0.5 on odd slices: HU = stored * slope + intercept."""

    def rescale(z: int, dataset: Dataset) -> None:
        dataset.RescaleSlope = 0.5 if z % 2 else 1
        dataset.RescaleIntercept = -1024 - z

    write_ct_series(tmp_path, change=rescale)
    stored = make_volume().astype(float) + 1024
    slopes = np.array([1, 0.5, 1, 0.5, 1, 0.5])[:, None, None]
    expected = stored * slopes - 1024 - np.arange(6)[:, None, None]
    np.testing.assert_allclose(voxels(open_series(tmp_path), tmp_path / "scratch"), expected)


def test_slices_that_run_to_the_feet_and_prone_patients_come_out_in_lps_axes(tmp_path: Path) -> None:
    """Rows run to the right and columns to the front: both axes of the array must be turned round."""
    write_ct_series(tmp_path, orientation=(-1, 0, 0, 0, -1, 0))
    series = open_series(tmp_path)
    np.testing.assert_array_equal(voxels(series, tmp_path / "scratch"), make_volume()[:, ::-1, ::-1])
    np.testing.assert_allclose(series.geometry.direction, np.eye(3).ravel())
    # The last stored pixel comes first: 11 columns of 0.8 mm and 9 rows of 0.7 mm away.
    np.testing.assert_allclose(series.geometry.origin, (ORIGIN[0] - 8.8, ORIGIN[1] - 6.3, ORIGIN[2]))


def test_an_oblique_series_stacked_along_its_normal_is_kept(tmp_path: Path) -> None:
    """Columns run along (0, 0.8, 0.6), so the normal of the slices is (0, -0.6, 0.8)."""
    positions = [(0.0, -0.6 * 2 * z, 0.8 * 2 * z) for z in range(6)]
    write_ct_series(tmp_path, positions=positions, orientation=(1, 0, 0, 0, 0.8, 0.6))
    series = open_series(tmp_path)
    np.testing.assert_allclose(series.geometry.spacing, (0.8, 0.7, 2.0))
    np.testing.assert_allclose(series.geometry.direction, (1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8), atol=1e-12)
    np.testing.assert_array_equal(voxels(series, tmp_path / "scratch"), make_volume())


def test_positions_may_be_rounded(tmp_path: Path) -> None:
    """Slices 0.625 mm apart, written with two digits: 0, 0.62, 1.25, 1.88, 2.5, 3.12."""
    positions = [(0.0, 0.0, round(0.625 * z, 2)) for z in range(6)]
    write_ct_series(tmp_path, positions=positions)
    series = open_series(tmp_path)
    (tmp_path / "scratch").mkdir()
    # From 0 to round(3.125, 2) = 3.12 mm in five steps, not 0.62 as between the first two.
    for spacing in (series.geometry.spacing, series.read(tmp_path / "scratch").GetSpacing()):
        assert spacing[2] == pytest.approx(0.624, abs=1e-9)


def test_a_folder_without_ct_says_what_it_has(tmp_path: Path) -> None:
    def to_mr(z: int, dataset: Dataset) -> None:
        dataset.SOPClassUID, dataset.Modality = "1.2.840.10008.5.1.4.1.1.4", "MR"

    write_ct_series(tmp_path / "scan", change=to_mr)
    with pytest.raises(ImageReadError, match="scan: holds no CT series; it has 6 of MR"):
        open_series(tmp_path / "scan")


def test_a_folder_of_localisers_says_so(tmp_path: Path) -> None:
    def localiser(z: int, dataset: Dataset) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    write_ct_series(tmp_path, make_volume(2), change=localiser)
    with pytest.raises(ImageReadError, match="the 2 CT images in it are localisers"):
        open_series(tmp_path)


def test_one_file_is_no_series(tmp_path: Path) -> None:
    first, *_ = write_ct_series(tmp_path)
    with pytest.raises(ImageReadError, match="has one image; give the folder"):
        open_series(first)


def test_two_series_are_refused_unless_the_mask_refers_to_one(tmp_path: Path) -> None:
    write_ct_series(tmp_path, series="native")
    write_ct_series(tmp_path, make_volume(4) + 1, series="contrast")
    with pytest.raises(
        ImageReadError, match=r"holds 2 CT series \(6 slices of 12 x 10; 4 slices of 12 x 10\); keep one"
    ):
        open_series(tmp_path)
    series = open_series(tmp_path, "contrast")
    np.testing.assert_array_equal(voxels(series, tmp_path / "scratch"), make_volume(4) + 1)
    with pytest.raises(ImageReadError, match="the mask refers to none of them"):
        open_series(tmp_path, "another")
    with pytest.raises(ImageReadError, match="the mask refers to several of them"):
        open_series(tmp_path, "native", "contrast")


def test_folders_without_dicom_are_refused(tmp_path: Path) -> None:
    (tmp_path / "scan").mkdir()
    with pytest.raises(ImageReadError, match="scan: holds no DICOM file"):
        open_series(tmp_path / "scan")


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    write_ct_series(tmp_path / "ct", make_volume(6, 64, 64))
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "ct"))
    content = bytearray(packed.read_bytes())
    content[2000:2400] = bytes(400)
    packed.write_bytes(content)
    with pytest.raises(ImageReadError):
        voxels(open_series(packed), tmp_path / "scratch")
    packed.write_bytes(content[: len(content) // 2])  # its table of contents was at the end
    assert not is_dicom_path(packed)


def test_a_missing_pydicom_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ct_series(tmp_path)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[dicom\]'"):
        open_series(tmp_path)
