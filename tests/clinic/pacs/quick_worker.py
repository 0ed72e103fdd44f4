"""The worker of a receiver with a model that takes everything above 0 HU for tumour: run as a program by tests.

``SLOW_SECONDS`` in the environment is how long its network takes, so that kills find it at work.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[3]))

from nnunet_amt.clinic.pacs import worker
from nnunet_amt.nnunet.network_grid import Prediction


class QuickModel:
    """Stands in for a network."""

    def prepare(self, values: NDArray, spacing: tuple[float, ...]) -> NDArray:
        return values

    def logits(self, values: NDArray) -> NDArray:
        if (values == 1234).any():
            raise RuntimeError("this CT kills the network")
        time.sleep(float(os.environ.get("SLOW_SECONDS", "0")))
        return values

    def share_asked(self, logits: NDArray) -> float | None:
        return None

    def finish(self, logits: NDArray, values: NDArray, *, probabilities: bool) -> Prediction:
        above = (values > 0).astype(np.uint8)
        return Prediction(above, above * np.uint8(204))


@contextmanager
def quick_weights(model: str, **_: object) -> Iterator[Path]:
    """Give a file in place of weights; its folder is called as a model's."""
    yield Path(model) / "nnUNetTrainerAMT__plans__3d" / "fold_0" / "weights"


if __name__ == "__main__":
    vars(worker)["opened_model"] = quick_weights
    vars(worker)["load_model"] = lambda *_, **__: QuickModel()
    worker.main()
