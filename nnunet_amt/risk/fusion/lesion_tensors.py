"""Lesions as tensors: crops, encoded patients and classes, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion.encoding import DescribedPatient, Encoding

if TYPE_CHECKING:
    from nnunet_amt.risk.fusion.lesion_crop import LesionCrop

CHANNELS = 3  # image, mask, denoised
_MASK = 1
_ROUNDING = 1e-4


@dataclass(frozen=True)
class LesionTensors:
    """What a network takes of some lesions.

    Attributes
    ----------
    images : torch.Tensor of float32, (lesions, 3, y, x)
        Image, mask and denoised image.
    ctc : torch.Tensor of float32, (lesions, 2)
        See `Encoding.vectors`.
    clinical : torch.Tensor of float32, (lesions, places)
        See `Encoding.vectors`.
    """

    images: torch.Tensor
    ctc: torch.Tensor
    clinical: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)

    def at(self, places: torch.Tensor) -> LesionTensors:
        """Give some of the lesions, by their places (int64)."""
        places = places.to(self.images.device)
        return LesionTensors(self.images[places], self.ctc[places], self.clinical[places])

    def to(self, device: str | torch.device) -> LesionTensors:
        """Bring all of it to a device."""
        return LesionTensors(self.images.to(device), self.ctc.to(device), self.clinical.to(device))

    def outside(self) -> torch.Tensor:
        """Give what lies beyond the images: no lesion, and else the mean of each channel, (lesions, 3, 1, 1)."""
        level = self.images.mean(dim=(2, 3), keepdim=True)
        level[:, _MASK] = 0.0
        return level


def lesion_tensors(
    patients: Mapping[str, DescribedPatient],
    crops: Mapping[str, LesionCrop],
    *,
    encoding: Encoding,
    pixels: int,
    adjacent: bool = False,
) -> LesionTensors:
    """Gather lesions in the order of `patients`, whose keys are the cases' names.

    Parameters
    ----------
    crops
        At least those of the patients.
    encoding
        Of the training cases.
    pixels
        Side that the crops must have.
    adjacent
        Take the slices of the largest area, and after all of them the planes beside those.

    Raises
    ------
    BadInputError
        If a crop has another side, or holds what is not 0 to 1.
    """
    slices = [_checked(crops[name].largest, name, pixels) for name in patients]
    ctc, clinical = (torch.from_numpy(values) for values in encoding.vectors(list(patients.values())))
    if adjacent:
        slices += [_checked(crops[name].adjacent, name, pixels) for name in patients]
        ctc, clinical = torch.cat((ctc, ctc)), torch.cat((clinical, clinical))
    images = np.stack(slices) if slices else np.zeros((0, CHANNELS, pixels, pixels), np.float32)
    return LesionTensors(torch.from_numpy(images), ctc, clinical)


def crop_sha256(crop: LesionCrop, *, pixels: int) -> str:
    """Hash both planes of a crop; BadInputError if it has another side, or holds what is not 0 to 1."""
    planes = (_checked(plane, crop.case_id, pixels) for plane in (crop.largest, crop.adjacent))
    return hashlib.sha256(b"".join(np.ascontiguousarray(plane).tobytes() for plane in planes)).hexdigest()


def _checked(crop: np.ndarray, case_id: str, pixels: int) -> np.ndarray:
    if crop.shape != (CHANNELS, pixels, pixels):
        raise BadInputError(
            f"case {case_id}: its crop is of {' x '.join(map(str, crop.shape))}, the networks take {CHANNELS} x "
            f"{pixels} x {pixels} (channels, px, px); cut the crops again with {pixels} px"
        )
    values: np.ndarray = np.asarray(crop, dtype=np.float32)
    if not (np.isfinite(values).all() and values.min() >= -_ROUNDING and values.max() <= 1 + _ROUNDING):
        raise BadInputError(
            f"case {case_id}: its crop has values {values.min():g} to {values.max():g}; must be 0 to 1; cut it again"
        )
    return values


def as_labels(classes: Sequence[str], of_cases: Sequence[str | None]) -> torch.Tensor:
    """Give the numbers of classes, int64, (cases,)."""
    return torch.tensor([classes.index(str(one)) for one in of_cases], dtype=torch.long)
