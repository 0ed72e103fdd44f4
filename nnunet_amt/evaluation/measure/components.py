"""Lesions of a mask: its three-dimensional connected components."""

from __future__ import annotations

from collections.abc import Sequence

import cc3d
import numpy as np

from nnunet_amt.evaluation.settings import Connectivity
from nnunet_amt.images.foreground import Foreground, MaskBox


def label_components(foreground: Foreground, connectivity: Connectivity) -> tuple[MaskBox, ...]:
    """Separate a mask into its connected components.

    The paper's "Post-processing for separating lesion-wise components", without the removal of small ones.

    Returns
    -------
    tuple of MaskBox
        Each component alone in its bounding box.
    """
    return tuple(component for piece in foreground.boxes for component in _components_of(piece, connectivity))


def intersection_table(references: Sequence[MaskBox], predictions: Sequence[MaskBox]) -> np.ndarray:
    """Count the voxels that each reference component shares with each predicted one.

    Returns
    -------
    numpy.ndarray of int64, (references, predictions)
    """
    table = np.zeros((len(references), len(predictions)), dtype=np.int64)
    if not table.size:
        return table
    lower = np.maximum(_corners(references, "lower")[:, None], _corners(predictions, "lower")[None])
    upper = np.minimum(_corners(references, "upper")[:, None], _corners(predictions, "upper")[None])
    for i, j in np.argwhere((lower < upper).all(axis=-1)).tolist():
        shared = _window(references[i], lower[i, j], upper[i, j]) & _window(predictions[j], lower[i, j], upper[i, j])
        table[i, j] = np.count_nonzero(shared)
    return table


def _components_of(piece: MaskBox, connectivity: Connectivity) -> list[MaskBox]:
    labels, count = cc3d.connected_components(piece.mask, connectivity=connectivity, binary_image=True, return_N=True)
    if count == 1:
        return [piece]
    boxes = cc3d.statistics(labels)["bounding_boxes"]  # entry 0 is the background
    components = []
    for label in range(1, count + 1):
        start = tuple(low + axis.start for low, axis in zip(piece.lower, boxes[label], strict=True))
        components.append(MaskBox(start, labels[boxes[label]] == label))
    return components


def _corners(pieces: Sequence[MaskBox], name: str) -> np.ndarray:
    """(pieces, 3) as (z, y, x)."""
    return np.array([getattr(piece, name) for piece in pieces])


def _window(piece: MaskBox, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    z, y, x = (slice(low, high) for low, high in zip(lower - piece.lower, upper - piece.lower, strict=True))
    return piece.mask[z, y, x]
