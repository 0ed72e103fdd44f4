"""Read masks from DICOM SEG; each frame lies where it says it does, whatever the order of the frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.errors import GeometryMismatchError
from nnunet_amt.images.dicom.files import SEGMENTATIONS, DicomFolder, DicomMask, refusing_damage
from nnunet_amt.images.dicom.headers import digest_of_id
from nnunet_amt.images.dicom.seg_frames import SegFrame, frames_of, pixels_of, read_segmentation, segment_names
from nnunet_amt.images.dicom.series_gate import ROUNDED_COSINES
from nnunet_amt.images.dicom.stream import DicomFileError
from nnunet_amt.images.geometry import Geometry, described
from nnunet_amt.images.mask_on_grid import MaskOnGrid, require_tumour, resampled_mask

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
        """Open a file with all its segments; ImageReadError if what a mask needs is not in it, or it is fractional."""
        with refusing_damage(folder, member):
            dataset = read_segmentation(folder, member)
            names = {number: name for number, name in segment_names(dataset).items() if number > 0}
            frame = str(dataset.get("FrameOfReferenceUID") or "")
            return cls(
                folder,
                member,
                tuple(names),
                tuple(names.values()),
                *_referenced(dataset),
                images=_images_by_series(dataset),
                patient_digest=digest_of_id(dataset.get("PatientID")),
                frames_of_reference=frozenset({frame} - {""}),
            )

    def require_fit(self, geometry: Geometry) -> None:
        """Refuse, before any pixel is read, frames that lie off the CT's voxels and must not be resampled."""
        with refusing_damage(self.folder, self.member):
            frames = list(frames_of(read_segmentation(self.folder, self.member), self.numbers))
        if not self.resample:
            for frame in frames:
                _steps(frame, geometry)

    def read(self, geometry: Geometry) -> MaskOnGrid:
        """Merge the segments on the CT's grid.

        Raises
        ------
        GeometryMismatchError
            If the frames lie on another grid and must not be resampled, or tumour lies outside the CT, or, resampled,
            a lesion between its voxels.
        LabelValueError, ImageReadError
            If the segments are empty, or the pixels cannot be read, or contradict each other.
        """
        name = f"the DICOM SEG's segment number {', '.join(map(str, self.numbers))}"
        with refusing_damage(self.folder, self.member):
            dataset = read_segmentation(self.folder, self.member)
            frames = list(frames_of(dataset, self.numbers))
            try:
                mask = MaskOnGrid(_placed(dataset, frames, self.numbers, geometry, name).astype(np.uint8))
            except GeometryMismatchError:
                if not self.resample:
                    raise
                mask = resampled_mask(_as_volume(dataset, frames, self.numbers), geometry, name=name)
        require_tumour(mask.labels, name=name, voxel_mm3=geometry.voxel_volume_mm3)
        return mask


def _referenced(dataset: Any) -> tuple[frozenset[str], frozenset[str]]:
    """Series and images that a SEG names, wherever: at its top, in those of other studies, or frame by frame."""
    series, images = set(), set()
    studies = dataset.get("StudiesContainingOtherReferencedInstancesSequence") or ()
    for referring in (dataset, *studies):
        for item in referring.get("ReferencedSeriesSequence") or ():
            series.add(str(item.get("SeriesInstanceUID") or ""))
            images |= _images_of(item, "ReferencedInstanceSequence")
    for groups in dataset.get("PerFrameFunctionalGroupsSequence") or ():
        for derivation in groups.get("DerivationImageSequence") or ():
            images |= _images_of(derivation, "SourceImageSequence")
    return frozenset(series - {""}), frozenset(images)


def _images_by_series(dataset: Any) -> dict[str, frozenset[str]]:
    """Images that a SEG names under their series, at its top."""
    return {
        str(item.get("SeriesInstanceUID") or ""): frozenset(_images_of(item, "ReferencedInstanceSequence"))
        for item in dataset.get("ReferencedSeriesSequence") or ()
        if item.get("SeriesInstanceUID")
    }


