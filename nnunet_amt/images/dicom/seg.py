"""Read masks from DICOM SEG; each frame lies where it says it does, whatever the order of the frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.errors import GeometryMismatchError, ImageReadError, MissingExtraError
from nnunet_amt.images.dicom.files import SEGMENTATIONS, DicomFolder, DicomMask, refusing_damage
from nnunet_amt.images.geometry import Geometry, described
from nnunet_amt.images.mask_file import require_tumour, resampled_mask

# How far a pixel of a frame may lie from the centre of a voxel of the CT, in voxels: writers round positions.
_OFF_GRID_VOXELS = 0.1


@dataclass(frozen=True)
class DicomSeg(DicomMask):
    """The segments of a DICOM SEG that make up the tumour; with `resample` it may lie on another grid than the CT."""

    resample: bool = False

    kind = "DICOM SEG"
    structure = "segment"
    sop_classes = SEGMENTATIONS

    @classmethod
    def of(cls, folder: DicomFolder, member: str) -> DicomSeg:
        """Open a file with all its segments; ImageReadError if it is damaged or fractional."""
        dataset = _segmentation(folder, member)
        with refusing_damage(folder, member):
            # LABELMAPs may list their background as segment 0
            numbers = tuple(int(number) for number in dataset.segment_numbers if int(number) > 0)
            names = tuple(str(dataset.get_segment_description(number).segment_label) for number in numbers)
            return cls(folder, member, numbers, names, *_referenced(dataset))

    def require_fit(self, geometry: Geometry) -> None:
        """Refuse, before any pixel is read, frames that lie off the CT's voxels and must not be resampled."""
        dataset = _segmentation(self.folder, self.member)
        with refusing_damage(self.folder, self.member):
            frames = list(_frames(dataset, self.numbers))
        if not self.resample:
            for frame in frames:
                _steps(frame, geometry)

    def read(self, geometry: Geometry) -> NDArray[np.uint8]:
        """Merge the segments on the CT's grid to (z, y, x) of 0 and 1.

        Raises
        ------
        GeometryMismatchError
            If the frames lie on another grid and must not be resampled, or tumour lies outside the CT.
        LabelValueError, ImageReadError
            If the segments are empty, or the pixels cannot be read.
        """
        dataset = _segmentation(self.folder, self.member)
        name = f"the DICOM SEG's segment number {', '.join(map(str, self.numbers))}"
        with refusing_damage(self.folder, self.member):
            try:
                mask = _placed(dataset, self.numbers, geometry, name)
            except GeometryMismatchError:
                if not self.resample:
                    raise
                volume = _as_volume(dataset, self.numbers)
                mask = sitk.GetArrayFromImage(resampled_mask(volume, geometry, name=name)).astype(bool)
        require_tumour(mask, name=name)
        return mask.astype(np.uint8)


@dataclass(frozen=True)
class _Frame:
    """One frame: its number from 1, and where it lies; (x, y, z) in mm."""

    number: int
    rows: int
    columns: int
    corner: NDArray[np.float64]  # centre of the first pixel
    right: NDArray[np.float64]  # from one column to the next
    down: NDArray[np.float64]  # from one row to the next


def _segmentation(folder: DicomFolder, member: str) -> Any:
    try:
        from highdicom.seg import Segmentation
    except ImportError as error:
        raise MissingExtraError("reading DICOM SEG needs the extra: pip install 'nnunet_amt[dicom]'") from error
    with refusing_damage(folder, member):
        dataset = Segmentation.from_dataset(folder.dataset(member), copy=False)
        if dataset.segmentation_type.value == "FRACTIONAL":
            raise ImageReadError(
                f"{folder.shown(member)}: the DICOM SEG holds probabilities (FRACTIONAL); store it as BINARY"
            )
    return dataset


def _referenced(dataset: Any) -> tuple[frozenset[str], frozenset[str]]:
    series, images = set(), set()
    for item in dataset.get("ReferencedSeriesSequence") or ():
        series.add(str(item.get("SeriesInstanceUID")))
        images |= {str(image.ReferencedSOPInstanceUID) for image in item.get("ReferencedInstanceSequence") or ()}
    for groups in dataset.get("PerFrameFunctionalGroupsSequence") or ():
        for derivation in groups.get("DerivationImageSequence") or ():
            images |= {str(image.ReferencedSOPInstanceUID) for image in derivation.get("SourceImageSequence") or ()}
    return frozenset(series), frozenset(images)


