"""One phantom: the same seed gives the same scan, and everything lies where it should and has its HU."""

from __future__ import annotations

from itertools import pairwise

import cc3d
import numpy as np
import pytest

from nnunet_amt import paper
from nnunet_amt.errors import BadInputError
from nnunet_amt.phantom import (
    Phantom,
    PhantomRequest,
    TumourRequest,
    render_phantom,
)
from nnunet_amt.phantom.scanner import VENDORS, draw_scanner, scan
from nnunet_amt.phantom.shapes import Block, Canvas, Capsule, Ellipsoid, Shape, tube
from nnunet_amt.phantom.thorax import spine_y, sternum_y


def small(*tumours: TumourRequest, pixels: int = 48) -> PhantomRequest:
    return PhantomRequest(tumours=tumours, in_plane_pixels=pixels)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return render_phantom(0, 0, small(TumourRequest("thymoma", 60.0), pixels=128))


def grid(pixel: float, half: float = 15.0) -> Block:
    axis = np.arange(-half, half + pixel / 2, pixel, dtype=np.float32)
    return Block(axis[:, None, None], axis[None, :, None], axis[None, None, :], pixel)


# Shapes


def test_distances_to_a_capsule_and_a_ball_are_those_on_paper() -> None:
    origin = np.zeros((1, 1, 1), np.float32)
    block = Block(origin, origin, origin, pixel=1.0)
    # 5 mm beside the middle of a segment of radius 2; past its end it is the distance to the round cap
    assert Capsule((-10, 5, 0), (10, 5, 0), 2, 2).distance(block).item() == pytest.approx(3.0)
    assert Capsule((3, 4, 0), (10, 4, 0), 2, 2).distance(block).item() == pytest.approx(3.0)
    assert Ellipsoid((0, 0, 7), (4, 4, 4)).distance(block).item() == pytest.approx(3.0)
    assert Ellipsoid((0, 0, 0), (4, 4, 4)).distance(block).item() == pytest.approx(-4.0)


@pytest.mark.parametrize("pixel", [1.0, 3.0])
def test_partial_volume_keeps_the_volume_of_a_ball_on_fine_and_coarse_grids(pixel: float) -> None:
    block = grid(pixel)
    canvas = Canvas(block, np.zeros(block.shape, np.float32))
    canvas.paint_union([Ellipsoid((0.3, -0.2, 0.4), (9, 9, 9))], 1.0)
    assert float(canvas.hu.sum()) * pixel**3 == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.03)


def test_painting_over_a_lesion_hides_it() -> None:
    block = grid(1.0, half=5.0)
    canvas = Canvas(block, np.zeros(block.shape, np.float32), [np.ones(block.shape, np.float32)])
    ball: list[Shape] = [Ellipsoid((0, 0, 0), (3, 3, 3))]
    canvas.paint_union(ball, 200.0)
    assert canvas.lesions[0][5, 5, 5] == 0.0  # the middle of the ball
    assert canvas.lesions[0][0, 0, 0] == 1.0  # a corner far from it


def test_a_tube_is_one_chain_through_its_control_points() -> None:
    chain = tube([(0, 0, 0), (10, 0, 0), (10, 10, 0)], [1, 2, 3], parts=4)
    assert len(chain) == 8
    assert all(one.end == other.start and one.end_radius == other.start_radius for one, other in pairwise(chain))
    assert chain[3].end == pytest.approx((10, 0, 0))
    assert (chain[0].start_radius, chain[-1].end_radius) == (1, 3)


# One phantom


def test_the_same_seed_and_index_give_the_same_bytes_and_others_do_not() -> None:
    request = small(TumourRequest("thymoma", 50.0), pixels=32)
    first, again = render_phantom(1, 2, request), render_phantom(1, 2, request)
    assert first.image.tobytes() == again.image.tobytes()
    assert first.mask.tobytes() == again.mask.tobytes()
    for seed, index in ((1, 3), (2, 2)):
        other = render_phantom(seed, index, request)
        assert other.image.tobytes() != first.image.tobytes()
        assert other.mask.tobytes() != first.mask.tobytes()


