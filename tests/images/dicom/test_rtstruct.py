"""Masks from RTSTRUCTs; the volume is 12 x 10 x 6 voxels (x, y, z)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import RTDoseStorage

from nnunet_amt.errors import GeometryMismatchError, ImageReadError, LabelValueError, RoiNotFoundError
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.mask import open_dicom_mask
from nnunet_amt.images.dicom.rtstruct import RtStruct, fill_contours, without_repeats
from nnunet_amt.images.geometry import Geometry
from tests.images.dicom.dicom_fixtures import ORIGIN, SPACING, series_uid, square, write_other, write_rtstruct

GRID = Geometry((12, 10, 6), SPACING, ORIGIN, (1, 0, 0, 0, 1, 0, 0, 0, 1))


def open_structure(path: Path, roi: str | None) -> RtStruct:
    folder = DicomFolder(path)
    structure = open_dicom_mask(folder, folder.headers(), roi=roi)
    assert isinstance(structure, RtStruct)
    return structure


def read(path: Path, roi: str | None = "GTV") -> NDArray[np.uint8]:
    return open_structure(path, roi).read(GRID)


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
    contour = square(3, (2.5, 6.5), (1.5, 4.5))
    write_rtstruct(tmp_path / "rs", {"GTV": [contour, contour]})
    assert read(tmp_path / "rs").sum() == 12


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
    assert structure.read(GRID).sum() == 18


def test_a_name_may_be_given_as_it_is_written(tmp_path: Path) -> None:
    write_rtstruct(tmp_path / "rs", {"GTV (new)+": [square(0, (0.5, 4.5), (0.5, 3.5))], "other": []})
    assert read(tmp_path / "rs", "GTV (new)+").sum() == 12


def test_points_open_lines_and_contours_of_two_points_enclose_nothing(tmp_path: Path) -> None:
    corner = square(0, (2.5, 6.5), (1.5, 4.5))
    write_rtstruct(
        tmp_path / "rs",
        {
            "GTV": [corner, ("POINT", corner[:3]), ("OPEN_PLANAR", square(1, (0, 9), (0, 9))), corner[:6]],
            "isocentre": [("POINT", corner[:3])],
            "line": [corner[:6]],
        },
    )
    assert read(tmp_path / "rs").sum() == 12
    for name in ("isocentre", "line"):
        with pytest.raises(RoiNotFoundError, match=f"the RTSTRUCT has 1 closed ROI, none named '{name}'"):
            open_structure(tmp_path / "rs", name)


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
    with pytest.raises(GeometryMismatchError, match="lies between the slices"):
        read(tmp_path / "slanted")
    write_rtstruct(tmp_path / "outside", {"GTV": [square(6, (2.5, 6.5), (1.5, 4.5))]})
    with pytest.raises(GeometryMismatchError, match=r"at z 115\.00 mm lies outside the CT"):
        read(tmp_path / "outside")


def test_a_contour_between_pixel_centres_gives_an_empty_mask(tmp_path: Path) -> None:
    write_rtstruct(tmp_path / "rs", {"GTV": [square(0, (2.2, 2.8), (2.2, 2.8))]})
    with pytest.raises(LabelValueError, match="ROI number 1: is empty"):
        read(tmp_path / "rs")


def test_a_turned_grid(tmp_path: Path) -> None:
    """The grid is turned by 90 degrees about z: its x runs along the patient's y, its y against the patient's x."""
    turned = Geometry((10, 12, 6), (0.7, 0.8, 2.5), (ORIGIN[0] + 11 * 0.8, *ORIGIN[1:]), (0, -1, 0, 1, 0, 0, 0, 0, 1))
    write_rtstruct(tmp_path / "rs", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]})
    mask = open_structure(tmp_path / "rs", "GTV").read(turned)  # (z, y, x) = (6, 12, 10)
    expected = box(slice(1, 2), slice(2, 5), slice(3, 7)).transpose(0, 2, 1)[:, ::-1]
    np.testing.assert_array_equal(mask, expected)


def test_folders_without_an_rtstruct_say_what_they_have(tmp_path: Path) -> None:
    write_other(tmp_path / "dose", "RTDOSE", RTDoseStorage)
    with pytest.raises(ImageReadError, match=r"dose: holds no RTSTRUCT and no DICOM SEG \(it has RTDOSE\)"):
        open_structure(tmp_path / "dose", "GTV")


def test_damaged_contours_are_refused(tmp_path: Path) -> None:
    def cut(dataset: Dataset) -> None:
        contour = dataset.ROIContourSequence[0].ContourSequence[0]
        contour.ContourData = contour.ContourData[:-1]

    write_rtstruct(tmp_path / "rs", {"GTV": [square(0, (0.5, 4.5), (0.5, 3.5))]}, change=cut)
    with pytest.raises(ImageReadError, match="rs is damaged"):
        read(tmp_path / "rs")


def polygon(*points: tuple[float, float]) -> NDArray[np.float64]:
    return np.array(points, dtype=float)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    return polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def filled(*contours: NDArray[np.float64], shape: tuple[int, int] = (6, 8)) -> set[tuple[int, int]]:
    """Give the (row, column) of the pixels inside."""
    return {(int(row), int(column)) for row, column in np.argwhere(fill_contours(contours, shape))}


def block(rows: range, columns: range) -> set[tuple[int, int]]:
    return {(row, column) for row in rows for column in columns}


def test_pixels_are_inside_if_their_centre_is() -> None:
    """From 0.6 to 3.4 there are the centres 1, 2, 3."""
    assert filled(rectangle(0.6, 1.4, 3.4, 4.6)) == block(range(2, 5), range(1, 4))


def test_a_triangle() -> None:
    """Below the line x + y = 4.5: row y holds the columns 0 to 4 - y."""
    expected = {(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2)}
    expected |= {(3, 0), (3, 1), (4, 0)}
    assert filled(polygon((-0.5, -0.5), (5.0, -0.5), (-0.5, 5.0))) == expected


def test_corners_on_centre_lines_are_crossed_once() -> None:
    """A diamond about (3, 2) with corners on centres; the left and upper border belongs to it."""
    diamond = polygon((3, 0), (5, 2), (3, 4), (1, 2))
    expected = block(range(1, 2), range(2, 4)) | block(range(2, 3), range(1, 5)) | block(range(3, 4), range(2, 4))
    assert filled(diamond) == expected


@pytest.mark.parametrize("middle", [2.0, 3.0, 3.5])
def test_neighbours_share_no_pixel_and_leave_none_out(middle: float) -> None:
    left, right = rectangle(0, 0, middle, 4), rectangle(middle, 0, 6, 4)
    assert filled(left).isdisjoint(filled(right))
    assert filled(left) | filled(right) == filled(rectangle(0, 0, 6, 4)) == block(range(4), range(6))


def test_a_contour_inside_another_is_a_hole_and_one_inside_that_an_island() -> None:
    outer, hole, island = rectangle(0.5, 0.5, 6.5, 5.5), rectangle(1.5, 1.5, 5.5, 4.5), rectangle(2.5, 2.5, 3.5, 3.5)
    ring = block(range(1, 6), range(1, 7)) - block(range(2, 5), range(2, 6))
    assert filled(outer, hole) == ring
    assert filled(island, outer, hole) == ring | {(3, 3)}


def test_a_keyhole_contour_is_a_ring() -> None:
    """One line round the outside, in along a cut, round the hole the other way, and out along the same cut."""
    keyhole = polygon(
        (0.5, 0.5), (6.5, 0.5), (6.5, 5.5), (0.5, 5.5), (0.5, 2.5),
        (1.5, 2.5), (1.5, 4.5), (5.5, 4.5), (5.5, 1.5), (1.5, 1.5), (1.5, 2.5), (0.5, 2.5),
    )  # fmt: skip
    assert filled(keyhole) == block(range(1, 6), range(1, 7)) - block(range(2, 5), range(2, 6))


def test_two_contours_apart_are_both_filled() -> None:
    assert filled(rectangle(-0.5, -0.5, 1.5, 1.5), rectangle(4.5, 3.5, 6.5, 5.5)) == (
        block(range(2), range(2)) | block(range(4, 6), range(5, 7))
    )


def test_what_lies_outside_the_slice_is_cut_off() -> None:
    assert filled(rectangle(-9, -9, 1.5, 0.5)) == block(range(1), range(2))
    assert filled(rectangle(6.5, 4.5, 99, 99)) == block(range(5, 6), range(7, 8))
    assert filled(rectangle(20, 20, 30, 30)) == set()
    assert filled(rectangle(-9, -9, 99, 99)) == block(range(6), range(8))


def test_sense_of_rotation_and_a_repeated_last_point_do_not_matter() -> None:
    shape = polygon((0.2, 0.3), (5.7, 1.1), (3.3, 4.9))
    assert filled(shape) == filled(shape[::-1]) == filled(np.vstack([shape, shape[:1]]))


def test_repeats_are_found_whatever_their_start_and_sense() -> None:
    shape = rectangle(0.5, 0.5, 3.5, 3.5)
    again = np.roll(shape, 2, axis=0)[::-1] + 1e-5
    assert len(without_repeats([shape, again, shape])) == 1
    assert len(without_repeats([shape, shape + 0.1])) == 2
