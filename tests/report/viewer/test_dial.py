"""What other thresholds would find: counted on all voxels, as the evaluation counts them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import nnunet_amt.report.viewer.part as part_module
from nnunet_amt.report.viewer import Dial, LoadedCase, ViewerCase, dial_steps, viewer_part
from nnunet_amt.report.viewer.crop_data import encode_crop
from tests.report.viewer.crops import noisy_crop, unpacked


def levels_of_two() -> np.ndarray:
    """A block of 27 voxels at 0.8 (204), joined by 3 at 0.3 (77) to one of 12 at a half (128); a speck."""
    levels = np.zeros((8, 8, 12), np.uint8)
    levels[1:4, 1:4, 1:4] = 204
    levels[2, 2, 4:7] = 77
    levels[2:4, 1:4, 7:9] = 128
    levels[7, 7, 11] = 255
    return levels


def test_lesions_join_and_vanish_as_the_threshold_moves() -> None:
    """Voxels of 1 x 2 x 5 mm are 0.01 cm³; the speck of one voxel is never counted."""
    steps = {
        round(step.threshold, 2): (step.lesions, round(step.volume_cm3, 3))
        for step in dial_steps(levels_of_two(), spacing=(1, 2, 5), connectivity=26, minimum_voxels=10)
    }
    assert steps[0.3] == (1, 0.42)  # 0.3 of 255 is 76.5: 77 is above
    assert steps[0.35] == (2, 0.39)
    assert steps[0.5] == (2, 0.39)  # 128 and more are tumour in the label map
    assert steps[0.55] == (1, 0.27)
    assert steps[0.8] == (1, 0.27)  # 204 is exactly 0.8
    assert steps[0.85] == (0, 0.0)


def test_nothing_is_no_lesion_at_any_threshold() -> None:
    steps = dial_steps(np.zeros((3, 3, 3), np.uint8), spacing=(1, 1, 1), connectivity=26, minimum_voxels=0)
    assert {(step.lesions, step.volume_cm3) for step in steps} == {(0, 0.0)}


def test_probabilities_come_back_and_stay_within_the_budget() -> None:
    crop = noisy_crop()
    levels = crop.prediction * np.uint8(200)
    data = encode_crop(crop, budget=200_000, levels=levels)
    voxels, (slope, intercept) = unpacked(data.probabilities)
    np.testing.assert_array_equal(voxels, levels)
    assert (slope, intercept) == (pytest.approx(1 / 255), 0)
    small = encode_crop(crop, budget=6_000, levels=levels)
    assert len(small.image) + len(small.labels) + len(small.probabilities) <= 6_000


def test_the_page_has_a_slider_where_probabilities_were_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_module, "niivue_script", lambda: None)
    monkeypatch.setattr(part_module, "encode_strip", lambda *_, **__: None)
    crop = noisy_crop()
    levels = crop.prediction * np.uint8(200)
    steps = dial_steps(levels, spacing=crop.spacing[::-1], connectivity=26, minimum_voxels=10)
    kept = ViewerCase("a", "", lambda: LoadedCase(crop, dial=Dial(levels, steps)))
    without = replace(kept, case_id="b", load=lambda: LoadedCase(crop))
    part = viewer_part([kept, without], budget=200_000, references=False, order="")
    first, second = json.loads(part.data[-1].text)["cases"]
    assert first["probabilities"] in {block.id for block in part.data}
    assert first["dial"][9][:2] == [0.5, 1]
    assert "dial" not in second
    assert 'data-viewer="threshold"' in part.html
    assert "reference" not in part.html
    assert "triage" not in part.html.lower()
    assert 'data-viewer="threshold"' not in viewer_part([without], budget=200_000).html
