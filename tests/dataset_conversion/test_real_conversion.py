"""Real CTs: what planning systems and scanners wrote, against masks that others made of it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.cohort import CohortCase
from nnunet_amt.dataset_conversion import ConversionSettings, convert
from nnunet_amt.dataset_conversion.case_source import CaseSource, open_case
from nnunet_amt.dataset_conversion.public import nsclc_radiomics
from nnunet_amt.errors import GeometryMismatchError, RoiNotFoundError
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.series import ct_series_among
from nnunet_amt.images.geometry import Geometry, geometry_difference
from tests.cohort.cases import make_case
from tests.dataset_conversion.cohort_fixtures import write_manifest
from tests.dataset_conversion.public.public_fixtures import masks
from tests.real_data import DICOM_SEG, IBSI_PHANTOM, LIDC_SLICES, NODES, PATIENT_2, THORAX_CTA, real_data

pytestmark = pytest.mark.real


def opened(image: Path, mask: Path, roi: str | None = None) -> CaseSource:
    fields = vars(make_case("case", "institution")) | {"image": image, "mask": mask, "roi": roi}
    return open_case(CohortCase(**fields), manifest_name="manifest.csv")


def array_of(path: Path) -> NDArray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_the_ibsi_mask_from_its_rtstruct_is_the_official_one_voxel_for_voxel(tmp_path: Path) -> None:
    """The golden test of the filling rule: 125,256 voxels, none differs. The image is the official one too."""
    folder = real_data(IBSI_PHANTOM)
    case = opened(folder / "dicom" / "image", folder / "dicom" / "mask", "GTV-1")
    mask = case.mask.read(case.image.geometry).labels
    official = array_of(folder / "nifti" / "mask" / "mask.nii.gz")
    assert np.count_nonzero(mask != official) == 0
    assert mask.sum() == 125_256
    image = case.image.read(tmp_path)
    official_image = sitk.ReadImage(str(folder / "nifti" / "image" / "phantom.nii.gz"))
    assert np.count_nonzero(sitk.GetArrayFromImage(image) != sitk.GetArrayFromImage(official_image)) == 0
    assert geometry_difference(Geometry.of(image), Geometry.of(official_image)) is None


@pytest.mark.parametrize(("roi", "cubic_centimetres"), [("GTV-1", 34.7), ("GTV-3", 8.7)])
def test_structures_in_a_zip_of_ct_plan_and_dose(roi: str, cubic_centimetres: float) -> None:
    """A full thorax; the masks beside it were made with the same rule by other code."""
    folder = real_data(NODES)
    case = opened(folder / "dicom.zip", folder / "dicom.zip", roi)
    mask = case.mask.read(case.image.geometry).labels
    assert np.count_nonzero(mask != array_of(folder / "derived_masks" / f"{roi}.nii.gz")) == 0
    assert mask.sum() * case.image.geometry.voxel_volume_mm3 / 1000 == pytest.approx(cubic_centimetres, abs=0.05)


def test_a_zip_is_read_in_order_of_the_slices(tmp_path: Path) -> None:
    """107 slices of 3 mm from -305.9 mm, under names without order; the spinal canal does not jump between slices."""
    folder = real_data(NODES)
    case = opened(folder / "dicom.zip", folder / "dicom.zip", "GTV-3")
    geometry = case.image.geometry
    assert geometry.size == (512, 512, 107)
    np.testing.assert_allclose(geometry.spacing, (0.977, 0.977, 3.0))
    np.testing.assert_allclose(geometry.origin, (-250.112, -250.112, -305.9))
    values = sitk.GetArrayFromImage(case.image.read(tmp_path)).astype(np.int32)
    neighbours = np.abs(np.diff(values[:, ::8, ::8], axis=0)).mean(axis=(1, 2))
    # Any two slices that are not neighbours differ by more than neighbours do.
    apart = np.abs(values[:-20, ::8, ::8] - values[20:, ::8, ::8]).mean(axis=(1, 2))
    assert neighbours.max() < 2 * np.median(neighbours)
    assert np.median(apart) > 2 * np.median(neighbours)


def test_rois_that_are_points_or_do_not_exist_are_refused() -> None:
    folder = real_data(NODES)
    for roi in ("I1", "Isocenter 1", "GTV-9"):
        with pytest.raises(
            RoiNotFoundError, match=r"the RTSTRUCT has \d+ closed ROIs, none named 'GTV-9|I1|Isocenter 1'"
        ):
            opened(folder / "dicom.zip", folder / "dicom.zip", roi)


def test_a_folder_of_slices_and_structures(tmp_path: Path) -> None:
    folder = real_data(PATIENT_2)
    case = opened(folder, folder, "GTV-1")
    assert case.mask.read(case.image.geometry).labels.sum() == 2256
    assert case.image.read(tmp_path).GetSize() == (141, 138, 41)


def test_a_series_that_was_scanned_feet_first(tmp_path: Path) -> None:
    """16 slices of 2.5 mm with padding below -1024; slices are named by their place, which tells their order."""
    folder = DicomFolder(real_data(LIDC_SLICES))
    series = ct_series_among(folder, folder.headers())
    assert (series.geometry.size[2], series.geometry.spacing[2]) == (16, 2.5)
    names = [header.member for header in series.slices]
    assert names == sorted(names, key=lambda name: float(name.removesuffix(".dcm")))
    assert series.manufacturer == "GE MEDICAL SYSTEMS"
    assert series.read(tmp_path).GetSize() == (512, 512, 16)


def test_an_rtstruct_of_another_patient_is_refused() -> None:
    with pytest.raises(GeometryMismatchError, match="is of another patient than the CT"):
        opened(real_data(LIDC_SLICES), real_data(PATIENT_2), "GTV-1")


def test_a_dicom_seg_is_the_label_file_that_it_was_made_of(tmp_path: Path) -> None:
    """Three slices of a liver; the label file beside the SEG was read by the program that wrote the SEG."""
    folder = real_data(DICOM_SEG)
    case = opened(folder / "ct-3slice", folder / "liver.dcm", "Liver")
    mask = case.mask.read(case.image.geometry).labels
    assert mask.sum() == 107_098
    reference = opened(folder / "ct-3slice", folder / "liver_seg.nrrd").mask.read(case.image.geometry).labels
    assert np.count_nonzero(mask != reference) == 0
    values = sitk.GetArrayFromImage(case.image.read(tmp_path))
    assert 0 < np.median(values[mask == 1]) < 200  # HU of a liver


def test_the_manifest_of_a_real_patient_of_nsclc_radiomics(tmp_path: Path) -> None:
    """One flat folder of CT, RTSTRUCT, plan and dose: the mask is that of the file made by other code."""
    folder = real_data(NODES)
    with zipfile.ZipFile(folder / "dicom.zip") as archive:
        archive.extractall(tmp_path / "LUNG1" / "LUNG1-003")
    manifest = nsclc_radiomics.write_manifest(tmp_path / "LUNG1", tmp_path / "lung.csv", roi="GTV-3")
    [mask] = masks(manifest).values()
    assert np.count_nonzero(mask != array_of(folder / "derived_masks" / "GTV-3.nii.gz")) == 0


def test_overlapping_segments_of_a_real_seg() -> None:
    """Five segments; the union of all is no larger than their sum, and no smaller than the largest."""
    folder = real_data(DICOM_SEG)
    labels = ("GREEN", "ORANGE", "PURPLE", "LIGHT_BLUE", "DARK_BLUE")
    masks = []
    for label in (*labels, ".*"):
        case = opened(folder / "ct-3slice", folder / "partial_overlaps.dcm", label)
        masks.append(case.mask.read(case.image.geometry).labels)
    np.testing.assert_array_equal(masks[-1], np.max(masks[:-1], axis=0))
    assert max(mask.sum() for mask in masks[:-1]) < masks[-1].sum() < sum(int(mask.sum()) for mask in masks[:-1])


def test_a_seg_of_another_ct_is_refused() -> None:
    with pytest.raises(GeometryMismatchError, match="the DICOM SEG is of another patient than the CT"):
        opened(real_data(LIDC_SLICES), real_data(DICOM_SEG) / "liver.dcm", "Liver")


def test_a_nifti_ct_with_a_model_s_mask() -> None:
    folder = real_data(THORAX_CTA) / "aorta_report"
    case = opened(folder / "ct_cropped.nii.gz", folder / "aorta_true_lumen.nii.gz")
    assert case.image.geometry.spacing == (1.5, 1.5, 1.5)
    expected = np.count_nonzero(array_of(folder / "aorta_true_lumen.nii.gz"))
    assert case.mask.read(case.image.geometry).labels.sum() == expected


def test_four_real_cases_become_a_dataset(tmp_path: Path) -> None:
    """A zip, two folders of DICOM, and a NIfTI pair: training, tuning and external."""
    nodes, phantom, patient, cta = (real_data(name) for name in (NODES, IBSI_PHANTOM, PATIENT_2, THORAX_CTA))
    dicom, aorta = phantom / "dicom", cta / "aorta_report"
    rows = [
        ("nodes", "A", nodes / "dicom.zip", nodes / "dicom.zip", "GTV-3", "training"),
        ("lung", "A", dicom / "image", dicom / "mask", "GTV-1", "tuning"),
        ("patient2", "B", patient, patient, "GTV-.*", "external"),
        ("aorta", "A", aorta / "ct_cropped.nii.gz", aorta / "aorta_true_lumen.nii.gz", "", "training"),
    ]
    columns = ("case_id", "institution", "image", "mask", "roi", "split")
    manifest = write_manifest(
        tmp_path / "manifest.csv",
        [dict(zip(columns, map(str, row), strict=True)) | {"patient_id": row[0]} for row in rows],
    )
    settings = ConversionSettings(keep_case_ids=True)
    summary = convert(manifest, tmp_path / "raw", dataset_id=711, settings=settings)
    assert [split.cases for split in summary.audit.splits] == [2, 1, 1]
    label = array_of(summary.dataset_folder / "labelsTr" / "nodes.nii.gz")
    assert np.count_nonzero(label != array_of(nodes / "derived_masks" / "GTV-3.nii.gz")) == 0
    image = array_of(summary.dataset_folder / "imagesTr" / "lung_0000.nii.gz")
    assert np.count_nonzero(image != array_of(phantom / "nifti" / "image" / "phantom.nii.gz")) == 0
    assert json.loads((summary.dataset_folder / "dataset.json").read_text())["numTraining"] == 3
    assert convert(manifest, tmp_path / "raw", dataset_id=711, settings=settings).already_done == 4
