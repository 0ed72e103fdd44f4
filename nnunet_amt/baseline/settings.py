"""What a run of the baseline is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.baseline.stock_models import DEFAULT_STOCK_TRAINER, STOCK_MODELS, StockModel
from nnunet_amt.errors import BadInputError
from nnunet_amt.nnunet.commands import is_of_nnunet


@dataclass(frozen=True)
class BaselineSettings:
    """What is asked for; the defaults are nnU-Net's own.

    Attributes
    ----------
    dataset_id
        Number of the dataset.
    output
        Folder for predictions and evaluations, a folder a model.
    models
        Which of nnU-Net's models.
    trainer
        One of nnU-Net's own classes; the shorter ones are for trying out.
    device
        ``cpu``, ``cuda`` or ``mps``.
    fold
        ``0``, the split of the cohort, or ``all``.
    spacing
        (z, y, x) in mm instead of nnU-Net's choice, as ``-overwrite_target_spacing``.
    gpu_memory_target
        GB that nnU-Net plans patch and batch for instead of its 8, as ``-gpu_memory_target``.
    jobs
        Worker processes of planning and preprocessing; None: nnU-Net's own numbers.
    """

    dataset_id: int
    output: Path
    models: tuple[StockModel, ...] = STOCK_MODELS
    trainer: str = DEFAULT_STOCK_TRAINER
    device: str = "cuda"
    fold: str = "0"
    spacing: tuple[float, float, float] | None = None
    gpu_memory_target: float | None = None
    jobs: int | None = None

    def planning_options(self) -> list[str]:
        """Give the words that make nnU-Net plan otherwise than it would."""
        words = []
        if self.gpu_memory_target is not None:
            words += ["-gpu_memory_target", f"{self.gpu_memory_target:g}"]
        if self.spacing is not None:
            words += ["-overwrite_target_spacing", *(f"{edge:g}" for edge in self.spacing)]
        return words

    def caveat(self) -> str | None:
        """Say in what this is less than nnU-Net as its authors run it; None if it is not."""
        options = " ".join(self.planning_options())
        changed = ([f"--trainer {self.trainer}"] if self.trainer != DEFAULT_STOCK_TRAINER else []) + (
            [f"{options} in the planning"] if options else []
        )
        if not changed:
            return None
        epochs = re.search(r"_(\d+)epochs?\b", self.trainer)
        short = f" and trains {epochs[1]} of its 1000 epochs" if epochs and int(epochs[1]) < 1000 else ""
        return f"{' and '.join(changed)}: this is not nnU-Net's default{short}; do not take it for what nnU-Net can do"

    def require_usable(self) -> None:
        """Refuse what nnU-Net would end in a traceback for.

        Raises
        ------
        BadInputError
            Names the option.
        """
        # not `planning.SPACING_LIMITS_MM`: that module imports nnU-Net
        if self.spacing is not None and not all(0.1 <= edge <= 20.0 for edge in self.spacing):
            raise BadInputError(f"--spacing {list(self.spacing)}: must be three numbers from 0.1 to 20, z y x in mm")
        if self.gpu_memory_target is not None and not 0 < self.gpu_memory_target < 1000:
            raise BadInputError(f"--gpu-memory-target {self.gpu_memory_target:g}: must be above 0, in GB")
        if not is_of_nnunet(self.trainer):
            raise BadInputError(
                f"--trainer {self.trainer}: is none of nnU-Net's own; the baseline is stock nnU-Net "
                "(nnUNetTrainer, nnUNetTrainer_250epochs ...); for ours use: nnunet_amt train"
            )
