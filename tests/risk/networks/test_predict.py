"""Scores of new cases, and model folders that cannot be used."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.risk.networks.predict import predict_roi, predict_rois, score_cases
from nnunet_amt.risk.networks.train import TrainedModel
from nnunet_amt.risk.scores import ScoreRow
from tests.risk.risk_cases import Case, cases_of, roi_of, rois_of

NEW = cases_of(2, first=40)


def test_a_score_does_not_depend_on_the_other_cases(trained: TrainedModel) -> None:
    rois = rois_of(NEW)
    together = predict_rois(trained.folder, rois.values())
    assert together == pytest.approx({name: predict_roi(trained.folder, roi) for name, roi in rois.items()})
    assert predict_rois(trained.folder, []) == {}


def test_the_slice_beside_the_largest_has_no_say(trained: TrainedModel) -> None:
    roi = roi_of(NEW[0])
    assert predict_roi(trained.folder, replace(roi, adjacent=roi.largest)) == predict_roi(trained.folder, roi)


def test_external_cases_are_rows_of_the_table(trained: TrainedModel) -> None:
    rois = rois_of(NEW)
    rows = score_cases(trained.folder, NEW, rois)
    scores = predict_rois(trained.folder, rois.values())
    assert rows == [
        ScoreRow("shufflenet_v2_x0_5", "external", None, case.case_id, case.high, scores[case.case_id]) for case in NEW
    ]
    with pytest.raises(UnmatchedCasesError, match="case case_041: no ROI"):
        score_cases(trained.folder, NEW, {NEW[0].case_id: rois[NEW[0].case_id]})


def test_training_cases_cannot_be_external(trained: TrainedModel) -> None:
    @dataclass(frozen=True)
    class SplitCase(Case):
        split: str = "training"

    case = SplitCase("case_040", "p", high=False)
    with pytest.raises(BadInputError, match="case case_040: is no case of the external set"):
        score_cases(trained.folder, [case], rois_of(NEW))
    assert score_cases(trained.folder, [replace(case, split="external")], rois_of(NEW))[0].kind == "external"


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"holds no model\.json; give the model folder of a trained network"):
        predict_roi(tmp_path, roi_of(NEW[0]))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"schema_version": 2}, "is of version 2, this program reads version 1"),
        ({"network": "resnet50"}, "network 'resnet50', normalisation 'image': not known"),
        ({"normalisation": "none"}, "normalisation 'none': not known"),
        ({"size": 8}, "size is 8; must be 32 to 4096 px"),
        ({"size": "32"}, "is damaged .size is .32"),
        ({"threshold": None}, "is damaged .threshold is null"),
        ({"network": "mobilenet_v2"}, "weights.pth: holds the weights of another network than mobilenet_v2"),
        ({"weights_sha256": "0" * 64}, "weights.pth: has the SHA-256 .*, model.json says otherwise"),
    ],
)
def test_a_changed_model_is_refused_in_one_line(model_folder: Path, changed: dict, words: str) -> None:
    path = model_folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    with pytest.raises(BadInputError, match=words) as caught:
        predict_roi(model_folder, roi_of(NEW[0]))
    assert "\n" not in str(caught.value)


def test_missing_weights_and_weights_that_run_code_are_refused(model_folder: Path, tmp_path: Path) -> None:
    weights, description = model_folder / "weights.pth", model_folder / "model.json"
    torch.save({"conv1.0.weight": _RunsCode(tmp_path / "ran")}, weights)
    content = {**json.loads(description.read_text()), "weights_sha256": file_sha256(weights)}
    description.write_text(json.dumps(content))
    with pytest.raises(BadInputError, match=r"weights\.pth: cannot be read as weights without running"):
        predict_roi(model_folder, roi_of(NEW[0]))
    assert not (tmp_path / "ran").exists()
    weights.unlink()
    with pytest.raises(BadInputError, match=r"weights\.pth: is missing; copy the model again"):
        predict_roi(model_folder, roi_of(NEW[0]))


class _RunsCode:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)
