"""nnU-Net's own export writes what we read: array, axes and grid."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.evaluation.measure.label_maps import LabelMapPair, read_mask_pair
from nnunet_amt.evaluation.score_froc.candidates import read_probabilities, require_same_prediction
from tests.conftest import TINY_DATASET, set_nnunet_folders


@pytest.mark.parametrize("half", [False, True])
def test_a_case_exported_by_nnunet(
    planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    """Random logits of a preprocessed case become a label map and the probabilities it was decided by."""
    import torch

    torch.set_num_threads(1)
    set_nnunet_folders(monkeypatch, planned_base)
    from batchgenerators.utilities.file_and_folder_operations import load_json
    from nnunetv2.inference.export_prediction import export_prediction_from_logits
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    preprocessed = planned_base / "nnUNet_preprocessed" / TINY_DATASET
    plans = PlansManager(str(preprocessed / "nnUNetAMTPlans.json"))
    properties_file = next(preprocessed.glob("*/a.pkl"))
    properties = pickle.loads(properties_file.read_bytes())
    shape = (2, *properties["shape_after_cropping_and_before_resampling"])
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    if half:
        logits = logits.half()
    configuration, dataset = plans.get_configuration("3d_fullres"), load_json(str(preprocessed / "dataset.json"))
    export_prediction_from_logits(logits, properties, configuration, plans, dataset, str(tmp_path / "a"), True, 1)

    label_map = tmp_path / "a.nii.gz"
    pair = LabelMapPair("a", label_map, label_map)
    tumour = read_probabilities(tmp_path / "a.npz", pair)
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(label_map)))  # (z, y, x)
    assert tumour.shape == voxels.shape == (16, 40, 40)
    require_same_prediction(tumour, read_mask_pair(pair).prediction, tmp_path / "a.npz", pair)
    assert tumour[voxels == 1].min() >= 0.5 - 1e-3
    assert tumour[voxels == 0].max() <= 0.5 + 1e-3
    assert 0.4 < np.mean(voxels) < 0.6  # both classes are there