def test_voxels_are_what_the_file_format_promises(phantom: Phantom) -> None:
    assert phantom.image.dtype == np.int16
    assert phantom.mask.dtype == np.uint8
    assert phantom.image.shape == phantom.mask.shape
    assert phantom.image.shape[1:] == (128, 128)
    assert set(np.unique(phantom.mask)) == {0, 1}
    assert phantom.image.min() >= -1024
    assert 240 <= phantom.image.shape[0] * phantom.spacing[0] <= 290  # mm from the apices to the upper abdomen


def around(phantom: Phantom, point: tuple[float, float, float], reach: int = 1) -> float:
    """Median HU of the (2 reach + 1)^2 pixels about a point of the standard thorax."""
    z, y, x = phantom.index_of(point)
    return float(np.median(phantom.image[z, y - reach : y + reach + 1, x - reach : x + reach + 1]))


def test_air_lung_trachea_spine_liver_and_vessels_have_their_hu(phantom: Phantom) -> None:
    contrast = phantom.patient.contrast
    assert phantom.image[:, :6, :6].mean() < -980  # a corner, in front of the patient
    assert -920 < around(phantom, (-85.0, 25.0, -10.0), reach=5) < -780
    assert -920 < around(phantom, (85.0, 25.0, -10.0), reach=5) < -780
    assert around(phantom, (-1.0, -3.0, 25.0)) < -900  # the trachea is air, 17 mm wide
    assert around(phantom, (0.0, float(spine_y(np.array(0.0))), 0.0)) > 90
    assert around(phantom, (-75.0, 0.0, -140.0), reach=3) == pytest.approx(contrast.liver, abs=15)
    assert around(phantom, (24.5, 31.0, -30.0)) == pytest.approx(contrast.arteries, abs=25)  # descending aorta


def test_blood_is_brighter_with_contrast_medium_than_without() -> None:
    strengths, blood = [], []
    for index in range(8):
        case = render_phantom(0, index, small(pixels=96))
        strengths.append(case.patient.contrast.strength)
        blood.append(around(case, (24.5, 31.0, -30.0)))
    native = [hu for hu, strength in zip(blood, strengths, strict=True) if strength == 0]
    enhanced = [hu for hu, strength in zip(blood, strengths, strict=True) if strength > 0]
    assert native and enhanced, "eight patients should hold both"
    assert max(native) < 75 < min(enhanced)


@pytest.mark.parametrize("histology", ["thymoma", "thymic carcinoma", "lymphoma", "thymic cyst", "teratoma"])
def test_a_tumour_lies_behind_the_sternum_in_front_of_the_spine_between_the_sides(histology: str) -> None:
    case = render_phantom(0, 4, small(TumourRequest(histology, 70.0), pixels=64))
    z, y, x = np.nonzero(case.mask)
    middle = (float(z.mean()), float(y.mean()), float(x.mean()))
    lps = np.array(case.origin) + np.array(middle[::-1]) * case.spacing[::-1]
    across, deep, high = (lps - case.carina) / case.patient.scale
    assert sternum_y(np.array(high)) < deep < 0  # y runs to the back, the carina is at 0
    assert abs(across) < 60
    front_of_spine = case.index_of((0.0, float(spine_y(np.array(high))) - 14.0, float(high)))[1]
    assert y.max() < front_of_spine


@pytest.mark.parametrize(
    ("histology", "centre", "voxels", "mean_hu"),
    [
        ("thymoma", (-14.592, -42.389, 10.156), 370, 12.59),
        ("thymic cyst", (-11.719, -42.444, -5.097), 397, -22.97),
        ("teratoma", (-28.8, -44.946, -21.897), 423, -86.78),
        ("lymphoma", (25.978, -48.914, -20.887), 340, -10.28),
    ],
)
def test_phantoms_stay_as_they_are(
    histology: str, centre: tuple[float, float, float], voxels: int, mean_hu: float
) -> None:
    """What is drawn anew must not change the numbers drawn for those of before: cohorts on disk are kept by name."""
    case = render_phantom(0, 4, small(TumourRequest(histology, 70.0)))
    assert case.tumours[0].centre == pytest.approx(centre, abs=1e-3)
    assert case.mask.sum() == pytest.approx(voxels, abs=2)
    assert case.image[case.mask > 0].mean() == pytest.approx(mean_hu, abs=1.0)


