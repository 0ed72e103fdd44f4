"""From the contours of one ROI to voxels: on which slices they lie, what they enclose, whether some are missing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import ContourError, GeometryMismatchError
from nnunet_amt.images.dicom.contour_gaps import SourcePlanes, close_gap, find_gaps, stretch
from nnunet_amt.images.dicom.contours import ON_PATH, at_centres, fill_contours
from nnunet_amt.images.dicom.outlines import Points
from nnunet_amt.images.geometry import Geometry

XOR_TYPE = "CLOSEDPLANAR_XOR"
CLOSED_TYPES = frozenset({"CLOSED_PLANAR", XOR_TYPE})
NO_TYPE = ""  # of a contour that does not state it
_OTHER_TYPES = frozenset({"POINT", "OPEN_PLANAR", "OPEN_NONPLANAR", "CLOSED_NONPLANAR", "INTERPOLATED_PLANAR"})
# How far from a slice its contours may lie, as a share of the slice distance.
_OFF_SLICE_SHARE = 0.2
# Contours of the body run along the edge of the CT, and are rounded.
_BEYOND_EDGE_PIXELS = 0.5
_ON_PATH_AT_MOST = 1e-3  # pixels: coordinates of one decimal are too rough to tell
_SHOWN_PLACES = 5
_PLANES = ("sagittal", "coronal", "axial")  # across x, y and z


@dataclass(frozen=True, eq=False)
class Contour:
    """One contour: its ContourGeometricType, its points, (points, 3), LPS in mm, and how many decimals these have."""

    kind: str
    points: NDArray[np.float64]
    decimals: int = 6


@dataclass(frozen=True, eq=False)
class Roi:
    """An ROI: its number, all its contours that have points, and the planes they were drawn on, if the file says so."""

    number: int
    contours: tuple[Contour, ...]
    planes: SourcePlanes | None = None

    def on(self, geometry: Geometry, *, interpolate: bool = False) -> tuple[NDArray[np.bool_], list[int]]:
        """Fill the contours on a grid; they may lie on its axial slices, or all on coronal or all on sagittal ones.

        Returns
        -------
        numpy.ndarray, list of int
            (z, y, x), and the numbers of the slices on which something was interpolated, not drawn.

        Raises
        ------
        GeometryMismatchError
            If a contour lies between slices or outside the CT.
        ContourError
            If contours are not closed, not flat, of several planes, or cross; if a slice ends empty though it has
            contours; or if contours are missing between others, and are not to be interpolated or cannot be.
        """
        self._require_closed()
        indices = [geometry.continuous_index(contour.points) for contour in self.contours]
        stack = _Stack.of(geometry, indices)
        mask = np.zeros(geometry.size[::-1], dtype=bool)  # (z, y, x)
        slices = stack.slices_of(mask)
        drawn = self._fill(slices, indices, stack)
        return mask, self._close_gaps(slices, drawn, stack, interpolate)

    def _require_closed(self) -> None:
        """Refuse points and open lines among closed contours: the slices that they stand for would be lost."""
        others = [contour for contour in self.contours if contour.kind not in CLOSED_TYPES]
        if not others:
            return
        places = _listed(f"{z:.2f}" for z in sorted({round(float(one.points[:, 2].mean()), 2) for one in others}))
        if silent := sum(contour.kind == NO_TYPE for contour in others):
            raise ContourError(
                f"ROI number {self.number}: {silent} of {len(self.contours)} contours, at z {places} mm, do not say "
                "whether they are closed (ContourGeometricType is missing or empty); export the RTSTRUCT again"
            )
        kinds = Counter(contour.kind if contour.kind in _OTHER_TYPES else "of an unknown type" for contour in others)
        counted = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        raise ContourError(
            f"ROI number {self.number}: of {len(self.contours)} contours {len(others)} are not closed in a plane "
            f"({counted}), at z {places} mm; draw them closed, or take them out of the ROI"
        )

    def _fill(self, slices: NDArray[np.bool_], indices: Sequence[NDArray], stack: _Stack) -> list[int]:
        """Fill the contours slice by slice, and give the numbers of the slices, ascending."""
        flat = [index[:, stack.in_plane] for index in indices]
        traced = at_centres(flat)
        rounded = np.sqrt(0.5) * 10.0 ** -max(contour.decimals for contour in self.contours) if self.contours else 0.0
        on_path = float(np.clip(rounded / min(stack.pixel_spacing), ON_PATH, _ON_PATH_AT_MOST))
        by_slice: dict[int, list[tuple[str, Points]]] = defaultdict(list)
        for contour, index, points in zip(self.contours, indices, traced or flat, strict=True):
            self._require_within(points, stack)
            by_slice[self._slice_of(index, contour.points, stack)].append((contour.kind, points))
        for number, contours in by_slice.items():
            try:
                filled = fill_contours(
                    [points for _, points in contours],
                    slices[number].shape,
                    on_path=on_path,
                    exclusive=all(kind == XOR_TYPE for kind, _ in contours),
                    traced=traced is not None,
                )
            except ContourError as error:
                place = stack.place(number)
                raise ContourError(
                    f"ROI number {self.number}, slice at {place}: {error}; draw this slice anew"
                ) from error
            if not filled.any():
                raise ContourError(
                    f"ROI number {self.number}, slice at {stack.place(number)}: ends empty though it has contours "
                    f"({len(contours)}), which hold no pixel's centre; draw this slice anew, or delete them there"
                )
            slices[number] = filled
        return sorted(by_slice)

    def _require_within(self, points: Points, stack: _Stack) -> None:
        """Refuse contours that leave the CT in their plane: filled, they would be cut off."""
        size = np.array(stack.geometry.size)[stack.in_plane]
        beyond = max(float((-0.5 - points).max()), float((points + 0.5 - size).max()))
        if beyond > _BEYOND_EDGE_PIXELS:
            raise GeometryMismatchError(
                f"ROI number {self.number}: a contour lies outside the CT, up to {beyond:.1f} pixels beyond its edge; "
                "draw it on this CT"
            )

    def _slice_of(self, index: NDArray, points: NDArray, stack: _Stack) -> int:
        """Give the number of the slice that a contour lies on."""
        along, name = index[:, stack.axis], "xyz"[stack.axis]
        places = points[:, stack.axis]
        nearest = round(float(along.mean()))
        if np.ptp(along) > 2 * _OFF_SLICE_SHARE:
            raise self._not_flat(index, points, stack)
        if np.abs(along - nearest).max() > _OFF_SLICE_SHARE:
            raise GeometryMismatchError(
                f"ROI number {self.number}: a contour at {name} {places.min():.2f} to {places.max():.2f} mm lies "
                f"between the slices of the CT, which are {stack.distance:.3g} mm apart; draw it on this CT"
            )
        if not 0 <= nearest < stack.geometry.size[stack.axis]:
            raise GeometryMismatchError(
                f"ROI number {self.number}: a contour at {name} {places.mean():.2f} mm lies outside the CT; "
                "draw it on this CT"
            )
        return nearest

    def _not_flat(self, index: NDArray, points: NDArray, stack: _Stack) -> ContourError | GeometryMismatchError:
        """Say how a contour leaves the slices: it lies in another direction, some of its points are astray, or all."""
        name, places, along = "xyz"[stack.axis], points[:, stack.axis], index[:, stack.axis]
        begin = f"ROI number {self.number}: a contour"
        between = f"from {name} {places.min():.2f} to {places.max():.2f} mm"
        across = [axis for axis in stack.in_plane if np.ptp(index[:, axis]) <= 2 * _OFF_SLICE_SHARE]
        if across:
            place = points[:, across[0]].mean()
            return ContourError(
                f"{begin} is {_PLANES[across[0]]}, at {'xyz'[across[0]]} {place:.2f} mm, and not all of the others "
                f"are; draw all of them on {_PLANES[stack.axis]} slices"
            )
        astray = int((np.abs(along - np.median(along)) > _OFF_SLICE_SHARE).sum())
        if astray < len(points) / 2:
            return ContourError(
                f"{begin} at {name} {np.median(places):.2f} mm leaves its plane: {astray} of its {len(points)} points "
                f"lie off it ({between}); draw it anew, on one slice"
            )
        return GeometryMismatchError(
            f"{begin} lies in no plane of the CT, {between}, where slices are {stack.distance:.3g} mm apart; draw it "
            "on this CT"
        )

    def _close_gaps(
        self, slices: NDArray[np.bool_], drawn: Sequence[int], stack: _Stack, interpolate: bool
    ) -> list[int]:
        """Interpolate where contours are missing, and give the slices; refuse them if that must not or cannot be."""
        if not drawn:
            return []
        planes_apart = self.planes.slices_apart(stack.geometry, stack.axis) if self.planes else None
        used: NDArray[np.bool_] = np.any(slices[list(drawn)], axis=0)
        # A view of what is used: what follows takes time by the pixel.
        box = slices[:, stretch(used, 0), stretch(used, 1)]
        gaps = find_gaps(box, drawn, distance=stack.distance, planes_apart=planes_apart)
        refused = {number for gap in gaps if not (interpolate and gap.can_be_closed) for number in gap.between}
        if refused:
            count = "1 slice" if len(refused) == 1 else f"{len(refused)} slices"
            places = _listed(stack.place(number) for number in sorted(refused))
            choices = ["draw them", "make ROIs of their own of lesions that are apart"]
            if interpolate:
                choices[0] = "what lies below and above does not overlap: draw them"
            else:
                choices.insert(1, "have them interpolated (--interpolate-contours)")
            raise ContourError(
                f"ROI number {self.number}: contours are missing on {count} between others ({places}); "
                f"{', or '.join(choices)}"
            )
        for gap in gaps:
            close_gap(box, gap, pixel_spacing=stack.pixel_spacing)
        return sorted({number for gap in gaps for number in gap.between})


@dataclass(frozen=True)
class _Stack:
    """The slices of a grid along one of its axes."""

    geometry: Geometry
    axis: int  # 0, 1 or 2 for slices across x (sagittal), y (coronal) or z (axial)

    @classmethod
    def of(cls, geometry: Geometry, indices: Sequence[NDArray]) -> _Stack:
        """Choose the axis across which all contours are flat; the axial slices if there is none."""
        for axis in (2, 1, 0):
            along = [index[:, axis] for index in indices]
            if all(np.abs(one - round(float(one.mean()))).max() <= _OFF_SLICE_SHARE for one in along):
                return cls(geometry, axis)
        return cls(geometry, 2)

    @property
    def in_plane(self) -> list[int]:
        """The axes of columns and rows."""
        return [axis for axis in range(3) if axis != self.axis]

    @property
    def distance(self) -> float:
        """From slice to slice in mm."""
        return self.geometry.spacing[self.axis]

    @property
    def pixel_spacing(self) -> tuple[float, float]:
        """Between rows and between columns, in mm."""
        column, row = (self.geometry.spacing[axis] for axis in self.in_plane)
        return row, column

    def slices_of(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """View an array (z, y, x) as (slice, row, column)."""
        return np.moveaxis(mask, 2 - self.axis, 0)

    def place(self, number: int) -> str:
        """Say where a slice lies: at its middle, along the patient's axis."""
        middle = (np.array(self.geometry.size) - 1) / 2
        middle[self.axis] = number
        place = np.array(self.geometry.origin) + self.geometry.axes @ (self.geometry.spacing * middle)
        return f"{'xyz'[self.axis]} {place[self.axis]:.2f} mm"


def _listed(places: Iterable[str]) -> str:
    listed = list(places)
    more = f" and {len(listed) - _SHOWN_PLACES} more" if len(listed) > _SHOWN_PLACES else ""
    return ", ".join(listed[:_SHOWN_PLACES]) + more
