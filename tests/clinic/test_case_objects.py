"""What a case's objects take of the machine: masks are never held once a lesion."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.clinic.case_objects import CaseObjects, Kind, ObjectOptions
from nnunet_amt.clinic.lesions import find_lesions
from tests.clinic.builders import MAKER, source_series

_SHAPE = (12, 160, 160)


@pytest.mark.parametrize("kind", ["seg", "rtstruct"])
def test_forty_lesions_take_no_forty_masks(tmp_path: Path, kind: Kind) -> None:
    """A thin-slice CT has 150 million voxels: as many bytes for each lesion would be all of a machine's memory."""
    source = source_series(tmp_path / "ct", _SHAPE)
    mask = np.zeros(_SHAPE, dtype=bool)
    mask[5, 10:150:20, 10:130:20] = True
    image = np.zeros(_SHAPE, np.int16)
    lesions = find_lesions(mask, source.series.geometry, image=image, minimum_voxels=0)
    assert len(lesions) == 42
    objects = CaseObjects(source, image, mask, lesions)
    options = ObjectOptions((kind,), minimum_voxels=0)
    objects.write(tmp_path, maker=MAKER, options=options)  # imports and caches
    tracemalloc.start()
    try:
        objects.write(tmp_path, maker=MAKER, options=options)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * mask.nbytes
