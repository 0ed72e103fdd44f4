"""The segmented cases in the viewer: where a link leads."""

from __future__ import annotations

from nnunet_amt.clinic.page_viewer import lesion_link
from nnunet_amt.images.geometry import Geometry

AXES = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def test_a_link_has_the_lesions_place_as_shares_of_the_crop() -> None:
    """The crop's first voxel ends 1, 1 and 2.5 mm before its centre, and its edges are 20, 40 and 50 mm long."""
    crop = Geometry((10, 20, 10), (2.0, 2.0, 5.0), (-100.0, 50.0, 7.5), AXES)
    assert lesion_link("one", (-91.0, 59.0, 45.0), crop) == "#view-one@0.5000,0.2500,0.8000"


def test_a_name_cannot_be_taken_for_a_place() -> None:
    """And a lesion whose centre lies beside what is shown is looked for at its edge."""
    crop = Geometry((10, 10, 10), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), AXES)
    assert lesion_link("a@1,2,3 %", (-5.0, 4.5, 50.0), crop) == "#view-a%401%2C2%2C3%20%25@0.0000,0.5000,1.0000"