def _frames(dataset: Any, segments: Sequence[int]) -> Iterator[_Frame]:
    """Give the frames of the segments; a frame of a LABELMAP is of all segments at once."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for number, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence, start=1):
        if dataset.segmentation_type.value != "LABELMAP":
            identification = _group("SegmentIdentificationSequence", groups, shared)
            if int(identification.ReferencedSegmentNumber) not in segments:
                continue
        cosines = np.array(_group("PlaneOrientationSequence", groups, shared).ImageOrientationPatient, dtype=float)
        between_rows, between_columns = _group("PixelMeasuresSequence", groups, shared).PixelSpacing
        corner = np.array(_group("PlanePositionSequence", groups, shared).ImagePositionPatient, dtype=float)
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        right, down = cosines[:3] * float(between_columns), cosines[3:] * float(between_rows)
        yield _Frame(number, rows, columns, corner, right, down)


def _group(keyword: str, groups: Any, shared: Any) -> Any:
    """Take a functional group of a frame, or that of all frames."""
    return (groups if keyword in groups else shared)[keyword][0]


def _steps(frame: _Frame, geometry: Geometry) -> NDArray[np.int64]:
    """Give the voxel (x, y, z) of a frame's first pixel, and the steps to its next column and row; (3, 3)."""
    axes = geometry.axes * geometry.spacing
    exact = np.linalg.solve(axes, np.stack([frame.corner - geometry.origin, frame.right, frame.down], axis=1)).T
    whole = np.rint(exact).astype(np.int64)
    corners = np.array([(1, x, y) for x in (0, frame.columns - 1) for y in (0, frame.rows - 1)])
    off = np.abs(corners @ (exact - whole)).max()
    if off > _OFF_GRID_VOXELS or (np.abs(whole[1:]).sum(axis=1) != 1).any():
        right, down = np.linalg.norm(frame.right), np.linalg.norm(frame.down)
        corner = ", ".join(f"{place:.6g}" for place in frame.corner)
        raise GeometryMismatchError(
            f"the DICOM SEG lies on another grid than the CT: its frames are {frame.columns} x {frame.rows} pixels of "
            f"{right:.6g} x {down:.6g} mm, one from ({corner}), the CT is {described(geometry)}; "
            "export it on the CT's grid, or have it resampled (--resample-masks)"
        )
    return whole


def _placed(dataset: Any, segments: Sequence[int], geometry: Geometry, name: str) -> NDArray[np.bool_]:
    """Set the voxels (z, y, x) of the CT on which pixels of the segments lie."""
    mask = np.zeros(geometry.size[::-1], dtype=bool)  # (z, y, x)
    stored = segments if dataset.segmentation_type.value == "LABELMAP" else (1,)
    outside = total = 0
    for frame in _frames(dataset, segments):
        steps = _steps(frame, geometry)
        pixels = np.argwhere(np.isin(dataset.get_stored_frame(frame.number), stored))  # (row, column)
        voxels = steps[0] + pixels[:, 1:] * steps[1] + pixels[:, :1] * steps[2]  # (x, y, z)
        inside = ((voxels >= 0) & (voxels < geometry.size)).all(axis=1)
        outside, total = outside + int(np.count_nonzero(~inside)), total + len(pixels)
        x, y, z = voxels[inside].T
        mask[z, y, x] = True
    if outside:
        raise GeometryMismatchError(
            f"{name}: {outside} of {total} tumour voxels lie outside the CT, which has {described(geometry)}; "
            "give the CT that it was drawn on"
        )
    return mask


def _as_volume(dataset: Any, segments: Sequence[int]) -> sitk.Image:
    """Stack the frames to a volume on their own grid."""
    volume = dataset.get_volume(segment_numbers=list(segments), combine_segments=False)
    values = volume.array.reshape(*volume.spatial_shape, -1).any(axis=-1)  # (z, y, x) in the order of the frames
    affine = np.array(volume.affine)  # columns: steps along the array's axes in mm
    spacing = np.linalg.norm(affine[:3, :3], axis=0)[::-1]
    image = sitk.GetImageFromArray(values.astype(np.uint8))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, 2::-1] / spacing).ravel().tolist())
    return image
