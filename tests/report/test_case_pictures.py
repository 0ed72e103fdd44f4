"""Where the pictures of a case are laid through, on boxes whose voxels one can count."""

from __future__ import annotations

import numpy as np

from nnunet_amt.pictures import CaseCrop
from nnunet_amt.report.case_pictures import error_views, part_words, share_words

SHAPE = (20, 200, 200)


def crop(reference: tuple[slice, ...], *predicted: tuple[slice, ...]) -> CaseCrop:
    """Boxes (z, y, x) in voxels of 1 mm."""
    masks = np.zeros((2, *SHAPE), bool)
    masks[0][reference] = True
    for box in predicted:
        masks[1][box] = True
    return CaseCrop("AMT-0001", None, masks[0], masks[1], (1.0, 1.0, 1.0), whole=SHAPE)


def box(z: int, y: int, x: int, edge: int) -> tuple[slice, slice, slice]:
    return slice(z, z + edge), slice(y, y + edge), slice(x, x + edge)


TUMOUR = box(2, 20, 20, 10)
FAR, FARTHER = box(12, 150, 150, 5), box(14, 20, 170, 4)  # 125 and 64 voxels


def test_an_error_at_the_tumour_needs_one_picture() -> None:
    """Half of the 1000 voxels is missed, where the picture through the tumour is."""
    half = (slice(2, 7), *TUMOUR[1:])
    [view] = error_views(crop(TUMOUR, half))
    assert (view.shown, view.error, view.left) == (500, 500, 0)
    assert share_words([view]) == ""


def test_false_positives_that_are_most_of_the_error_are_in_a_picture() -> None:
    """The tumour is found whole; 189 voxels are added elsewhere, 125 of them in one lesion."""
    case = crop(TUMOUR, TUMOUR, FAR, FARTHER)
    first, second = error_views(case)
    assert (first.shown, first.error, first.left) == (0, 189, 2)
    assert case.prediction[second.at]
    assert not case.reference[second.at]
    assert (second.shown, second.added, second.missed, second.left) == (125, 125, 0, 1)
    assert part_words(second, case) == "the largest part of the error that is not shown yet (0.12 cm³ added)"
    assert (
        share_words([first])
        == " None of the error (voxels added or missed) is seen here: it lies in 2 spots elsewhere."
    )
    assert share_words([first, second]) == (
        " Spots with 66% of the error (voxels added or missed) are seen so far; 1 more spot lies elsewhere."
    )


def test_no_more_pictures_than_three() -> None:
    """Of thirty lesions of 8 voxels at most four are in an axial slice, and two in no other one."""
    scattered = [box(2 * (i % 9), 6 * i, 40 + 5 * i, 2) for i in range(30)]
    views = error_views(crop(TUMOUR, TUMOUR, *scattered))
    assert len(views) == 3
    assert 2 * views[-1].shown < views[-1].error == 240


def test_a_case_without_any_error_has_one_picture() -> None:
    [view] = error_views(crop(TUMOUR, TUMOUR))
    assert (view.shown, view.error) == (0, 0)
    assert share_words([view]) == ""
