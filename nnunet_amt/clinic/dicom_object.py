"""What every DICOM object of ours has in common: who made it, UIDs that follow from its inputs, how it is written."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt import __version__
from nnunet_amt.base.files import atomic_path
from nnunet_amt.clinic.source_series import SourceSeries
from nnunet_amt.images.dicom.files import pydicom_module

RESEARCH_ONLY = "Research use only, not for diagnosis"
MANUFACTURER = "nnunet_amt"
# Raised whenever the same mask is written as something else: the objects are then other ones, with other UIDs.
WRITER_VERSION = 3
_NO_DATE = "19000101"


@dataclass(frozen=True)
class Maker:
    """What made a result, as the objects name it.

    Attributes
    ----------
    model
        Its name, such as that of the trainer.
    model_hash
        SHA-256 of its weights, hexadecimal; empty where it is not known.
    operating_point
        Name of the operating point, empty for the network's own decision.
    revision
        Which result of a series it is: slices that came late make another one.
    trained_on
        What the model has learnt from, if not from patients; empty otherwise.
    """

    model: str
    model_hash: str
    operating_point: str = ""
    revision: int = 1
    trained_on: str = ""

    @property
    def warning(self) -> str:
        """Say of a model that has seen no patient what it has seen."""
        return f"the model was trained on {self.trained_on}, on no patient" if self.trained_on else ""

    @property
    def shown(self) -> str:
        """Model, version and point on one line, at most 64 characters as DICOM's LO."""
        parts = [self.model, self.model_hash[:12], self.operating_point]
        return " ".join(part for part in parts if part).encode("ascii", "replace").decode()[:64]

    def series_description(self, what: str) -> str:
        """Say what a series of objects holds, and that it stands in place of an earlier one, if it does.

        At most 64 characters as DICOM's LO; a long word for what the model has learnt from is cut, the revision is not.
        """
        trained = f", model of {self.trained_on}" if self.trained_on else ""
        revision = "" if self.revision == 1 else f" revision {self.revision}"
        return f"AMT {what} (research only{trained})"[: 64 - len(revision)] + revision


@dataclass(frozen=True, eq=False)
class Structures:
    """What an object outlines on the scanner's slices, one or many that do not overlap.

    Attributes
    ----------
    names
        Of each; none is needed where nothing is outlined.
    labels
        (slice, row, column): 1 is the first of them, see `SourceSeries.on_slices`; one array holds them all, as a mask
        of a thin-slice CT takes as much memory for each.
    """

    names: tuple[str, ...]
    labels: NDArray[np.uint8]

    @cached_property
    def digest(self) -> str:
        """Hash of the voxels."""
        return hash_of_mask(self.labels)

    def masks(self) -> Iterator[NDArray[np.bool_]]:
        """Give the mask of each, one after the other."""
        for number in range(1, len(self.names) + 1):
            yield self.labels == number


def derived_uid(source: SourceSeries, maker: Maker, mask_hash: str, *what: str) -> str:
    """Derive a UID from what an object is made of: the same for the same, another when anything changes.

    Parameters
    ----------
    mask_hash
        Of the voxels, see `hash_of_mask`.
    what
        Which object of them, such as ``"SEG"``, ``"series"``.
    """
    source_uids = [str(dataset.SOPInstanceUID) for dataset in source.slices]
    parts = [*source_uids, maker.model_hash, maker.operating_point, mask_hash, str(WRITER_VERSION), *what]
    if maker.revision > 1:
        parts.append(f"revision {maker.revision}")
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def hash_of_mask(mask: Any) -> str:
    """Hash the voxels of a label map, an array of small whole numbers, and its shape."""
    return hashlib.sha256(str(mask.shape).encode() + mask.astype("uint8").tobytes()).hexdigest()


def new_object(source: SourceSeries, maker: Maker, *, sop_class: str, instance_uid: str, series_uid: str) -> Any:
    """Begin a dataset in the patient and study of the CT, made by us."""
    pydicom = pydicom_module()
    dataset = pydicom.dataset.Dataset()
    source.take_over(dataset)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, instance_uid
    dataset.SeriesInstanceUID = series_uid
    dataset.SeriesNumber = series_number(source)
    dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, maker.shown
    dataset.SoftwareVersions = __version__
    dataset.DeviceSerialNumber = maker.model_hash[:16] or "unknown"
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = date_and_time(source)
    return dataset


def series_number(source: SourceSeries) -> int:
    """Give a number that stands behind those of the scanner: most viewers sort series by it."""
    number = source.first.get("SeriesNumber")
    return 9000 + (int(number) if number not in (None, "") else 0) % 1000


def date_and_time(source: SourceSeries) -> tuple[str, str]:
    """Give the date and time, DA and TM, that objects of a CT state: the CT's own.

    A clock would make another object of the same UID each time that the same result is written.
    """
    for of in ("Series", "Acquisition", "Content", "Study"):
        if date := str(source.first.get(f"{of}Date") or ""):
            return date, str(source.first.get(f"{of}Time") or "000000")
    return _NO_DATE, "000000"


def set_moments(dataset: Any, source: SourceSeries) -> None:
    """Set the CT's date and time where highdicom wrote those of the clock."""
    date, time = date_and_time(source)
    for moment in ("InstanceCreation", "Content", "Series"):
        setattr(dataset, f"{moment}Date", date)
        setattr(dataset, f"{moment}Time", time)
    for equipment in dataset.get("ContributingEquipmentSequence", []):
        equipment.ContributionDateTime = f"{date}{time}"


def write_object(path: Path, dataset: Any, *, syntax: str) -> None:
    """Write a dataset as a DICOM file of a transfer syntax, whole or not at all."""
    pydicom = pydicom_module()
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = pydicom.uid.PYDICOM_IMPLEMENTATION_UID
    meta.ImplementationVersionName = "NNUNET_AMT"
    dataset.file_meta = meta
    dataset.preamble = bytes(128)
    with atomic_path(path) as partial:
        pydicom.dcmwrite(partial, dataset, enforce_file_format=True)
