"""Whatever the mask: over 300 different ones come back from SEG and RTSTRUCT with no voxel different.

Hypothesis draws each voxel of them; of what fails it shows the simplest. As it takes longer to write an object than
to read one, 25 masks share an object, side by side.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from nnunet_amt.clinic.rtstruct import Holes, write_rtstruct
from nnunet_amt.clinic.segmentation import write_segmentation
from nnunet_amt.clinic.source_series import SourceSeries
from tests.clinic.builders import MAKER, source_series, structures
from tests.clinic.test_rtstruct import OBLIQUE, OBLIQUE_POSITIONS
from tests.clinic.test_rtstruct import read_back as read_rtstruct
from tests.clinic.test_segmentation import by_pydicom
from tests.clinic.test_segmentation import read_back as read_segmentation

_TILE, _ACROSS, _OBJECTS = (3, 5, 6), 5, 13  # (z, y, x) of a mask; 5 x 5 of them an object
_HOLES: tuple[Holes, ...] = ("keyhole", "xor")
_FOLDER = TemporaryDirectory(prefix="amt-any-mask-")


@cache
def source_of(shape: tuple[int, int, int], oblique: bool) -> SourceSeries:
    """One CT a grid, for all the masks that are drawn on it."""
    folder = Path(_FOLDER.name) / f"{shape}{oblique}"
    if oblique:
        return source_series(folder, shape, positions=OBLIQUE_POSITIONS[: shape[0]], orientation=OBLIQUE)
    return source_series(folder, shape)


def laid_out(masks: list[NDArray[np.bool_]], gap: int) -> NDArray[np.bool_]:
    """Lay masks beside each other, from edge to edge of the image; without a gap they grow together."""
    padded = [np.pad(mask, ((0, 0), (0, gap), (0, gap))) for mask in masks]
    rows = [np.concatenate(padded[at : at + _ACROSS], axis=2) for at in range(0, len(padded), _ACROSS)]
    whole = np.concatenate(rows, axis=1)
    return whole[:, : whole.shape[1] - gap, : whole.shape[2] - gap]


# A few voxels in what is else empty or full, or each voxel drawn by itself.
one_mask = st.one_of(arrays(np.bool_, _TILE), arrays(np.bool_, _TILE, fill=st.nothing()))
masks_of_an_object = st.lists(one_mask, min_size=_ACROSS**2, max_size=_ACROSS**2, unique_by=lambda mask: mask.tobytes())


@settings(
    max_examples=_OBJECTS, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(masks=masks_of_an_object, gap=st.integers(0, 1), oblique=st.booleans(), holes=st.sampled_from(_HOLES))
def test_comes_back(masks: list[NDArray[np.bool_]], gap: int, oblique: bool, holes: Holes) -> None:
    mask = laid_out(masks, gap)
    source = source_of(mask.shape, oblique)
    with TemporaryDirectory() as folder:
        seg, rtstruct = Path(folder) / "seg.dcm", Path(folder) / "rtstruct.dcm"
        write_segmentation(seg, source, structures({"AMT": mask}), maker=MAKER)
        write_rtstruct(rtstruct, source, structures({"AMT": mask}), maker=MAKER, holes=holes)
        assert np.count_nonzero(by_pydicom(seg, source)[1] != mask) == 0
        assert np.count_nonzero(read_segmentation(seg, source) != mask) == 0
        assert np.count_nonzero(read_rtstruct(rtstruct, source, "AMT") != mask) == 0
