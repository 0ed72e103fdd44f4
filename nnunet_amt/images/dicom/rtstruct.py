"""Read masks from the contours of an RTSTRUCT."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import GeometryMismatchError, ImageReadError
from nnunet_amt.images.dicom.contour_fill import fill_contours, without_repeats
from nnunet_amt.images.dicom.files import RT_STRUCTURE_SET, DicomFolder, refusing_damage
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.mask_file import require_tumour

_AREA_TYPES = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
# How far from a slice its contours may lie, as a share of the slice distance.
_OFF_SLICE_SHARE = 0.2
# Contours of the body run along the edge of the CT, and are rounded.
_BEYOND_EDGE_PIXELS = 0.5


@dataclass(frozen=True)
class RtStruct:
    """The structures of an RTSTRUCT that make up the tumour.

    Attributes
    ----------
    folder, member
        Where the file is.
    numbers, names
        ROI numbers and names of the chosen structures, in the same order.
    series_uids, sop_uids
        CT series and slices that the file says it was drawn on, for comparison only.
    """

    folder: DicomFolder
    member: str
    numbers: tuple[int, ...]
    names: tuple[str, ...]
    series_uids: frozenset[str]
    sop_uids: frozenset[str]

    kind = "RTSTRUCT"
    structure = "closed ROI"
    sop_classes = frozenset({RT_STRUCTURE_SET})
    has_ignore_label = False

    @classmethod
    def of(cls, folder: DicomFolder, member: str) -> RtStruct:
        """Open a file with all its structures that enclose something; ImageReadError if it is damaged."""
        with refusing_damage(folder, member):
            dataset = folder.dataset(member)
            areas = _names_of_areas(dataset)
            return cls(folder, member, tuple(areas), tuple(areas.values()), *_referenced(dataset))

    def require_fit(self, geometry: Geometry) -> None:
        """Contours have no grid of their own; whether they lie on slices of the CT shows when they are read."""

    def read(self, geometry: Geometry) -> NDArray[np.uint8]:
        """Fill the contours and merge the structures on the CT's grid to (z, y, x) of 0 and 1.

        Raises
        ------
        GeometryMismatchError
            If a contour lies between slices or outside the CT.
        LabelValueError, ImageReadError
            If no voxel centre is inside a contour, or all are; if the file is damaged, or a coordinate is no number.
        """
        dataset = self.folder.dataset(self.member)
        mask = np.zeros(geometry.size[::-1], dtype=bool)  # (z, y, x)
        for number in self.numbers:
            by_slice: dict[int, list[NDArray]] = defaultdict(list)
            with refusing_damage(self.folder, self.member):
                contours = _contours_of(dataset, number)
            for points in contours:
                index = geometry.continuous_index(points)
                _require_within(index, geometry, number)
                by_slice[_slice_of(index[:, 2], points, geometry, number)].append(index[:, :2])
            for z, in_slice in by_slice.items():
                mask[z] |= fill_contours(without_repeats(in_slice), (mask.shape[1], mask.shape[2]))
        require_tumour(mask, name=f"the RTSTRUCT's ROI number {', '.join(map(str, self.numbers))}")
        return mask.astype(np.uint8)


def _names_of_areas(dataset: Any) -> dict[int, str]:
    """ROI number to name, of the structures that have at least one closed contour."""
    names = {int(item.ROINumber): str(item.ROIName) for item in dataset.get("StructureSetROISequence") or ()}
    with_area = {
        int(roi.ReferencedROINumber)
        for roi in dataset.get("ROIContourSequence") or ()
        if any(map(_encloses, roi.get("ContourSequence") or ()))
    }
    return {number: name for number, name in names.items() if number in with_area}


def _encloses(contour: Any) -> bool:
    """Points and open lines enclose nothing; some programs write closed contours of two points."""
    return contour.get("ContourGeometricType") in _AREA_TYPES and int(contour.get("NumberOfContourPoints") or 3) > 2


def _contours_of(dataset: Any, number: int) -> list[NDArray[np.float64]]:
    """Give the closed contours of an ROI, each (points, 3) in mm, LPS."""
    return [
        _points(contour)
        for roi in dataset.ROIContourSequence
        if int(roi.ReferencedROINumber) == number
        for contour in roi.get("ContourSequence") or ()
        if _encloses(contour)
    ]


def _points(contour: Any) -> NDArray[np.float64]:
    """Give the points of a contour, (points, 3) in mm."""
    data = contour.get_item("ContourData").value
    # The bytes where pydicom has not parsed them yet: it looks at each of thousands of numbers three times.
    numbers = np.array(data.split(b"\\")) if isinstance(data, bytes) else np.array(data)
    return numbers.astype(float).reshape(-1, 3)


def _referenced(dataset: Any) -> tuple[frozenset[str], frozenset[str]]:
    series, images = set(), set()
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or ():
        for study in frame.get("RTReferencedStudySequence") or ():
            for item in study.get("RTReferencedSeriesSequence") or ():
                series.add(str(item.get("SeriesInstanceUID")))
                images |= {str(image.ReferencedSOPInstanceUID) for image in item.get("ContourImageSequence") or ()}
    # Some programs name the images at their contours only; there are thousands of them.
    for roi in (dataset.get("ROIContourSequence") or ()) if not series else ():
        for contour in roi.get("ContourSequence") or ():
            images |= {str(image.ReferencedSOPInstanceUID) for image in contour.get("ContourImageSequence") or ()}
    return frozenset(series), frozenset(images)


def _require_within(index: NDArray, geometry: Geometry, number: int) -> None:
    """Refuse contours of no number, and those that leave the CT in its plane: filled, they would be cut off."""
    if not np.isfinite(index).all():
        raise ImageReadError(
            f"ROI number {number}: a contour has coordinates that are NaN or infinite; export it again"
        )
    in_plane = index[:, :2]
    beyond = max(float((-0.5 - in_plane).max()), float((in_plane + 0.5 - geometry.size[:2]).max()))
    if beyond > _BEYOND_EDGE_PIXELS:
        raise GeometryMismatchError(
            f"ROI number {number}: a contour lies outside the CT, up to {beyond:.1f} pixels beyond its edge; "
            "draw it on this CT"
        )


def _slice_of(z: NDArray, points: NDArray, geometry: Geometry, number: int) -> int:
    """Index of the slice that a contour lies on."""
    nearest = round(float(z.mean()))
    if np.abs(z - nearest).max() > _OFF_SLICE_SHARE:
        raise GeometryMismatchError(
            f"ROI number {number}: a contour at z {points[:, 2].min():.2f} to {points[:, 2].max():.2f} mm lies between "
            f"the slices of the CT, which are {geometry.spacing[2]:.3g} mm apart; draw it on this CT"
        )
    if not 0 <= nearest < geometry.size[2]:
        raise GeometryMismatchError(
            f"ROI number {number}: a contour at z {points[:, 2].mean():.2f} mm lies outside the CT; draw it on this CT"
        )
    return nearest
