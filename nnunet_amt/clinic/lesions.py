"""The lesions of a mask that has no reference: where each lies, how large it is, and how dense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.files import write_csv
from nnunet_amt.evaluation.measure.distances import largest_diameters
from nnunet_amt.evaluation.measure.lesions import label_components
from nnunet_amt.evaluation.settings import Connectivity
from nnunet_amt.images.foreground import Foreground, MaskBox
from nnunet_amt.images.geometry import Geometry

LESION_COLUMNS = (
    "case_id",
    "lesion",
    "voxels",
    "volume_cm3",
    "axial_diameter_mm",
    "maximum_diameter_mm",
    "mean_hu",
    "score",
    "centre_x_mm",
    "centre_y_mm",
    "centre_z_mm",
    "slice",
)


@dataclass(frozen=True, eq=False)
class Lesion:
    """A connected component of a mask.

    Attributes
    ----------
    number
        1 for the largest.
    box
        Its voxels, (z, y, x) of the image with LPS axes.
    volume_cm3
        Its volume.
    axial_diameter_mm, maximum_diameter_mm
        Longest straight line within an axial slice, and in space; see `largest_diameters`.
    mean_hu
        Of its voxels; None without the CT.
    score
        Mean tumour probability of its voxels; None where probabilities are not known.
    centre
        Mean of its voxels' centres (x, y, z) in mm, LPS; of a hollow lesion it may lie outside it.
    axial_slice
        Index along z of the slice that holds most of it.
    """

    number: int
    box: MaskBox
    volume_cm3: float
    axial_diameter_mm: float
    maximum_diameter_mm: float
    mean_hu: float | None
    score: float | None
    centre: tuple[float, float, float]
    axial_slice: int

    @property
    def voxels(self) -> int:
        """How many it has."""
        return int(np.count_nonzero(self.box.mask))

    def mask(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Lay it alone into an image of this shape, (z, y, x)."""
        whole = np.zeros(shape, dtype=bool)
        whole[self.box.slices] = self.box.mask
        return whole


def find_lesions(
    mask: NDArray[np.bool_],
    grid: Geometry,
    *,
    image: NDArray | None = None,
    probability_levels: NDArray[np.uint8] | None = None,
    connectivity: Connectivity = 26,
    minimum_voxels: int = 10,
) -> list[Lesion]:
    """Separate a mask into its lesions, the largest first, as the evaluation does.

    Parameters
    ----------
    mask
        (z, y, x) with LPS axes.
    grid
        Of the mask, LPS axes.
    image
        The CT in HU on the same grid.
    probability_levels
        Tumour probability times 255 on the same grid.
    connectivity
        Neighbours that make one lesion.
    minimum_voxels
        Smaller components are specks, and left out.
    """
    x, y, z = grid.spacing
    components = label_components(Foreground.of(mask.astype(np.uint8), (x, y, z)), connectivity=connectivity)
    kept = [box for box in components if np.count_nonzero(box.mask) >= minimum_voxels]
    kept.sort(key=lambda box: (-np.count_nonzero(box.mask), box.lower))
    return [_lesion(number, box, grid, image, probability_levels) for number, box in enumerate(kept, start=1)]


def _lesion(
    number: int, box: MaskBox, grid: Geometry, image: NDArray | None, levels: NDArray[np.uint8] | None
) -> Lesion:
    x, y, z = grid.spacing
    diameters = largest_diameters(box.mask, (x, y, z))
    index = np.argwhere(box.mask).mean(axis=0) + box.lower  # (z, y, x)
    centre = np.asarray(grid.origin) + grid.axes @ (index[::-1] * grid.spacing)
    return Lesion(
        number=number,
        box=box,
        volume_cm3=float(np.count_nonzero(box.mask)) * grid.voxel_volume_mm3 / 1000,
        axial_diameter_mm=diameters.axial,
        maximum_diameter_mm=diameters.maximum,
        mean_hu=None if image is None else float(image[box.slices][box.mask].mean()),
        score=None if levels is None else float(levels[box.slices][box.mask].mean()) / 255,
        centre=(float(centre[0]), float(centre[1]), float(centre[2])),
        axial_slice=box.lower[0] + int(np.argmax(box.mask.sum(axis=(1, 2)))),
    )


def lesion_row(case_id: str, lesion: Lesion, *, slice_name: object) -> list[object]:
    """Give a row of `LESION_COLUMNS`; `slice_name` is what a viewer calls the slice, such as its InstanceNumber."""
    measures = [lesion.volume_cm3, lesion.axial_diameter_mm, lesion.maximum_diameter_mm, lesion.mean_hu, lesion.score]
    measures += lesion.centre
    rounded = ["" if value is None else f"{value:.3f}" for value in measures]
    return [case_id, lesion.number, lesion.voxels, *rounded, slice_name]


def write_lesions(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """Write rows of `lesion_row` as CSV."""
    write_csv(path, LESION_COLUMNS, rows)
