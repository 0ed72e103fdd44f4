"""Over, under, partial, missed."""

from __future__ import annotations

import pytest

from nnunet_amt.evaluation.failures.failure_modes import failure_mode


@pytest.mark.parametrize(
    ("counts", "segmentation", "detection"),
    [
        ((10, 5, 4), "over", "found"),
        ((10, 4, 5), "under", "found"),
        ((10, 4, 4), "balanced", "found"),
        ((10, 0, 10), "under", "found"),  # exactly half is found
        ((10, 0, 11), "under", "partial"),
        ((0, 3, 10), "under", "missed"),
        ((0, 30, 10), "over", "missed"),  # drawn in the wrong place
        ((0, 3, 0), "over", None),  # no tumour there
        ((0, 0, 0), None, None),
    ],
)
def test_case(counts: tuple[int, int, int], segmentation: str | None, detection: str | None) -> None:
    mode = failure_mode(*counts, [])
    assert (mode.segmentation, mode.detection) == (segmentation, detection)


def test_lesions_are_counted_one_by_one() -> None:
    """The tumour as a whole is found, one of its lesions partly and two not at all."""
    mode = failure_mode(80, 0, 20, [1.0, 0.5, 0.49, 0.0, 0.0])
    assert (mode.detection, mode.partial_lesions, mode.missed_lesions) == ("found", 1, 2)
