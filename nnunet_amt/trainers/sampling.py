"""Where crops are taken: one anywhere in the image, the others on the tumour ("Training settings")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from batchgenerators.dataloading.single_threaded_augmenter import SingleThreadedAugmenter
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.utilities.default_n_proc_DA import get_allowed_n_proc_DA

from nnunet_amt.paper import BATCH_SIZE, FOREGROUND_SAMPLES_PER_BATCH

# nnU-Net takes this share of a batch, its last samples, from the foreground.
FOREGROUND_FRACTION = FOREGROUND_SAMPLES_PER_BATCH / BATCH_SIZE


class AMTDataLoader(nnUNetDataLoader):
    """nnU-Net's loader with crop centres that reach the borders.

    nnU-Net keeps a random crop inside the image, so that its centre never comes near a border, and shifts a
    foreground crop inwards. Here the centre of a random crop is any voxel of the image, each as likely as any
    other, and a foreground crop is centred on a tumour voxel, so that rotation and scaling about the centre
    cannot move the tumour out of it. What lies outside the image is filled with the lowest intensity.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._has_tumour: dict[str, bool] = {}

    def get_indices(self) -> list[str]:
        """Draw the cases of a batch; a case without tumour cannot give a foreground crop, so another is drawn."""
        cases = list(super().get_indices())
        for sample, case in enumerate(cases):
            if self.get_do_oversample(sample) and not self._shows_tumour(case):
                cases[sample] = self._another_case_with_tumour(case)
        return cases

    def get_bbox(
        self,
        data_shape: Sequence[int],
        force_fg: bool,
        class_locations: dict | None,
        overwrite_class: int | tuple[int, ...] | None = None,
        verbose: bool = False,
    ) -> tuple[list[int], list[int]]:
        """Choose a crop; bounds (z, y, x) in voxels, below zero or past the image where it overlaps a border."""
        if self.has_ignore and not force_fg:
            # Partly annotated cases: nnU-Net's own rule, a crop on any annotated voxel.
            return super().get_bbox(data_shape, force_fg, class_locations, overwrite_class, verbose)
        tumour_voxels = _tumour_voxels(class_locations) if force_fg else None
        if tumour_voxels is None:
            centre = [np.random.randint(0, edge) for edge in data_shape]
        else:
            # the first column is the channel
            centre = [int(index) for index in tumour_voxels[np.random.choice(len(tumour_voxels))][1:]]
        lower = [middle - edge // 2 for middle, edge in zip(centre, self.patch_size, strict=True)]
        upper = [start + edge for start, edge in zip(lower, self.patch_size, strict=True)]
        return lower, upper

    def _shows_tumour(self, case: str) -> bool:
        if case not in self._has_tumour:
            *_, properties = self._data.load_case(case)
            self._has_tumour[case] = _tumour_voxels(properties["class_locations"]) is not None
        return self._has_tumour[case]

    def _another_case_with_tumour(self, case: str) -> str:
        """Draw from the cases with tumour, all alike; the case itself if there is no other."""
        order = np.random.permutation(len(self.indices))
        return next((self.indices[other] for other in order if self._shows_tumour(self.indices[other])), case)


def _tumour_voxels(class_locations: dict | None) -> np.ndarray | None:
    """Voxels (channel, z, y, x) of any foreground label; None if the case has none."""
    found = [
        locations
        for label, locations in (class_locations or {}).items()
        if not isinstance(label, tuple) and len(locations) > 0
    ]
    return np.concatenate(found) if found else None


def endless_batches(loader: AMTDataLoader, pin_memory: bool) -> Iterator[dict]:
    """Let nnU-Net's worker processes (``nnUNet_n_proc_DA`` of them) fill batches; without any, fill them here."""
    processes = get_allowed_n_proc_DA()
    if processes == 0:
        return SingleThreadedAugmenter(loader, None)
    batches = NonDetMultiThreadedAugmenter(
        loader,
        None,
        processes,
        num_cached=max(6, processes // 2),
        seeds=None,
        pin_memory=pin_memory,
        wait_time=0.002,
    )
    next(batches)  # starts the workers before the first epoch is timed
    return batches
