"""The tumour voxels of a label map, cut out of the background."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt.images.geometry import ArrayAxes

Box = tuple[slice, slice, slice]
Corner = tuple[int, int, int]
Spacing = tuple[float, float, float]
AXIAL: ArrayAxes = (0, 1, 2)


class OtherLabelError(Exception):
    """A label map holds other values than 0 and one that stands for tumour."""


@dataclass(frozen=True, eq=False)
class MaskBox:
    """A box of a mask: its voxels, (z, y, x), and the index (z, y, x) of the first in the whole label map."""

    lower: Corner
    mask: np.ndarray

    @property
    def upper(self) -> Corner:
        """Index (z, y, x) one past the box's last voxel."""
        z, y, x = (low + size for low, size in zip(self.lower, self.mask.shape, strict=True))
        return z, y, x

    @property
    def slices(self) -> Box:
        """Where the box lies in an array of the whole label map, (z, y, x)."""
        z, y, x = map(slice, self.lower, self.upper)
        return z, y, x


@dataclass(frozen=True, eq=False)
class Foreground:
    """A mask in boxes, with empty planes between them: none of its lesions reaches from one into another.

    A tumour and a few specks far from it span most of a thorax together; apart they are a hundredth of it, and all
    that comes after takes time by the voxel. Boxes are in the order of their lower corners, none for an empty mask;
    the spacing is (x, y, z) in mm. Both are of the array as it is stored; its axes that run along the patient's z, y
    and x are `axes`, see `lps_array_axes`.
    """

    boxes: tuple[MaskBox, ...]
    spacing: Spacing
    axes: ArrayAxes = AXIAL

    @classmethod
    def of(
        cls, voxels: np.ndarray, spacing: Spacing, axes: ArrayAxes = AXIAL, *, tumour_labels: Sequence[int] = (1,)
    ) -> Foreground:
        """Cut up a label map (z, y, x); the boxes do not share its memory. See `of_slabs`."""
        return cls.of_slabs([voxels], spacing, axes, tumour_labels=tumour_labels)

    @classmethod
    def of_slabs(
        cls,
        slabs: Iterable[np.ndarray],
        spacing: Spacing,
        axes: ArrayAxes = AXIAL,
        *,
        tumour_labels: Sequence[int] = (1,),
    ) -> Foreground:
        """Cut up a label map that comes a few slices at a time, looking through each of them once.

        Parameters
        ----------
        slabs
            Integers, (slices, y, x), C-contiguous; in the order of their slices.
        tumour_labels
            Values that may stand for tumour; one map holds only one of them, or there is an `OtherLabelError`.
        """
        boxes: list[MaskBox] = []
        for stretch in _filled_stretches(slabs, tumour_labels):
            boxes += _separated(_block(stretch))
        return cls(tuple(sorted(boxes, key=lambda box: box.lower)), spacing, axes)

    def axial(self, mask: np.ndarray) -> tuple[np.ndarray, Spacing]:
        """Turn a mask cut out of this map so that slices along its first axis are axial; with its spacing (x, y, z)."""
        z, y, x = (self.spacing[2 - axis] for axis in self.axes)
        return mask.transpose(self.axes), (x, y, z)


def joined(boxes: Sequence[MaskBox]) -> MaskBox:
    """Put boxes of a mask, at least one, into the smallest box that holds them all."""
    lower = np.min([box.lower for box in boxes], axis=0)
    upper = np.max([box.upper for box in boxes], axis=0)
    mask = np.zeros(upper - lower, dtype=bool)  # (z, y, x)
    z0, y0, x0 = lower.tolist()
    for box in boxes:
        z, y, x = box.slices
        mask[z.start - z0 : z.stop - z0, y.start - y0 : y.stop - y0, x.start - x0 : x.stop - x0] |= box.mask
    return MaskBox((z0, y0, x0), mask)


def outline_points(box: MaskBox, spacing: Spacing) -> np.ndarray:
    """Give the midpoint of every face between a voxel of the mask and one outside: where the mask ends.

    A marching-cubes mesh at the level of one half has the same points as its vertices. They are (z, y, x) in mm from
    the centre of the label map's first voxel, along its axes, (points, 3).
    """
    padded = np.pad(box.mask, 1).astype(np.int8)
    faces = []
    for axis in range(3):
        points = np.argwhere(np.diff(padded, axis=axis)).astype(float)
        points[:, axis] += 0.5
        faces.append(points)
    indices = np.concatenate(faces) - 1 + np.asarray(box.lower)
    return indices * np.asarray(spacing[::-1])


