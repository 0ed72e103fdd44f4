"""The tumour voxels of a label map, cut out of the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Foreground", "Piece", "Spacing"]

Box = tuple[slice, slice, slice]
Corner = tuple[int, int, int]
Spacing = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Piece:
    """A box of a mask.

    Attributes
    ----------
    lower
        Index (z, y, x) of the box's first voxel in the whole label map.
    mask : numpy.ndarray of bool, (z, y, x)
        The voxels of the box.
    """

    lower: Corner
    mask: np.ndarray

    @property
    def upper(self) -> Corner:
        """Index (z, y, x) one past the box's last voxel."""
        z, y, x = (low + size for low, size in zip(self.lower, self.mask.shape, strict=True))
        return z, y, x


@dataclass(frozen=True, eq=False)
class Foreground:
    """A mask in boxes, with empty planes between them: none of its lesions reaches from one into another.

    A tumour and a few specks far from it span most of a thorax together; apart they are a hundredth of
    it, and all that comes after takes time by the voxel.

    Attributes
    ----------
    pieces
        The boxes, in the order of their lower corners; none for an empty mask.
    spacing
        Voxel edge lengths (x, y, z) in mm.
    """

    pieces: tuple[Piece, ...]
    spacing: Spacing

    @classmethod
    def of(cls, voxels: np.ndarray, spacing: Spacing) -> Foreground:
        """Cut up a label map (z, y, x) that holds 0 and 1 only; the pieces do not share its memory."""
        boxes = sorted(_separated_boxes(voxels), key=lambda box: [axis.start for axis in box])
        return cls(tuple(Piece((z.start, y.start, x.start), voxels[z, y, x] != 0) for z, y, x in boxes), spacing)


def _separated_boxes(voxels: np.ndarray) -> list[Box]:
    separated: list[Box] = []
    pending: list[Box] = [(slice(0, voxels.shape[0]), slice(0, voxels.shape[1]), slice(0, voxels.shape[2]))]
    while pending:
        box = pending.pop()
        parts = _cut_at_empty_planes(voxels, box)
        if parts == [box]:
            separated.append(box)
        else:
            pending += parts
    return separated


def _cut_at_empty_planes(voxels: np.ndarray, box: Box) -> list[Box]:
    inside = voxels[box]
    # The maximum along one axis is the reduction that numpy vectorises for small integers.
    in_slices = inside.reshape(len(inside), -1).max(axis=1) if inside.flags.c_contiguous else inside.max(axis=(1, 2))
    parts: list[Box] = []
    for z in _runs(in_slices):
        plane = inside[z].max(axis=0)  # (y, x)
        for y in _runs(plane.max(axis=1)):
            parts += [
                (_shifted(z, box[0]), _shifted(y, box[1]), _shifted(x, box[2])) for x in _runs(plane[y].max(axis=0))
            ]
    return parts


def _runs(profile: np.ndarray) -> list[slice]:
    """Stretches of a profile that are not zero."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], profile != 0, [False]])))
    return [slice(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _shifted(part: slice, whole: slice) -> slice:
    return slice(part.start + whole.start, part.stop + whole.start)
