"""A trained model on disk, ``model.json`` and ``weights.pth``: safe to load, and used as it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_amt.base.files import atomic_path, write_json
from nnunet_amt.base.json_file import NUMBER, read_json
from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.networks.settings import NETWORKS, Normalisation

if TYPE_CHECKING:
    from torch import nn

MODEL_FILE = "model.json"
WEIGHTS_FILE = "weights.pth"
MODEL_FILES = (MODEL_FILE, WEIGHTS_FILE)
SCHEMA_VERSION = 1
_AGAIN = "copy the model again, or train it again"
_FORM = {
    "network": str,
    "size": int,
    "normalisation": str,
    "threshold": NUMBER,
    "sensitive_threshold": NUMBER,
    "weights_sha256": str,
    "pretrained_sha256": (str, None),
    "trained_cases": int,
    "training": dict,
}


@dataclass(frozen=True)
class ModelInfo:
    """What ``model.json`` says.

    Attributes
    ----------
    network
        One of `NETWORKS`.
    size
        Side of its images in pixels.
    normalisation
        See `TrainingSettings`.
    threshold
        A score of this or more is high risk, see `scores.ModelEntry`.
    sensitive_threshold
        The one with a sensitivity of 90% on the out-of-fold scores.
    weights_sha256
        Of ``weights.pth``.
    pretrained_sha256
        Of the file that the training began with; None from scratch.
    trained_cases
        How many.
    training
        All settings, and what the folds chose.
    """

    network: str
    size: int
    normalisation: Normalisation
    threshold: float
    sensitive_threshold: float
    weights_sha256: str
    pretrained_sha256: str | None
    trained_cases: int
    training: Mapping[str, Any] = field(default_factory=dict)


def write_model(folder: Path, trained: nn.Module, **info: Any) -> ModelInfo:
    """Write a model; `info` are the fields of `ModelInfo` but the hash of the weights, which are written here."""
    import torch

    (folder / MODEL_FILE).unlink(missing_ok=True)  # it must never stand beside weights that are not its own
    with atomic_path(folder / WEIGHTS_FILE) as partial:
        torch.save({key: value.cpu() for key, value in trained.state_dict().items()}, partial)
    written = ModelInfo(weights_sha256=str(file_sha256(folder / WEIGHTS_FILE)), **info)
    write_json(folder / MODEL_FILE, {"schema_version": SCHEMA_VERSION, **asdict(written)})
    return written


def read_model_info(folder: Path) -> ModelInfo:
    """Read what a model folder says of itself.

    Raises
    ------
    BadInputError
        If it is no model folder, or of another version.
    """
    path = folder / MODEL_FILE
    if not path.is_file():
        raise BadInputError(f"{folder}: holds no {MODEL_FILE}; give the model folder of a trained network")
    content = read_json(path, form={"schema_version": int}, advice=_AGAIN)
    if content["schema_version"] != SCHEMA_VERSION:
        raise BadInputError(
            f"{path}: is of version {content['schema_version']}, this program reads version {SCHEMA_VERSION}; use the "
            "program that it was trained with, or train it again"
        )
    content = read_json(path, form=_FORM, advice=_AGAIN)
    if content["network"] not in NETWORKS or content["normalisation"] not in ("image", "imagenet"):
        raise BadInputError(
            f"{path}: network {content['network']!r}, normalisation {content['normalisation']!r}: not known; {_AGAIN}"
        )
    smallest = NETWORKS[content["network"]].smallest
    if not smallest <= content["size"] <= 4096:
        raise BadInputError(f"{path}: size is {content['size']}; must be {smallest} to 4096 px; {_AGAIN}")
    return ModelInfo(**{name: content[name] for name in _FORM})


def load_model(folder: Path, *, device: str = "cpu") -> tuple[nn.Module, ModelInfo]:
    """Load the network of a model folder, ready to score.

    Raises
    ------
    BadInputError
        If the folder cannot be used, or its weights are not those that were written with it.
    """
    from nnunet_amt.risk.networks.architectures import build_network
    from nnunet_amt.risk.networks.pretrained import read_weights

    info = read_model_info(folder)
    path = folder / WEIGHTS_FILE
    found = file_sha256(path)
    if found != info.weights_sha256:
        state = "is missing" if found is None else f"has the SHA-256 {found[:8]}..., {MODEL_FILE} says otherwise"
        raise BadInputError(f"{path}: {state}; {_AGAIN}")
    network = build_network(info.network, normalisation=info.normalisation)
    try:
        network.load_state_dict(read_weights(path))
    except RuntimeError as error:
        raise BadInputError(f"{path}: holds the weights of another network than {info.network}; {_AGAIN}") from error
    return network.to(device).eval(), info
