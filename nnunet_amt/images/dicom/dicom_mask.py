"""Find the one RTSTRUCT or DICOM SEG that a case's mask is stored in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from nnunet_amt.errors import GeometryMismatchError, ImageReadError, RoiNotFoundError
from nnunet_amt.images.dicom.dicom_files import RT_STRUCTURE_SET, SEGMENTATIONS, DicomFolder
from nnunet_amt.images.dicom.dicom_header import DicomHeader
from nnunet_amt.images.dicom.dicom_seg import DicomSeg, segs_among
from nnunet_amt.images.dicom.dicom_series import DicomSeries
from nnunet_amt.images.dicom.rtstruct import RtStruct, rtstructs_among

DicomMask: TypeAlias = RtStruct | DicomSeg


def has_dicom_mask(headers: Sequence[DicomHeader]) -> bool:
    """Tell whether there is an RTSTRUCT or a DICOM SEG among DICOM files."""
    return any(header.sop_class == RT_STRUCTURE_SET or header.sop_class in SEGMENTATIONS for header in headers)


def open_dicom_mask(
    folder: DicomFolder, headers: Sequence[DicomHeader], roi: str | None, resample: bool = False
) -> DicomMask:
    """Find the one file that has structures or segments which `roi` names.

    Parameters
    ----------
    folder, headers
        The files.
    roi
        Regular expression that must match a whole name, or the name itself. If it is None, the file must have one
        structure with an area, or one segment.
    resample
        Whether a DICOM SEG may lie on another grid than the CT.

    Raises
    ------
    RoiNotFoundError
        If no structure or segment is so named.
    ImageReadError
        If there is neither RTSTRUCT nor SEG, or more than one that has such a name.
    """
    if not has_dicom_mask(headers):
        kinds = ", ".join(sorted({header.modality or "unknown" for header in headers}))
        raise ImageReadError(
            f"{folder.path.name}: holds no RTSTRUCT and no DICOM SEG (it has {kinds}); give one, or a label file"
        )
    found: list[DicomMask] = []
    problems: list[RoiNotFoundError] = []
    try:
        found += rtstructs_among(folder, headers, roi)
    except RoiNotFoundError as error:
        problems.append(error)
    try:
        found += segs_among(folder, headers, roi, resample)
    except RoiNotFoundError as error:
        problems.append(error)
    if not found:
        raise problems[0] if len(problems) == 1 else RoiNotFoundError("; ".join(map(str, problems)))
    if len(found) > 1:
        kinds = " and ".join(sorted({mask.kind for mask in found}))
        raise ImageReadError(
            f"{folder.path.name}: {len(found)} files ({kinds}) have such an ROI; give the file of one of them"
        )
    return found[0]


def require_same_series(mask: DicomMask, series: DicomSeries) -> None:
    """Refuse a mask that says it was drawn on another series; one that says nothing is believed to fit.

    Raises
    ------
    GeometryMismatchError
        If neither the series nor one of its slices is named.
    """
    says = mask.series_uids or mask.sop_uids
    if says and series.series_uid not in mask.series_uids and not series.sop_uids & mask.sop_uids:
        raise GeometryMismatchError(
            f"the {mask.kind} was drawn on another CT series; give the series that it refers to"
        )
