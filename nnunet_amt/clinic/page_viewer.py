"""The segmented cases in the report's viewer: a crop of each CT is kept beside its label map for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.clinic.case_results import CT_CROP, LABEL_MAP, PROBABILITIES, volume_of
from nnunet_amt.evaluation.measure.lesions import label_components
from nnunet_amt.evaluation.settings import Connectivity
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.geometry import Geometry, array_to_lps, box_of, corner_in, lps_geometry, slices_in
from nnunet_amt.images.image_file import read_grid, read_image
from nnunet_amt.images.nifti import write_nifti
from nnunet_amt.images.probability_file import LOWEST_OF_TUMOUR, read_probabilities
from nnunet_amt.pictures import CaseCrop
from nnunet_amt.report.viewer import Dial, LoadedCase, ViewerCase, dial_steps, view_link
from nnunet_amt.writing.numbers import counted

_MARGIN_MM = 25.0
_EMPTY_SIDE_MM = 200.0  # of the middle of a CT in which nothing was found: the mediastinum is in it
_LEAST_SIDE_MM = 120.0
# Room for a square around the longest lesion with a tenth of its edge, at least 5 mm, on either side: networks that
# tell what a lesion is look at one, wherever in the lesions' box the lesion lies.
_OF_LONGEST, _ROOM_MM = 0.6, 5.0
_CONNECTIVITY: Connectivity = 26


def write_ct_crop(path: Path, values: NDArray[np.signedinteger], found: NDArray[np.bool_], grid: Geometry) -> None:
    """Write the part of a CT that the page shows, as NIfTI of HU on LPS axes.

    Parameters
    ----------
    values, found
        The CT in HU, and what is to be seen of it; (z, y, x) with LPS axes.
    grid
        Of both.
    """
    size, step = np.array(found.shape), np.array(grid.spacing[::-1])  # (z, y, x)
    least = _LEAST_SIDE_MM
    places = [np.flatnonzero(found.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    if places[0].size:
        lengths = [(one[-1] + 1 - one[0]) * mm for one, mm in zip(places, step, strict=True)]
        in_plane = max(_MARGIN_MM, _OF_LONGEST * max(lengths[1:]) + _ROOM_MM)
        margin = np.ceil(np.array([_MARGIN_MM, in_plane, in_plane]) / step).astype(int)
        low = np.maximum(np.array([one[0] for one in places]) - margin, 0)
        high = np.minimum(np.array([one[-1] + 1 for one in places]) + margin, size)
    else:
        low = high = size // 2
        least = _EMPTY_SIDE_MM
    length = np.maximum(high - low, np.minimum(np.ceil(least / step).astype(int), size))
    low = np.clip(low - (length - (high - low)) // 2, 0, size - length)
    box = tuple(slice(first, first + count) for first, count in zip(low.tolist(), length.tolist(), strict=True))
    crop = np.clip(values[box], -1024, 3071).astype(np.int16)
    write_nifti(path, crop, geometry=box_of(grid, low[::-1].tolist(), crop.shape[::-1]))


def lesion_link(case_id: str, centre: Sequence[float], crop: Geometry) -> str:
    """Give the link that shows a case at a lesion's centre, (x, y, z) in mm, LPS; `crop` is the grid of its crop."""
    index = crop.continuous_index(np.array([centre], dtype=float))[0]
    x, y, z = np.clip((index + 0.5) / crop.size, 0.0, 1.0).tolist()
    return view_link(case_id, (x, y, z))


def viewer_case(folder: Path, result: Mapping[str, Any]) -> ViewerCase | None:
    """Make a case ready to be looked at; None where an earlier version kept no crop of its CT."""
    if not (folder / CT_CROP).is_file() or not (folder / LABEL_MAP).is_file():
        return None
    count = len(result["lesions"])
    words = f"{counted(count, 'lesion')}, {volume_of(result):.1f} cm³" if count else "no lesion"
    minimum = int(result["options"]["objects"]["minimum_voxels"])
    return ViewerCase(result["case_id"], words, partial(_load, folder, result["case_id"], minimum))


def _load(folder: Path, case_id: str, minimum_voxels: int) -> LoadedCase:
    import SimpleITK as sitk

    own = read_grid(folder / LABEL_MAP, name=str(folder / LABEL_MAP))
    grid = lps_geometry(own)
    crop_grid = read_grid(folder / CT_CROP, name=str(folder / CT_CROP))
    box, corner = slices_in(grid, crop_grid), corner_in(grid, crop_grid)[::-1]
    image = sitk.GetArrayFromImage(read_image(folder / CT_CROP))
    labels = array_to_lps(sitk.GetArrayFromImage(read_image(folder / LABEL_MAP)), own)
    mask = labels[box] == 1
    x, y, z = grid.spacing
    crop = CaseCrop(case_id, image, np.zeros_like(mask), mask, (z, y, x), corner, labels.shape)
    if not (folder / PROBABILITIES).is_file():
        return LoadedCase(crop)
    levels = array_to_lps(read_probabilities(folder / PROBABILITIES, own), own)
    steps = dial_steps(levels, spacing=grid.spacing, connectivity=_CONNECTIVITY, minimum_voxels=minimum_voxels)
    return LoadedCase(crop, dial=Dial(levels[box], steps))


def worth_seeing(
    mask: NDArray[np.bool_], levels: NDArray[np.uint8] | None, *, minimum_voxels: int
) -> NDArray[np.bool_]:
    """Say what of a case the page is to show: the lesions, and what half their threshold would find; no specks."""
    found = mask if levels is None else mask | (levels >= LOWEST_OF_TUMOUR // 2)
    shown = np.zeros_like(mask)
    for component in label_components(
        Foreground.of(found.astype(np.uint8), (1.0, 1.0, 1.0)), connectivity=_CONNECTIVITY
    ):
        if np.count_nonzero(component.mask) >= minimum_voxels:
            shown[component.slices] |= component.mask
    return shown