def test_blood_inside_a_lymphoma_is_not_in_its_mask() -> None:
    """A lymphoma grows around vessels: what the scan shows there is blood, so the mask must leave it out."""
    found = 0
    for index in range(6):
        case = render_phantom(0, index, small(TumourRequest("lymphoma", 110.0), pixels=96))
        if case.patient.contrast.arteries > 150:
            found += 1
            tumour = case.image[case.mask > 0]
            assert np.percentile(tumour, 95) < case.patient.contrast.arteries - 40
    assert found, "no patient with contrast medium among six"


@pytest.mark.parametrize(
    "diameters", [(), (20.0,), (45.0,), (85.0,), (105.0,), (60.0, 25.0)], ids=lambda d: f"{len(d)} lesions {d}"
)
def test_components_and_largest_diameter_are_those_asked_for(diameters: tuple[float, ...]) -> None:
    request = small(*(TumourRequest("thymic carcinoma", diameter) for diameter in diameters), pixels=160)
    case = render_phantom(0, 6, request)
    labels, count = cc3d.connected_components(case.mask, connectivity=26, return_N=True)
    assert count == len(diameters)
    found = sorted((largest_axial_diameter(labels == n + 1, case.spacing[1]) for n in range(count)), reverse=True)
    assert found == pytest.approx(sorted(diameters, reverse=True), rel=0.15)


def largest_axial_diameter(mask: np.ndarray, pixel: float) -> float:
    """Largest distance between pixel centres of a slice, plus one pixel for the half pixel at either end."""
    largest = 0.0
    for plane in mask:
        points = np.argwhere(plane) * pixel
        if len(points):
            edge = points[:: max(1, len(points) // 600)]
            largest = max(largest, float(np.sqrt(((edge[:, None] - points[None]) ** 2).sum(axis=2)).max()) + pixel)
    return largest


def test_a_finer_grid_shows_the_same_tumour() -> None:
    volumes = []
    for pixels in (64, 128):
        case = render_phantom(0, 5, small(TumourRequest("thymoma", 70.0), pixels=pixels))
        volumes.append(float(case.mask.sum()) * float(np.prod(case.spacing)))
    assert volumes[0] == pytest.approx(volumes[1], rel=0.08)


def test_a_request_that_cannot_be_drawn_is_refused_in_one_line() -> None:
    with pytest.raises(BadInputError, match="manufacturer 'Acme' must be one of Canon"):
        PhantomRequest(manufacturer="Acme")
    with pytest.raises(BadInputError, match="tumour diameter in mm is 400; it must be from 5 to 120"):
        small(TumourRequest("thymoma", 400.0))


# The scanner


@pytest.mark.parametrize("manufacturer", VENDORS)
def test_noise_of_a_uniform_slice_is_that_of_the_protocol(manufacturer: str) -> None:
    scanner = draw_scanner(np.random.default_rng(0), manufacturer, 5.0, 350.0)
    water = np.zeros((3, 256, 256), np.float32)
    image = scan(water, np.zeros(3), scanner, 0.7, np.random.default_rng(1))
    centre = image[:, 96:160, 96:160]  # noise is strongest, 1.3 times, at the centre
    assert centre.std() == pytest.approx(1.25 * scanner.noise, rel=0.15)
    assert centre.mean() == pytest.approx(scanner.bias, abs=2.0)


def test_vendors_are_those_of_the_paper() -> None:
    assert set(VENDORS) == set(paper.MANUFACTURERS)
