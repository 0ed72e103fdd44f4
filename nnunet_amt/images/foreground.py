"""The tumour voxels of a label map, cut out of the background."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

Box = tuple[slice, slice, slice]
Corner = tuple[int, int, int]
Spacing = tuple[float, float, float]


class OtherLabelError(Exception):
    """A label map holds other values than 0 and one that stands for tumour."""


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
    def of(cls, voxels: np.ndarray, spacing: Spacing, tumour_labels: Sequence[int] = (1,)) -> Foreground:
        """Cut up a label map (z, y, x); the pieces do not share its memory. See `of_slabs`."""
        return cls.of_slabs([voxels], spacing, tumour_labels)

    @classmethod
    def of_slabs(cls, slabs: Iterable[np.ndarray], spacing: Spacing, tumour_labels: Sequence[int] = (1,)) -> Foreground:
        """Cut up a label map that comes a few slices at a time, looking through each of them once.

        Parameters
        ----------
        slabs
            Integers, (slices, y, x), C-contiguous; in the order of their slices.
        spacing
            Voxel edge lengths (x, y, z) in mm.
        tumour_labels
            Values that may stand for tumour; one map holds only one of them.

        Raises
        ------
        OtherLabelError
            If a voxel is neither 0 nor tumour.
        """
        pieces: list[Piece] = []
        for lower, block in _blocks(slabs, tumour_labels):
            pieces += _separated(Piece(lower, block))
        return cls(tuple(sorted(pieces, key=lambda piece: piece.lower)), spacing)


@dataclass(frozen=True, eq=False)
class _FilledSlice:
    """The rectangle of a slice that holds all its tumour; `lower` as (z, y, x)."""

    lower: Corner
    mask: np.ndarray


def _blocks(slabs: Iterable[np.ndarray], tumour_labels: Sequence[int]) -> Iterable[tuple[Corner, np.ndarray]]:
    """Give every stretch of slices without an empty one, as the box of its tumour and the box's lower corner."""
    stretch: list[_FilledSlice] = []
    for filled in _filled_slices(slabs, tumour_labels):
        if filled is not None:
            stretch.append(filled)
        elif stretch:
            yield _block(stretch)
            stretch = []
    if stretch:
        yield _block(stretch)


def _block(stretch: Sequence[_FilledSlice]) -> tuple[Corner, np.ndarray]:
    lowers = np.array([part.lower for part in stretch])
    uppers = np.array([part.lower[1:] for part in stretch]) + [part.mask.shape for part in stretch]
    z, y, x = lowers.min(axis=0).tolist()
    height, width = (uppers.max(axis=0) - (y, x)).tolist()
    block = np.zeros((len(stretch), height, width), dtype=bool)
    for plane, part in zip(block, stretch, strict=True):
        rows, columns = part.mask.shape
        top, left = part.lower[1] - y, part.lower[2] - x
        plane[top : top + rows, left : left + columns] = part.mask
    return (z, y, x), block


def _filled_slices(slabs: Iterable[np.ndarray], tumour_labels: Sequence[int]) -> Iterable[_FilledSlice | None]:
    """Give what each slice holds, None where it is empty."""
    tumour: int | None = None
    number = 0
    for slab in slabs:
        # The maximum along the last axis is the reduction that numpy vectorises.
        flat = slab.reshape(len(slab), -1)
        highest = flat.max(axis=1)
        lowest = flat.min(axis=1) if slab.dtype.kind == "i" else np.zeros_like(highest)
        for plane, high, low in zip(slab, highest.tolist(), lowest.tolist(), strict=True):
            if high == low == 0:
                yield None
            else:
                tumour = high if tumour is None else tumour
                if low < 0 or high != tumour or tumour not in tumour_labels or _holds_another(plane, tumour):
                    raise OtherLabelError
                yield _filled_slice(number, plane, tumour)
            number += 1


def _filled_slice(number: int, plane: np.ndarray, tumour: int) -> _FilledSlice:
    if plane.itemsize > 1:
        plane, tumour = plane == tumour, 1
    voxels = plane.tobytes()  # bytes are searched in a fraction of the time in which numpy reduces rows
    width = plane.shape[1]
    y = slice(voxels.find(tumour) // width, voxels.rfind(tumour) // width + 1)
    columns = plane[y].max(axis=0).tobytes()
    x = slice(columns.find(tumour), columns.rfind(tumour) + 1)
    return _FilledSlice((number, y.start, x.start), plane[y, x] == tumour)


def _holds_another(plane: np.ndarray, tumour: int) -> bool:
    """Whether a plane whose highest value is `tumour` holds a third one between that and 0."""
    return tumour > 1 and bool(np.any((plane != 0) & (plane != tumour)))


def _separated(piece: Piece) -> list[Piece]:
    separated: list[Piece] = []
    pending = [piece]
    while pending:
        whole = pending.pop()
        parts = _cut_at_empty_planes(whole)
        if parts == [whole]:
            separated.append(whole)
        else:
            pending += parts
    return separated


def _cut_at_empty_planes(piece: Piece) -> list[Piece]:
    voxels = piece.mask.view(np.uint8)  # numpy is faster at the maximum of bytes than of truth values
    boxes: list[Box] = []
    for z in _runs(voxels.reshape(len(voxels), -1).max(axis=1)):
        plane = voxels[z].max(axis=0)  # (y, x)
        for y in _runs(plane.max(axis=1)):
            boxes += [(z, y, x) for x in _runs(plane[y].max(axis=0))]
    return [piece] if len(boxes) == 1 and voxels[boxes[0]].shape == voxels.shape else [_part(piece, b) for b in boxes]


def _runs(profile: np.ndarray) -> list[slice]:
    """Stretches of a profile that are not zero."""
    if profile.all():
        return [slice(0, len(profile))]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], profile != 0, [False]])))
    return [slice(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _part(piece: Piece, box: Box) -> Piece:
    z, y, x = (low + axis.start for low, axis in zip(piece.lower, box, strict=True))
    return Piece((z, y, x), piece.mask[box].copy())  # all that follows is faster on voxels that lie together
