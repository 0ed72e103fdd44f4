"""A training that can be repeated: its weights and every batch are drawn from one seed.

nnU-Net's command has no option for a seed, so it comes by the environment, and stays in the checkpoints. A batch
follows from the seed and its number in the training, not from what was drawn before it: a training that is gone on
with draws what it would have drawn.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunet_amt.errors import BadInputError

SEED_VARIABLE = "nnUNet_amt_seed"
_WEIGHTS, _BATCHES = 0, 1


def seed_from_environment() -> int | None:
    """Read the seed of a training; None where none is given, and nnU-Net draws what it likes."""
    value = os.environ.get(SEED_VARIABLE)
    if not value:
        return None
    if not (value.isascii() and value.isdigit()):
        raise BadInputError(f"{SEED_VARIABLE}={value}: must be a whole number, 0 or more; or unset it")
    return int(value)


def agreed_seed(asked: int | None, checkpoint: Mapping[str, Any], path: Path) -> int | None:
    """Give the seed that a training goes on with: that of its checkpoint, which must be the one asked for, if any."""
    stated = checkpoint.get("seed")
    begun_with = stated if isinstance(stated, int) else None
    if asked not in (None, begun_with):
        begun = "without a seed" if begun_with is None else f"with the seed {begun_with}"
        raise BadInputError(
            f"--seed {asked}: the training in {path.parent} was begun {begun}; leave --seed out to go on with it, or "
            "give --restart to train anew"
        )
    return begun_with


def seed_weights(seed: int, *, on_cpu: bool) -> None:
    """Let the weights that are drawn next follow from the seed; on a CPU forbid what sums up in no fixed order."""
    import torch

    _seed_everything(_WEIGHTS, seed)
    if on_cpu:
        torch.use_deterministic_algorithms(True)
        # a search for mistakes, which takes time
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def seed_batch(seed: int, *, rank: int, number: int) -> None:
    """Let the batch that is drawn next follow from seed, rank (of the GPU) and its number in the training."""
    _seed_everything(_BATCHES, seed, rank, number)


def _seed_everything(*entropy: int) -> None:
    import numpy as np
    import torch

    number = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
