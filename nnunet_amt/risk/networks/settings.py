"""The networks by name, and the settings of a training; what is the paper's and what is ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.folds import FOLDS

EPOCHS = 500  # the paper's
# In the folder of a training, see `training_folder`.
MODEL_FOLDER, CURVES_FILE = "model", "loss_curves.csv"
Normalisation = Literal["image", "imagenet"]
# Of a setting: name, value, whether it is as it must be, and how it must be.
Rule = tuple[str, object, bool, str]


@dataclass(frozen=True)
class Architecture:
    """What is to be known of a network.

    Attributes
    ----------
    title
        Its name in the paper's tables.
    head
        Name of its last layer, whose outputs are the classes.
    heat_layer
        Name of the part whose outputs are the last feature maps: Grad-CAM takes them.
    rectified_after
        Whether the maps are rectified after that part and not in it.
    size
        Side of its images in pixels.
    smallest
        Smallest side that it can take.
    """

    title: str
    head: str
    heat_layer: str
    size: int = 224
    smallest: int = 32
    rectified_after: bool = False


PAPER_NETWORKS: Mapping[str, Architecture] = {
    "densenet121": Architecture("DenseNet 121", "classifier", "features", rectified_after=True),
    "resnet101": Architecture("ResNet 101", "fc", "layer4"),
    "inception_v3": Architecture("Inception V3", "fc", "Mixed_7c", size=299, smallest=75),
    "vgg11": Architecture("VGG 11", "classifier.6", "features"),
    "mobilenet_v2": Architecture("MobileNet V2", "classifier.1", "features"),
    "shufflenet_v2_x1_0": Architecture("ShuffleNet V2", "fc", "conv5"),
}
EMBEDDED = "efficientnet_lite0"
NETWORKS: Mapping[str, Architecture] = {
    **PAPER_NETWORKS,
    "shufflenet_v2_x0_5": Architecture("ShuffleNet V2 x0.5", "fc", "conv5", size=64),
    EMBEDDED: Architecture("EfficientNet-Lite0, frozen", "classifier", "bn2"),
}
_OF_HEAD = ("network", "size", "pretrained", "normalisation", "folds", "seed")


class Schedule(Protocol):
    """What every training by stochastic gradient descent has of settings; see `TrainingSettings`."""

    @property
    def epochs(self) -> int:
        """Of the whole schedule."""

    @property
    def pixels(self) -> int:
        """Side of the images."""

    @property
    def batch_size(self) -> int:
        """At most so many images a step."""

    @property
    def learning_rate(self) -> float:
        """At the beginning."""

    @property
    def momentum(self) -> float:
        """Of the descent."""

    @property
    def weight_decay(self) -> float:
        """Of the descent."""

    @property
    def rotation(self) -> float:
        """Largest angle, in degrees, either way."""

    @property
    def translation(self) -> float:
        """Largest shift, as a share of the side, in each direction."""

    @property
    def scaling(self) -> tuple[float, float]:
        """Smallest and largest factor."""


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained. The paper gives network, size, epochs, learning rate and batch size; the rest is ours.

    Attributes
    ----------
    network
        One of `NETWORKS`.
    epochs
        Of the whole schedule; few for a short training. How many of them the final model gets, the folds decide.
    size
        Side of the images in pixels; the network's own where None.
    pretrained
        Begin with ImageNet weights.
    normalisation
        ``image``: by the image's own mean and SD. ``imagenet``: by the mean and SD of ImageNet's colours.
    batch_size
        At most so many images a step.
    learning_rate
        At the beginning; it falls along half a cosine to zero at the end of the schedule.
    grid
        Further learning rates, among which the folds choose, as among the epochs.
    momentum, weight_decay
        Of stochastic gradient descent.
    rotation
        Largest angle, in degrees, either way.
    translation
        Largest shift, as a share of the side, in each direction.
    scaling
        Smallest and largest factor.
    folds
        Of the cross-validation.
    seed
        Of folds, first weights and batches.
    """

    network: str
    epochs: int = EPOCHS
    size: int | None = None
    pretrained: bool = True
    normalisation: Normalisation = "image"
    batch_size: int = 16
    learning_rate: float = 0.01
    grid: tuple[float, ...] = ()
    momentum: float = 0.9
    weight_decay: float = 1e-4
    rotation: float = 15.0
    translation: float = 0.1
    scaling: tuple[float, float] = (0.9, 1.1)
    folds: int = FOLDS
    seed: int = 0

    def __post_init__(self) -> None:
        architecture = architecture_of(self.network)
        smallest = architecture.smallest
        rules: tuple[Rule, ...] = (
            ("size", self.pixels, self.pixels >= smallest, f"{smallest} px or more for {architecture.title}"),
            ("normalisation", self.normalisation, self.normalisation in ("image", "imagenet"), "image or imagenet"),
            (
                "normalisation",
                self.normalisation,
                self.network != EMBEDDED or self.normalisation == "image",
                "image: its weights were trained with other colours than torchvision's",
            ),
            *schedule_rules(self),
            ("grid", self.grid, all(0 < rate < 10 for rate in self.grid), "learning rates above 0 and below 10"),
            ("grid", self.grid, len({*self.rates}) == len(self.rates), "rates that differ, also from learning_rate"),
            ("seed", self.seed, self.seed >= 0, "0 or more"),
        )
        require_rules(self.network, rules)

    def as_recorded(self) -> dict[str, Any]:
        """Give the settings as JSON has them; of the embedded network those that have a say."""
        content: dict[str, Any] = {
            **asdict(self),
            "size": self.pixels,
            "scaling": list(self.scaling),
            "grid": list(self.grid),
        }
        return {name: content[name] for name in _OF_HEAD} if self.network == EMBEDDED else content

    @property
    def rates(self) -> tuple[float, ...]:
        """All learning rates that the folds choose among."""
        return (self.learning_rate, *self.grid)

    @property
    def pixels(self) -> int:
        """Side of the images in pixels."""
        return architecture_of(self.network).size if self.size is None else self.size


def schedule_rules(schedule: Schedule) -> tuple[Rule, ...]:
    """Give what the settings of any training must be: name, value, whether it is so, and the rule."""
    smallest, largest = schedule.scaling
    return (
        ("epochs", schedule.epochs, schedule.epochs >= 1, "1 or more"),
        ("batch_size", schedule.batch_size, schedule.batch_size >= 2, "2 or more, for the statistics of a batch"),
        ("learning_rate", schedule.learning_rate, 0 < schedule.learning_rate < 10, "above 0 and below 10"),
        ("momentum", schedule.momentum, 0 <= schedule.momentum < 1, "0 or more and below 1"),
        ("weight_decay", schedule.weight_decay, 0 <= schedule.weight_decay < 1, "0 or more and below 1"),
        ("rotation", schedule.rotation, 0 <= schedule.rotation <= 180, "0 to 180 degrees"),
        ("translation", schedule.translation, 0 <= schedule.translation < 1, "0 or more and below 1"),
        ("scaling", schedule.scaling, 0 < smallest <= largest < 10, "two factors, the smaller first"),
    )


def require_rules(name: str, rules: Sequence[Rule]) -> None:
    """Refuse, for a training by its name, the first setting that breaks its rule."""
    for setting, value, fits, rule in rules:
        if not fits:
            raise BadInputError(f"{name}: {setting} is {value}; must be {rule}")


def architecture_of(network: str) -> Architecture:
    """Look a network up; raises BadInputError where there is none of this name."""
    if network not in NETWORKS:
        raise BadInputError(f"network {network!r}: is not known; choose one of {', '.join(NETWORKS)}")
    return NETWORKS[network]
