"""From a CT to the array that the network takes, and from its logits back to the label map of the CT.

The array and the labels are those of nnU-Net's preprocessor and export; what a prediction does not need is left out. No
label map of nothing is resampled along, no holes of the body are filled to find the box round it, nothing is copied
twice. On the way back one difference of logits is resampled instead of two logits, and only slices that hold any of the
tumour. `tests/nnunet/test_network_grid.py` compares each step with nnU-Net's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from nnunet_amt.images.probability_file import HIGHEST_LEVEL, LOWEST_LEVEL, LOWEST_OF_TUMOUR
from nnunet_amt.models.plans import CONFIGURATION

# nnU-Net resamples slices by themselves where a voxel is this many times as long as it is wide.
_THICK = 3
# In 32 bits an interpolated logit is wrong by less than this share of the largest one: where two logits are no further
# apart than that, rounding decides between them, and both are resampled as nnU-Net does it.
_ROUNDING = 2.0**-19
# Below it a probability is written as 0, see `LOWEST_LEVEL`: sigmoid(-4.7) = 0.009.
_LOWEST_LOGIT = -4.7


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """A CT as the network takes it, with what is needed to bring its logits back."""

    array: torch.Tensor  # (1, z, y, x), float32
    box: tuple[slice, ...]  # (z, y, x) of the CT round all that is not 0 HU
    shape: tuple[int, ...]  # (z, y, x) of the CT
    spacing: tuple[float, ...]  # (z, y, x) in mm of the CT


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of a CT, on the CT's voxels."""

    labels: NDArray[np.uint8]  # (z, y, x), 1 is tumour
    levels: NDArray[np.uint8] | None  # (z, y, x), tumour probability times 255, see `write_probabilities`


@dataclass(frozen=True)
class NetworkGrid:
    """What the plans of a model say of the arrays of its network.

    Attributes
    ----------
    spacing
        (z, y, x) in mm.
    lowest, highest, mean, std
        HU are clipped to the first two, the third is subtracted, and the rest divided by the fourth.
    separate_z_of_images, separate_z_of_logits
        Whether slices are resampled by themselves; None: where they are thick.
    """

    spacing: tuple[float, ...]
    lowest: float
    highest: float
    mean: float
    std: float
    separate_z_of_images: bool | None = None
    separate_z_of_logits: bool | None = None

    @classmethod
    def of_plans(cls, plans: Mapping[str, Any]) -> NetworkGrid:
        """Take them from plans that `nnunet_amt.nnunet.loaded_model.why_not_here` has nothing against."""
        settings = plans["configurations"][CONFIGURATION]
        intensities = plans["foreground_intensity_properties_per_channel"]["0"]
        return cls(
            spacing=tuple(settings["spacing"]),
            lowest=intensities["percentile_00_5"],
            highest=intensities["percentile_99_5"],
            mean=intensities["mean"],
            std=intensities["std"],
            separate_z_of_images=settings["resampling_fn_data_kwargs"].get("force_separate_z"),
            separate_z_of_logits=settings["resampling_fn_probabilities_kwargs"].get("force_separate_z"),
        )

    def to_network(self, values: NDArray, spacing: Sequence[float]) -> NetworkInput:
        """Crop, normalise and resample a CT.

        Parameters
        ----------
        values
            HU, (z, y, x), LPS axes.
        spacing
            (z, y, x) in mm.
        """
        box = _box_of_nonzero(values)
        array = np.array(values[box], dtype=np.float32, order="C")
        np.clip(array, self.lowest, self.highest, out=array)
        array -= self.mean
        array /= max(self.std, 1e-8)
        edges = zip(array.shape, spacing, self.spacing, strict=True)
        shape = tuple(round(old / new * voxels) for voxels, old, new in edges)
        volume = resample(
            torch.from_numpy(array), shape, current=spacing, new=self.spacing, separate_z=self.separate_z_of_images
        )
        return NetworkInput(volume[None].contiguous(), box, values.shape, tuple(spacing))

    def to_ct(self, logits: torch.Tensor, ct: NetworkInput, *, probabilities: bool = False) -> Prediction:
        """Bring logits (background and tumour, z, y, x) back to the voxels of a CT, with probabilities if asked."""
        shape = tuple(part.stop - part.start for part in ct.box)
        axis = thick_axis(self.spacing, ct.spacing, self.separate_z_of_logits)
        if tuple(logits.shape[1:]) == shape:
            tumour = logits[1] > logits[0]
            levels = _levels(_difference(logits), tumour) if probabilities else None
        elif axis is None:
            tumour, levels = _resampled_at_once(logits, shape, probabilities)
        else:
            planes, levels_of_planes = _resampled_by_plane(
                logits.movedim(1 + axis, 1), (shape[axis], *_without(shape, axis)), probabilities
            )
            tumour = planes.movedim(0, axis)
            levels = None if levels_of_planes is None else levels_of_planes.movedim(0, axis)
        return Prediction(_in_ct(tumour, ct), None if levels is None else _in_ct(levels, ct))


