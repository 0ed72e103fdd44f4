"""Selection on the tuning set: Dice on its whole preprocessed volumes, by sliding window, and after which epochs.

Nothing is written. The epochs are few enough to be cheap, and enough to have a choice ("Training settings").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from math import ceil, prod
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetBaseDataset

from nnunet_amt.images.mediastinum import Box, RegionOfArrays
from nnunet_amt.models.tuning_pictures import ShownSlice
from nnunet_amt.trainers.shown_case import predicted_in
from nnunet_amt.trainers.within_region import logits_within

# Share of the training time that the selection may take ...
TUNING_TIME_FRACTION = 0.1
# ... unless fewer checkpoints than this would be left to choose from.
MINIMUM_EVALUATIONS = 20
# The image as float32, two logits, the sum of weights, the search for infinite logits and padding, a voxel.
BYTES_PER_VOXEL = 16
# Volumes are compared in slabs of about this many voxels, which bounds the memory it takes to some 100 MB.
SLAB_VOXELS = 2**22

# How nnU-Net's predictor begins to say that logits are no numbers of 16 bits any more.
_OVERFLOW = "Encountered inf"

Case = tuple[np.ndarray, np.ndarray]

# ---- when ---------------------------------------------------------------------------------------------------


@dataclass
class TuningSchedule:
    """When the tuning set is evaluated next."""

    interval: int = 1  # epochs between two evaluations
    next_epoch: int = 0  # the first one (from 0) that is due

    def is_due(self, epoch: int, epochs: int) -> bool:
        """Whether the tuning set is evaluated after `epoch` of `epochs`; after the last one always."""
        return epoch >= self.next_epoch or epoch == epochs - 1

    def evaluated(self, epoch: int) -> None:
        """Note that the tuning set was evaluated after `epoch`."""
        self.next_epoch = epoch + self.interval


def tuning_interval(seconds_tuning: float, seconds_epoch: float, epochs: int) -> tuple[int, float]:
    """Epochs between two evaluations, and the share of the time that the evaluations then take.

    They take at most `TUNING_TIME_FRACTION`, but there are at least `MINIMUM_EVALUATIONS` in a training, or one an
    epoch where it has fewer epochs. `seconds_epoch` is the time of an epoch without an evaluation.
    """
    epoch = max(seconds_epoch, 1e-6)
    share = TUNING_TIME_FRACTION / (1.0 - TUNING_TIME_FRACTION)  # of the time of training alone
    cheap = max(1, ceil(seconds_tuning / (share * epoch)))
    interval = min(cheap, max(1, epochs // MINIMUM_EVALUATIONS))
    return interval, seconds_tuning / (seconds_tuning + interval * epoch)


def describe_interval(interval: int, share: float) -> str:
    """Say how often the tuning set is evaluated, what `share` of the time that takes, and why not less."""
    line = f"The tuning set is evaluated every {interval} epochs, about {share:.1%} of the time"
    if share <= TUNING_TIME_FRACTION:
        return line
    return f"{line}; less often would leave fewer than {MINIMUM_EVALUATIONS} checkpoints to choose from"


# ---- prediction -----------------------------------------------------------------------------------------------


def tuning_overlaps(
    predictor: nnUNetPredictor,
    dataset: nnUNetBaseDataset,
    cases: Sequence[str],
    ignore_label: int | None = None,
    log: Callable[[str], Any] = lambda line: None,
    shown: ShownSlice | None = None,
    region: TuningRegion | None = None,
) -> list[CaseOverlap]:
    """Predict preprocessed volumes and compare them with their references; nothing is written.

    Voxels of `ignore_label` are left out; `log` is told where a volume does not fit on the GPU. Of the case of `shown`
    the overlap has what is predicted in that slice. Outside of the `region` nothing is predicted.
    """
    overlaps = []
    for case, (image, reference) in zip(cases, read_ahead(dataset, cases), strict=True):
        box = None if region is None else region.box(case, image)
        logits = logits_within(box, torch.from_numpy(image), lambda part: _predict(predictor, part, log))
        overlap = case_overlap(logits, reference, ignore_label)
        if shown is not None and case == shown.case_id:
            overlap = replace(overlap, predicted_in_shown=predicted_in(logits, shown))
        overlaps.append(overlap)
        del logits  # before the next volume asks for its own
    compute_gaussian.cache_clear()
    return overlaps


@dataclass(frozen=True)
class TuningRegion:
    """Where in the tuning cases the network is asked, each looked at once in a training."""

    region: RegionOfArrays
    _boxes: dict[str, Box | None] = field(default_factory=dict)

    def box(self, case: str, image: np.ndarray) -> Box | None:
        """Give the part of a case's image (channel, z, y, x); None where it is all of it."""
        if case not in self._boxes:
            self._boxes[case] = self.region.box(image[0])
        return self._boxes[case]


def cases_of_this_rank(cases: Sequence[str]) -> list[str]:
    """Share the cases between the processes of a training on several GPUs; all of them where there is one."""
    if not (dist.is_available() and dist.is_initialized()):
        return list(cases)
    return list(cases[dist.get_rank() :: dist.get_world_size()])


