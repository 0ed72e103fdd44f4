"""A mirrored image trains a mirrored anatomy; a mask must follow its image through every turn."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.images.geometry import Geometry, geometry_difference, lps_geometry, to_lps

TURNS = [np.eye(3)[:, order] * signs for order in permutations(range(3)) for signs in product((1.0, -1.0), repeat=3)]
TILT = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])


def image_with(direction: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    image.SetSpacing((0.5, 1.5, 4.0))
    image.SetOrigin((10.0, 20.0, 30.0))
    image.SetDirection(direction.ravel().tolist())
    return image


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: "".join(f"{value:+.0f}" for value in turn[turn != 0]))
def test_every_voxel_keeps_its_place_in_the_patient(turn: np.ndarray, oblique: bool) -> None:
    image = image_with(TILT @ turn if oblique else turn)
    turned = to_lps(image)
    for index in np.ndindex(image.GetSize()):
        place = image.TransformIndexToPhysicalPoint([int(i) for i in index])
        assert turned[turned.TransformPhysicalPointToIndex(place)] == image[index]
    axes = np.reshape(turned.GetDirection(), (3, 3))
    assert (np.diag(axes) > 0.7).all()
    assert geometry_difference(lps_geometry(Geometry.of(image)), Geometry.of(turned), tolerance=1e-9) is None


def test_lps_images_are_left_alone() -> None:
    geometry = Geometry.of(image_with(np.eye(3)))
    assert geometry_difference(lps_geometry(geometry), geometry, tolerance=0.0) is None
