"""The CT series that a result belongs to: its grid, and what each object made of it must take over from it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.clinic.source_headers import require_identity, without_invalid
from nnunet_amt.errors import AMTError, BadInputError, GeometryMismatchError, ImageReadError
from nnunet_amt.images.dicom.files import DicomFolder, is_cut_zip, quiet_readers
from nnunet_amt.images.dicom.headers import CT_IMAGE, DicomHeader
from nnunet_amt.images.dicom.series import DicomSeries, ct_series_among
from nnunet_amt.images.dicom.slices import on_tilted_slices
from nnunet_amt.images.foreground import MaskBox
from nnunet_amt.images.geometry import Geometry, from_lps, geometry_difference, lps_array_axes
from nnunet_amt.images.image_file import ReadingOptions
from nnunet_amt.writing.numbers import counted

_AS_IT_IS = ReadingOptions()
_LOCALISER = "localiser"
# Of the patient and the study, which objects of one study share; those of type 2 stand empty where the CT lacks them.
_TAKEN_OVER = (
    "SpecificCharacterSet",
    "IssuerOfPatientID",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyDescription",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
)
_TAKEN_OVER_OR_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "PositionReferenceIndicator",
)
MOVED_BACK = "drawn on the straightened CT, each slice moved back by whole pixels"  # of a tilted gantry's
# What objects state of slices other than the first.
_OF_A_SLICE = ("InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient")


class NoCtError(ImageReadError):
    """What a folder holds beside CT series."""


@dataclass(frozen=True)
class SourceSeries:
    """A CT series with the headers of its slices, pydicom datasets without pixels, in the order of the stack.

    What is no value by the standard is not among them; of what objects would have taken over, `left_out` tells.
    """

    series: DicomSeries
    slices: tuple[Any, ...]
    left_out: tuple[str, ...] = ()

    @classmethod
    @quiet_readers()
    def of(cls, series: DicomSeries) -> SourceSeries:
        """Read the headers of a series; ImageReadError if it is enhanced, or objects cannot name it."""
        if series.is_enhanced:
            raise ImageReadError(
                f"{series.folder.path.name}: is an enhanced CT, all slices in one file, of which no objects are "
                "written; export it as single slices"
            )
        slices = tuple(series.folder.datasets([header.member for header in series.slices]))
        require_identity(slices, series.folder.path.name)
        gone = without_invalid(slices[0])
        for dataset in slices[1:]:
            without_invalid(dataset, only=_OF_A_SLICE)
        taken_over = (*_TAKEN_OVER, *_TAKEN_OVER_OR_EMPTY)
        return cls(series, slices, tuple(keyword for keyword in gone if keyword in taken_over))

    @property
    def note(self) -> str:
        """What to know of the objects made of this series; empty where there is nothing."""
        notes = [f"DICOM objects: {MOVED_BACK}"] if self.is_tilted else []
        if self.left_out:
            notes.append(f"the objects leave out {', '.join(self.left_out)}: the CT's value is none by the standard")
        return "; ".join(notes)

    @property
    def first(self) -> Any:
        """The header of the first slice, for what is the same in all."""
        return self.slices[0]

    @property
    def geometry(self) -> Geometry:
        """The grid of the slices as the scanner made them; of a tilted gantry's without their shifts in the plane."""
        return self.series.stored_geometry

    @property
    def is_tilted(self) -> bool:
        """Whether the gantry was tilted: masks lie on the straightened grid, and are moved back for the objects."""
        return self.series.shifts is not None

    def on_slices(self, label_map: NDArray[np.uint8], grid: Geometry) -> NDArray[np.uint8]:
        """Lay a label map, (z, y, x) with LPS axes on `grid`, on the scanner's slices: (slice, row, column).

        That of a straightened CT is moved back, see `on_tilted_slices`. Raises GeometryMismatchError if the mask is not
        of this CT.
        """
        if difference := geometry_difference(grid, self.series.geometry):
            raise GeometryMismatchError(f"the mask is not of this CT: {difference}")
        slices = from_lps(label_map, self.geometry)
        if self.series.shifts is not None:
            return on_tilted_slices(slices, self.series.shifts, size=self.geometry.size)
        return np.ascontiguousarray(slices)

    def slice_of(self, box: MaskBox) -> int:
        """Find the slice, from 0, that holds most of a lesion; its box is of the CT with LPS axes."""
        order, flips = lps_array_axes(self.geometry)
        across = order.index(0)  # the axis (z, y, x) along which the slices lie
        voxels = box.mask.sum(axis=tuple(axis for axis in range(3) if axis != across))
        if across in flips:
            return len(self.slices) - box.upper[across] + int(np.argmax(voxels[::-1]))
        return box.lower[across] + int(np.argmax(voxels))

    def in_patient(self, slice_index: int, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn (column, row) of a slice into points in mm, (points, 3), LPS."""
        geometry = self.geometry
        if self.is_tilted:
            origin = np.array(self.series.slices[slice_index].position)
        else:
            origin = np.array(geometry.origin) + geometry.axes[:, 2] * geometry.spacing[2] * slice_index
        placed: NDArray[np.float64] = origin + points @ (geometry.axes[:, :2] * geometry.spacing[:2]).T
        return placed

    def take_over(self, dataset: Any) -> None:
        """Set patient, study and frame of reference of an object made of this series."""
        with quiet_readers():
            for keyword in (*_TAKEN_OVER, *_TAKEN_OVER_OR_EMPTY):
                if keyword in self.first:
                    dataset[keyword] = deepcopy(self.first[keyword])
                elif keyword in _TAKEN_OVER_OR_EMPTY:
                    setattr(dataset, keyword, None)
                elif keyword in dataset:
                    del dataset[keyword]


def require_whole(given: Path) -> None:
    """Refuse what is not there, and a zip whose end is cut off; ImageReadError for the second."""
    if not given.exists():
        raise BadInputError(f"{given}: does not exist; give a DICOM folder or zip, or an image file")
    if given.is_file() and is_cut_zip(given):
        raise ImageReadError(f"{given.name}: is a zip whose end is cut off; copy it again")


def ct_series_in(path: Path, *, options: ReadingOptions = _AS_IT_IS) -> list[DicomSeries | AMTError]:
    """Find every CT series in a folder, zip or file; in place of one that the gate refuses stands the reason.

    What else the DICOM files are stands last, as a `NoCtError`, if there is anything.

    Raises ImageReadError if there is no CT at all, or a file cannot be read.
    """
    folder = DicomFolder(path)
    headers = folder.headers()
    by_series: dict[str, list[DicomHeader]] = defaultdict(list)
    for header in headers:
        if header.sop_class == CT_IMAGE and "LOCALIZER" not in header.image_type:
            by_series[header.series_uid].append(header)
    if not by_series:
        return [ct_series_among(folder, headers, options=options)]  # which says what there is
    found = [_series_or_reason(folder, slices, options) for slices in by_series.values()]
    taken = sum(map(len, by_series.values()))
    if taken < len(headers):
        kinds = Counter(_kind(header) for header in headers if header.series_uid not in by_series)
        listed = ", ".join(
            counted(count, kind) if kind == _LOCALISER else f"{count} {kind}" for kind, count in kinds.most_common()
        )
        found.append(NoCtError(f"what lies beside its CT: {listed or 'localisers'}"))
    return found


def _kind(header: DicomHeader) -> str:
    return _LOCALISER if header.sop_class == CT_IMAGE else header.modality or "of unknown modality"


def _series_or_reason(
    folder: DicomFolder, slices: Sequence[DicomHeader], options: ReadingOptions
) -> DicomSeries | AMTError:
    try:
        return ct_series_among(folder, slices, options=options)
    except AMTError as error:
        return error