def resample(
    volume: torch.Tensor,
    shape: tuple[int, ...],
    *,
    current: Sequence[float],
    new: Sequence[float],
    separate_z: bool | None = None,
) -> torch.Tensor:
    """Resample a volume (z, y, x) of float32 to a shape, as nnU-Net's ``resample_torch_fornnunet`` does.

    Linearly; along the axis of thick slices, see `thick_axis`, by the nearest one. `current` and `new` are spacings
    (z, y, x) in mm.
    """
    if tuple(volume.shape) == shape:
        return volume
    axis = thick_axis(current, new, separate_z)
    if axis is None:
        return interpolate(volume[None, None], shape, mode="trilinear")[0, 0]
    planes, in_plane = volume.movedim(axis, 0), _without(shape, axis)
    if tuple(planes.shape[1:]) != in_plane:
        planes = interpolate(planes[None], in_plane, mode="bilinear")[0]
    if len(planes) != shape[axis]:
        planes = planes[_nearest_planes(len(planes), shape[axis])]
    return planes.movedim(0, axis)


def thick_axis(current: Sequence[float], new: Sequence[float], separate_z: bool | None = None) -> int | None:
    """Give the axis along which nnU-Net resamples by the nearest slice; None: linearly along all three.

    It is the longest edge of the voxels, before or else after, if that is over three times the shortest.
    """
    thick = [spacing for spacing in (current, new) if max(spacing) / min(spacing) > _THICK]
    if separate_z is not None:
        thick = [current] if separate_z else []
    if not thick:
        return None
    longest = [axis for axis, edge in enumerate(thick[0]) if max(thick[0]) / edge == 1]
    return longest[0] if len(longest) == 1 else None


def _nearest_planes(old: int, new: int) -> torch.Tensor:
    """Give the number of the plane that nnU-Net takes for each of the `new` ones."""
    return interpolate(torch.arange(old, dtype=torch.float32)[None, None], new, mode="nearest-exact")[0, 0].long()


def _without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return tuple(edge for other, edge in enumerate(shape) if other != axis)


def _box_of_nonzero(values: NDArray) -> tuple[slice, ...]:
    """Find the box (z, y, x) round all that is not 0; the whole where nothing is."""
    box = []
    for axis in range(values.ndim):
        planes = np.moveaxis(values, axis, 0)
        first = next((number for number in range(len(planes)) if planes[number].any()), None)
        if first is None:
            return tuple(slice(0, edge) for edge in values.shape)
        last = next(number for number in reversed(range(len(planes))) if planes[number].any())
        box.append(slice(first, last + 1))
    return tuple(box)


def _difference(logits: torch.Tensor) -> torch.Tensor:
    return logits[1].float() - logits[0].float()


def _rounding(logits: torch.Tensor) -> float:
    return float(logits.abs().max()) * _ROUNDING


def _resampled_at_once(
    logits: torch.Tensor, shape: tuple[int, ...], probabilities: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Resample along three axes; give tumour and levels, both of `shape`."""
    difference = interpolate(_difference(logits)[None, None], shape, mode="trilinear")[0, 0]
    tumour = difference > 0
    if bool((difference.abs() <= _rounding(logits)).any()):
        both = interpolate(logits[None].float(), shape, mode="trilinear")[0]
        tumour = both[1] > both[0]
    return tumour, _levels(difference, tumour) if probabilities else None


def _resampled_by_plane(
    logits: torch.Tensor, shape: tuple[int, ...], probabilities: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Resample logits (class, plane, row, column) within their planes, and repeat or leave out planes.

    Planes without any tumour, or with no probability worth writing, stay 0: linear interpolation makes nothing larger
    than it was.
    """
    difference = _difference(logits)
    kept = (difference > (_LOWEST_LOGIT if probabilities else 0)).flatten(1).any(1).nonzero().flatten()
    if not len(kept):
        nothing = torch.zeros(shape, dtype=torch.uint8)
        return nothing, nothing if probabilities else None
    fine = difference[kept]
    if tuple(fine.shape[1:]) != shape[1:]:
        fine = interpolate(fine[None], shape[1:], mode="bilinear")[0]
    tumour = fine > 0
    close = (fine.abs() <= _rounding(logits)).flatten(1).any(1)
    if bool(close.any()):
        both = logits[:, kept[close]].float()
        if tuple(both.shape[2:]) != shape[1:]:
            both = interpolate(both.flatten(0, 1)[None], shape[1:], mode="bilinear")[0].unflatten(0, both.shape[:2])
        tumour[close] = both[1] > both[0]
    number_of_kept = torch.full((len(difference),), -1)
    number_of_kept[kept] = torch.arange(len(kept))
    source = number_of_kept[_nearest_planes(len(difference), shape[0])]

    def spread(values: torch.Tensor) -> torch.Tensor:
        whole = torch.zeros(shape, dtype=values.dtype)
        whole[source >= 0] = values[source[source >= 0]]
        return whole

    return spread(tumour), spread(_levels(fine, tumour)) if probabilities else None


def _levels(difference: torch.Tensor, tumour: torch.Tensor) -> torch.Tensor:
    """Give the levels, see `write_probabilities`, of differences of logits; they agree with `tumour`."""
    levels = torch.round(torch.sigmoid(difference) * HIGHEST_LEVEL)
    levels = torch.where(tumour, levels.clamp(min=LOWEST_OF_TUMOUR), levels.clamp(max=LOWEST_OF_TUMOUR - 1))
    levels[levels < LOWEST_LEVEL] = 0
    return levels.to(torch.uint8)


def _in_ct(values: torch.Tensor, ct: NetworkInput) -> NDArray[np.uint8]:
    whole = np.zeros(ct.shape, np.uint8)
    whole[ct.box] = values.numpy()
    return whole
