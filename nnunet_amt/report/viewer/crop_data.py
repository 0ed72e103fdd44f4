"""A crop as text for the page, as fine as its share of the page allows: NIfTI for the viewer, and a still picture."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.nifti import nifti_gz
from nnunet_amt.images.probability_file import HIGHEST_LEVEL
from nnunet_amt.pictures import CaseCrop, Voxel, case_panel
from nnunet_amt.report.page_parts import Picture, png_picture

HU_RANGE = (-1000.0, 600.0)  # 255 steps of 6.3 HU: air to bone, far finer than the noise of a CT
REFERENCE_BIT, PREDICTION_BIT = 1, 2
LEAST_BUDGET = 2_000  # characters; one voxel needs a few hundred

_STEP = (HU_RANGE[1] - HU_RANGE[0]) / 255
_LABELS_SHARE = 0.4  # of the budget; masks compress so well that they keep their voxels nearly always
_PROBABILITIES_SHARE = 0.25  # most are 0 or 1, and pack nearly as well
_MOST_VOXELS = 4_000_000  # what a browser takes in at once
_IMAGE_CHARACTERS, _LABELS_CHARACTERS = 0.6, 0.01  # that a voxel usually takes
_AIM, _WELL_USED = 0.95, 0.85  # of the budget: what the next guess aims at, and what is good enough
_ENOUGH_ATTEMPTS, _MOST_ATTEMPTS = 4, 30
_EMPTY_VOXELS = 64  # along the longest edge, where there is no CT
_STRIP_SIZES = (320, 256, 208, 168, 136, 112, 96, 80, 64)  # pixels of the longest edge; less shows nothing
_HOPE = 1.15  # a smaller picture takes more room a pixel than its share, but a guess too large is only drawn in vain

Spacing = tuple[float, float, float]  # (z, y, x) in mm
Layers = tuple[np.ndarray, ...]  # on one grid


@dataclass(frozen=True)
class CropData:
    """Gzip'ed NIfTI files of one box as base64; their grids may differ.

    Attributes
    ----------
    image
        HU in bytes, see `HU_RANGE`; zeros where there is no CT.
    labels
        0, or the sum of `REFERENCE_BIT` and `PREDICTION_BIT`.
    image_spacing, labels_spacing
        Voxel edge lengths (z, y, x) in mm, after resampling.
    probabilities
        A third file, of probabilities in bytes; empty without any.
    """

    image: str
    labels: str
    image_spacing: Spacing
    labels_spacing: Spacing
    probabilities: str = ""


def encode_crop(crop: CaseCrop, *, budget: int, levels: np.ndarray | None = None) -> CropData:
    """Pack CT and masks of a crop, and levels of probability (z, y, x), into no more than `budget` characters.

    What is too large is averaged over larger voxels until it fits, the CT apart from the masks; no axis becomes finer.
    The budget is in characters of base64 for all.

    Raises
    ------
    ValueError
        If the budget is under `LEAST_BUDGET`.
    """
    if budget < LEAST_BUDGET:
        raise ValueError(f"the budget is {budget} characters; the least is {LEAST_BUDGET}")

    def joined(reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """Join two masks, or the shares of voxels that two masks fill."""
        labels = REFERENCE_BIT * (reference >= 0.5) + PREDICTION_BIT * (prediction >= 0.5)
        return np.asarray(labels, np.uint8)

    probabilities = ""
    if levels is not None:
        probabilities, _ = _fit(
            (levels.astype(np.float32),),
            lambda layers: _text(np.rint(layers[0]).astype(np.uint8), crop, 1 / HIGHEST_LEVEL),
            crop,
            int(budget * _PROBABILITIES_SHARE),
            _IMAGE_CHARACTERS,
        )
        budget -= len(probabilities)
    masks = crop.reference.astype(np.float32), crop.prediction.astype(np.float32)
    labels, labels_spacing = _fit(
        masks, lambda shares: _text(joined(*shares), crop), crop, int(budget * _LABELS_SHARE), _LABELS_CHARACTERS
    )
    if crop.image is None:
        nothing = np.zeros(_shape_of(crop, max(crop.extent_mm) / _EMPTY_VOXELS), np.uint8)
        image, image_spacing = _text(nothing, crop, _STEP, HU_RANGE[0]), _spacing(crop, nothing.shape)
    else:
        hu = np.clip(crop.image, *HU_RANGE).astype(np.float32)  # what lies outside must not bleed into its neighbours
        image, image_spacing = _fit(
            (hu,),
            lambda layers: _text(quantised(layers[0]), crop, _STEP, HU_RANGE[0]),
            crop,
            budget - len(labels),
            _IMAGE_CHARACTERS,
        )
    return CropData(image, labels, image_spacing, labels_spacing, probabilities)


def encode_strip(crop: CaseCrop, *, budget: int, at: Voxel | None = None) -> Picture | None:
    """Draw three planes, for a page without scripts or a browser without WebGL.

    They go through a voxel, by default through the middle of the tumour, and are as large as they fit into `budget`
    characters; None if they do not at all.
    """
    size: int | None = _STRIP_SIZES[0]
    while size is not None:
        picture = png_picture(case_panel(crop, size=size, at=at))
        if len(picture.source) <= budget:
            return picture
        guess = max(size * (budget / len(picture.source)) ** 0.5 * _HOPE, _STRIP_SIZES[-1])
        size = next((smaller for smaller in _STRIP_SIZES if smaller < size and smaller <= guess), None)
    return None


def quantised(hu: np.ndarray) -> np.ndarray:
    """Round HU to the bytes that the page holds."""
    return np.rint((np.clip(hu, *HU_RANGE) - HU_RANGE[0]) / _STEP).astype(np.uint8)


def _fit(
    layers: Layers, pack: Callable[[Layers], str], crop: CaseCrop, budget: int, characters: float
) -> tuple[str, Spacing]:
    """Pack arrays (z, y, x) as they are if that fits, else averaged over voxels about as large as they must be.

    `characters` are those that a voxel usually takes, to begin with.
    """
    layers = _averaged(layers, _shape_of(crop, _edge_for(crop, _MOST_VOXELS)))
    finest = layers[0].shape
    best: tuple[str, Spacing] | None = None
    wanted = budget / characters
    for attempt in range(_MOST_ATTEMPTS):
        shape = tuple(map(min, _shape_of(crop, _edge_for(crop, wanted)), finest))
        text = pack(_averaged(layers, shape))
        if len(text) <= budget and (best is None or len(text) > len(best[0])):
            best = text, _spacing(crop, shape)
        whole = shape == finest and len(text) <= budget
        if whole or (best and len(best[0]) >= _WELL_USED * budget) or (best and attempt >= _ENOUGH_ATTEMPTS):
            break
        wanted = min(_AIM * budget / len(text), 8.0) * np.prod(shape) * (1 if attempt < _ENOUGH_ATTEMPTS else 0.7)
    if best is None:  # a voxel or two always fit into `LEAST_BUDGET`
        raise ValueError(f"{budget} characters are too few for a crop of {crop.reference.shape} voxels")
    return best


def _edge_for(crop: CaseCrop, voxels: float) -> float:
    """Give the smallest edge in mm at which the crop holds no more than `voxels` voxels; 0 if it does so as it is."""
    if np.prod(crop.reference.shape) <= voxels:
        return 0.0
    low, high = min(crop.spacing), 2 * max(crop.extent_mm)
    for _ in range(40):
        middle = (low + high) / 2
        if np.prod(_shape_of(crop, middle)) > max(voxels, 1):
            low = middle
        else:
            high = middle
    return high


def _shape_of(crop: CaseCrop, edge_mm: float) -> tuple[int, ...]:
    """Give the number of voxels (z, y, x) that are no shorter than `edge_mm` and no shorter than the crop's own."""
    return tuple(
        min(size, max(1, round(extent / edge_mm))) if edge_mm else size
        for size, extent in zip(crop.reference.shape, crop.extent_mm, strict=True)
    )


