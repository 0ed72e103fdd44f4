"""The folder of a study of risk, and how one is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.cases import Carcinoma
from nnunet_amt.risk.clinical_baseline import CLINICAL
from nnunet_amt.risk.folds import FOLDS
from nnunet_amt.risk.networks.model_folder import MODEL_FILE
from nnunet_amt.risk.networks.settings import EMBEDDED, EPOCHS, MODEL_FOLDER, NETWORKS, PAPER_NETWORKS, TrainingSettings
from nnunet_amt.risk.rois import ROI_FILE
from nnunet_amt.study.study_files import READERS_FOLDER, RISK_EVALUATION_FOLDER

RADIOMICS = "radiomics"
MODELS = (*NETWORKS, RADIOMICS, CLINICAL)
PAPER_MODELS = (*PAPER_NETWORKS, EMBEDDED, RADIOMICS, CLINICAL)


@dataclass(frozen=True)
class RiskFolder:
    """Where the parts of a study of risk stand."""

    root: Path

    @property
    def rois(self) -> Path:
        """ROIs of the reference masks."""
        return self.root / "rois"

    @property
    def predicted_rois(self) -> Path:
        """ROIs of predicted masks."""
        return self.root / "rois_predicted"

    @property
    def features(self) -> Path:
        """Radiomics features."""
        return self.root / "features"

    @property
    def scores(self) -> Path:
        """Scores of all models."""
        return self.root / "scores"

    @property
    def has_predicted_rois(self) -> bool:
        """Whether there are ROIs of predicted masks, all of them."""
        return (self.predicted_rois / ROI_FILE).is_file()

    @property
    def predicted_scores(self) -> Path:
        """Scores of the same models with ROIs of predicted masks."""
        return self.root / "scores_predicted"

    @property
    def heat_maps(self) -> Path:
        """Heat maps of the external cases."""
        return self.root / "heat_maps"

    @property
    def evaluation(self) -> Path:
        """Tables and figures."""
        return self.root / RISK_EVALUATION_FOLDER

    @property
    def readers(self) -> Path:
        """The reader study."""
        return self.root / READERS_FOLDER

    def training(self, model: str) -> Path:
        """Folder of a model's training."""
        return self.root / "models" / model

    def network(self, model: str) -> Path:
        """Folder of a trained network, as `predict_roi` takes it."""
        return self.training(model) / MODEL_FOLDER

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks whose training has ended."""
        return tuple(network for network in NETWORKS if (self.network(network) / MODEL_FILE).is_file())


@dataclass(frozen=True)
class RiskSettings:
    """How a study of risk is made.

    Attributes
    ----------
    models
        Of `MODELS`.
    epochs, size, pretrained, grid
        Of the networks, see `TrainingSettings`; `size` None is each network's own.
    carcinoma
        See `open_cohort`.
    folds, seed
        Of the cross-validation, the same for all models.
    """

    models: tuple[str, ...] = PAPER_MODELS
    epochs: int = EPOCHS
    size: int | None = None
    pretrained: bool = True
    grid: tuple[float, ...] = ()
    carcinoma: Carcinoma | None = None
    folds: int = FOLDS
    seed: int = 0

    def __post_init__(self) -> None:
        if unknown := [model for model in self.models if model not in MODELS]:
            raise BadInputError(f"model {unknown[0]!r}: is not known; choose among {', '.join(MODELS)}")

    def of_network(self, network: str) -> TrainingSettings:
        """Give the settings of a network's training."""
        return TrainingSettings(
            network, epochs=self.epochs, size=self.size, pretrained=self.pretrained or network == EMBEDDED,
            grid=self.grid, folds=self.folds, seed=self.seed,
        )  # fmt: skip