def _images_of(item: Any, keyword: str) -> set[str]:
    return {str(image.get("ReferencedSOPInstanceUID") or "") for image in item.get(keyword) or ()} - {""}


def _steps(frame: SegFrame, geometry: Geometry) -> NDArray[np.int64]:
    """Give the voxel (x, y, z) of a frame's first pixel, and the steps to its next column and row; (3, 3).

    Refuses frames that lie on another grid: whose first pixel is no voxel, whose last is none for its size, or whose
    axes lean against the CT's by more than rounded cosines explain.
    """
    axes = geometry.axes * geometry.spacing
    exact = np.linalg.solve(axes, np.stack([frame.corner - geometry.origin, frame.right, frame.down], axis=1)).T
    whole = np.rint(exact).astype(np.int64)
    off = float(np.abs(exact[0] - whole[0]).max())
    leaning = 0.0
    for step, count in ((1, frame.columns), (2, frame.rows)):
        in_mm = axes @ whole[step]
        actual = (frame.right, frame.down)[step - 1]
        length = float(np.linalg.norm(in_mm)) or 1.0
        off = max(off, abs(float(np.linalg.norm(actual)) / length - 1.0) * (count - 1))
        leaning = max(leaning, float(np.linalg.norm(actual / np.linalg.norm(actual) - in_mm / length)))
    is_one_step = (np.abs(whole[1:]).sum(axis=1) == 1).all()
    if off > _OFF_GRID_VOXELS or leaning > ROUNDED_COSINES or not is_one_step:
        right, down = np.linalg.norm(frame.right), np.linalg.norm(frame.down)
        corner = ", ".join(f"{place:.6g}" for place in frame.corner)
        raise GeometryMismatchError(
            f"the DICOM SEG lies on another grid than the CT: its frames are {frame.columns} x {frame.rows} pixels of "
            f"{right:.6g} x {down:.6g} mm, one from ({corner}), the CT is {described(geometry)}; "
            "export it on the CT's grid, or have it resampled (--resample-masks)"
        )
    return whole


def _placed(
    dataset: Any, frames: Sequence[SegFrame], segments: Sequence[int], geometry: Geometry, name: str
) -> NDArray[np.bool_]:
    """Set the voxels (z, y, x) of the CT on which pixels of the segments lie."""
    mask = np.zeros(geometry.size[::-1], dtype=bool)  # (z, y, x)
    outside = total = 0
    places = [_steps(frame, geometry) for frame in frames]
    _require_agreement(dataset, frames, segments, places)
    for frame, steps in zip(frames, places, strict=True):
        pixels = np.argwhere(pixels_of(dataset, frame, segments))  # (row, column)
        voxels = _voxels(pixels, steps)
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