def _spacing(crop: CaseCrop, shape: tuple[int, ...]) -> Spacing:
    z, y, x = (extent / size for extent, size in zip(crop.extent_mm, shape, strict=True))
    return z, y, x


def _text(voxels: np.ndarray, crop: CaseCrop, slope: float = 1.0, intercept: float = 0.0) -> str:
    size, spacing = voxels.shape[::-1], _spacing(crop, voxels.shape)[::-1]  # (x, y, z)
    # The origin is the middle of the array: where it lay in the scanner is nobody's business in a report.
    origin = tuple(-edge * (count - 1) / 2 for edge, count in zip(spacing, size, strict=True))
    grid = Geometry(size, spacing, origin, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    return base64.b64encode(nifti_gz(voxels, geometry=grid, slope=slope, intercept=intercept)).decode("ascii")


def _averaged(layers: Layers, shape: tuple[int, ...]) -> Layers:
    """Average over larger voxels, each by what it covers of the small ones; (z, y, x) in and out."""
    z, y, x = shape
    averaged = []
    for voxels in layers:
        old_z, old_y, old_x = voxels.shape
        if x != old_x:
            voxels = voxels @ _weights(old_x, x).T
        if y != old_y:
            voxels = np.matmul(_weights(old_y, y), voxels)
        if z != old_z:
            voxels = (_weights(old_z, z) @ voxels.reshape(old_z, -1)).reshape(z, y, x)
        averaged.append(voxels)
    return tuple(averaged)


def _weights(old: int, new: int) -> np.ndarray:
    """Give the share of each old interval in each new one of the same whole, (new, old); rows add up to 1."""
    edges = np.linspace(0, old, new + 1)
    covered = np.minimum(edges[1:, None], np.arange(1, old + 1)) - np.maximum(edges[:-1, None], np.arange(old))
    weights: np.ndarray = np.clip(covered, 0, None) * (new / old)
    return weights.astype(np.float32)
