"""Lesions: the connected components of a mask, and their one-to-one matching at every IoU threshold."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import cc3d
import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.settings import Connectivity
from nnunet_amt.images.foreground import Foreground, MaskBox

UNMATCHED = -1
THRESHOLDS = tuple(twentieths / 20 for twentieths in paper.IOU_THRESHOLD_TWENTIETHS)
# Table 4 gives these two; a lesion is told with its partners at both.
TABLE_THRESHOLDS = (0.1, 0.5)


def threshold_index(iou_threshold: float) -> int:
    """Find a threshold among `THRESHOLDS`; ValueError if it is not one of them."""
    return THRESHOLDS.index(iou_threshold)


def label_components(foreground: Foreground, *, connectivity: Connectivity) -> tuple[MaskBox, ...]:
    """Separate a mask into its connected components, each alone in its bounding box.

    The paper's "Post-processing for separating lesion-wise components", without the removal of small ones.
    """
    components: list[MaskBox] = []
    for piece in foreground.boxes:
        labels, count = cc3d.connected_components(
            piece.mask, connectivity=connectivity, binary_image=True, return_N=True
        )
        if count == 1:
            components.append(piece)
            continue
        boxes = cc3d.statistics(labels)["bounding_boxes"]  # entry 0 is the background
        for label in range(1, count + 1):
            start = tuple(low + axis.start for low, axis in zip(piece.lower, boxes[label], strict=True))
            components.append(MaskBox(start, labels[boxes[label]] == label))
    return tuple(components)


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


def _corners(pieces: Sequence[MaskBox], name: str) -> np.ndarray:
    """(pieces, 3) as (z, y, x)."""
    return np.array([getattr(piece, name) for piece in pieces])


def _window(piece: MaskBox, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    z, y, x = (slice(low, high) for low, high in zip(lower - piece.lower, upper - piece.lower, strict=True))
    return piece.mask[z, y, x]


def iou_levels(intersections: np.ndarray, reference_voxels: np.ndarray, prediction_voxels: np.ndarray) -> np.ndarray:
    """Give the highest twentieth that the IoU of each pair exceeds.

    IoU > k/20 is compared in whole numbers, 20 intersection > k union: an IoU of exactly k/20 does not
    pass, which no floating point threshold guarantees.

    Parameters
    ----------
    intersections : numpy.ndarray of int, (references, predictions)
        Shared voxels.
    reference_voxels, prediction_voxels : numpy.ndarray of int
        Voxels of each lesion.

    Returns
    -------
    numpy.ndarray of int, (references, predictions)
        k of the pair, 0 to 19; -1 for lesions that share no voxel.
    """
    unions = reference_voxels[:, None] + prediction_voxels[None, :] - intersections
    levels: np.ndarray = (20 * intersections - 1) // unions
    return levels


def match_sweep(levels: np.ndarray, twentieths: Sequence[int]) -> np.ndarray:
    """Match as many lesions as can be at each threshold, one to one.

    The paper states one-to-one matching at IoU > t, not how rivals are settled. Here as many pairs as possible
    are made. The thresholds are taken from the strictest down and each matching grows from the one before
    along augmenting paths: so a lesion that is matched at a threshold is matched at all lower ones,
    and pairs of high IoU are joined first. Equal rivals are taken in the order of their numbers.

    Parameters
    ----------
    levels : numpy.ndarray of int, (references, predictions)
        From `iou_levels`.
    twentieths
        Thresholds t = k/20 as their k.

    Returns
    -------
    numpy.ndarray of int, (thresholds, references)
        Number of the prediction that each reference is matched to, or -1, in the order of `twentieths`.
    """
    partners = np.full((len(twentieths), levels.shape[0]), UNMATCHED, dtype=np.int64)
    matched: dict[int, int] = {}  # prediction: reference
    candidates: list[list[int]] = [[] for _ in range(levels.shape[0])]
    stricter = max((*twentieths, levels.max(initial=UNMATCHED))) + 1
    for row in np.argsort(np.negative(twentieths), kind="stable"):
        threshold = twentieths[row]
        for reference, prediction in np.argwhere((levels >= threshold) & (levels < stricter)).tolist():
            candidates[reference].append(prediction)
        stricter = threshold
        for reference in sorted(set(range(len(candidates))) - set(matched.values())):
            _augment(reference, candidates, matched)
        for prediction, reference in matched.items():
            partners[row, reference] = prediction
    return partners


def _augment(root: int, candidates: list[list[int]], matched: dict[int, int]) -> None:
    """Match `root` if an augmenting path starts there, re-matching the references along it.

    Breadth first: the shortest path re-matches the fewest lesions, and long chains need no recursion.
    """
    reached_from: dict[int, int] = {}  # prediction: the reference from which the search came to it
    queue = deque([root])
    while queue:
        reference = queue.popleft()
        for prediction in candidates[reference]:
            if prediction in reached_from:
                continue
            reached_from[prediction] = reference
            if prediction in matched:
                queue.append(matched[prediction])
                continue
            holds = {partner: held for held, partner in matched.items()}
            path = [prediction]
            while reached_from[path[-1]] != root:
                path.append(holds[reached_from[path[-1]]])
            for taken, released in pairwise(path):
                matched[taken] = matched[released]
            matched[path[-1]] = root
            return
