"""Read masks from the contours of an RTSTRUCT; what they enclose is told in `roi_volume` and `contours`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.dicom.contour_gaps import SourcePlanes
from nnunet_amt.images.dicom.files import RT_STRUCTURE_SET, DicomFolder, DicomMask, refusing_damage
from nnunet_amt.images.dicom.headers import digest_of_id
from nnunet_amt.images.dicom.roi_volume import CLOSED_TYPES, NO_TYPE, Contour, Roi
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.mask_on_grid import MaskOnGrid, require_tumour

_UNNAMED_SERIES = ""  # of images that are named at contours only
_LONGEST_SHOWN = 20
_MOST_DECIMALS = 16


@dataclass(frozen=True)
class RtStruct(DicomMask):
    """The structures of an RTSTRUCT that make up the tumour; with `interpolate` missing contours are made up."""

    interpolate: bool = False

    kind = "RTSTRUCT"
    structure = "closed ROI"
    sop_classes = frozenset({RT_STRUCTURE_SET})

    @classmethod
    def of(cls, folder: DicomFolder, member: str) -> RtStruct:
        """Open a file with all its structures that enclose something; ImageReadError if it is damaged."""
        with refusing_damage(folder, member):
            dataset = folder.dataset(member)
            _require_numbers(dataset, folder.shown(member))
            if str(dataset.get("ApprovalStatus") or "").strip().upper() == "REJECTED":
                raise ImageReadError(
                    f"{folder.shown(member)} has the ApprovalStatus REJECTED; give the contours that were approved in "
                    "its place"
                )
            areas = _names_of_areas(dataset)
            series, images = _referenced(dataset)
            return cls(
                folder,
                member,
                tuple(areas),
                tuple(areas.values()),
                series,
                frozenset().union(*images.values()),
                patient_digest=digest_of_id(dataset.get("PatientID")),
                frames_of_reference=_frames_of_reference(dataset),
                images=images,
                own_frames=_own_frames(dataset),
            )

    def require_fit(self, geometry: Geometry) -> None:
        """Contours have no grid of their own; whether they lie on slices of the CT shows when they are read."""

    def read(self, geometry: Geometry) -> MaskOnGrid:
        """Fill the contours and merge the structures on the CT's grid.

        Raises
        ------
        GeometryMismatchError
            If a contour lies between slices or outside the CT.
        ContourError
            If contours leave their planes, or cross or are missing, or are not closed; see `Roi.on`.
        LabelValueError, ImageReadError
            If all voxels are tumour; if the file is damaged, or a coordinate is no number.
        """
        dataset = self.folder.dataset(self.member)
        mask = np.zeros(geometry.size[::-1], dtype=bool)  # (z, y, x)
        interpolated: set[int] = set()
        for number in self.numbers:
            with refusing_damage(self.folder, self.member):
                roi = _roi_of(dataset, number)
            drawn, added = roi.on(geometry, interpolate=self.interpolate)
            mask |= drawn
            interpolated.update(added)
        name = f"the RTSTRUCT's ROI number {', '.join(map(str, self.numbers))}"
        require_tumour(mask, name=name, voxel_mm3=geometry.voxel_volume_mm3)
        return MaskOnGrid(mask.astype(np.uint8), interpolated_slices=len(interpolated))


def _require_numbers(dataset: Any, shown: str) -> None:
    """Refuse contours of which nobody can tell whose they are."""
    for roi in _items(dataset, "ROIContourSequence"):
        if roi.get("ReferencedROINumber") is None and any(_items(roi, "ContourSequence")):
            raise ImageReadError(
                f"{shown} has contours that do not say of which ROI they are (ReferencedROINumber); export it again"
            )


def _items(dataset: Any, keyword: str) -> Iterator[Any]:
    """Give the items of a sequence; none if it is not there, and no empty ones, which some programs write."""
    return (item for item in dataset.get(keyword) or () if len(item))


def _names_of_areas(dataset: Any) -> dict[int, str]:
    """ROI number to name, of the structures that have at least one closed contour."""
    names = {
        int(item.ROINumber): str(item.get("ROIName") or "").strip()  # spaces before and after it mean nothing in DICOM
        for item in _items(dataset, "StructureSetROISequence")
        if item.get("ROINumber") is not None
    }
    with_area = {
        int(roi.ReferencedROINumber)
        for roi in _items(dataset, "ROIContourSequence")
        if roi.get("ReferencedROINumber") is not None and any(map(_encloses, _items(roi, "ContourSequence")))
    }
    return {number: name for number, name in names.items() if number in with_area}


def _encloses(contour: Any) -> bool:
    """Points and open lines enclose nothing; some programs write closed contours of no, one or two points.

    What does not say its type may enclose something: it is refused where the structure is read.
    """
    if _type_of(contour) not in CLOSED_TYPES | {NO_TYPE} or "ContourData" not in contour:
        return False
    stated = contour.get("NumberOfContourPoints")
    return stated in (None, "") or int(stated) > 2


def _type_of(contour: Any) -> str:
    return str(contour.get("ContourGeometricType") or "").strip().upper()


def _roi_of(dataset: Any, number: int) -> Roi:
    """Take all contours of an ROI that have points."""
    contours: list[Contour] = []
    planes: SourcePlanes | None = None
    for roi in _items(dataset, "ROIContourSequence"):
        if roi.get("ReferencedROINumber") != number:
            continue
        planes = _planes_of(roi) or planes
        for contour in _items(roi, "ContourSequence"):
            texts = _coordinates_of(contour)
            points = _points_of(contour, texts, number)
            if len(points):
                contours.append(Contour(_type_of(contour), points, _decimals_of(texts)))
    return Roi(number, tuple(contours), planes)


def _coordinates_of(contour: Any) -> NDArray:
    """Give the coordinates of a contour as they are written, one after the other."""
    element = contour.get_item("ContourData")
    data = None if element is None else element.value
    if isinstance(data, bytes):
        # The bytes where pydicom has not parsed them yet: it looks at each of thousands of numbers three times.
        whole = data.strip(b" \0").rstrip(b"\\")
        data = whole.split(b"\\") if whole else None
    return np.array([] if data in (None, "") else data).reshape(-1)


def _frames_of_reference(dataset: Any) -> frozenset[str]:
    """Give what the file or its images are said to lie in; where nothing is said, what its structures are."""
    named = {str(dataset.get("FrameOfReferenceUID") or "")}
    for item in _items(dataset, "ReferencedFrameOfReferenceSequence"):
        named.add(str(item.get("FrameOfReferenceUID") or ""))
    return frozenset(named - {""}) or frozenset(_own_frames(dataset).values())


def _own_frames(dataset: Any) -> dict[int, str]:
    """Frame of reference of each structure that says so, by its number."""
    frames = {}
    for item in _items(dataset, "StructureSetROISequence"):
        if item.get("ROINumber") is not None and item.get("ReferencedFrameOfReferenceUID"):
            frames[int(item.ROINumber)] = str(item.ReferencedFrameOfReferenceUID)
    return frames


def _decimals_of(texts: NDArray) -> int:
    """Count the decimals of the number that has the most."""
    written = (text.decode() if isinstance(text, bytes) else str(text) for text in texts.tolist())
    return max(_MOST_DECIMALS if "e" in text.lower() else len(text.partition(".")[2].strip()) for text in written)


def _points_of(contour: Any, texts: NDArray, number: int) -> NDArray[np.float64]:
    """Give the points of a contour with these coordinates, (points, 3) in mm, LPS."""
    try:
        numbers = texts.astype(float)
    except ValueError:
        raise ImageReadError(
            f"ROI number {number}: a contour has coordinates that are no numbers, such as {_no_number(texts)!r}; "
            "export it again"
        ) from None
    if not np.isfinite(numbers).all():
        raise ImageReadError(
            f"ROI number {number}: a contour has coordinates that are NaN or infinite; export it again"
        )
    if len(numbers) % 3:
        raise ImageReadError(
            f"ROI number {number}: a contour has {len(numbers)} coordinates, must be three for every point; "
            "export it again"
        )
    if any(float(step) for step in contour.get("ContourOffsetVector") or ()):
        raise ImageReadError(
            f"ROI number {number}: a contour has a ContourOffsetVector, which is not read; export it again without"
        )
    stated = contour.get("NumberOfContourPoints")
    if stated not in (None, "") and int(stated) != len(numbers) // 3:
        raise ImageReadError(
            f"ROI number {number}: a contour has {len(numbers) // 3} points, NumberOfContourPoints says {stated}; "
            "export it again"
        )
    return numbers.reshape(-1, 3)


def _no_number(texts: NDArray) -> str:
    """Give the first text that is no number."""
    for text in texts.tolist():
        try:
            float(text)
        except ValueError:
            shown = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
            return shown[:_LONGEST_SHOWN]
    return ""


def _planes_of(roi: Any) -> SourcePlanes | None:
    """Say on which planes an ROI was drawn."""
    for item in _items(roi, "SourcePixelPlanesCharacteristicsSequence"):
        distance, orientation = item.get("SpacingBetweenSlices"), item.get("ImageOrientationPatient")
        if distance is not None and orientation is not None and len(orientation) == 6:
            return SourcePlanes(float(distance), tuple(map(float, orientation)))
    return None


def _referenced(dataset: Any) -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    """Give the SeriesInstanceUIDs that are named, and the images of each."""
    series: set[str] = set()
    images: dict[str, set[str]] = defaultdict(set)
    for frame in _items(dataset, "ReferencedFrameOfReferenceSequence"):
        for study in _items(frame, "RTReferencedStudySequence"):
            for item in _items(study, "RTReferencedSeriesSequence"):
                uid = str(item.get("SeriesInstanceUID") or "")
                series |= {uid} - {""}
                images[uid] |= _images_of(item)
    # Some programs name the images at their contours only; there are thousands of them.
    if not any(images.values()):
        for roi in _items(dataset, "ROIContourSequence"):
            for contour in _items(roi, "ContourSequence"):
                images[_UNNAMED_SERIES] |= _images_of(contour)
    return frozenset(series), {uid: frozenset(named) for uid, named in images.items() if named}


def _images_of(item: Any) -> set[str]:
    """Give the SOPInstanceUIDs in a ContourImageSequence, of which some programs leave items empty."""
    uids = {str(image.get("ReferencedSOPInstanceUID") or "") for image in _items(item, "ContourImageSequence")}
    return uids - {""}