@dataclass(frozen=True, eq=False)
class _FilledSlice:
    """The rectangle of a slice that holds all its tumour; `lower` as (z, y, x)."""

    lower: Corner
    mask: np.ndarray


def _filled_stretches(slabs: Iterable[np.ndarray], tumour_labels: Sequence[int]) -> Iterable[list[_FilledSlice]]:
    """Give every stretch of slices without an empty one."""
    tumour: int | None = None
    number = 0
    stretch: list[_FilledSlice] = []
    for slab in slabs:
        # The maximum along the last axis is the reduction that numpy vectorises.
        flat = slab.reshape(len(slab), -1)
        highest = flat.max(axis=1)
        lowest = flat.min(axis=1) if slab.dtype.kind == "i" else np.zeros_like(highest)
        for plane, high, low in zip(slab, highest.tolist(), lowest.tolist(), strict=True):
            if high == low == 0:
                if stretch:
                    yield stretch
                    stretch = []
            else:
                tumour = high if tumour is None else tumour
                third = tumour > 1 and bool(np.any((plane != 0) & (plane != tumour)))  # between 0 and the highest
                if low < 0 or high != tumour or tumour not in tumour_labels or third:
                    raise OtherLabelError
                stretch.append(_filled_slice(number, plane, tumour))
            number += 1
    if stretch:
        yield stretch


def _filled_slice(number: int, plane: np.ndarray, tumour: int) -> _FilledSlice:
    if plane.itemsize > 1:
        plane, tumour = plane == tumour, 1
    voxels = plane.tobytes()  # bytes are searched in a fraction of the time in which numpy reduces rows
    width = plane.shape[1]
    y = slice(voxels.find(tumour) // width, voxels.rfind(tumour) // width + 1)
    columns = plane[y].max(axis=0).tobytes()
    x = slice(columns.find(tumour), columns.rfind(tumour) + 1)
    return _FilledSlice((number, y.start, x.start), plane[y, x] == tumour)


def _block(stretch: Sequence[_FilledSlice]) -> MaskBox:
    """Stack slices to the box of their tumour."""
    lowers = np.array([part.lower for part in stretch])
    uppers = np.array([part.lower[1:] for part in stretch]) + [part.mask.shape for part in stretch]
    z, y, x = lowers.min(axis=0).tolist()
    height, width = (uppers.max(axis=0) - (y, x)).tolist()
    block = np.zeros((len(stretch), height, width), dtype=bool)
    for plane, part in zip(block, stretch, strict=True):
        rows, columns = part.mask.shape
        top, left = part.lower[1] - y, part.lower[2] - x
        plane[top : top + rows, left : left + columns] = part.mask
    return MaskBox((z, y, x), block)


def _separated(whole: MaskBox) -> list[MaskBox]:
    """Cut a box at its empty planes until none is left."""
    separated: list[MaskBox] = []
    pending = [whole]
    while pending:
        box = pending.pop()
        parts = _filled_parts(box)
        if len(parts) == 1 and box.mask[parts[0]].shape == box.mask.shape:
            separated.append(box)
            continue
        for part in parts:
            z, y, x = (low + axis.start for low, axis in zip(box.lower, part, strict=True))
            pending.append(MaskBox((z, y, x), box.mask[part].copy()))  # what follows is faster on voxels that lie close
    return separated


def _filled_parts(box: MaskBox) -> list[Box]:
    """Find what lies between the empty planes of a box."""
    voxels = box.mask.view(np.uint8)  # numpy is faster at the maximum of bytes than of truth values
    parts: list[Box] = []
    for z in _runs(voxels.reshape(len(voxels), -1).max(axis=1)):
        plane = voxels[z].max(axis=0)  # (y, x)
        for y in _runs(plane.max(axis=1)):
            parts += [(z, y, x) for x in _runs(plane[y].max(axis=0))]
    return parts


def _runs(profile: np.ndarray) -> list[slice]:
    """Stretches of a profile that are not zero."""
    if profile.all():
        return [slice(0, len(profile))]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], profile != 0, [False]])))
    return [slice(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
