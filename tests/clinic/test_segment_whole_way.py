"""One CT in every form, through a network, here and in worker processes: the same voxels in space."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from nnunet_amt.clinic.case_objects import ObjectOptions
from nnunet_amt.clinic.segment import Segmented, segment
from nnunet_amt.clinic.segment_case import SegmentOptions
from tests.clinic.test_rtstruct import OBLIQUE
from tests.clinic.test_segment import chest
from tests.conftest import set_nnunet_folders
from tests.images.dicom.dicom_fixtures import write_ct_series
from tests.images.dicom.seg_fixtures import as_source
from tests.models.model_fixtures import write_model

pytestmark = pytest.mark.slow

NORMAL = (0.48, -0.64, 0.6)
OBLIQUE_POSITIONS = [tuple(2.5 * z * one for one in NORMAL) for z in range(8)]
AXES = ("LPS", "LAS", "PSR")  # dcm2niix writes LAS


def without_thickness(z: int, dataset: Dataset) -> None:
    as_source(z, dataset)
    dataset.SliceThickness = None


def read_dicom(folder: Path) -> sitk.Image:
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    return sitk.Cast(sitk.ReadImage(list(names)), sitk.sitkInt16)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An axial and an oblique CT, each as DICOM without SliceThickness and as files; and a broken file.

    Ten rows of 0.7 mm are 3.5 of the network's 2 mm: what rounds in a file must not decide between three and four.
    """
    folder = tmp_path_factory.mktemp("given")
    write_ct_series(folder / "axial_dicom", chest(), change=without_thickness)
    write_ct_series(
        folder / "oblique_dicom", chest(), change=without_thickness, series="oblique", orientation=OBLIQUE,
        positions=OBLIQUE_POSITIONS,  # type: ignore[arg-type]
    )  # fmt: skip
    for kind in ("axial", "oblique"):
        image = read_dicom(folder / f"{kind}_dicom")
        for axes in AXES:
            sitk.WriteImage(sitk.DICOMOrient(image, axes), str(folder / f"{kind}_{axes}.nii.gz"))
    content = gzip.decompress((folder / "axial_LPS.nii.gz").read_bytes())
    (folder / "broken.nii.gz").write_bytes(gzip.compress(content[:-100]))
    return folder


@pytest.fixture(scope="module")
def weights(planned_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(11)  # a third of the CT and less: more would be taken for noise
    return write_model(tmp_path_factory.mktemp("results"), planned_base)


def run(given: Path, output: Path, weights: Path, jobs: int) -> Segmented:
    inputs = sorted(path for path in given.iterdir())
    options = SegmentOptions(ObjectOptions(kinds=("seg",), minimum_voxels=1))
    return segment(inputs, output, model=str(weights.parents[1]), options=options, device="cpu", jobs=jobs)


def in_space(path: Path) -> NDArray[np.uint8]:
    voxels: NDArray[np.uint8] = sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS"))
    return voxels


def test_one_ct_in_every_form_has_one_result_in_one_process_or_several(
    given: Path, weights: Path, planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_nnunet_folders(monkeypatch, planned_base)
    here, there = (run(given, tmp_path / str(jobs), weights, jobs) for jobs in (1, 2))
    for result in (here, there):
        assert [one.given.name for one in result.not_taken] == ["broken.nii.gz"]
    assert sorted(here.done) == sorted(there.done)
    assert len(here.done) == 8
    for kind in ("axial", "oblique"):
        expected = in_space(tmp_path / "1" / f"{kind}_dicom" / "segmentation.nii.gz")
        assert 0 < expected.mean() < 1  # weights of chance find something
        for axes in AXES:
            found = tmp_path / "1" / f"{kind}_{axes}" / "segmentation.nii.gz"
            assert (in_space(found) == expected).all()
            direction = sitk.ReadImage(str(found)).GetDirection()
            code = sitk.DICOMOrientImageFilter_GetOrientationFromDirectionCosines(direction)
            assert code == axes
    for case in here.done:
        for name in ("segmentation.nii.gz", "probabilities.nii.gz", "ct_crop.nii.gz", "overview.png", "seg.dcm"):
            one, other = (tmp_path / jobs / case / name for jobs in ("1", "2"))
            assert one.exists() == other.exists() == (name != "seg.dcm" or case.endswith("dicom"))
            assert not one.exists() or one.read_bytes() == other.read_bytes()
