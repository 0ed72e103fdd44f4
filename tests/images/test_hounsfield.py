"""What can be the HU of a chest, and what lost its intercept, its window or its unit on the way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.hounsfield import hounsfield_doubt
from nnunet_amt.images.image_file import FLOOR_HU, to_hounsfield

# Mean and standard deviation in HU, and the share of voxels: of a whole chest, and of a crop of the mediastinum.
AIR, LUNG, FAT, TISSUE, VESSEL, BONE = (-1000, 20), (-850, 60), (-100, 20), (45, 25), (330, 40), (400, 250)
CHEST = {AIR: 0.4, LUNG: 0.25, FAT: 0.1, TISSUE: 0.2, VESSEL: 0.02, BONE: 0.03}
MEDIASTINUM = {FAT: 0.1, TISSUE: 0.75, VESSEL: 0.15}
TUMOUR = {FAT: 0.01, TISSUE: 0.99}
SPINE = {FAT: 0.05, TISSUE: 0.45, BONE: 0.5}
LUNG_CROP = {LUNG: 0.96, TISSUE: 0.04}


def made_of(parts: dict[tuple[int, int], float], size: int = 40_000) -> NDArray[np.int16]:
    """Give voxels in HU, not below -1024, as scanners store them."""
    random = np.random.default_rng(711)
    voxels = [random.normal(mean, sd, round(share * size)) for (mean, sd), share in parts.items()]
    return np.concatenate(voxels).clip(-1024, 3071).round().astype(np.int16)


def padded(voxels: NDArray, padding: int) -> NDArray:
    """Put a padding around a field of view that is a disc in its square: 21% of the square lie outside of it."""
    return np.concatenate([voxels, np.full(round(len(voxels) * 0.27), padding, voxels.dtype)])


@pytest.mark.parametrize("parts", [CHEST, MEDIASTINUM, TUMOUR, SPINE, LUNG_CROP])
def test_chests_and_crops_of_them_are_hu(parts: dict[tuple[int, int], float]) -> None:
    voxels = made_of(parts)
    assert hounsfield_doubt(voxels) is None
    np.testing.assert_array_equal(to_hounsfield(voxels), voxels)


@pytest.mark.parametrize("padding", [-1000, -1024, -2000, -2048, -3024, 0])
def test_whatever_lies_outside_the_field_of_view_decides_nothing(padding: int) -> None:
    assert hounsfield_doubt(padded(made_of(CHEST), padding)) is None
    lost = made_of(CHEST) + np.int16(1024)
    assert "1024 had been added" in str(hounsfield_doubt(padded(lost, padding)))


@pytest.mark.parametrize("metal", [3071, 14_000, 30_710])
def test_metal_and_contrast_medium_are_no_offset(metal: int) -> None:
    """A pacemaker, sternal wires and their streaks are less than one voxel in a hundred."""
    voxels = made_of(CHEST)
    voxels[:: len(voxels) // 200] = metal
    assert hounsfield_doubt(voxels) is None


LOST = {
    "intercept": lambda hu: hu + 1024,
    "intercept of 1000": lambda hu: hu + 1000,
    "signed read as unsigned": lambda hu: hu.astype(np.int32) + 32768,
    "upside down": lambda hu: 3071 - hu,
    "12 bits over the range": lambda hu: (hu.astype(float) + 1024) / 4095 * 4095,
    "mediastinal window": lambda hu: hu.clip(-160, 240),
    "lung window": lambda hu: hu.clip(-1350, 150),
    "wide window": lambda hu: hu.clip(-1000, 400),
    "window as 0 to 1000": lambda hu: (hu.clip(-160, 240) + 160) * 2.5,
    "intercept twice": lambda hu: hu - 1024,
    "intercept twice, then the floor": lambda hu: (hu - 1024).clip(-1024),
    "times 10": lambda hu: hu.astype(np.int32) * 10,
    "times 2": lambda hu: hu * 2,
    "half": lambda hu: np.rint(hu / 2),
    "half, padded": lambda hu: np.concatenate([np.rint(hu / 2), np.full(len(hu) // 4, -1024)]),
    "200 more": lambda hu: hu + 200,
    "500 more": lambda hu: hu + 500,
    "500 less": lambda hu: hu - 500,
    "16 bits wrapped": lambda hu: hu.astype(np.int32) - 32768,
}


@pytest.mark.parametrize("change", LOST.values(), ids=LOST.keys())
def test_a_chest_that_is_not_in_hu_is_refused(change: Callable[[NDArray], NDArray]) -> None:
    voxels = np.rint(change(made_of(CHEST))).astype(np.int32)
    with pytest.raises(ImageReadError, match=r"of the voxels .*; export the CT again in HU, or insist .*--keep-inten"):
        to_hounsfield(voxels)
    assert to_hounsfield(voxels, keep_intensities=True).max() == max(FLOOR_HU, voxels.max())


@pytest.mark.parametrize("padding", [3071, 31_743, 62_512])
def test_padding_that_became_the_highest_value_is_refused(padding: int) -> None:
    """As of unsigned pixels whose padding was not taken for such; in -1000 to -3024 it would be the floor."""
    doubt = hounsfield_doubt(padded(made_of(CHEST).astype(np.int32), padding))
    assert f"21.3% of the voxels have the highest value, {padding}, in a CT at most 1% (metal)" in str(doubt)


def test_a_flat_part_is_no_window() -> None:
    """A phantom or a masked tumour may be all of one value, with none next to it."""
    voxels = made_of({AIR: 0.5, FAT: 0.2})
    assert hounsfield_doubt(np.concatenate([voxels, np.full(12_000, 40, np.int16)])) is None


def test_air_that_is_cut_off_is_seen_where_there_is_no_fat() -> None:
    """Nothing lies between the lungs, at the lower end now, and the soft tissue."""
    voxels = made_of({AIR: 0.5, LUNG: 0.2, TISSUE: 0.3})
    assert hounsfield_doubt(voxels) is None
    assert "have the lowest value, -160" in str(hounsfield_doubt(voxels.clip(-160, 240)))


def test_a_few_equal_voxels_are_no_window() -> None:
    """Of 396 voxels two may be the highest."""
    voxels = np.random.default_rng(1).integers(-300, 300, 396)
    voxels[:2] = 300
    assert hounsfield_doubt(voxels) is None


@pytest.mark.parametrize("parts", [MEDIASTINUM, TUMOUR, SPINE])
@pytest.mark.parametrize("added", [1000, 1024])
def test_an_offset_is_seen_in_crops_without_air(parts: dict[tuple[int, int], float], added: int) -> None:
    assert "had been added" in str(hounsfield_doubt(made_of(parts) + np.int16(added)))


def test_an_offset_is_seen_in_a_crop_of_the_lung() -> None:
    """Too little in it is dense, but nothing is as light as air."""
    assert "a chest holds air, or at least fat, below that" in str(
        hounsfield_doubt(made_of(LUNG_CROP) + np.int16(1024))
    )


# Taken of a whole chest, they are seen in its parts too where these hold air or lung, and some where they do not.
PARTS = [
    ("times 2", LUNG_CROP),
    ("half", LUNG_CROP),
    ("200 more", {LUNG: 0.3, FAT: 0.2, TISSUE: 0.5}),
    ("500 more", MEDIASTINUM),
    ("500 more", TUMOUR),
    ("times 10", MEDIASTINUM),
]


@pytest.mark.parametrize(("change", "parts"), PARTS)
def test_a_factor_or_an_offset_is_seen_in_crops(change: str, parts: dict[tuple[int, int], float]) -> None:
    assert hounsfield_doubt(np.rint(LOST[change](made_of(parts))).astype(np.int32))


HEART, DENSE_LUNG = (480, 40), (-600, 60)


@pytest.mark.parametrize(
    "parts",
    [
        {LUNG: 0.35, FAT: 0.05, TISSUE: 0.2, HEART: 0.4},
        {FAT: 0.05, TISSUE: 0.25, HEART: 0.7},
        {AIR: 0.3, DENSE_LUNG: 0.3, FAT: 0.1, TISSUE: 0.3},
        {DENSE_LUNG: 0.5, FAT: 0.1, TISSUE: 0.4},
    ],
    ids=["heart with contrast medium", "mediastinum with it", "breathed out", "breathed out, no air"],
)
def test_contrast_medium_and_dense_lungs_are_hu(parts: dict[tuple[int, int], float]) -> None:
    assert hounsfield_doubt(made_of(parts)) is None
    assert hounsfield_doubt(np.maximum(made_of(parts), -1000)) is None


def test_of_few_voxels_nobody_can_tell_where_tissues_are() -> None:
    assert hounsfield_doubt(made_of(LUNG_CROP, 4_000) * 2) is None


def test_each_doubt_says_what_was_counted() -> None:
    """Of 20,000 voxels half is air or lung, all of it lighter or denser than it can be; the lowest does not count."""

    def doubt(light: tuple[int, int], rest: int) -> str:
        values = np.concatenate([np.full(1, -3024), np.full(5_000, light[0]), np.full(5_000, light[1])])
        return str(hounsfield_doubt(np.concatenate([values, np.full(10_000, rest)])))

    assert doubt((-2000, -1700), 80) == (
        "50.0% of the voxels lie between the lowest value, -3024, and -1200, in a CT at most 2% (air is -1000): as if "
        "the HU had been multiplied, or too much taken off"
    )
    assert doubt((-500, -425), 20) == (
        "of the voxels below -200 (air and lung) 0.0% are below -650, in a chest at least 2%: as if the HU had been "
        "divided, or something added to them"
    )
    assert doubt((-800, -650), 240).startswith(
        "of the voxels below -200 (air and lung) 0.0% are below -880, and of the others most are about 2"
    )
    assert doubt((-1000, -850), 40) == "None"


def test_of_many_voxels_some_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnunet_amt.images.hounsfield._COUNTED_AT_MOST", 15_000)
    assert hounsfield_doubt(made_of(CHEST)) is None
    assert "the HU had been multiplied" in str(hounsfield_doubt(made_of(CHEST) * 2))


def test_the_message_has_the_shares() -> None:
    """Of 100 voxels 60 are air and 40 tissue; 1024 was added to all."""
    with pytest.raises(ImageReadError) as error:
        to_hounsfield(np.array([24] * 60 + [1064] * 40, np.int16))
    assert str(error.value) == (
        "40% of the voxels are above 800, in a chest at most 10% (bone, metal), and 0.0% lie between -900 and -200 "
        "(lung): as if 1000 or 1024 had been added to the HU, such as where RescaleIntercept was lost; export the CT "
        "again in HU, or insist on its values (--keep-intensities)"
    )
