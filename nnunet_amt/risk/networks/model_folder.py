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
AGAIN = "copy the model again, or train it again"
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
    (folder / MODEL_FILE).unlink(missing_ok=True)  # it must never stand beside weights that are not its own
    written = ModelInfo(weights_sha256=write_weights(folder / WEIGHTS_FILE, trained), **info)
    write_json(folder / MODEL_FILE, {"schema_version": SCHEMA_VERSION, **asdict(written)})
    return written


def read_model_info(folder: Path) -> ModelInfo:
    """Read what a model folder says of itself.

    Raises
    ------
    BadInputError
        If it is no model folder, or of another version.
    """
    content = read_description(folder, form=_FORM, version=SCHEMA_VERSION)
    path = folder / MODEL_FILE
    if content["network"] not in NETWORKS or content["normalisation"] not in ("image", "imagenet"):
        raise BadInputError(
            f"{path}: network {content['network']!r}, normalisation {content['normalisation']!r}: not known; {AGAIN}"
        )
    smallest = NETWORKS[content["network"]].smallest
    if not smallest <= content["size"] <= 4096:
        raise BadInputError(f"{path}: size is {content['size']}; must be {smallest} to 4096 px; {AGAIN}")
    return ModelInfo(**{name: content[name] for name in _FORM})


def load_model(folder: Path, *, device: str = "cpu") -> tuple[nn.Module, ModelInfo]:
    """Load the network of a model folder, ready to score.

    Raises
    ------
    BadInputError
        If the folder cannot be used, or its weights are not those that were written with it.
    """
    from nnunet_amt.risk.networks.architectures import build_network

    info = read_model_info(folder)
    network = build_network(info.network, normalisation=info.normalisation)
    take_weights(network, folder / WEIGHTS_FILE, sha256=info.weights_sha256, name=info.network)
    return network.to(device).eval(), info


def write_weights(path: Path, trained: nn.Module) -> str:
    """Write the weights of a network; give the SHA-256 of the file."""
    import torch

    with atomic_path(path) as partial:
        torch.save({key: value.cpu() for key, value in trained.state_dict().items()}, partial)
    return str(file_sha256(path))


def take_weights(network: nn.Module, path: Path, *, sha256: str, name: str) -> None:
    """Take weights that `write_weights` wrote, without letting the file run code.

    Raises BadInputError if they are not those of this SHA-256, or not of this network, which messages call `name`.
    """
    from nnunet_amt.risk.networks.pretrained import read_weights

    found = file_sha256(path)
    if found != sha256:
        state = "is missing" if found is None else f"has the SHA-256 {found[:8]}..., {MODEL_FILE} says otherwise"
        raise BadInputError(f"{path}: {state}; {AGAIN}")
    try:
        network.load_state_dict(read_weights(path))
    except RuntimeError as error:
        raise BadInputError(f"{path}: holds the weights of another network than {name}; {AGAIN}") from error


def read_description(folder: Path, *, form: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Read ``model.json`` of a version and form, see `read_json`; BadInputError if there is none, or another."""
    path = folder / MODEL_FILE
    if not path.is_file():
        raise BadInputError(f"{folder}: holds no {MODEL_FILE}; give the model folder of a trained network")
    found = read_json(path, form={"schema_version": int}, advice=AGAIN)["schema_version"]
    if found != version:
        raise BadInputError(
            f"{path}: is of version {found}, this program reads version {version}; use the "
            "program that it was trained with, or train it again"
        )
    content: dict[str, Any] = read_json(path, form=form, advice=AGAIN)
    return content
