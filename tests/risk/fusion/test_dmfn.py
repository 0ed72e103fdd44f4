"""Shapes, counts and branches of the three networks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion.dmfn import LESION_MODELS, LesionModel, build_lesion_model
from nnunet_amt.risk.fusion.regnet import RegNet

CLASSES, CLINICAL = 14, 5
IMAGES, CTC, PATIENTS = torch.rand(3, 3, 16, 20), torch.tensor([[0.5, 0], [-1, 0], [0, 1]]), torch.rand(3, CLINICAL)


def built(name: LesionModel, **options: int) -> nn.Module:
    torch.manual_seed(0)
    return build_lesion_model(name, classes=CLASSES, clinical=CLINICAL, **options).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", LESION_MODELS)
def test_a_logit_a_class(name: LesionModel) -> None:
    with torch.inference_mode():
        logits = built(name)(IMAGES, CTC, PATIENTS)
    assert (logits.shape, bool(logits.isfinite().all())) == ((3, CLASSES), True)


# RegNet-20 has 311,472, see test_regnet.py. A branch from k has 16 k + 16 and 16 * 16 + 16. Stages of 16, 32 and 64
# channels and two branches of 16 make 144, which become 64, and these 14. The plain network has four convolutions.
BRANCHES, CLASSIFY = (2 * 16 + 16 + 272) + (CLINICAL * 16 + 16 + 272), 64 * CLASSES + CLASSES
PLAIN = 9 * (3 * 16 + 16 * 32 + 32 * 64 + 64 * 128) + 2 * (16 + 32 + 64 + 128)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dmfn", 311_472 + BRANCHES + 144 * 64 + 64 + CLASSIFY),
        ("regnet", 311_472 + 112 * 64 + 64 + CLASSIFY),
        ("plain-cnn", PLAIN + 128 * 64 + 64 + CLASSIFY),
    ],
)
def test_parameters(name: LesionModel, expected: int) -> None:
    assert sum(one.numel() for one in built(name).parameters()) == expected


def test_depth_and_cell_are_those_of_the_backbone() -> None:
    with torch.device("meta"):
        network = build_lesion_model("dmfn", classes=2, clinical=0, depth=50, cell="rnn")
        backbone = RegNet(depth=50, cell="rnn")
    assert network.backbone.state_dict().keys() == backbone.state_dict().keys()
    assert network.dense.in_features == 256 + 512 + 1024 + 2048 + 16  # no clinical data, no branch


@pytest.mark.parametrize("name", ["regnet", "plain-cnn"])
def test_networks_of_images_alone_ignore_all_else(name: LesionModel) -> None:
    nothing = torch.full((3, 2), math.nan), torch.full((3, CLINICAL), math.nan)
    with torch.inference_mode():
        network = built(name)
        assert torch.equal(network(IMAGES, *nothing), network(IMAGES, CTC, PATIENTS))


def test_the_dmfn_sees_level_flag_and_clinical_data() -> None:
    """A change of any of them changes that patient's logits and no other's."""
    network = built("dmfn")
    with torch.inference_mode():
        before = network(IMAGES, CTC, PATIENTS)
        for table, column in ((CTC, 0), (CTC, 1), (PATIENTS, 0), (PATIENTS, CLINICAL - 1)):
            changed = table.clone()
            changed[1, column] += 1
            tables = (changed, PATIENTS) if table is CTC else (CTC, changed)
            differs = (network(IMAGES, *tables) - before).abs().amax(dim=1) > 1e-6
            assert differs.tolist() == [False, True, False]


def test_the_regnet_is_the_dmfn_without_its_branches() -> None:
    """One seed gives both the same backbone, so that one thing changes; the layers after it differ in their input."""
    dmfn, regnet = built("dmfn"), built("regnet")
    for name, values in regnet.get_submodule("backbone").state_dict().items():
        assert torch.equal(values, dmfn.get_submodule("backbone").state_dict()[name])
    without = {name for name in dmfn.state_dict() if not name.startswith("branches")}
    assert without == regnet.state_dict().keys()


def test_dense_layers_keep_the_spread() -> None:
    """Weights of an SD of the root of 2 / 144, without biases: ReLU halves the squares, of which 144 are summed."""
    dense = built("dmfn").get_submodule("dense")
    assert isinstance(dense, nn.Linear)
    assert dense.weight.std().item() == pytest.approx(math.sqrt(2 / 144), rel=0.03)  # of 9216 weights
    assert not dense.bias.any()


def test_all_stages_are_fused() -> None:
    """Each stage's map has a gradient of its own: what the dense layer takes of it is not zero."""
    network = built("dmfn")
    maps: list[torch.Tensor] = []
    backbone = network.get_submodule("backbone")
    for stage in backbone.get_submodule("stages"):  # type: ignore[attr-defined]
        stage.register_forward_hook(lambda _stage, _inputs, output: maps.append(output.mean(dim=(2, 3))))
    joined: list[torch.Tensor] = []
    network.get_submodule("dense").register_forward_hook(lambda _dense, inputs, _output: joined.append(inputs[0]))
    with torch.inference_mode():
        network(IMAGES, CTC, PATIENTS)
    assert torch.allclose(joined[0][:, :112], torch.cat(maps, dim=1))
    assert joined[0].shape == (3, 144)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "resnet"}, "model is 'resnet'; must be one of dmfn, regnet, plain-cnn"),
        ({"classes": 1}, "dmfn: classes is 1; must be 2 or more"),
        ({"clinical": -1}, "dmfn: clinical is -1; must be 0 or more"),
        ({"depth": 18}, "depth is 18"),
        ({"cell": "peephole"}, "cell is 'peephole'"),
    ],
)
def test_networks_that_cannot_be_are_refused(options: dict, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        build_lesion_model(**({"name": "dmfn", "classes": 2, "clinical": 0} | options))
