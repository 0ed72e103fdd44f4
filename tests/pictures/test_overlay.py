"""The PNG of an overlay, read back as pixels; outlines and dashes, in numbers that can be drawn on squared paper."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from nnunet_amt.pictures import PLANES, CaseCrop, case_panel, dashes, outlines, overlay_png, windowed

SHAPE, SPACING = (20, 40, 40), (5.0, 2.0, 2.0)  # 100 mm x 80 mm x 80 mm


def crop_of(reference: bool = True, prediction: bool = True, image: bool = True) -> CaseCrop:
    """Soft tissue of 40 HU; the reference in the middle, the prediction 12 mm to the patient's left of it."""
    masks = np.zeros((2, *SHAPE), bool)
    masks[0, 2:18, 14:26, 14:26] = reference
    masks[1, 2:18, 14:26, 20:32] = prediction
    return CaseCrop("a", np.full(SHAPE, 40, np.int16) if image else None, masks[0], masks[1], SPACING)


def pixels(png: bytes) -> np.ndarray:
    """(rows, columns, RGB)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def blueish(picture: np.ndarray) -> np.ndarray:
    return picture[..., 2] - picture[..., 0] > 25


def orange(picture: np.ndarray) -> np.ndarray:
    return picture[..., 0] - picture[..., 2] > 100


def test_the_window_maps_its_ends_and_middle() -> None:
    """Level 40, width 400: -160 HU are black, 240 HU are white, 40 HU in between; beyond it nothing changes."""
    assert windowed(np.array([-1000, -160, 40, 240, 3000])).tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize(("plane", "size"), [("axial", (320, 320)), ("coronal", (320, 256)), ("sagittal", (320, 256))])
def test_the_longer_edge_has_the_size_and_the_other_its_share(plane: str, size: tuple[int, int]) -> None:
    """80 mm by 80 mm in the axial plane, 100 mm high and 80 mm wide in the others."""
    assert pixels(overlay_png(crop_of(), plane)).shape[:2] == size  # type: ignore[arg-type]


def test_the_prediction_is_a_blue_area_and_the_reference_an_orange_line() -> None:
    """4 pixels a mm: in the axial plane the prediction covers columns 160 to 256, rows 112 to 208."""
    picture = pixels(overlay_png(crop_of(), "axial"))
    area = blueish(picture)
    assert area[125:195, 175:240].mean() > 0.9
    assert not area[125:195, 20:100].any()
    rows, columns = np.nonzero(orange(picture))
    assert (rows.min(), rows.max()) == pytest.approx((112, 208), abs=3)
    assert (columns.min(), columns.max()) == pytest.approx((112, 208), abs=3)


def test_the_reference_is_dashed_and_the_prediction_solid() -> None:
    """Who sees no colour tells them apart by that: along the left edge of the reference there are gaps."""
    edge = orange(pixels(overlay_png(crop_of(prediction=False), "axial")))[120:200, 110:115].any(axis=1)
    assert 0.3 < edge.mean() < 0.9
    assert (np.diff(edge.astype(int)) == 1).sum() >= 4, "several dashes"
    solid = blueish(pixels(overlay_png(crop_of(reference=False), "axial")))[120:200, 158:163].any(axis=1)
    assert solid.all()


def test_without_masks_there_is_no_colour() -> None:
    picture = pixels(overlay_png(crop_of(reference=False, prediction=False), "coronal"))
    assert (picture.max(axis=2) == picture.min(axis=2)).all()


def test_without_a_ct_the_masks_are_on_black() -> None:
    picture = pixels(overlay_png(crop_of(image=False), "axial"))
    assert picture[60:100, 20:80].max() == 0
    assert orange(picture).any()


def test_a_panel_holds_the_three_planes_at_one_scale() -> None:
    """3.2 pixels a mm: 256 columns each and 6 between, 320 rows; the tumour is 24 mm wide in every one."""
    panel = pixels(case_panel(crop_of(prediction=False)))
    assert panel.shape[:2] == (320, 3 * 256 + 2 * 6)
    for number in range(len(PLANES)):
        columns = np.nonzero(orange(panel[:, number * 262 : number * 262 + 256]))[1]
        assert np.ptp(columns) == pytest.approx(24 * 3.2, abs=5)


def test_pictures_are_small_files_and_the_same_every_time() -> None:
    """Noise of 20 HU is the hardest to pack."""
    noisy = crop_of()
    image = np.random.default_rng(1).normal(40, 20, SHAPE).astype(np.int16)
    noisy = CaseCrop("a", image, noisy.reference, noisy.prediction, SPACING)
    first = overlay_png(noisy, "axial")
    assert len(first) < 40_000
    assert overlay_png(noisy, "axial") == first


def test_an_outline_runs_half_way_between_inside_and_outside() -> None:
    """Two pixels side by side in row 2, columns 3 and 4: their centres are at (3.5, 2.5) and (4.5, 2.5)."""
    mask = np.zeros((6, 8), bool)
    mask[2, 3:5] = True
    (line,) = outlines(mask)
    assert line[0].tolist() == line[-1].tolist(), "it is closed"
    assert {tuple(point) for point in line.tolist()} == {
        *((3.5, 2.0), (4.5, 2.0), (3.5, 3.0), (4.5, 3.0)),
        *((3.0, 2.5), (5.0, 2.5)),
    }


def test_a_mask_at_the_edge_is_closed_too() -> None:
    (line,) = outlines(np.ones((1, 1), bool))
    assert {tuple(point) for point in line.tolist()} == {(0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5)}


def test_holes_and_second_lesions_have_lines_of_their_own() -> None:
    mask = np.zeros((9, 9), bool)
    mask[1:6, 1:6] = True
    mask[3, 3] = False
    mask[8, 8] = True
    assert len(outlines(mask)) == 3
    assert outlines(np.zeros((3, 3), bool)) == []


def test_dashes_divide_a_line_evenly() -> None:
    """A straight line of 12: three periods of 3 + 1."""
    parts = dashes(np.array([[0.0, 0.0], [12.0, 0.0]]), dash=3.0, gap=1.0)
    assert [part[:, 0].tolist() for part in parts] == [[0.0, 3.0], [4.0, 7.0], [8.0, 11.0]]


def test_dashes_go_round_corners() -> None:
    """Around a square of side 2: length 8, two periods of 4, each 3 long and round one corner."""
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]], dtype=float)
    first, second = dashes(square, dash=3.0, gap=1.0)
    assert first.tolist() == [[0, 0], [2, 0], [2, 1]]
    assert second.tolist() == [[2, 2], [0, 2], [0, 1]]


def test_dashes_are_stretched_to_fit() -> None:
    """11 is nearest to three periods of 4: each is 11/3 long, and 3/4 of it is dash."""
    parts = dashes(np.array([[0.0, 0.0], [11.0, 0.0]]), dash=3.0, gap=1.0)
    assert len(parts) == 3
    assert parts[0][-1, 0] == pytest.approx(11 / 4)


def test_a_point_has_no_dashes() -> None:
    assert dashes(np.array([[1.0, 1.0], [1.0, 1.0]]), dash=3.0, gap=1.0) == []
