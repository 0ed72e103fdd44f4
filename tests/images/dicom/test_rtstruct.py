"""Masks from RTSTRUCTs; the volume is 12 x 10 x 6 voxels (x, y, z)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian, RTDoseStorage

from nnunet_amt.errors import ContourError, GeometryMismatchError, ImageReadError, RoiNotFoundError
from nnunet_amt.images.dicom.files import DicomFolder, is_dicom_path
from nnunet_amt.images.dicom.mask import open_dicom_mask
from nnunet_amt.images.dicom.rtstruct import RtStruct
from nnunet_amt.images.geometry import Geometry
from tests.images.dicom.dicom_fixtures import AXIAL, ORIGIN, SPACING, series_uid, square, write_other, write_rtstruct

GRID = Geometry((12, 10, 6), SPACING, ORIGIN, (1, 0, 0, 0, 1, 0, 0, 0, 1))


def open_structure(path: Path, roi: str | None) -> RtStruct:
    folder = DicomFolder(path)
    structure = open_dicom_mask(folder, folder.headers(), roi=roi)
    assert isinstance(structure, RtStruct)
    return structure


def read(path: Path, roi: str | None = "GTV") -> NDArray[np.uint8]:
    return open_structure(path, roi).read(GRID).labels


def box(z: slice, y: slice, x: slice) -> NDArray[np.uint8]:
    mask = np.zeros((6, 10, 12), np.uint8)
    mask[z, y, x] = 1
    return mask


def test_squares_on_two_slices(tmp_path: Path) -> None:
    """Columns 3 to 6 and rows 2 to 4 have their centres inside, on slices 1 and 2: 24 voxels."""
    contours = [square(z, (2.5, 6.5), (1.5, 4.5)) for z in (1, 2)]
    write_rtstruct(tmp_path / "rs", {"GTV": contours})
    mask = read(tmp_path / "rs")
    np.testing.assert_array_equal(mask, box(slice(1, 3), slice(2, 5), slice(3, 7)))
    assert (mask.dtype, mask.sum()) == (np.uint8, 24)


def test_a_hole_and_two_contours_on_one_slice(tmp_path: Path) -> None:
    contours = [
        square(0, (0.5, 5.5), (0.5, 5.5)),
        square(0, (1.5, 4.5), (1.5, 4.5)),
        square(0, (7.5, 9.5), (7.5, 8.5)),
    ]
    write_rtstruct(tmp_path / "rs", {"GTV": contours})
    expected = box(slice(0, 1), slice(1, 6), slice(1, 6)) - box(slice(0, 1), slice(2, 5), slice(2, 5))
    np.testing.assert_array_equal(read(tmp_path / "rs"), expected + box(slice(0, 1), slice(8, 9), slice(8, 10)))


def test_a_contour_stored_twice_does_not_empty_itself(tmp_path: Path) -> None:
    """The same, 0.011 mm off, and with a point more on its first side."""
    contour = square(3, (2.5, 6.5), (1.5, 4.5))
    middle = [(a + b) / 2 for a, b in zip(contour[:3], contour[3:6], strict=True)]
    for again in (contour, [value + 0.011 for value in contour], [*contour[:3], *middle, *contour[3:]]):
        write_rtstruct(tmp_path / "rs", {"GTV": [contour, again]})
        np.testing.assert_array_equal(read(tmp_path / "rs"), box(slice(3, 4), slice(2, 5), slice(3, 7)))


def test_contours_of_the_type_xor_are_combined_by_xor(tmp_path: Path) -> None:
    """Columns 3 to 6 and 5 to 8 of three rows share two: XOR leaves four columns, plain closed contours cross."""
    pair = [square(3, (2.5, 6.5), (1.5, 4.5)), square(3, (4.5, 8.5), (1.5, 4.5))]
    write_rtstruct(tmp_path / "xor", {"GTV": [("CLOSEDPLANAR_XOR", contour) for contour in pair]})
    mask = box(slice(3, 4), slice(2, 5), slice(3, 9))
    mask[:, :, 5:7] = 0
    np.testing.assert_array_equal(read(tmp_path / "xor"), mask)
    write_rtstruct(tmp_path / "closed", {"GTV": pair})
    with pytest.raises(ContourError, match=r"^ROI number 1, slice at z 107\.50 mm: two contours cross .*; draw this"):
        read(tmp_path / "closed")


def test_outlines_through_pixel_centres_give_what_was_outlined(tmp_path: Path) -> None:
    """A box of 4 x 3 pixels on two slices, one of its pixels and a pair of them on the next, a row on the last."""
    point = square(3, (4, 4), (3, 3))[:3]
    contours = [square(z, (3, 6), (2, 4)) for z in (1, 2)]
    contours += [point, square(4, (4, 5), (3, 3))[:6], square(5, (3, 6), (3, 3))[:6]]
    write_rtstruct(tmp_path / "rs", {"GTV": contours})
    expected = box(slice(1, 3), slice(2, 5), slice(3, 7))
    expected[3, 3, 4] = expected[4, 3, 4:6] = expected[5, 3, 3:7] = 1
    np.testing.assert_array_equal(read(tmp_path / "rs"), expected)


def test_matching_rois_are_merged_and_their_overlap_stays_full(tmp_path: Path) -> None:
    """4 x 3 and 4 x 3 pixels that share 2 x 3 of them: 18, where even-odd over both would give 12."""
    write_rtstruct(
        tmp_path / "rs",
        {
            "GTV-1": [square(0, (0.5, 4.5), (0.5, 3.5))],
            "GTV-2": [square(0, (2.5, 6.5), (0.5, 3.5))],
            "GTV-1 old": [square(0, (0.5, 9.5), (0.5, 9.5))],
        },
    )
    structure = open_structure(tmp_path / "rs", r"GTV-\d")
    assert structure.names == ("GTV-1", "GTV-2")
    assert structure.read(GRID).labels.sum() == 18


def test_a_name_may_be_given_as_it_is_written(tmp_path: Path) -> None:
    write_rtstruct(tmp_path / "rs", {"GTV (new)+": [square(0, (0.5, 4.5), (0.5, 3.5))], "other": []})
    assert read(tmp_path / "rs", "GTV (new)+").sum() == 12


def test_structures_of_points_and_lines_are_none_that_can_be_chosen(tmp_path: Path) -> None:
    """A contour of two points encloses nothing, and beside another it takes nothing away."""
    corner = square(0, (2.5, 6.5), (1.5, 4.5))
    rois: dict[str, list[list[float] | tuple[str, list[float]]]] = {
        "GTV": [corner, corner[:6]],
        "isocentre": [("POINT", corner[:3])],
        "line": [corner[:6]],
    }
    write_rtstruct(tmp_path / "rs", rois)
    assert read(tmp_path / "rs").sum() == 12
    for name in ("isocentre", "line"):
        with pytest.raises(RoiNotFoundError, match=f"the RTSTRUCT has 1 closed ROI, none named '{name}'"):
            open_structure(tmp_path / "rs", name)


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of values that are none of the type CS
@pytest.mark.parametrize(
    "kind", ["OPEN_PLANAR", "POINT", "OPEN_NONPLANAR", "CLOSED_NONPLANAR", "INTERPOLATED_PLANAR", "DOE^JANE"]
)
def test_contours_that_are_not_closed_are_refused_among_closed_ones(tmp_path: Path, kind: str) -> None:
    """They stand for slices of the tumour; the type of one may be anything, so only the known ones are shown."""
    contours: list[list[float] | tuple[str, list[float]]] = [square(1, (2.5, 6.5), (1.5, 4.5))]
    contours.append((kind, square(2, (2.5, 6.5), (1.5, 4.5))))
    write_rtstruct(tmp_path / "rs", {"GTV": contours})
    shown = kind if "PLANAR" in kind or kind == "POINT" else "of an unknown type"
    with pytest.raises(ContourError) as raised:
        read(tmp_path / "rs")
    assert str(raised.value) == (
        f"ROI number 1: of 2 contours 1 are not closed in a plane (1 {shown}), at z 105.00 mm; draw them closed, or "
        "take them out of the ROI"
    )


def edit_contours(**elements: object) -> Callable[[Dataset], None]:
    """Change elements of the last contour of the first ROI; None takes one out."""

    def change(dataset: Dataset) -> None:
        contour = dataset.ROIContourSequence[0].ContourSequence[-1]
        for keyword, value in elements.items():
            if value is None:
                delattr(contour, keyword)
            else:
                setattr(contour, keyword, value)

    return change


@pytest.mark.parametrize(
    "elements",
    [
        {"NumberOfContourPoints": 0, "ContourData": None},
        {"NumberOfContourPoints": 0, "ContourData": ""},
        {"NumberOfContourPoints": None, "ContourData": None},
        {"NumberOfContourPoints": None, "ContourData": None, "ContourGeometricType": "POINT"},
        {"NumberOfContourPoints": None, "ContourData": None, "ContourGeometricType": None},
    ],
    ids=str,
)
def test_a_contour_without_points_is_none(tmp_path: Path, elements: dict[str, object]) -> None:
    contours = [square(z, (2.5, 6.5), (1.5, 4.5)) for z in (1, 2)]
    write_rtstruct(tmp_path / "rs", {"GTV": contours}, change=edit_contours(**elements))
    np.testing.assert_array_equal(read(tmp_path / "rs"), box(slice(1, 2), slice(2, 5), slice(3, 7)))


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"NumberOfContourPoints": 5}, "a contour has 4 points, NumberOfContourPoints says 5; export it again"),
        ({"ContourData": None}, "a contour has 0 points, NumberOfContourPoints says 4; export it again"),
        ({"ContourData": ["1"] * 11}, "a contour has 11 coordinates, must be three for every point; export it again"),
    ],
    ids=["another number of points", "no points where four are stated", "eleven coordinates"],
)
def test_a_contour_that_contradicts_itself_is_refused(
    tmp_path: Path, elements: dict[str, object], message: str
) -> None:
    contours = [square(z, (2.5, 6.5), (1.5, 4.5)) for z in (1, 2)]
    write_rtstruct(tmp_path / "rs", {"GTV": contours}, change=edit_contours(**elements))
    with pytest.raises(ImageReadError) as raised:
        read(tmp_path / "rs")
    assert str(raised.value) == f"ROI number 1: {message}"


@pytest.mark.parametrize(("distance", "orientation"), [(2.5, AXIAL), (5.0, AXIAL), (None, AXIAL), (2.5, None)])
def test_planes_that_are_named_make_a_gap_definite(
    tmp_path: Path, distance: float | None, orientation: tuple[float, ...] | None
) -> None:
    """Contours on every second slice: three lesions if every slice was drawn on, else contours are missing."""

    def change(dataset: Dataset) -> None:
        planes = Dataset()
        if distance:
            planes.SpacingBetweenSlices = distance
        if orientation:
            planes.ImageOrientationPatient = list(orientation)
        dataset.ROIContourSequence[0].SourcePixelPlanesCharacteristicsSequence = [planes]

    contours = [square(z, (2.5, 6.5), (1.5, 4.5)) for z in (1, 3, 5)]
    write_rtstruct(tmp_path / "rs", {"GTV": contours}, change=change)
    if distance == 2.5 and orientation:
        assert read(tmp_path / "rs").sum(axis=(1, 2)).tolist() == [0, 12, 0, 12, 0, 12]
    else:
        with pytest.raises(ContourError, match=r"missing on 2 slices between others \(z 105\.00 mm, z 110\.00 mm\)"):
            read(tmp_path / "rs")


def test_missing_contours_are_interpolated_if_they_may_be(tmp_path: Path) -> None:
    write_rtstruct(tmp_path / "rs", {"GTV": [square(z, (2.5, 6.5), (1.5, 4.5)) for z in (1, 3)]})
    folder = DicomFolder(tmp_path / "rs")
    for interpolate in (True, False):
        structure = open_dicom_mask(folder, folder.headers(), roi=None, interpolate=interpolate)
        assert isinstance(structure, RtStruct)
        assert structure.interpolate is interpolate
        if interpolate:
            mask = structure.read(GRID)
    assert (mask.interpolated_slices, mask.labels.sum()) == (1, 36)


@pytest.mark.parametrize("kind", ["", None])
def test_contours_that_do_not_say_their_type_are_not_called_none(tmp_path: Path, kind: str | None) -> None:
    """They may be closed or not; of two one says so."""

    def change(dataset: Dataset) -> None:
        contour = dataset.ROIContourSequence[0].ContourSequence[1]
        contour.ContourGeometricType = kind
        if kind is None:
            del contour.ContourGeometricType

    write_rtstruct(tmp_path / "rs", {"GTV": [square(z, (2.5, 6.5), (1.5, 4.5)) for z in (1, 2)]}, change=change)
    with pytest.raises(ContourError) as error:
        read(tmp_path / "rs", None)
    assert str(error.value) == (
        "ROI number 1: 1 of 2 contours, at z 105.00 mm, do not say whether they are closed (ContourGeometricType is "
        "missing or empty); export the RTSTRUCT again"
    )


def test_a_coordinate_that_is_no_number_is_shown(tmp_path: Path) -> None:
    """With a decimal comma, written in place of a number of the same length."""
    write_rtstruct(tmp_path / "rs", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]})
    content = (tmp_path / "rs").read_bytes()
    (tmp_path / "rs").write_bytes(content.replace(b"102.5000", b"102,5000"))
    with pytest.raises(ImageReadError, match=r"^ROI number 1: .* no numbers, such as '102,5000'; export it again$"):
        read(tmp_path / "rs")


def test_a_backslash_after_the_last_coordinate_is_no_coordinate(tmp_path: Path) -> None:
    data = "\\".join(f"{value:.3f}" for value in square(1, (2.5, 6.5), (1.5, 4.5))) + "\\"

    def change(dataset: Dataset) -> None:
        contour = dataset.ROIContourSequence[0].ContourSequence[0]
        contour.add(RawDataElement(Tag("ContourData"), "DS", len(data), data.encode(), 0, False, True))

    write_rtstruct(tmp_path / "rs", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]}, change=change)
    assert read(tmp_path / "rs").sum() == 12


def test_a_file_that_is_cut_off_is_never_taken_for_one_with_fewer_contours(tmp_path: Path) -> None:
    """pydicom gives the contours that it got; wherever the file ends, it is refused, within them in these words."""
    path = tmp_path / "rs"
    write_rtstruct(path, {name: [square(z, (2.5, 6.5), (1.5, 4.5)) for z in (1, 2)] for name in ("Heart", "GTV")})
    whole = path.read_bytes()
    begin = whole.index(b"\x06\x30\x39\x00SQ") + 12  # of what ROIContourSequence holds, to the end of the file
    for end in range(begin, len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(ImageReadError) as raised:
            read(path)
        assert str(raised.value) == (
            f"rs is damaged (it ends after {end - begin} of {len(whole) - begin} bytes of its ROIContourSequence); "
            "copy or export it again"
        )


def test_contours_of_no_roi_are_refused(tmp_path: Path) -> None:
    def change(dataset: Dataset) -> None:
        del dataset.ROIContourSequence[0].ReferencedROINumber

    write_rtstruct(tmp_path / "rs", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]}, change=change)
    with pytest.raises(ImageReadError, match=r"^rs has contours that do not say of which ROI they are"):
        read(tmp_path / "rs")


def name_images(*uids: str, at_contours: bool = False) -> Callable[[Dataset], None]:
    """Name images; an empty UID stands for an empty item."""

    def change(dataset: Dataset) -> None:
        items = []
        for uid in uids:
            items.append(Dataset())
            if uid:
                items[-1].ReferencedSOPInstanceUID = uid
        series = (
            dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
        )
        place = dataset.ROIContourSequence[0].ContourSequence[0] if at_contours else series
        place.ContourImageSequence = items

    return change


@pytest.mark.parametrize("at_contours", [False, True])
@pytest.mark.parametrize("uids", [("", "1.2.3"), ("1.2.3", ""), ("", "", "1.2.3", "")], ids=str)
def test_empty_items_among_the_images_are_passed_over(tmp_path: Path, uids: tuple[str, ...], at_contours: bool) -> None:
    """Exports of a planning system begin the list of images with one."""
    contours = [square(1, (2.5, 6.5), (1.5, 4.5))]
    write_rtstruct(tmp_path / "rs", {"GTV": contours}, change=name_images(*uids, at_contours=at_contours))
    structure = open_structure(tmp_path / "rs", "GTV")
    assert structure.sop_uids == {"1.2.3"}
    assert structure.read(GRID).labels.sum() == 12


def test_items_that_say_nothing_are_passed_over_wherever_they_stand(tmp_path: Path) -> None:
    def change(dataset: Dataset) -> None:
        frames = dataset.ReferencedFrameOfReferenceSequence
        studies = frames[0].RTReferencedStudySequence
        studies[0].RTReferencedSeriesSequence.insert(0, Dataset())
        for sequence in (frames, studies, dataset.StructureSetROISequence, dataset.ROIContourSequence):
            sequence.insert(0, Dataset())
        dataset.ROIContourSequence[1].ContourSequence.insert(0, Dataset())

    write_rtstruct(tmp_path / "rs", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))], "empty": []}, change=change)
    structure = open_structure(tmp_path / "rs", None)
    assert structure.series_uids == {series_uid("ct")}
    assert structure.read(GRID).labels.sum() == 12


def test_images_that_are_named_must_be_there(tmp_path: Path) -> None:
    """Of eight images, six are there: tumour may be on the others. Images of another series say nothing of this one."""
    uids = [f"1.2.{number}" for number in range(8)]
    contours = [square(1, (2.5, 6.5), (1.5, 4.5))]
    write_rtstruct(tmp_path / "rs", {"GTV": contours}, change=name_images(*uids))
    structure = open_structure(tmp_path / "rs", "GTV")
    for there, missing in ((uids, 0), ([*uids, "1.2.8"], 0), (uids[:6], 2), (["1.2.8"], 8)):
        assert structure.missing_images(series_uid("ct"), there) == (missing, 8)
    assert structure.missing_images("another", uids[:6]) == (0, 0)
    write_rtstruct(tmp_path / "rs", {"GTV": contours}, series="x", change=name_images(*uids, at_contours=True))
    assert open_structure(tmp_path / "rs", "GTV").missing_images("another", uids[:6]) == (2, 8)


def test_spaces_around_a_name_mean_nothing(tmp_path: Path) -> None:
    write_rtstruct(tmp_path / "rs", {" GTV ": [square(1, (2.5, 6.5), (1.5, 4.5))]})
    assert read(tmp_path / "rs").sum() == 12


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("first", ["InstanceCreationDate", "InstanceCreationTime", "SpecificCharacterSet", None])
def test_a_file_without_preamble_is_known_by_its_first_element(
    tmp_path: Path, first: str | None, implicit: bool
) -> None:
    """Its first element may be any of group 0008: SOPClassUID where no other stands before it."""
    write_rtstruct(tmp_path / "whole", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]})
    dataset = pydicom.dcmread(tmp_path / "whole")
    dataset.preamble = None
    del dataset.file_meta
    values = {
        "InstanceCreationDate": "20200102",
        "InstanceCreationTime": "120000",
        "SpecificCharacterSet": "ISO_IR 100",
    }
    if first:
        setattr(dataset, first, values[first])
    dataset.save_as(tmp_path / "rs", implicit_vr=implicit, little_endian=True)
    assert (tmp_path / "rs").read_bytes().startswith(b"\x08\x00")
    assert is_dicom_path(tmp_path / "rs")
    assert read(tmp_path / "rs").sum() == 12


def test_an_unknown_roi_lists_those_that_there_are(tmp_path: Path) -> None:
    area = [square(0, (0.5, 4.5), (0.5, 3.5))]
    write_rtstruct(tmp_path / "rs", {"GTV-1": area, "Heart": area})
    with pytest.raises(RoiNotFoundError, match="has 2 closed ROIs, none named 'tumour'; look"):
        open_structure(tmp_path / "rs", "tumour")
    with pytest.raises(RoiNotFoundError):  # the expression must match the whole name
        open_structure(tmp_path / "rs", "GTV")


def test_without_a_name_the_rtstruct_must_have_one_area(tmp_path: Path) -> None:
    area = [square(0, (0.5, 4.5), (0.5, 3.5))]
    write_rtstruct(tmp_path / "one", {"GTV": area, "point": [("POINT", area[0][:3])]})
    assert read(tmp_path / "one", None).sum() == 12
    write_rtstruct(tmp_path / "two", {"GTV": area, "Heart": area})
    with pytest.raises(RoiNotFoundError, match=r"2 closed ROIs and column 'roi' is empty; name there what"):
        open_structure(tmp_path / "two", None)


def test_of_several_rtstructs_the_one_with_the_roi_is_taken(tmp_path: Path) -> None:
    area = [square(0, (0.5, 4.5), (0.5, 3.5))]
    write_rtstruct(tmp_path / "all" / "a", {"Heart": area})
    write_rtstruct(tmp_path / "all" / "b", {"GTV": area})
    assert open_structure(tmp_path / "all", "GTV").member == "b"
    with pytest.raises(ImageReadError, match=r"2 files \(RTSTRUCT\) have such an ROI"):
        open_structure(tmp_path / "all", "GTV|Heart")


@pytest.mark.parametrize(("roi", "name"), [("gtv", "GTV"), ("GTV", "Gtv"), ("gtv.*", "GTV-1"), ("TUMOU?R", "Tumor")])
def test_capitals_do_not_count_where_one_roi_is_meant(tmp_path: Path, roi: str, name: str) -> None:
    """Also in a folder with other files, and with copies of its own."""
    area = [square(0, (0.5, 4.5), (0.5, 3.5))]
    write_rtstruct(tmp_path / "all" / "a", {"Heart": area})
    write_rtstruct(tmp_path / "all" / "b", {name: area, "Heart": area})
    shutil.copy(tmp_path / "all" / "b", tmp_path / "all" / "copy")
    structure = open_structure(tmp_path / "all", roi)
    assert (structure.member, structure.names) == ("b", (name,))


def test_capitals_count_where_several_rois_could_be_meant(tmp_path: Path) -> None:
    """In one file or in two; and a name that is spelt as asked for goes before all others."""
    area = [square(0, (0.5, 4.5), (0.5, 3.5))]
    write_rtstruct(tmp_path / "one" / "a", {"GTV": area, "Gtv": area})
    write_rtstruct(tmp_path / "two" / "a", {"GTV": area})
    write_rtstruct(tmp_path / "two" / "b", {"Gtv": area, "Heart": area})
    for folder in ("one", "two"):
        with pytest.raises(RoiNotFoundError, match=r"2 named 'gtv' if capitals do not count; write '\(\?i\)gtv'"):
            open_structure(tmp_path / folder, "gtv")
    assert open_structure(tmp_path / "one", "GTV").names == ("GTV",)
    assert open_structure(tmp_path / "two", "Gtv").member == "b"
    with pytest.raises(RoiNotFoundError):
        open_structure(tmp_path / "two", "(?-i:heart)")  # whoever says that they count


def test_copies_of_one_rtstruct_are_one(tmp_path: Path) -> None:
    """Byte for byte or in another encoding; one whose contours differ is another, though its UID is the same."""
    write_rtstruct(tmp_path / "all" / "a", {"GTV": [square(0, (0.5, 4.5), (0.5, 3.5))]})
    (tmp_path / "all" / "sub").mkdir()
    shutil.copy(tmp_path / "all" / "a", tmp_path / "all" / "sub" / "copy")
    dataset = pydicom.dcmread(tmp_path / "all" / "a")
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(tmp_path / "all" / "b", enforce_file_format=True)
    structure = open_structure(tmp_path / "all", "GTV")
    assert structure.member == "a"
    assert structure.read(GRID).labels.sum() == 12
    dataset.ROIContourSequence[0].ContourSequence[0].ContourData[0] += 0.1
    dataset.save_as(tmp_path / "all" / "b")
    with pytest.raises(ImageReadError, match=r"2 files \(RTSTRUCT\) have such an ROI"):
        open_structure(tmp_path / "all", "GTV")


def test_what_it_was_drawn_on_is_known(tmp_path: Path) -> None:
    write_rtstruct(tmp_path / "rs", {"GTV": [square(0, (0.5, 4.5), (0.5, 3.5))]}, series="scan")
    assert open_structure(tmp_path / "rs", "GTV").series_uids == {series_uid("scan")}


def test_contours_must_lie_on_slices(tmp_path: Path) -> None:
    """Slices are 2.5 mm apart: 0.25 mm off is rounding, 1.25 mm is another CT."""
    write_rtstruct(tmp_path / "near", {"GTV": [square(2.1, (2.5, 6.5), (1.5, 4.5))]})
    np.testing.assert_array_equal(read(tmp_path / "near"), box(slice(2, 3), slice(2, 5), slice(3, 7)))
    write_rtstruct(tmp_path / "between", {"GTV": [square(2.5, (2.5, 6.5), (1.5, 4.5))]})
    with pytest.raises(GeometryMismatchError, match=r"ROI number 1: a contour at z 106\.25 .* 2\.5 mm apart"):
        read(tmp_path / "between")
    slanted = square(2, (2.5, 6.5), (1.5, 4.5))
    slanted[2] += 2.5  # the first point lies one slice higher
    write_rtstruct(tmp_path / "slanted", {"GTV": [slanted]})
    with pytest.raises(ContourError, match=r"at z 105\.00 mm leaves its plane: 1 of its 4 points lie off it"):
        read(tmp_path / "slanted")
    tilted = [value + 2.0 * (n // 3) * (n % 3 == 2) for n, value in enumerate(square(1, (2.5, 6.5), (1.5, 4.5)))]
    write_rtstruct(tmp_path / "tilted", {"GTV": [tilted]})
    with pytest.raises(GeometryMismatchError, match=r"lies in no plane of the CT, from z 102\.50 to 108\.50 mm"):
        read(tmp_path / "tilted")
    write_rtstruct(tmp_path / "outside", {"GTV": [square(6, (2.5, 6.5), (1.5, 4.5))]})
    with pytest.raises(GeometryMismatchError, match=r"at z 115\.00 mm lies outside the CT"):
        read(tmp_path / "outside")


def test_a_slice_that_ends_empty_though_it_has_contours_is_refused(tmp_path: Path) -> None:
    """Between centres, beside a sound slice or alone; a line of two points that passes no centre too."""
    between = square(3, (2.2, 2.8), (2.2, 2.8))
    for contours in ([between], [square(2, (0.5, 4.5), (0.5, 4.5)), between], [between[:6], between[6:]]):
        write_rtstruct(tmp_path / "rs", {"GTV": [*contours, square(4, (0.5, 4.5), (0.5, 4.5))]})
        with pytest.raises(ContourError) as raised:
            read(tmp_path / "rs")
        assert str(raised.value).startswith("ROI number 1, slice at z 107.50 mm: ends empty though it has contours (")


def test_a_turned_grid(tmp_path: Path) -> None:
    """The grid is turned by 90 degrees about z: its x runs along the patient's y, its y against the patient's x."""
    turned = Geometry((10, 12, 6), (0.7, 0.8, 2.5), (ORIGIN[0] + 11 * 0.8, *ORIGIN[1:]), (0, -1, 0, 1, 0, 0, 0, 0, 1))
    write_rtstruct(tmp_path / "rs", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]})
    mask = open_structure(tmp_path / "rs", "GTV").read(turned).labels  # (z, y, x) = (6, 12, 10)
    expected = box(slice(1, 2), slice(2, 5), slice(3, 7)).transpose(0, 2, 1)[:, ::-1]
    np.testing.assert_array_equal(mask, expected)


def test_folders_without_an_rtstruct_say_what_they_have(tmp_path: Path) -> None:
    write_other(tmp_path / "dose", "RTDOSE", RTDoseStorage)
    with pytest.raises(ImageReadError, match=r"dose: holds no RTSTRUCT and no DICOM SEG \(it has RTDOSE\)"):
        open_structure(tmp_path / "dose", "GTV")
