"""Voxel metrics of random volumes are those of nnU-Net's own evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_amt.evaluation.measure.case import evaluate_case
from nnunet_amt.evaluation.measure.label_maps import find_pairs
from nnunet_amt.evaluation.settings import EvaluationSettings
from tests.evaluation.builders import write_pair


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@settings(max_examples=25, deadline=None)
def test_counts_dice_and_iou_are_those_of_nnunet(
    tmp_path_factory: pytest.TempPathFactory, seed: int, predicted: float, referenced: float
) -> None:
    from nnunetv2.evaluation.evaluate_predictions import compute_metrics
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

    generator = np.random.default_rng(seed)
    shape = generator.integers(1, 12, size=3)
    masks = [(generator.random(shape) < share).astype(np.uint8) for share in (predicted, referenced)]
    folder: Path = tmp_path_factory.mktemp("pair")
    write_pair(folder, "case", *masks)
    (pair,) = find_pairs(folder / "predictions", folder / "references")
    ours = evaluate_case(pair, settings=EvaluationSettings())
    theirs = compute_metrics(str(pair.reference), str(pair.prediction), SimpleITKIO(), [1])["metrics"][1]
    assert (ours.counts.tp, ours.counts.fp, ours.counts.fn) == (theirs["TP"], theirs["FP"], theirs["FN"])
    if theirs["TP"] + theirs["FP"] + theirs["FN"]:  # nothing on either side is undefined here, NaN there
        assert ours.voxel.dice == pytest.approx(theirs["Dice"])
        assert ours.voxel.iou == pytest.approx(theirs["IoU"])
