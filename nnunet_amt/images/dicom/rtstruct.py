"""Read masks from the contours of an RTSTRUCT, filled even-odd: a pixel belongs to the inside if its centre does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import GeometryMismatchError, ImageReadError
from nnunet_amt.images.dicom.files import RT_STRUCTURE_SET, DicomFolder, DicomMask, refusing_damage
from nnunet_amt.images.dicom.headers import digest_of_id
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.mask_file import require_tumour

_AREA_TYPES = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
# How far from a slice its contours may lie, as a share of the slice distance.
_OFF_SLICE_SHARE = 0.2
# Contours of the body run along the edge of the CT, and are rounded.
_BEYOND_EDGE_PIXELS = 0.5
_SAME_POINT_PIXELS = 1e-3
_DECIMALS = 6  # of a pixel: so that rounding errors do not decide what lies on a contour


@dataclass(frozen=True)
class RtStruct(DicomMask):
    """The structures of an RTSTRUCT that make up the tumour."""

    kind = "RTSTRUCT"
    structure = "closed ROI"
    sop_classes = frozenset({RT_STRUCTURE_SET})

    @classmethod
    def of(cls, folder: DicomFolder, member: str) -> RtStruct:
        """Open a file with all its structures that enclose something; ImageReadError if it is damaged."""
        with refusing_damage(folder, member):
            dataset = folder.dataset(member)
            areas = _names_of_areas(dataset)
            return cls(
                folder,
                member,
                tuple(areas),
                tuple(areas.values()),
                *_referenced(dataset),
                patient_digest=digest_of_id(dataset.get("PatientID")),
                frames_of_reference=_frames_of_reference(dataset),
            )

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
    contours = []
    for roi in dataset.ROIContourSequence:
        if int(roi.ReferencedROINumber) != number:
            continue
        for contour in filter(_encloses, roi.get("ContourSequence") or ()):
            data = contour.get_item("ContourData").value
            # The bytes where pydicom has not parsed them yet: it looks at each of thousands of numbers three times.
            numbers = np.array(data.split(b"\\")) if isinstance(data, bytes) else np.array(data)
            contours.append(numbers.astype(float).reshape(-1, 3))
    return contours


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


def _frames_of_reference(dataset: Any) -> frozenset[str]:
    """Frames of reference that the file, its images or any of its structures are said to lie in."""
    named = {str(dataset.get("FrameOfReferenceUID") or "")}
    for item in dataset.get("ReferencedFrameOfReferenceSequence") or ():
        named.add(str(item.get("FrameOfReferenceUID") or ""))
    for item in dataset.get("StructureSetROISequence") or ():
        named.add(str(item.get("ReferencedFrameOfReferenceUID") or ""))
    return frozenset(named - {""})


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


def fill_contours(contours: Iterable[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill closed contours of one structure in one slice.

    Along a row of pixels, each crossing of a contour changes between outside and inside. So a contour inside another
    one is a hole, and what is drawn as one line that goes in and out again (a keyhole) is right too. Of the pixels
    whose centre lies exactly on a contour, those on its left and upper side belong to the inside: structures that
    share a border share no pixel.

    Parameters
    ----------
    contours
        Points of each contour, (points, 2), columns x and y, in pixels: (0, 0) is the centre of the first pixel.
        The last point is joined to the first.
    shape
        Rows (y) and columns (x) of the slice; what lies outside is cut off.
    """
    rows, columns = shape
    inside = np.zeros(shape, dtype=bool)
    found = [_crossings(np.round(contour, _DECIMALS), rows) for contour in contours]
    row = np.concatenate([row for row, _ in found]) if found else np.empty(0, np.intp)
    if not row.size:
        return inside
    column = np.clip(np.ceil(np.concatenate([x for _, x in found])), 0, columns).astype(np.intp)
    top, left = row.min(), column.min()  # outside of this box nothing is crossed
    crossings = np.zeros((row.max() + 1 - top, column.max() + 1 - left), dtype=np.uint8)  # modulo 256 odd stays odd
    np.add.at(crossings, (row - top, column - left), 1)
    box = np.cumsum(crossings, axis=1, dtype=np.uint8)[:, : columns - left] % 2 == 1
    inside[top : top + box.shape[0], left : left + box.shape[1]] = box
    return inside


def _crossings(points: NDArray[np.float64], rows: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find where a closed contour crosses the centre lines of the rows: row and x of each crossing."""
    (x0, y0), (x1, y1) = points.T, np.roll(points, -1, axis=0).T
    # Half open: a corner on a row's centre line is crossed once, not twice.
    first = np.clip(np.ceil(np.minimum(y0, y1)), 0, rows).astype(np.intp)
    last = np.clip(np.ceil(np.maximum(y0, y1)), 0, rows).astype(np.intp)
    number = np.maximum(last - first, 0)  # of rows that each edge crosses
    edge = np.repeat(np.arange(len(points)), number)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(number) - number, number)
    across = (row - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
    return row, np.round(x0[edge] + across, _DECIMALS)


def without_repeats(contours: Iterable[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Take contours that are stored more than once only once: filled even-odd, they would empty each other.

    Points of each contour are (points, 2), in pixels. Start point and sense of rotation do not matter.
    """
    kept: dict[frozenset[tuple[int, ...]], NDArray[np.float64]] = {}
    for contour in contours:
        points = np.rint(contour / _SAME_POINT_PIXELS).astype(np.int64)
        kept.setdefault(frozenset(map(tuple, points.tolist())), contour)
    return list(kept.values())
