"""A phantom cohort as hospitals have it: a folder with a DICOM series a case, a mask, and the manifest of all."""

from __future__ import annotations

import csv
from pathlib import Path

import SimpleITK as sitk
from pydicom.dataset import Dataset

from nnunet_amt.base.files import write_csv
from nnunet_amt.phantom import CohortDesign, write_phantom_cohort
from tests.images.dicom.dicom_fixtures import series_uid, write_ct_series
from tests.images.dicom.seg_fixtures import as_source

SMALL = CohortDesign(
    training=3, tuning=1, external=2, excluded=1, development_institutions=1, external_institutions=2,
    in_plane_pixels=64, beside_tumours=20.0,
)  # fmt: skip


def write_dicom_cohort(folder: Path, scratch: Path, *, design: CohortDesign = SMALL) -> Path:
    """Write the cohort to a folder, by way of one of NIfTI files in `scratch`; give its manifest."""
    written = write_phantom_cohort(scratch, design=design)
    with written.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["image"]:
            image = sitk.ReadImage(str(scratch / row["image"]))
            row["image"] = f"cts/{row['case_id']}"
            _write_series(folder / row["image"], image, row["case_id"])
        if row["mask"]:
            mask = sitk.ReadImage(str(scratch / row["mask"]))
            row["mask"] = f"outlines/{row['case_id']}.nii.gz"
            (folder / "outlines").mkdir(exist_ok=True)
            sitk.WriteImage(mask, str(folder / row["mask"]))
    write_csv(folder / "manifest.csv", list(rows[0]), rows)
    return folder / "manifest.csv"


def _write_series(folder: Path, image: sitk.Image, case_id: str) -> None:
    column, row, _ = image.GetSpacing()
    study, frame = series_uid(f"study {case_id}"), series_uid(f"frame {case_id}")

    def change(z: int, dataset: Dataset) -> None:
        as_source(z, dataset)
        dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = study, frame
        dataset.PixelSpacing = [row, column]
        dataset.SliceThickness = image.GetSpacing()[2]

    positions = [image.TransformIndexToPhysicalPoint((0, 0, z)) for z in range(image.GetSize()[2])]
    write_ct_series(folder, sitk.GetArrayFromImage(image), series=case_id, positions=positions, change=change)
