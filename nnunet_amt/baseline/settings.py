"""What a run of the baseline is asked for, and nnU-Net's own models that stand beside the paper's recipe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.errors import BadInputError
from nnunet_amt.nnunet.commands import STOCK_PLANNER, STOCK_PLANS, STOCK_TRAINER
from nnunet_amt.nnunet.environment import is_of_nnunet


@dataclass(frozen=True)
class StockModel:
    """A model that nnU-Net 2.8.1 configures by itself.

    Attributes
    ----------
    key
        Word on the command line, and name of a folder.
    title
        Name in tables.
    planner, plans
        Class that plans it, and name of the plans.
    """

    key: str
    title: str
    planner: str
    plans: str


STOCK_MODELS = (
    StockModel("default", "default nnU-Net", STOCK_PLANNER, STOCK_PLANS),
    StockModel("resenc-m", "nnU-Net ResEnc-M", "nnUNetPlannerResEncM", "nnUNetResEncUNetMPlans"),
)


def stock_models(keys: Sequence[str] = ()) -> tuple[StockModel, ...]:
    """Find models by their keys, each once and in our order; all of them if no key is given.

    Raises
    ------
    BadInputError
        Names the key that is none.
    """
    known = [model.key for model in STOCK_MODELS]
    for key in keys:
        if key not in known:
            raise BadInputError(f"--model {key}: must be one of {', '.join(known)}")
    return tuple(model for model in STOCK_MODELS if not keys or model.key in keys)


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
    trainer: str = STOCK_TRAINER
    device: str = "cuda"
    fold: str = "0"
    spacing: tuple[float, float, float] | None = None
    gpu_memory_target: float | None = None
    jobs: int | None = None

    def predictions_folder(self, model: StockModel) -> Path:
        """Folder of a model's label maps."""
        return self.output / model.key / "predictions"

    def evaluation_folder(self, model: StockModel) -> Path:
        """Folder of a model's evaluation."""
        return self.output / model.key / "evaluation"

    def comparison_folder(self) -> Path:
        """Folder of the comparison with ours."""
        return self.output / "comparison"

    def compared_names(self) -> list[str]:
        """Name ours and the stock models, in the order of the comparison."""
        return ["nnunet_amt", *(model.title for model in self.models)]

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
        changed = ([f"--trainer {self.trainer}"] if self.trainer != STOCK_TRAINER else []) + (
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
