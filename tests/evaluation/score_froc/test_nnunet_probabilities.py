"""nnU-Net's own export writes what we read: array, axes and grid."""

from __future__ import annotations

import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair, read_mask_pair
from nnunet_amt.evaluation.score_froc.candidates import read_probabilities, require_same_prediction
from tests.conftest import TINY_DATASET, set_nnunet_folders
from tests.evaluation.builders import row_mask, write_pair


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


def head(shape: str, kind: str = "<f4") -> bytes:
    """Give the head of an array file, which says what follows."""
    text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


SHAPE = "(2, 1, 1, 60)"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (head("(2, 100000, 100000, 100000)"), "size (100000, 100000, 100000) against (60, 1, 1)"),
        (head(SHAPE), "is damaged or no file of nnU-Net's"),
        (head(SHAPE) + bytes(60_000_000), "is damaged or no file of nnU-Net's"),
        (head(SHAPE, "|O") + bytes(960), "4 dimensions and type object"),
        (head(SHAPE, "(9,)f4") + bytes(480), "type ('<f4', (9,))"),
        (head("(2,)"), "an array of 1 dimensions"),
        (head("(2, -1, 1, 60)"), "size (60, 1, -1) against"),
        (head("2"), "is damaged"),
        (head("(" * 3000), "is damaged"),
        (b"\x93NUMPY\x09\x00", "is damaged"),
        (b"", "is damaged"),
    ],
)
def test_the_head_is_read_before_the_values(tmp_path: Path, content: bytes, said: str) -> None:
    """A file of some hundred kilobytes that says it is of terabytes, or unpacks to sixty megabytes, costs no memory."""
    write_pair(tmp_path, "a", row_mask(60, (0, 20)), row_mask(60, (0, 20)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("probabilities.npy", content)
    pair = LabelMapPair("a", tmp_path / "predictions" / "a.nii.gz", tmp_path / "references" / "a.nii.gz")
    tracemalloc.start()
    with pytest.raises(BadInputError) as raised:
        read_probabilities(tmp_path / "a.npz", pair)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    assert peak < 20_000_000


def test_an_array_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", row_mask(60, (0, 20)), row_mask(60, (0, 20)))
    with pytest.warns(UserWarning), zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("probabilities.npy", head(SHAPE) + bytes(480))
        archive.writestr("probabilities.npy", head(SHAPE) + bytes(480))
    pair = LabelMapPair("a", tmp_path / "predictions" / "a.nii.gz", tmp_path / "references" / "a.nii.gz")
    with pytest.raises(BadInputError, match="has no array 'probabilities'"):
        read_probabilities(tmp_path / "a.npz", pair)
