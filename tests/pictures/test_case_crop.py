"""The box of a case that pictures show: where it lies, how its axes run, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import GeometryMismatchError, ImageReadError
from nnunet_amt.pictures import CaseCrop, read_case_crop
from tests.evaluation.builders import write_label_map

SHAPE = (6, 8, 10)  # z, y, x
SPACING = (1.0, 2.0, 5.0)  # x, y, z in mm
LPS = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def written_case(folder: Path, image: np.ndarray | None = None) -> tuple[Path, Path, Path]:
    """A case whose reference is one voxel at (3, 4, 5) and whose prediction is one at (3, 4, 6)."""
    reference, prediction = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    reference[3, 4, 5] = prediction[3, 4, 6] = 1
    image = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.int16) if image is None else image
    return (
        write_label_map(folder / "ct.nii.gz", image, SPACING),
        write_label_map(folder / "reference.nii.gz", reference, SPACING),
        write_label_map(folder / "prediction.nii.gz", prediction, SPACING),
    )


def read(files: tuple[Path, Path, Path], **options: float) -> CaseCrop:
    image, reference, prediction = files
    return read_case_crop(image, reference, prediction, case_id="a", **options)  # type: ignore[arg-type]


def test_the_box_is_the_union_and_a_margin_in_mm(tmp_path: Path) -> None:
    """2 mm are one voxel of 5 mm or of 2 mm, and two of 1 mm: z 2 to 5, y 3 to 6, x 3 to 9."""
    crop = read(written_case(tmp_path), margin_mm=2.0)
    assert crop.lower == (2, 3, 3)
    assert crop.whole == SHAPE
    assert crop.spacing == (5.0, 2.0, 1.0)
    assert crop.extent_mm == (15.0, 6.0, 6.0)
    assert np.argwhere(crop.reference).tolist() == [[1, 1, 2]]
    assert np.argwhere(crop.prediction).tolist() == [[1, 1, 3]]
    whole = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    assert crop.image is not None
    assert np.array_equal(crop.image, whole[2:5, 3:6, 3:9])
    assert crop.image.dtype == np.int16


def test_the_margin_ends_at_the_edge_of_the_image(tmp_path: Path) -> None:
    crop = read(written_case(tmp_path), margin_mm=500.0)
    assert crop.lower == (0, 0, 0)
    assert crop.reference.shape == SHAPE


def test_a_small_box_grows_to_the_least_length(tmp_path: Path) -> None:
    """8 mm: z from 1 voxel of 5 mm to 2, y from 1 of 2 mm to 4, x from 2 of 1 mm to 8, each about its middle."""
    crop = read(written_case(tmp_path), margin_mm=0.0, minimum_mm=8.0)
    assert crop.reference.shape == (2, 4, 8)
    assert crop.lower == (3, 3, 2)


def test_a_case_without_tumour_gives_its_middle(tmp_path: Path) -> None:
    """120 mm are 24 of 40 slices of 5 mm, from the 8th; the plane is smaller and whole."""
    empty = write_label_map(tmp_path / "empty.nii.gz", np.zeros((40, 8, 10), np.uint8), SPACING)
    crop = read_case_crop(None, empty, None, case_id="a")
    assert crop.image is None
    assert crop.lower == (8, 0, 0)
    assert crop.reference.shape == (24, 8, 10)
    assert not crop.reference.any()
    assert not crop.prediction.any()


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "PIR", "ASL"])
def test_other_orientations_become_lps(tmp_path: Path, orientation: str) -> None:
    """SimpleITK turns the case another way round in the file; the crop is that of the LPS file."""
    files = written_case(tmp_path / "lps")
    expected = read(files, margin_mm=2.0)
    turned = []
    for file in files:
        turned.append(tmp_path / file.name)
        sitk.WriteImage(sitk.DICOMOrient(sitk.ReadImage(str(file)), orientation), str(turned[-1]))
    crop = read((turned[0], turned[1], turned[2]), margin_mm=2.0)
    assert crop.lower == expected.lower
    assert crop.whole == expected.whole
    assert crop.spacing == pytest.approx(expected.spacing)
    for name in ("image", "reference", "prediction"):
        assert np.array_equal(getattr(crop, name), getattr(expected, name)), name


def test_a_ct_of_real_numbers_is_rounded(tmp_path: Path) -> None:
    """Such a file goes another way, by SimpleITK; 40.6 HU are 41, and what int16 cannot hold is its largest."""
    image = np.full(SHAPE, 40.6, np.float32)
    image[0] = 1e6
    crop = read(written_case(tmp_path, image), margin_mm=100.0)
    assert crop.image is not None
    assert crop.image[1:].min() == crop.image[1:].max() == 41
    assert crop.image[0].min() == 32767


def test_another_grid_is_refused(tmp_path: Path) -> None:
    image, reference, _ = written_case(tmp_path)
    moved = write_label_map(tmp_path / "moved.nii.gz", np.zeros(SHAPE, np.uint8), SPACING, (0.0, 0.0, 1.0))
    with pytest.raises(GeometryMismatchError, match=r"case a: .*moved.*origin"):
        read_case_crop(image, reference, moved, case_id="a")


def test_a_ct_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    files = written_case(tmp_path, np.random.default_rng(1).integers(-999, 999, SHAPE).astype(np.int16))
    files[0].write_bytes(files[0].read_bytes()[:500])
    with pytest.raises(ImageReadError, match="case a: cannot be read"):
        read(files)


def test_only_the_slices_up_to_the_box_are_read(tmp_path: Path) -> None:
    """The second half of a CT's large slices is missing, and the tumour lies in the first."""
    shape = (12, 512, 512)
    reference = np.zeros(shape, np.uint8)
    reference[1, 200, 200] = 1
    image = write_label_map(tmp_path / "ct.nii", np.full(shape, 7, np.int16), SPACING)
    with image.open("r+b") as file:
        file.truncate(352 + 6 * 512 * 512 * 2)
    mask = write_label_map(tmp_path / "reference.nii.gz", reference, SPACING)
    crop = read_case_crop(image, mask, None, case_id="a", margin_mm=4.0)
    assert crop.image is not None
    assert crop.image.shape == (3, 5, 9)
    assert (crop.image == 7).all()