def of_all_ranks(own: list[CaseOverlap]) -> list[CaseOverlap]:
    """Gather what every process found; each gets the same list."""
    if not (dist.is_available() and dist.is_initialized()):
        return own
    gathered: list[list[CaseOverlap]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(gathered, own)
    return [overlap for of_rank in gathered for overlap in of_rank]


def read_ahead(dataset: nnUNetBaseDataset, cases: Sequence[str]) -> Iterator[Case]:
    """Give image (channel, z, y, x) and reference (z, y, x) of each case; the next one is read meanwhile."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(_read, dataset, cases[0]) if cases else None
        for case in [*cases[1:], None]:
            if following is None:
                return
            present = following.result()
            following = None if case is None else reader.submit(_read, dataset, case)
            yield present


def _read(dataset: nnUNetBaseDataset, case: str) -> Case:
    image, reference, *_ = dataset.load_case(case)
    return image[:], reference[:][0]  # from blosc2 to numpy


def _predict(predictor: nnUNetPredictor, image: torch.Tensor, log: Callable[[str], Any]) -> torch.Tensor:
    on_gpu = predictor.device.type == "cuda"
    voxels = prod(image.shape[1:])
    predictor.perform_everything_on_device = on_gpu and voxels * BYTES_PER_VOXEL <= _free_bytes(predictor.device)
    try:
        logits = predictor.predict_sliding_window_return_logits(image)
    except RuntimeError as error:
        if _OVERFLOW not in str(error):
            raise
        # weights that a later epoch may mend: no reason to end a training
        log("The logits of a tuning volume overflowed with these weights; nothing counts as predicted in it")
        return torch.stack((torch.ones(image.shape[1:]), torch.zeros(image.shape[1:])))
    if on_gpu and logits.device.type == "cpu":
        log(f"A tuning volume of {voxels / 1e6:.0f} million voxels does not fit on the GPU, it is put together in RAM")
    return logits


def _free_bytes(device: torch.device) -> int:
    """Give what is free on a GPU, and what torch holds there without using it."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


# ---- Dice -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CaseOverlap:
    """Overlap of one tuning case."""

    dice: float | None  # of the label maps; None where reference and prediction are both empty
    soft_dice: float  # of the tumour probabilities, for the loss curve
    has_tumour: bool = True  # whether the reference is not empty
    # bool (rows, columns), of the case alone that is looked at
    predicted_in_shown: np.ndarray | None = field(default=None, compare=False)


def case_overlap(
    logits: torch.Tensor, reference: np.ndarray, ignore_label: int | None = None, slab_voxels: int = SLAB_VOXELS
) -> CaseOverlap:
    """Compare logits (head, z, y, x), background first, with their reference (z, y, x), slab by slab.

    Tumour is everything above 0, nnU-Net's -1 outside the image counts as background; voxels of `ignore_label` are
    left out.
    """
    depth, height, width = reference.shape
    planes = max(1, slab_voxels // (height * width))
    sums = torch.zeros(5, dtype=torch.float64, device=logits.device)
    for start in range(0, depth, planes):
        slab = slice(start, start + planes)
        sums += _slab_sums(logits[:, slab], reference[slab], ignore_label)
    shared, predicted, tumour, soft_shared, soft_predicted = sums.tolist()
    total, soft_total = predicted + tumour, soft_predicted + tumour
    return CaseOverlap(
        dice=2.0 * shared / total if total else None,
        soft_dice=2.0 * soft_shared / soft_total if soft_total else 1.0,
        has_tumour=tumour > 0,
    )


def _slab_sums(logits: torch.Tensor, reference: np.ndarray, ignore_label: int | None) -> torch.Tensor:
    """Voxels shared, predicted and of tumour, then those shared and predicted by probability."""
    labels = torch.from_numpy(np.ascontiguousarray(reference)).to(logits.device)
    tumour = labels > 0
    probability = 1.0 - torch.softmax(logits.float(), dim=0)[0]
    predicted = logits[1:].amax(dim=0) > logits[0]
    if ignore_label is not None:
        annotated = labels != ignore_label
        tumour, predicted, probability = tumour & annotated, predicted & annotated, probability * annotated
    sums = ((predicted & tumour).sum(), predicted.sum(), tumour.sum(), (probability * tumour).sum(), probability.sum())
    return torch.stack([part.double() for part in sums])


def mean_dice(overlaps: Sequence[CaseOverlap]) -> float:
    """Mean Dice over the cases that have one; NaN where none has."""
    known = [overlap.dice for overlap in overlaps if overlap.dice is not None]
    return float(np.mean(known)) if known else float("nan")


def mean_soft_dice(overlaps: Sequence[CaseOverlap]) -> float:
    """Mean Dice of the probabilities over the cases with a tumour, as that of the others is near 0; NaN without any."""
    known = [overlap.soft_dice for overlap in overlaps if overlap.has_tumour]
    return float(np.mean(known)) if known else float("nan")


def describe_without_tumour(overlaps: Sequence[CaseOverlap]) -> str:
    """Say how the volumes without a tumour count in the mean Dice; nothing where there is none."""
    without = [overlap for overlap in overlaps if not overlap.has_tumour]
    if not without:
        return ""
    marked = sum(overlap.dice is not None for overlap in without)
    return f"; without a tumour: {len(without)}, falsely marked: {marked} (Dice 0), the others do not count"
