"""One tuning case to look at while a training goes on: which, which slice of it, and what is predicted there.

Nothing is predicted for it: the slice is cut from the logits of the evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import torch
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetBaseDataset

from nnunet_amt.models.tuning_pictures import ShownSlice

_MARGIN_MM = 40.0  # round the reference in its slice
_MOST_VOXELS = 512  # along an edge
_MOST_READ = 60  # references; with fold "all" there may be many hundred
_INT16 = np.iinfo(np.int16)


def choose_shown_slice(
    dataset: nnUNetBaseDataset,
    cases: Sequence[str],
    *,
    spacing: Sequence[float],
    intensities: Mapping[str, Any],
    ignore_label: int | None = None,
) -> ShownSlice | None:
    """Take the tuning case of median tumour volume, in the axial slice that shows most of its tumour.

    The references alone are read, of more than 60 cases those of evenly spread ones, and one image.

    Parameters
    ----------
    dataset
        Preprocessed: images (channel, z, y, x) and labels (1, z, y, x).
    spacing
        (z, y, x) in mm of the preprocessed volumes.
    intensities
        What the plans say of the first channel: voxels times ``std`` plus ``mean`` are HU.
    ignore_label
        Is no tumour.

    Returns
    -------
    ShownSlice or None
        None where no case has a tumour.
    """
    read = cases[:: max(1, ceil(len(cases) / _MOST_READ))]
    volumes = {case: int(_tumour(dataset, case, ignore_label).sum()) for case in read}
    order = sorted((volume, case) for case, volume in volumes.items() if volume > 0)
    if not order:
        return None
    _, case = order[(len(order) - 1) // 2]
    tumour = _tumour(dataset, case, ignore_label)
    index = int(np.argmax(tumour.sum(axis=(1, 2))))
    rows, columns = _part(tumour[index], (spacing[1], spacing[2]))
    image = dataset.load_case(case)[0][0:1, index : index + 1][0, 0][rows, columns]
    hounsfield = np.rint(image.astype(np.float64) * intensities["std"] + intensities["mean"])
    return ShownSlice(
        case_id=case,
        slice_index=index,
        corner=(rows.start, columns.start),
        spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        image=hounsfield.clip(_INT16.min, _INT16.max).astype(np.int16),
        reference=tumour[index][rows, columns],
    )


def predicted_in(logits: torch.Tensor, shown: ShownSlice) -> np.ndarray | None:
    """Cut what is predicted in a slice out of logits (head, z, y, x), background first: bool (rows, columns).

    None where the volume is another than the slice was chosen from.
    """
    rows, columns = (slice(start, start + size) for start, size in zip(shown.corner, shown.image.shape, strict=True))
    part = logits[:, shown.slice_index : shown.slice_index + 1, rows, columns]
    if part.shape[1:] != (1, *shown.image.shape):
        return None
    return np.asarray((part[1:].amax(dim=0) > part[0])[0].cpu().numpy())


def _tumour(dataset: nnUNetBaseDataset, case: str, ignore_label: int | None) -> np.ndarray:
    labels = dataset.load_case(case)[1][:][0]
    tumour: np.ndarray = labels > 0 if ignore_label is None else (labels > 0) & (labels != ignore_label)
    return tumour


def _part(tumour: np.ndarray, pixel: tuple[float, float]) -> tuple[slice, slice]:
    """Give rows and columns round a mask (rows, columns) in a slice; `pixel` is the height and width of one in mm."""
    parts = []
    for axis, (size, edge) in enumerate(zip(tumour.shape, pixel, strict=True)):
        inside = np.flatnonzero(tumour.any(axis=1 - axis))
        margin = int(np.ceil(_MARGIN_MM / edge))
        low, high = max(0, int(inside[0]) - margin), min(size, int(inside[-1]) + 1 + margin)
        surplus = max(0, high - low - _MOST_VOXELS)
        parts.append(slice(low + surplus // 2, high - (surplus - surplus // 2)))
    return parts[0], parts[1]
