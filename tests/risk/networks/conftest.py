"""One small training, shared by the tests that only look at it."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from nnunet_amt.risk.networks.architectures import build_network
from nnunet_amt.risk.networks.settings import TrainingSettings
from nnunet_amt.risk.networks.train import TrainedModel, train_network
from tests.risk.risk_cases import cases_of, rois_of

CASES = cases_of(12)
SETTINGS = TrainingSettings("shufflenet_v2_x0_5", epochs=2, size=32, folds=2, pretrained=False, batch_size=8)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    """ShuffleNet at 32 px from scratch, 2 folds, 2 epochs; its folder must not be changed."""
    return train_network(CASES, rois_of(CASES), tmp_path_factory.mktemp("trained") / "net", settings=SETTINGS)


@pytest.fixture
def model_folder(trained: TrainedModel, tmp_path: Path) -> Path:
    """A copy of its model."""
    import shutil

    return Path(shutil.copytree(trained.folder, tmp_path / "model"))


@pytest.fixture(scope="session")
def densenet() -> nn.Module:
    """DenseNet 121 with weights drawn at random; to be copied, not changed."""
    return build_network("densenet121")
