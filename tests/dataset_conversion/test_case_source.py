"""What the options and references decide when a case is opened."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.dataset import Dataset

from nnunet_amt.cohort import CohortCase
from nnunet_amt.dataset_conversion.case_source import CaseSource, in_column, open_case, without_file_names
from nnunet_amt.errors import GeometryMismatchError, ImageReadError, LabelValueError
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_file import ReadingOptions
from nnunet_amt.images.mask_file import IGNORE_KEY, IGNORE_LABEL
from tests.cohort.cases import make_case
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask, write_image
from tests.images.dicom.dicom_fixtures import ORIGIN, make_volume, square, write_ct_series, write_rtstruct
from tests.images.dicom.seg_fixtures import as_source, write_ct_and_seg, write_seg

TUMOUR = np.zeros((6, 10, 12), bool)
TUMOUR[1:3, 2:5, 3:7] = True


def case_of(image: Path, mask: Path, roi: str | None = None) -> CohortCase:
    return CohortCase(**(vars(make_case("c0", "North")) | {"image": image, "mask": mask, "roi": roi}))


def opened(image: Path, mask: Path, roi: str | None = None, **options: bool) -> CaseSource:
    return open_case(case_of(image, mask, roi), manifest_name="manifest.csv", options=ReadingOptions(**options))


def test_a_dicom_case_with_a_seg_beside_its_slices(tmp_path: Path) -> None:
    write_ct_and_seg(tmp_path, {"GTV": TUMOUR, "Heart": ~TUMOUR})
    case = opened(tmp_path, tmp_path, "GTV")
    np.testing.assert_array_equal(case.mask.read(case.image.geometry).labels, TUMOUR)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(case.image.read(tmp_path / "s")), make_volume())


def test_a_seg_chooses_between_series(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "all", series="native", change=as_source)
    write_ct_series(tmp_path / "all", make_volume() + 1, series="contrast")
    write_seg(tmp_path / "seg.dcm", files, {"GTV": TUMOUR})
    case = opened(tmp_path / "all", tmp_path / "seg.dcm")
    assert sitk.GetArrayFromImage(case.image.read(tmp_path / "s"))[0, 0, 0] == make_volume()[0, 0, 0]


def test_slices_choose_where_the_series_is_not_named(tmp_path: Path) -> None:
    """Some SEGs name the images that they were drawn on, but no series."""

    def forget(dataset: Dataset) -> None:
        del dataset.ReferencedSeriesSequence

    files = write_ct_series(tmp_path / "all", series="native", change=as_source)
    write_ct_series(tmp_path / "all", make_volume() + 1, series="contrast")
    write_seg(tmp_path / "seg.dcm", files, {"GTV": TUMOUR}, change=forget)
    case = opened(tmp_path / "all", tmp_path / "seg.dcm")
    assert sitk.GetArrayFromImage(case.image.read(tmp_path / "s"))[0, 0, 0] == make_volume()[0, 0, 0]


def test_an_rtstruct_may_name_the_images_at_its_contours_only(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "all", series="native")
    write_ct_series(tmp_path / "all", make_volume() + 1, series="contrast")

    def name_image(dataset: Dataset) -> None:
        reference = Dataset()
        reference.ReferencedSOPInstanceUID = dcmread(files[1]).SOPInstanceUID
        dataset.ROIContourSequence[0].ContourSequence[0].ContourImageSequence = [reference]

    write_rtstruct(tmp_path / "rs", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]}, series=None, change=name_image)
    case = opened(tmp_path / "all", tmp_path / "rs")
    assert sitk.GetArrayFromImage(case.image.read(tmp_path / "s"))[0, 0, 0] == make_volume()[0, 0, 0]


def test_a_series_that_lacks_images_of_the_rtstruct_is_refused(tmp_path: Path) -> None:
    """Eight images are named, and the first six lie in the folder: the tumour may go on in the others."""
    uids = [dcmread(file).SOPInstanceUID for file in write_ct_series(tmp_path / "ct", make_volume(8))]

    def name_images(dataset: Dataset) -> None:
        series = (
            dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
        )
        series.ContourImageSequence = [Dataset() for _ in uids]
        for item, uid in zip(series.ContourImageSequence, uids, strict=True):
            item.ReferencedSOPInstanceUID = uid

    write_rtstruct(tmp_path / "rs", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]}, change=name_images)
    assert opened(tmp_path / "ct", tmp_path / "rs").image.geometry.size[2] == 8
    for file in (tmp_path / "ct").iterdir():
        if dcmread(file).SOPInstanceUID in uids[6:]:
            file.unlink()
    with pytest.raises(GeometryMismatchError, match="names 8 images of the CT series, 2 of them are not among the 6"):
        opened(tmp_path / "ct", tmp_path / "rs")


def write_tilted(folder: Path) -> None:
    """Slices that move two rows (1.4 mm) to the back from one to the next; the same square in the pixels of each."""
    positions = [(ORIGIN[0], ORIGIN[1] + 1.4 * z, ORIGIN[2] + 2.5 * z) for z in range(6)]
    write_ct_series(folder / "ct", positions=positions)
    contours = [square(z, (2.5, 6.5), (1.5 + 2 * z, 4.5 + 2 * z)) for z in range(6)]
    write_rtstruct(folder / "rs", {"GTV": contours})


def test_contours_follow_a_tilted_series_that_is_straightened(tmp_path: Path) -> None:
    """Voxels in the contours must be the pixels that they were drawn around: columns 3-6, rows 2-4 of each slice."""
    write_tilted(tmp_path)
    with pytest.raises(ImageReadError, match="the gantry was tilted"):
        opened(tmp_path / "ct", tmp_path / "rs")
    case = opened(tmp_path / "ct", tmp_path / "rs", resample_tilt=True)
    image = case.image.read(tmp_path / "s")
    assert Geometry.of(image) == case.image.geometry
    mask = case.mask.read(case.image.geometry).labels
    values = sitk.GetArrayFromImage(image)
    assert mask.shape == values.shape == (6, 20, 12)
    np.testing.assert_allclose(values[mask == 1], make_volume()[:, 2:5, 3:7].ravel(), atol=1e-3)


def test_label_files_cannot_be_straightened(tmp_path: Path) -> None:
    """Their header says nothing of the shift: resampled, they would lie beside the tumour."""
    write_tilted(tmp_path)
    write_image(tmp_path / "m.nrrd", TUMOUR.astype(np.uint8), spacing=(0.8, 0.7, 2.5), origin=ORIGIN)
    with pytest.raises(GeometryMismatchError, match=r"no label file can be straightened with it; give an RTSTRUCT"):
        opened(tmp_path / "ct", tmp_path / "m.nrrd", resample_tilt=True, resample_masks=True)


@pytest.mark.parametrize("column", ["image", "mask"])
def test_links_to_nothing_and_pointers_are_told(tmp_path: Path, column: str) -> None:
    """git-annex leaves a link, or, where links are no use, a text; both are there, and hold no image."""
    files = {"image": tmp_path / "ct.nrrd", "mask": tmp_path / "m.nrrd"}
    write_image(files["image"], make_ct(0))
    write_image(files["mask"], make_mask())
    files[column].write_text("/annex/objects/MD5E-s600--c0ffee.nrrd\n")
    place = rf"column '{column}' \(case 'c0'\): "
    with pytest.raises(ImageReadError, match=rf"{place}the file is a pointer in place of the file; fetch"):
        opened(files["image"], files["mask"])
    files[column].unlink()
    files[column].symlink_to(".git/annex/objects/none")
    with pytest.raises(ImageReadError, match=rf"{place}the file is a link to nothing; fetch"):
        opened(files["image"], files["mask"])


def test_masks_on_another_grid_only_with_the_option(tmp_path: Path) -> None:
    write_image(tmp_path / "ct.nrrd", make_ct(0))
    write_image(tmp_path / "m.nrrd", make_mask()[1:3], origin=(-12.5, 3.25, 45.0))
    with pytest.raises(GeometryMismatchError, match="--resample-masks"):
        opened(tmp_path / "ct.nrrd", tmp_path / "m.nrrd")
    case = opened(tmp_path / "ct.nrrd", tmp_path / "m.nrrd", resample_masks=True)
    np.testing.assert_array_equal(case.mask.read(case.image.geometry).labels, make_mask())


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_the_ignore_label_must_be_declared_in_the_header(tmp_path: Path, ending: str) -> None:
    write_image(tmp_path / "ct.nrrd", make_ct(0))
    labels = make_mask()
    labels[0] = IGNORE_LABEL
    path = write_image(tmp_path / f"m.{ending}", labels)
    case = opened(tmp_path / "ct.nrrd", path)
    assert not case.has_ignore_label
    with pytest.raises(LabelValueError, match=r"holds 99 voxels with other values .*: 2"):
        case.mask.read(case.image.geometry)
    image = sitk.ReadImage(str(path))
    image.SetMetaData(IGNORE_KEY, str(IGNORE_LABEL))
    sitk.WriteImage(image, str(path))
    case = opened(tmp_path / "ct.nrrd", path)
    assert case.has_ignore_label
    np.testing.assert_array_equal(case.mask.read(case.image.geometry).labels, labels)


@pytest.mark.parametrize("name", ["CT", "mask", "Doe_Jane", "series"])
def test_names_leave_a_message_and_its_words_stay(tmp_path: Path, name: str) -> None:
    """A folder may be called like a word of the message."""
    case = case_of(Path(name), Path("mask.nrrd"))
    with pytest.raises(ImageReadError) as error, in_column("manifest.csv", case, "image"):
        raise ImageReadError(f"{name}: holds no CT; it has 6 of MR")
    assert str(error.value) == "manifest.csv line 2, column 'image' (case 'c0'): the file holds no CT; it has 6 of MR"


IMAGE, MASK = Path("/data/Miller/ct/DOE_JANE.nii.gz"), Path("/data/Miller/masks/DOE_JANE_seg.nii.gz")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("DOE_JANE.nii.gz: voxels cannot be read", "the file: voxels cannot be read"),
        ("DOE_JANE_seg.nii.gz does not exist; paths are relative", "the file does not exist; paths are relative"),
        ('no reader for "/data/Miller/ct/DOE_JANE.nii.gz"', 'no reader for "the file"'),
        ("MY_DOE_JANE.nii.gz and DOE_JANE.nii.gzip are others", "MY_DOE_JANE.nii.gz and DOE_JANE.nii.gzip are others"),
        ("size (11, 9, 3) against (11, 9, 4) of the CT", "size (11, 9, 3) against (11, 9, 4) of the CT"),
    ],
)
def test_names_of_files(message: str, expected: str) -> None:
    assert without_file_names(message, IMAGE, MASK) == expected


def test_names_inside_a_folder(tmp_path: Path) -> None:
    """A file named 2 or CT is not looked for: those are words of the message."""
    scan = tmp_path / "Doe"
    (scan / "MILLER").mkdir(parents=True)
    for name in ("MILLER/MILLER01.dcm", "2", "CT"):
        (scan / name).write_bytes(b"")
    message = "Doe: MILLER01.dcm has Modality 'MR', must be CT; slices are missing (2)"
    expected = "the file: one of its files has Modality 'MR', must be CT; slices are missing (2)"
    assert without_file_names(message, scan, scan) == expected


def test_names_inside_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "scan.zip", "w") as archive:
        archive.writestr("Miller^Jane/0001.dcm", b"")
    message = "scan.zip: Miller^Jane/0001.dcm is truncated, and 0001.dcm too"
    expected = "the file: one of its files is truncated, and one of its files too"
    assert without_file_names(message, tmp_path / "scan.zip") == expected


def test_a_broken_zip_hides_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "Doe.zip").write_bytes(b"PK\x03\x04 broken")
    assert without_file_names("Doe.zip: the zip cannot be read", tmp_path / "Doe.zip").startswith("the file: the zip")
