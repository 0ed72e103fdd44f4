"""Where the parts of a study of CT with circulating tumour cells stand: the folder ``fusion`` of a study of risk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.risk.fusion.lesion_case import Task
from nnunet_amt.study.study_files import FUSION_FOLDER, READERS_FOLDER, RISK_EVALUATION_FOLDER


@dataclass(frozen=True)
class FusionFolder:
    """Where the parts stand."""

    root: Path

    @classmethod
    def of_risk(cls, study: Path) -> FusionFolder:
        """Give that of a study of risk."""
        return cls(study / FUSION_FOLDER)

    @property
    def rois(self) -> Path:
        """Crops of the lesions, of both tasks."""
        return self.root / "rois"

    def scores(self, task: Task) -> Path:
        """Folder of a task's ``class_scores.csv``."""
        return self.root / task / "scores"

    def training(self, task: Task, model: str, seed: int) -> Path:
        """Folder of one training."""
        return self.root / task / "models" / model / f"seed_{seed}"

    def model(self, task: Task, model: str) -> Path:
        """Folder of a model of all seeds, as it is handed on and takes new patients."""
        return self.root / task / "models" / model / "model"

    def evaluation(self, task: Task) -> Path:
        """Tables and figures of a task."""
        return self.root / task / RISK_EVALUATION_FOLDER

    def readers(self, task: Task) -> Path:
        """Reader study of a task."""
        return self.root / task / READERS_FOLDER
