"""Metrics of a case; cases in several processes or on a cluster give what one process gives."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.base.progress import silent
from nnunet_amt.errors import BadInputError, ImageReadError
from nnunet_amt.evaluation import EvaluationSettings
from nnunet_amt.evaluation.measure import case as case_module
from nnunet_amt.evaluation.measure.case import VoxelMetrics, evaluate_cases, voxel_metrics
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair, find_pairs
from tests.evaluation.builders import count, row_mask, write_label_map, write_pair


@pytest.mark.parametrize(
    ("tp", "fp", "fn", "expected"),
    [
        (6, 2, 4, VoxelMetrics(dice=12 / 18, iou=6 / 12, precision=6 / 8, recall=6 / 10)),
        (5, 0, 0, VoxelMetrics(dice=1.0, iou=1.0, precision=1.0, recall=1.0)),
        (0, 3, 4, VoxelMetrics(dice=0.0, iou=0.0, precision=0.0, recall=0.0)),
        # Nothing to find and nothing found: no ratio says anything.
        (0, 0, 0, VoxelMetrics(dice=None, iou=None, precision=None, recall=None)),
        # Nothing found: the precision of no prediction is undefined, the rest is 0.
        (0, 0, 4, VoxelMetrics(dice=0.0, iou=0.0, precision=None, recall=0.0)),
        # Nothing to find: the recall of no tumour is undefined, the rest is 0.
        (0, 3, 0, VoxelMetrics(dice=0.0, iou=0.0, precision=0.0, recall=None)),
    ],
)
def test_ratios(tp: int, fp: int, fn: int, expected: VoxelMetrics) -> None:
    assert voxel_metrics(tp, fp, fn) == expected


def test_overlap_of_random_masks_is_that_of_the_simpleitk_filter() -> None:
    generator = np.random.default_rng(0)
    prediction, reference = (generator.random((2, 6, 20, 20)) < 0.3).astype(np.uint8)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(sitk.GetImageFromArray(prediction), sitk.GetImageFromArray(reference))
    counts = count(prediction, reference)
    metrics = voxel_metrics(counts.tp, counts.fp, counts.fn)
    assert metrics.dice == pytest.approx(overlap.GetDiceCoefficient())
    assert metrics.iou == pytest.approx(overlap.GetJaccardCoefficient())
    assert metrics.recall == pytest.approx(1 - overlap.GetFalseNegativeError())
    assert metrics.precision == pytest.approx(1 - overlap.GetFalseDiscoveryRate())


SETTINGS = EvaluationSettings()


@pytest.mark.parametrize(
    ("order", "direction"),
    [
        ((0, 1, 2), (1, 0, 0, 0, 1, 0, 0, 0, 1)),
        ((2, 0, 1), (0, 0, 1, 1, 0, 0, 0, 1, 0)),  # sagittal slices: x to the back, y to the head, z to the left
        ((1, 0, 2), (1, 0, 0, 0, 0, 1, 0, 1, 0)),  # coronal slices: y to the head, z to the back
        ((0, 1, 2), (1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8)),  # oblique: axial slices are the nearest to those
    ],
)
def test_diameters_and_size_are_those_of_axial_slices_however_a_mask_is_stored(
    tmp_path: Path, order: tuple[int, int, int], direction: tuple[float, ...]
) -> None:
    """A column of 12 x 4 x 1 voxels of 10, 10 and 1 mm: 4 cm in the axial plane, 12 cm from head to feet."""
    column = np.zeros((14, 6, 3), np.uint8)  # (z, y, x) of the patient
    column[1:13, 1:5, 1] = 1
    spacing = tuple((10.0, 10.0, 1.0)[axis] for axis in order)[::-1]
    path = write_label_map(tmp_path / "a.nii.gz", column.transpose(order), spacing, direction=direction)
    counts = evaluate_cases([LabelMapPair("a", path, path)], settings=SETTINGS)[0].counts
    assert counts.size_mm == pytest.approx(40)
    assert counts.prediction_diameters_mm.tolist() == pytest.approx([40])
    assert counts.reference_maximum_diameters_mm[0] >= 120


@pytest.fixture
def pairs(tmp_path: Path) -> tuple[LabelMapPair, ...]:
    """Case k finds k of 20 voxels."""
    for found in (12, 14, 16, 18):
        write_pair(tmp_path, f"case_{found}", row_mask(30, (0, found)), row_mask(30, (0, 20)))
    return find_pairs(tmp_path / "predictions", tmp_path / "references")


@pytest.mark.slow
def test_processes_give_the_cases_in_order(
    pairs: tuple[LabelMapPair, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_module, "_CASES_WORTH_A_PROCESS", 1)
    monkeypatch.chdir(tmp_path)
    relative = [
        LabelMapPair(pair.case_id, Path(os.path.relpath(str(pair.prediction))), pair.reference) for pair in pairs
    ]
    told: list[int] = []
    cases = evaluate_cases(
        relative, settings=SETTINGS, jobs=2, executor=None, progress=lambda done, total, what: told.append(done)
    )
    assert [case.counts.tp for case in cases] == [12, 14, 16, 18]
    assert cases[0].lesions.tp.tolist() == [1] * 11 + [0] * 8  # IoU 0.6
    assert told[-1] == 4
    # A damaged file is told as it is by one process, and how many more there are.
    for pair in pairs[1:3]:
        pair.reference.write_bytes(pair.reference.read_bytes()[:-9])
    with pytest.raises(ImageReadError) as alone:
        evaluate_cases(pairs, settings=SETTINGS, jobs=1, executor=None, progress=silent)
    with pytest.raises(ImageReadError) as together:
        evaluate_cases(pairs, settings=SETTINGS, jobs=2, executor=None, progress=silent)
    assert str(together.value) == f"{alone.value} (1 more cases cannot be evaluated)"


def test_a_few_cases_start_no_process(pairs: tuple[LabelMapPair, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnunet_amt.base.workers.open_workers", None)
    assert len(evaluate_cases(pairs, settings=SETTINGS, jobs=8, executor=None, progress=silent)) == 4


def test_an_executor_that_is_not_known(pairs: tuple[LabelMapPair, ...]) -> None:
    with pytest.raises(BadInputError, match="--executor slurm: is not known; give dask://HOST:PORT"):
        evaluate_cases(pairs, settings=SETTINGS, jobs=1, executor="slurm", progress=silent)


@pytest.mark.slow
def test_a_cluster_gives_the_same(pairs: tuple[LabelMapPair, ...]) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address.removeprefix("tcp://")
        theirs = evaluate_cases(pairs, settings=SETTINGS, jobs=1, executor=f"dask://{address}", progress=silent)
    ours = evaluate_cases(pairs, settings=SETTINGS, jobs=1, executor=None, progress=silent)
    for one, other in zip(ours, theirs, strict=True):
        assert one.case_id == other.case_id
        assert one.voxel == other.voxel
        assert np.array_equal(one.lesions.partners, other.lesions.partners)
