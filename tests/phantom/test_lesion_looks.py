"""Lesions of 20 diagnoses: each looks as textbooks have it, and none can be told by its look alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from nnunet_amt.cohort.lesion_findings import Location
from nnunet_amt.phantom import Look, Phantom, PhantomRequest, TumourRequest, render_phantom
from nnunet_amt.phantom.lesion_looks import LESION_KINDS
from nnunet_amt.phantom.thorax import spine_y
from nnunet_amt.risk.fusion.class_map import read_class_map


@cache
def drawn(diagnosis: str, location: Location = "anterior", diameter: float = 60.0) -> Phantom:
    """Draw one lesion, the same patient for all."""
    lesion = TumourRequest(diagnosis, diameter, look=LESION_KINDS[diagnosis].look, location=location)
    return render_phantom(
        5, 3, PhantomRequest(tumours=(lesion,), in_plane_pixels=72, contrast="venous", beside_tumours=10.0)
    )


def inside(phantom: Phantom) -> np.ndarray:
    """Give the HU of a lesion away from its edge."""
    hu: np.ndarray = phantom.image[binary_erosion(phantom.mask > 0, iterations=2)]
    return hu


def test_the_diagnoses_are_those_of_the_paper() -> None:
    """20 of them, 7 benign: Table 2."""
    assert len(LESION_KINDS) == 20
    assert [name for name, kind in LESION_KINDS.items() if not kind.malignant] == [
        *("Cyst", "Granuloma", "Mature teratoma", "Schwannoma", "Fibroma", "Hemangioma", "Lipoma")
    ]


def test_benign_and_malignant_are_those_of_the_class_map() -> None:
    """Both name the same 20: a phantom that is malignant here and benign there could not be learnt."""
    of_map = {row.diagnosis: row.malignant for row in read_class_map().rows}
    assert {name: kind.malignant for name, kind in LESION_KINDS.items()} == of_map


@pytest.mark.parametrize("diagnosis", LESION_KINDS)
def test_shares_are_shares(diagnosis: str) -> None:
    kind = LESION_KINDS[diagnosis]
    assert sum(kind.where) == pytest.approx(1.0)
    assert diagnosis not in kind.like
    assert set(kind.like) <= set(LESION_KINDS)
    assert 0 < sum(kind.like.values()) < 0.5
    for low, high in (kind.look.hu, kind.look.uptake, kind.look.mottle, kind.look.necrosis, kind.look.fat):
        assert low <= high


@pytest.mark.parametrize("diagnosis", LESION_KINDS)
def test_no_kind_is_alone_in_its_look(diagnosis: str) -> None:
    """Some lesions of each kind look like another one: CT alone cannot tell them."""
    others = {name for name, kind in LESION_KINDS.items() if diagnosis in kind.like}
    assert LESION_KINDS[diagnosis].like or others


def test_benign_and_malignant_lesions_look_alike_in_part() -> None:
    for malignant in (False, True):
        crossing = {
            name
            for name, kind in LESION_KINDS.items()
            if kind.malignant == malignant and any(LESION_KINDS[other].malignant != malignant for other in kind.like)
        }
        assert len(crossing) >= 6


def test_a_cyst_is_water_in_a_wall_and_a_lipoma_is_fat() -> None:
    assert 0 < np.median(inside(drawn("Cyst"))) < 40
    assert inside(drawn("Cyst")).std() < 25
    assert np.median(inside(drawn("Lipoma"))) < -70


def test_a_teratoma_has_fat_and_calcium() -> None:
    """Tenth percentile below -40 HU; somewhere more than 200 HU. A thymoma has neither."""
    teratoma, thymoma = inside(drawn("Mature teratoma")), inside(drawn("Type A thymoma"))
    assert (np.percentile(teratoma, 10) < -40, teratoma.max() > 200) == (True, True)
    assert (np.percentile(thymoma, 10) < 30, thymoma.max() > 200) == (False, False)


def test_a_haemangioma_takes_up_more_contrast_medium_than_others() -> None:
    bright = np.median(inside(drawn("Hemangioma")))
    assert all(np.median(inside(drawn(name))) < bright - 15 for name in ("Type A thymoma", "Schwannoma", "Lymphoma"))


def test_a_lymphoma_is_large_and_homogeneous_a_carcinoma_is_not() -> None:
    assert LESION_KINDS["Lymphoma"].size[0] > 1.5 * LESION_KINDS["Cyst"].size[0]
    assert inside(drawn("Lymphoma")).std() < inside(drawn("TSCC")).std() - 3


def place(phantom: Phantom) -> tuple[float, float, float]:
    """Give the centre (x, y, z) of the mask in mm of the standard thorax."""
    middle = np.argwhere(phantom.mask).mean(axis=0)
    lps = np.array(phantom.origin) + middle[::-1] * phantom.spacing[::-1]
    x, y, z = (lps - phantom.carina) / phantom.patient.scale
    return float(x), float(y), float(z)


def test_a_posterior_lesion_lies_beside_the_spine_an_anterior_one_before_the_airways() -> None:
    """The carina is at y = 0, the spine's middle some 40 mm behind it, its half width 17 mm."""
    x, y, z = place(drawn("Schwannoma", "posterior", 40.0))
    assert abs(y - float(spine_y(np.array(z)))) < 20
    assert 17 < abs(x) < 60
    assert place(drawn("Schwannoma", "anterior", 40.0))[1] < -25


@pytest.mark.parametrize("index", range(4))
def test_a_middle_lesion_lies_between(index: int) -> None:
    lesion = TumourRequest("Cyst", 36.0, look=LESION_KINDS["Cyst"].look, location="middle")
    request = PhantomRequest(tumours=(lesion,), in_plane_pixels=48, contrast="venous", beside_tumours=10.0)
    x, y, z = place(render_phantom(1, index, request))
    assert -30 < y < 30
    assert abs(x) < 65
    assert -75 < z < 60


@pytest.mark.parametrize("location", ["middle", "posterior"])
def test_organs_give_way_so_that_most_of_a_lesion_is_seen(location: Location) -> None:
    """A ball of 40 mm has 33.5 ml; of one that is flattened and cut by what is hard a third at least is seen."""
    for index in range(4):
        lesion = TumourRequest("Cyst", 40.0, look=LESION_KINDS["Cyst"].look, location=location)
        request = PhantomRequest(tumours=(lesion,), in_plane_pixels=48, contrast="venous", beside_tumours=10.0)
        phantom = render_phantom(2, index, request)
        assert float(phantom.mask.sum()) * float(np.prod(phantom.spacing)) / 1000 > 11.0


def test_a_margin_that_fades_is_drawn_where_the_look_has_one() -> None:
    """Beside a clear margin lies fat or lung, beside one that fades what is nearer to the tumour's HU."""
    beside = []
    for unclear in (0.0, 1.0):
        look = Look((45.0, 45.0), (0.0, 0.0), ((2, 5), 0.1, 3.0), unclear=unclear)
        request = PhantomRequest(
            tumours=(TumourRequest("any", 60.0, look=look),),
            in_plane_pixels=72,
            contrast="venous",
            beside_tumours=10.0,
        )
        phantom = render_phantom(5, 3, request)
        mask = phantom.mask > 0
        beside.append(float(np.median(phantom.image[binary_dilation(mask, iterations=1) & ~mask])))
    assert beside[1] > beside[0] + 20
