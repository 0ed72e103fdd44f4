"""Our matching against panoptica's two, at thresholds that no IoU equals (theirs is >=, ours >).

panoptica matches greedily from the highest IoU down, or so that the total IoU is highest. Both may find fewer pairs
than can be made; from an IoU of 0.5 on a lesion has one possible partner, and all three must agree.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from nnunet_amt.evaluation import EvaluationSettings
from nnunet_amt.evaluation.measure.case import CaseCounts, count_lesions
from tests.evaluation.builders import count

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".bench-venv" / "bin" / "python"
TWENTIETHS = (1, 2, 4, 6, 8, 10, 12, 14, 16, 18)
SETTINGS = EvaluationSettings(minimum_predicted_voxels=0)
Pair = tuple[np.ndarray, np.ndarray]


def random_pair(seed: int) -> Pair:
    """Boxes as references, moved and resized copies as predictions, so that rivals for a partner are common."""
    random = np.random.default_rng(seed)
    reference = np.zeros((8, 48, 48), np.uint8)
    prediction = np.zeros_like(reference)
    for _ in range(14):
        low = random.integers(0, (4, 40, 40))
        size = random.integers(2, (5, 12, 12))
        moved, other = np.maximum(low + random.integers(-4, 5, 3), 0), np.maximum(size + random.integers(-3, 4, 3), 1)
        reference[tuple(slice(start, start + length) for start, length in zip(low, size, strict=True))] = 1
        prediction[tuple(slice(start, start + length) for start, length in zip(moved, other, strict=True))] = 1
        reference[:, ::12] = prediction[:, :, ::10] = 0  # cut into several lesions that overlap crosswise
    return prediction, reference


def chain() -> Pair:
    """p1 - r1 = p2 - r2 = p3 - r3, where - is an IoU of 0.15 and = of 0.375: three pairs of -, or two of =."""
    prediction, reference = np.zeros((2, 2, 2, 360), np.uint8)
    for mask, runs in ((reference, ((0, 100), (130, 230), (260, 360))), (prediction, ((0, 15), (40, 160), (170, 290)))):
        for start, stop in runs:
            mask[..., start:stop] = 1
    return prediction, reference


def greedy(ious: np.ndarray, threshold: float) -> int:
    """Pairs of the highest IoU first."""
    found, rows, columns = 0, set[int](), set[int]()
    for i, j in sorted(np.argwhere(ious >= threshold).tolist(), key=lambda pair: -ious[pair[0], pair[1]]):
        if i not in rows and j not in columns:
            found, rows, columns = found + 1, rows | {i}, columns | {j}
    return found


def highest_total(ious: np.ndarray, threshold: float) -> int:
    """Pairs of the highest total IoU."""
    gains = np.where(ious >= threshold, ious, 0.0)
    return int((gains[linear_sum_assignment(-gains)] > 0).sum())


def no_iou_equals_a_threshold(counts: CaseCounts) -> bool:
    unions = counts.reference_voxels[:, None] + counts.prediction_voxels[None, :] - counts.intersections
    return not any(np.any((20 * counts.intersections == k * unions) & (counts.intersections > 0)) for k in TWENTIETHS)


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    found = [random_pair(seed) for seed in range(40)]
    kept = [pair for pair in found if no_iou_equals_a_threshold(count(*pair, SETTINGS))]
    assert len(kept) >= 10
    return [chain(), *kept[:15]]


@pytest.fixture(scope="module")
def theirs(pairs: list[Pair], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[list[int]]]]:
    if not PYTHON.exists():
        pytest.skip("no panoptica: it is in .bench-venv, which `make bench` makes")
    volumes = tmp_path_factory.mktemp("panoptica") / "volumes.npz"
    arrays = {"thresholds": np.array(TWENTIETHS) / 20}
    for i, (prediction, reference) in enumerate(pairs):
        arrays |= {f"prediction_{i}": prediction, f"reference_{i}": reference}
    np.savez_compressed(volumes, **arrays)  # type: ignore[arg-type]
    command = [str(PYTHON), str(HERE / "panoptica_matching.py"), str(volumes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[list[list[int]]]] = json.loads(done.stdout)
    return found


def ours(pair: Pair) -> tuple[CaseCounts, list[list[int]]]:
    counts = count(*pair, SETTINGS)
    lesions = count_lesions(counts, false_positive_rule="unmatched")
    return counts, [[int(kind[k - 1]) for kind in (lesions.tp, lesions.fp, lesions.fn)] for k in TWENTIETHS]


@pytest.mark.slow
def test_lesions_and_matches_are_the_same_from_an_iou_of_a_half_on(
    pairs: list[Pair], theirs: dict[str, list[list[list[int]]]]
) -> None:
    first = TWENTIETHS.index(10)
    for i, pair in enumerate(pairs):
        _, own = ours(pair)
        assert theirs["threshold"][i][first:] == theirs["bipartite"][i][first:] == own[first:]


@pytest.mark.slow
def test_below_a_half_only_the_rule_of_rivals_differs(
    pairs: list[Pair], theirs: dict[str, list[list[list[int]]]]
) -> None:
    """Each of their rules, worked out on our own table of IoUs, gives their counts; ours never finds fewer pairs."""
    for i, pair in enumerate(pairs):
        counts, own = ours(pair)
        for name, rule in (("threshold", greedy), ("bipartite", highest_total)):
            for k, (tp, fp, fn), (own_tp, own_fp, own_fn) in zip(TWENTIETHS, theirs[name][i], own, strict=True):
                assert tp == rule(counts.ious, k / 20) <= own_tp
                assert (tp + fp, tp + fn) == (own_tp + own_fp, own_tp + own_fn)  # the same lesions on both sides


@pytest.mark.slow
def test_the_chain_of_which_they_find_two_pairs_and_we_three(
    pairs: list[Pair], theirs: dict[str, list[list[list[int]]]]
) -> None:
    at = TWENTIETHS.index(2)
    assert theirs["threshold"][0][at] == theirs["bipartite"][0][at] == [2, 1, 1]
    assert ours(pairs[0])[1][at] == [3, 0, 0]
