"""The cases that a network is trained on, as images in memory, with the fold that holds each of them out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nnunet_amt.errors import UnmatchedCasesError
from nnunet_amt.risk.folds import PatientCase, grouped_folds
from nnunet_amt.risk.networks.images import grey_image
from nnunet_amt.risk.networks.settings import TrainingSettings
from nnunet_amt.risk.rois import Roi


@dataclass(frozen=True)
class Development:
    """Cases of the training centres.

    Attributes
    ----------
    case_ids
        Their names.
    high : numpy.ndarray of bool, (cases,)
        Whether they are of high risk.
    fold : numpy.ndarray of int, (cases,)
        The fold that holds them out.
    largest, adjacent : torch.Tensor of float32, (cases, y, x)
        The slice with the largest area, which is scored, and the one beside it, which is only trained on.
    """

    case_ids: tuple[str, ...]
    high: np.ndarray
    fold: np.ndarray
    largest: torch.Tensor
    adjacent: torch.Tensor

    def training_images(self, places: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Give both slices of some cases, (2 * cases, y, x), and 0 or 1 for each of them."""
        chosen = torch.from_numpy(np.flatnonzero(places))
        high = torch.from_numpy(self.high[places].astype(np.int64))
        return torch.cat((self.largest[chosen], self.adjacent[chosen])), torch.cat((high, high))

    def sha256(self) -> str:
        """Hash all of it: the same cases, images, classes and folds have the same."""
        digest = hashlib.sha256()
        for case_id in self.case_ids:
            digest.update(f"{case_id}\n".encode())
        for values in (self.high, self.fold, self.largest.numpy(), self.adjacent.numpy()):
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()


def gather_cases(cases: Sequence[PatientCase], rois: Mapping[str, Roi], *, settings: TrainingSettings) -> Development:
    """Bring the ROIs of cases to the network's size and divide the cases into folds.

    Raises
    ------
    UnmatchedCasesError
        If a case has no ROI.
    BadInputError
        If a ROI cannot be used, or a case stands twice.
    TooFewCasesError
        If a class has fewer patients than there are folds.
    """
    require_rois(cases, rois)
    cases = sorted(cases, key=lambda case: case.case_id)
    fold = np.zeros(len(cases), dtype=np.int64)
    for number, (_, held_out) in enumerate(grouped_folds(cases, folds=settings.folds, seed=settings.seed)):
        fold[held_out] = number
    names = tuple(case.case_id for case in cases)
    high = np.array([case.high for case in cases], dtype=bool)
    largest = _images({name: rois[name].largest for name in names}, settings)
    return Development(names, high, fold, largest, _images({name: rois[name].adjacent for name in names}, settings))


def _images(crops: Mapping[str, np.ndarray], settings: TrainingSettings) -> torch.Tensor:
    """Bring crops (y, x) of cases to one size, (cases, size, size)."""
    size, normalisation = settings.pixels, settings.normalisation
    return torch.stack(
        [grey_image(crop, case_id=name, size=size, normalisation=normalisation) for name, crop in crops.items()]
    )


def require_rois(cases: Sequence[PatientCase], rois: Mapping[str, Roi]) -> None:
    """Refuse cases without a ROI."""
    missing = sorted(case.case_id for case in cases if case.case_id not in rois)
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UnmatchedCasesError(f"case {missing[0]}{others}: no ROI; make the ROIs of all cases first")
