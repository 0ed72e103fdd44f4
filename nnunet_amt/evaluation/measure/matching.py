"""One-to-one matching of reference and predicted lesions at every IoU threshold."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

UNMATCHED = -1


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
            else:
                _flip_path(prediction, root, reached_from, matched)
                return


def _flip_path(end: int, root: int, reached_from: dict[int, int], matched: dict[int, int]) -> None:
    holds = {reference: prediction for prediction, reference in matched.items()}
    path = [end]
    while reached_from[path[-1]] != root:
        path.append(holds[reached_from[path[-1]]])
    for prediction, released in pairwise(path):
        matched[prediction] = matched[released]
    matched[path[-1]] = root