def _voxels(pixels: NDArray[np.int64], steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the voxels (x, y, z) on which pixels (row, column) of a frame lie; of its `steps` see `_steps`."""
    voxels: NDArray[np.int64] = steps[0] + pixels[:, 1:] * steps[1] + pixels[:, :1] * steps[2]
    return voxels


def _require_agreement(
    dataset: Any, frames: Sequence[SegFrame], segments: Sequence[int], places: Sequence[NDArray[np.int64]]
) -> None:
    """Refuse two frames of one segment that lie on the same voxels and say different things; copies are one.

    Parameters
    ----------
    places
        Where each frame lies, as `_steps` gives it.
    """
    planes: dict[tuple[int | None, int, int], list[tuple[SegFrame, NDArray[np.int64]]]] = defaultdict(list)
    for frame, steps in zip(frames, places, strict=True):
        across = int(np.flatnonzero(~steps[1:].any(axis=0))[0])
        planes[frame.segment, across, int(steps[0, across])].append((frame, steps))
    for (segment, _, _), alike in planes.items():
        kept: list[tuple[SegFrame, NDArray[np.int64]]] = []  # the first frame of each place
        for frame, steps in alike:
            for other, place in kept:
                if _agree(dataset, segments, (frame, steps), (other, place)):
                    continue
                where = ", ".join(f"{length:.6g}" for length in frame.corner)
                numbers = ", ".join(map(str, segments if segment is None else [segment]))
                raise DicomFileError(
                    f"has two frames ({other.number} and {frame.number}) of segment number {numbers} at one position, "
                    f"({where}) mm, that differ; export it again with one of them"
                )
            if not any(np.array_equal(steps, place) for _, place in kept):
                kept.append((frame, steps))


def _agree(
    dataset: Any,
    segments: Sequence[int],
    one: tuple[SegFrame, NDArray[np.int64]],
    other: tuple[SegFrame, NDArray[np.int64]],
) -> bool:
    """Tell whether two frames of one plane mark the same voxels where they overlap."""
    ends = [_voxels(np.array([[0, 0], [frame.rows - 1, frame.columns - 1]]), steps) for frame, steps in (one, other)]
    low = np.max([end.min(axis=0) for end in ends], axis=0)
    high = np.min([end.max(axis=0) for end in ends], axis=0)
    if (low > high).any():
        return True
    marked = []
    for frame, steps in (one, other):
        voxels = _voxels(np.argwhere(pixels_of(dataset, frame, segments)), steps)
        marked.append({*map(tuple, voxels[((voxels >= low) & (voxels <= high)).all(axis=1)].tolist())})
    return marked[0] == marked[1]


def _as_volume(dataset: Any, frames: Sequence[SegFrame], segments: Sequence[int]) -> sitk.Image:
    """Stack the frames to a volume on their own grid; slices of which no frame is stored are empty."""
    first = frames[0]
    if any(not np.allclose([one.right, one.down], [first.right, first.down], atol=1e-4) for one in frames):
        raise DicomFileError("has frames of several orientations or pixel spacings, and cannot be resampled")
    edges = np.linalg.norm([first.right, first.down], axis=1)
    normal = np.cross(first.right / edges[0], first.down / edges[1])
    from_first = np.array([frame.corner - first.corner for frame in frames])
    heights = from_first @ normal
    if np.abs(from_first - np.outer(heights, normal)).max() > _OFF_GRID_VOXELS * edges.min():
        raise DicomFileError("has frames that do not lie one above the other, and cannot be resampled")
    distance = _distance_of(first, heights)
    places = np.rint((heights - heights.min()) / distance).astype(int)
    right, down = (1, 0, 0), (0, 1, 0)
    _require_agreement(dataset, frames, segments, [np.array([(0, 0, z), right, down]) for z in places])
    values = np.zeros((places.max() + 1, first.rows, first.columns), np.uint8)  # (z, y, x)
    for frame, z in zip(frames, places, strict=True):
        values[z] |= pixels_of(dataset, frame, segments)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing([*edges.tolist(), distance])
    image.SetOrigin((first.corner + heights.min() * normal).tolist())
    axes = np.stack([first.right / edges[0], first.down / edges[1], normal], axis=1)
    image.SetDirection(axes.ravel().tolist())
    return image


def _distance_of(frame: SegFrame, heights: NDArray[np.float64]) -> float:
    """Find how far the slices lie apart, in mm: as stated if the frames fit that, else the smallest distance of two."""
    steps = np.diff(np.unique(np.round(heights, 3)))
    for distance in (frame.distance, float(steps.min()) if steps.size else frame.thickness):
        if distance is None:
            continue
        in_steps = steps / distance
        if (np.abs(in_steps - np.rint(in_steps)) <= _OFF_GRID_VOXELS).all() and (in_steps > 0.5).all():
            return distance
    raise DicomFileError("has slices at uneven distances, or one that does not say how thick it is; export it again")
