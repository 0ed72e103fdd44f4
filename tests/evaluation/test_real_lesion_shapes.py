"""Shapes of real lymph nodes, against copies of them that are shifted, shrunk and grown."""

from __future__ import annotations

import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import binary_dilation, binary_erosion
from scipy.spatial.distance import pdist

from nnunet_amt.evaluation.measure.distances import largest_diameters
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.foreground import Foreground
from tests.evaluation.builders import SPACING, evaluated
from tests.real_data import real_data

SHAPES = "08_uls23_nih_mediastinal_node_masks"
SETTINGS = EvaluationSettings(minimum_predicted_voxels=0)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """Every twentieth lesion, (z, y, x), cut out with three voxels of background around it."""
    folder = tmp_path_factory.mktemp("shapes")
    found = []
    for packed in sorted(real_data(SHAPES).rglob("*.zip"))[::20]:
        with zipfile.ZipFile(packed) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".nii.gz"))
            path = folder / Path(name).name
            path.write_bytes(archive.read(name))
        mask = np.squeeze(np.asarray(nibabel.load(path).dataobj)).T != 0  # type: ignore[attr-defined]
        (piece, *_) = Foreground.of(mask.astype(np.uint8), SPACING).pieces
        found.append(np.pad(piece.mask, 3))
    assert len(found) > 8
    return found


@pytest.mark.real
def test_perturbed_copies_have_the_overlap_that_simpleitk_measures(shapes: list[np.ndarray]) -> None:
    for shape in shapes:
        changed = (np.roll(shape, 2, axis=2), binary_erosion(shape), binary_dilation(shape), np.roll(shape, 1, axis=0))
        for prediction in changed:
            case = evaluated(prediction.astype(np.uint8), shape.astype(np.uint8), SETTINGS)
            overlap = sitk.LabelOverlapMeasuresImageFilter()
            overlap.Execute(*(sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (prediction, shape)))
            assert case.voxel.dice == pytest.approx(overlap.GetDiceCoefficient())
            components = sitk.ConnectedComponent(sitk.GetImageFromArray(shape.astype(np.uint8)), True)
            assert len(case.counts.reference_voxels) == sitk.GetArrayViewFromImage(components).max()
            if len(case.counts.reference_voxels) == len(case.counts.prediction_voxels) == 1:
                # One lesion on each side: it is matched at exactly the thresholds below the masks' own IoU.
                assert case.lesions.tp.sum() == np.ceil(round(20 * overlap.GetJaccardCoefficient(), 9)) - 1


@pytest.mark.real
def test_diameters_are_the_longest_distances_between_face_midpoints(shapes: list[np.ndarray]) -> None:
    for shape in shapes:
        centres = np.argwhere(shape & ~binary_erosion(shape))
        faces = [centres + 0.5 * sign * axis for axis in np.eye(3) for sign in (-1, 1)]
        points = np.concatenate(faces) * SPACING[::-1]
        if len(points) < 6000:  # all pairs of more take too much memory
            assert largest_diameters(shape, SPACING).maximum == pytest.approx(pdist(points).max())
