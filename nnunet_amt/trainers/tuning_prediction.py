"""From the tuning set's preprocessed volumes to their overlaps, by sliding window, without writing a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetBaseDataset
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunet_amt.trainers.tuning_dice import CaseOverlap, case_overlap

# The image as float32, two logits, the sum of weights, the search for infinite logits and padding, a voxel.
BYTES_PER_VOXEL = 16

Case = tuple[np.ndarray, np.ndarray]


def make_tuning_predictor(
    network: nn.Module,
    plans_manager: PlansManager,
    configuration_manager: ConfigurationManager,
    dataset_json: dict,
    trainer: str,
    device: torch.device,
) -> nnUNetPredictor:
    """Build nnU-Net's predictor as prediction uses it: half-overlapping windows, one pass without mirroring."""
    predictor = nnUNetPredictor(
        use_mirroring=False, device=device, perform_everything_on_device=device.type == "cuda", allow_tqdm=False
    )
    predictor.manual_initialization(network, plans_manager, configuration_manager, None, dataset_json, trainer, None)
    return predictor


def tuning_overlaps(
    predictor: nnUNetPredictor,
    dataset: nnUNetBaseDataset,
    cases: Sequence[str],
    ignore_label: int | None = None,
    log: Callable[[str], Any] = lambda line: None,
) -> list[CaseOverlap]:
    """Predict preprocessed volumes and compare them with their references; nothing is written.

    Parameters
    ----------
    predictor, dataset, cases
        What predicts, where the arrays are, and which of them.
    ignore_label
        Voxels of this label are left out.
    log
        Told where a volume does not fit on the GPU.
    """
    overlaps = []
    for image, reference in read_ahead(dataset, cases):
        logits = _predict(predictor, image, log)
        overlaps.append(case_overlap(logits, reference, ignore_label))
        del logits  # before the next volume asks for its own
    compute_gaussian.cache_clear()
    return overlaps


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


def _predict(predictor: nnUNetPredictor, image: np.ndarray, log: Callable[[str], Any]) -> torch.Tensor:
    on_gpu = predictor.device.type == "cuda"
    voxels = prod(image.shape[1:])
    predictor.perform_everything_on_device = on_gpu and voxels * BYTES_PER_VOXEL <= _free_bytes(predictor.device)
    logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(image))
    if on_gpu and logits.device.type == "cpu":
        log(f"A tuning volume of {voxels / 1e6:.0f} million voxels does not fit on the GPU, it is put together in RAM")
    return logits


def _free_bytes(device: torch.device) -> int:
    """Give what is free on a GPU, and what torch holds there without using it."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
