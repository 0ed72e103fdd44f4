"""What the study compares, where its files lie, and the environment that its processes run in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import benchmarks
from nnunet_amt.models.folder import model_folder
from nnunet_amt.models.plans import CONFIGURATION, PLANS_NAME
from nnunet_amt.nnunet.environment import TRAINER_VARIABLE, environment_with_trainer, folders_below
from nnunet_amt.phantom import HARDER_DESIGN, CohortDesign

__all__ = ["AMT", "CONFIGURATION", "DEFAULT", "EPOCHS_VARIABLE", "ITERATIONS_VARIABLE", "RECIPES", "Recipe", "Study"]

EPOCHS_VARIABLE = "LEARNING_STUDY_EPOCHS"
ITERATIONS_VARIABLE = "LEARNING_STUDY_ITERATIONS"


@dataclass(frozen=True)
class Recipe:
    """One of the two that are compared.

    Attributes
    ----------
    key, title
        Name of files, and in the table.
    trainer, plans, checkpoint
        nnU-Net's names of what is trained and of what is used for prediction.
    """

    key: str
    title: str
    trainer: str
    plans: str
    checkpoint: str


AMT = Recipe("amt", "nnunet_amt", "nnUNetTrainerAMTBudget", PLANS_NAME, "checkpoint_best.pth")
DEFAULT = Recipe("default", "default nnU-Net", "nnUNetTrainerBudget", "nnUNetPlans", "checkpoint_final.pth")
RECIPES = (AMT, DEFAULT)


@dataclass(frozen=True)
class Study:
    """How the study is run.

    Attributes
    ----------
    output
        Folder of everything.
    minutes
        Compute time of each training: of the process on a CPU, of the clock on a GPU.
    device
        ``cpu`` or ``cuda``.
    spacing
        (z, y, x) in mm that both recipes see the images at.
    patch_size
        (z, y, x) in voxels of the paper's recipe; None for its own choice.
    epochs
        Of both trainings; the iterations of an epoch follow from `minutes`.
    design
        The cohort.
    """

    output: Path
    minutes: float = 70.0
    device: str = "cpu"
    spacing: tuple[float, float, float] = (8.0, 7.0, 7.0)
    patch_size: tuple[int, int, int] | None = None
    epochs: int = 50
    design: CohortDesign = HARDER_DESIGN
    dataset_id: int = 712
    dataset_name: str = "AMTHarderPhantom"

    @property
    def dataset(self) -> str:
        """nnU-Net's name of the dataset."""
        return f"Dataset{self.dataset_id}_{self.dataset_name}"

    @property
    def raw(self) -> Path:
        """The raw dataset."""
        return self.output / "nnUNet_raw" / self.dataset

    @property
    def preprocessed(self) -> Path:
        """The preprocessed dataset of both recipes."""
        return self.output / "nnUNet_preprocessed" / self.dataset

    def fold(self, recipe: Recipe) -> Path:
        """Folder of a recipe's training."""
        results = self.output / "nnUNet_results"
        return model_folder(results, dataset=self.dataset, trainer=recipe.trainer, plans=recipe.plans) / "fold_0"

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Variables for a process of nnU-Net: its folders, both trainers, no workers of its own on a CPU."""
        here = Path(__file__).resolve().parent
        checkout = str(Path(benchmarks.__file__).resolve().parents[1])
        search = [checkout, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        environment = {
            **os.environ,
            **folders_below(self.output),
            TRAINER_VARIABLE: str(here / "hook"),
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(search)),
            "PYTHONUNBUFFERED": "1",
            **(more or {}),
        }
        if self.device == "cpu":
            environment |= {"nnUNet_n_proc_DA": "0", "nnUNet_compile": "f"}
        return environment_with_trainer(environment)
