"""Write a mask as an RTSTRUCT whose contours run along the pixels' edges: read back, it is the same mask.

What was tried of other ways of writing, and which readers lose pixels or holes with them, is told in docs/clinic.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.clinic.dicom_object import (
    RESEARCH_ONLY,
    Maker,
    Structures,
    date_and_time,
    derived_uid,
    new_object,
    write_object,
)
from nnunet_amt.clinic.pixel_outlines import outlines_of
from nnunet_amt.clinic.source_series import MOVED_BACK, SourceSeries
from nnunet_amt.images.dicom.files import RT_STRUCTURE_SET, pydicom_module
from nnunet_amt.images.geometry import Geometry

Holes = Literal["keyhole", "xor"]

_IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"  # a contour of more than 64 KiB does not fit an explicit VR
_DECIMALS = 6  # of a millimetre: a coordinate stays within the 16 characters of a DS up to +-99999999 mm
_COLOURS = ((255, 64, 64), (255, 200, 0), (0, 200, 255), (200, 80, 255), (80, 230, 80), (255, 128, 0))


def write_rtstruct(
    path: Path,
    source: SourceSeries,
    structures: Structures,
    *,
    maker: Maker,
    holes: Holes = "keyhole",
) -> None:
    """Write structures of a CT series as one RTSTRUCT.

    Parameters
    ----------
    path
        Where to.
    source
        The series.
    structures
        The ROIs.
    maker
        Of the masks.
    holes
        How a hole is written: joined to its outside by a cut, which every reader tried here fills rightly, or as a
        CLOSEDPLANAR_XOR contour of its own, which shows no cut in a viewer.
    """
    content = structures.digest
    dataset = new_object(
        source,
        maker,
        sop_class=RT_STRUCTURE_SET,
        instance_uid=derived_uid(source, maker, content, "RTSTRUCT", holes, *structures.names),
        series_uid=derived_uid(source, maker, content, "RTSTRUCT series", holes, *structures.names),
    )
    dataset.Modality = "RTSTRUCT"
    dataset.OperatorsName = None
    dataset.SeriesDescription = maker.series_description("contours")
    dataset.StructureSetLabel = "AMT research"
    dataset.StructureSetName = "Anterior mediastinal tumour"
    dataset.StructureSetDescription = f"{RESEARCH_ONLY}; {MOVED_BACK}" if source.is_tilted else RESEARCH_ONLY
    dataset.StructureSetDate, dataset.StructureSetTime = date_and_time(source)
    dataset.ApprovalStatus = "UNAPPROVED"
    dataset.ReferencedFrameOfReferenceSequence = [_frame_of_reference(source)]
    dataset.StructureSetROISequence = [
        _structure(source, maker, number, name) for number, name in enumerate(structures.names, start=1)
    ]
    dataset.ROIContourSequence = [
        _roi_contours(source, number, mask, holes=holes) for number, mask in enumerate(structures.masks(), start=1)
    ]
    dataset.RTROIObservationsSequence = [
        _item(ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType=None, ROIInterpreter=None)
        for number in range(1, len(structures.names) + 1)
    ]
    write_object(path, dataset, syntax=_IMPLICIT_VR_LITTLE_ENDIAN)


def _frame_of_reference(source: SourceSeries) -> Any:
    images = [_image(dataset) for dataset in source.slices]
    series = _item(SeriesInstanceUID=source.first.SeriesInstanceUID, ContourImageSequence=images)
    study = _item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",  # retired, and still what readers look for
        ReferencedSOPInstanceUID=source.first.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _item(FrameOfReferenceUID=source.first.FrameOfReferenceUID, RTReferencedStudySequence=[study])


def _structure(source: SourceSeries, maker: Maker, number: int, name: str) -> Any:
    return _item(
        ROINumber=number,
        ReferencedFrameOfReferenceUID=source.first.FrameOfReferenceUID,
        ROIName=name,
        ROIDescription=RESEARCH_ONLY,
        ROIGenerationAlgorithm="AUTOMATIC",
        ROIGenerationDescription=maker.shown,
    )


def _roi_contours(source: SourceSeries, number: int, mask: NDArray[np.bool_], *, holes: Holes) -> Any:
    contours = [
        _contour(source, slice_index, outline, holes=holes)
        for slice_index, outline in _outlines(mask, keyholes=holes == "keyhole")
    ]
    colour = list(_COLOURS[(number - 1) % len(_COLOURS)])
    item = _item(ReferencedROINumber=number, ROIDisplayColor=colour)
    # Says that every slice was looked at: one without a contour is not one on which a contour is missing.
    if not source.is_tilted:  # their planes are no grid
        item.SourcePixelPlanesCharacteristicsSequence = [_planes(source.geometry)]
    if contours:
        item.ContourSequence = contours
    return item


def _planes(geometry: Geometry) -> Any:
    columns, rows, slices = geometry.size
    axes = geometry.axes
    return _item(
        PixelSpacing=_decimal_strings([geometry.spacing[1], geometry.spacing[0]]),
        SpacingBetweenSlices=_decimal_strings([geometry.spacing[2]])[0],
        ImageOrientationPatient=_decimal_strings([*axes[:, 0], *axes[:, 1]]),
        ImagePositionPatient=_decimal_strings(geometry.origin),
        NumberOfFrames=slices,
        Rows=rows,
        Columns=columns,
    )


def _outlines(mask: NDArray[np.bool_], *, keyholes: bool) -> Iterator[tuple[int, NDArray[np.float64]]]:
    for slice_index in np.flatnonzero(mask.any(axis=(1, 2))):
        for outline in outlines_of(mask[slice_index], keyholes=keyholes):
            yield int(slice_index), outline


def _contour(source: SourceSeries, slice_index: int, outline: NDArray[np.float64], *, holes: Holes) -> Any:
    points = source.in_patient(slice_index, outline)
    return _item(
        ContourImageSequence=[_image(source.slices[slice_index])],
        ContourGeometricType="CLOSED_PLANAR" if holes == "keyhole" else "CLOSEDPLANAR_XOR",
        NumberOfContourPoints=len(points),
        ContourData=_decimal_strings(points.ravel()),
    )


def _decimal_strings(numbers: Sequence[float] | NDArray[np.float64]) -> list[str]:
    texts = (f"{number:.{_DECIMALS}f}".rstrip("0").rstrip(".") for number in numbers)
    return ["0" if text == "-0" else text for text in texts]


def _image(dataset: Any) -> Any:
    return _item(ReferencedSOPClassUID=dataset.SOPClassUID, ReferencedSOPInstanceUID=dataset.SOPInstanceUID)


def _item(**elements: Any) -> Any:
    item = pydicom_module().dataset.Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
