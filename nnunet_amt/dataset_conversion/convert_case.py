"""Convert one case: read, check, write. Cases do not know of each other, so any worker may take any case."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.cohort import CohortCase
from nnunet_amt.dataset_conversion.case_record import CaseRecord, digest, fingerprint, write_record
from nnunet_amt.dataset_conversion.case_source import CaseSource, in_column, open_case
from nnunet_amt.dataset_conversion.hounsfield import to_hounsfield
from nnunet_amt.dataset_conversion.nifti_writer import write_nifti
from nnunet_amt.dataset_conversion.raw_dataset import RawDataset
from nnunet_amt.files import write_text
from nnunet_amt.geometry import Geometry

__all__ = ["CaseJob", "check_case", "convert_case"]


@dataclass(frozen=True)
class CaseJob:
    """A case and where it goes.

    Attributes
    ----------
    case
        With its split.
    dataset
        The folder to write to.
    manifest_name
        For messages.
    source
        What `check_case` found; None before.
    """

    case: CohortCase
    dataset: RawDataset
    manifest_name: str
    source: CaseSource | None = None


def check_case(job: CaseJob) -> CaseSource:
    """Read the headers of a case's files; see `open_case` for what is refused."""
    return open_case(job.case, job.manifest_name)


def convert_case(job: CaseJob) -> CaseRecord:
    """Read the voxels of a case and write its CT, its mask, and last its record.

    Raises
    ------
    BadInputError
        One of its subclasses, naming the manifest's line and column and the case.
    DiskFullError
        If the disk filled up.
    """
    case, dataset = job.case, job.dataset
    source = job.source or check_case(job)
    write_text(dataset.record(case.case_id), "{}\n")  # from here on the case's files are ours to remove
    with in_column(job.manifest_name, case, "image"), _empty_folder(dataset.scratch(case.case_id)) as scratch:
        image = source.image.read(scratch)
        values = to_hounsfield(sitk.GetArrayViewFromImage(image))  # (z, y, x)
    geometry = Geometry.of(image)
    with in_column(job.manifest_name, case, "mask"):
        mask = source.mask.read(geometry)  # (z, y, x)
    image_path = dataset.image(case.case_id, case.split)
    label_path = dataset.label(case.case_id, case.split)
    write_nifti(image_path, values, geometry)
    write_nifti(label_path, mask, geometry)
    x, y, z = geometry.spacing
    record = CaseRecord(
        fingerprint=fingerprint(case),
        source=digest(source.image.identity),
        pixels=_digest_of_pixels(values),
        spacing=(x, y, z),
        tumour_voxels=int(mask.sum()),
        manufacturer=source.image.manufacturer,
        image_bytes=image_path.stat().st_size,
        label_bytes=label_path.stat().st_size,
    )
    write_record(dataset, case, record)
    return record


def _digest_of_pixels(values: NDArray) -> str:
    """Equal for the same CT given in two formats; the grid is left out, as rounding may differ between them."""
    content = hashlib.sha256(f"{values.shape} {values.dtype.name}".encode())
    content.update(np.ascontiguousarray(values).data)
    return content.hexdigest()


@contextmanager
def _empty_folder(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
