"""A trained lesion model on disk, ``model.json`` and the weights of each seed: safe to load, used as it was trained."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nnunet_amt.base.files import atomic_path, write_json
from nnunet_amt.base.json_file import NUMBER
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.subjects import in_words, subjects_of
from nnunet_amt.risk.fusion.encoding import Encoding
from nnunet_amt.risk.fusion.fusion_settings import CELLS, DEPTHS, DMFN, NETWORKS, Cell, Depth
from nnunet_amt.risk.fusion.lesion_case import BINARY_CLASSES, TASKS, LesionCase, Task
from nnunet_amt.risk.networks.model_folder import AGAIN, MODEL_FILE, read_description, take_weights

if TYPE_CHECKING:
    from torch import nn

    from nnunet_amt.risk.fusion.dmfn import LesionModel

SCHEMA_VERSION = 1
_FORM = {
    "model": str,
    "task": str,
    "classes": [str],
    "depth": int,
    "cell": str,
    "pixels": int,
    "denoise": bool,
    "ctc_unit": str,
    "encoding": dict,
    "threshold": (*NUMBER, None),
    "weights": {str: str},
    "trained_on": {
        "cases": int,
        "patients": int,
        "institutions": int,
        "tuning_cases": int,
        "classes": {str: int},
        "diagnoses": {str: int},
        "subjects": (str, None),
    },
    "training": dict,
}


@dataclass(frozen=True)
class TrainedOn:
    """What is told of the cases that a model learned from, none of which is named.

    Attributes
    ----------
    cases, patients, institutions
        Of the training split: how many.
    tuning_cases
        How many chose the epoch and the threshold.
    classes, diagnoses
        Training cases of each.
    subjects
        ``patients``, ``phantoms``, or both; None where the dataset does not say.
    """

    cases: int
    patients: int
    institutions: int
    tuning_cases: int
    classes: Mapping[str, int]
    diagnoses: Mapping[str, int]
    subjects: str | None = None

    @classmethod
    def of(cls, cases: Sequence[LesionCase], *, task: Task, classes: Sequence[str]) -> TrainedOn:
        """Count cases of the training and the tuning split; others do not count."""
        learned = [case for case in cases if case.split == "training"]
        of_classes = [case.class_of(task) for case in learned]
        diagnoses = [case.diagnosis for case in learned]
        return cls(
            cases=len(learned),
            patients=len({case.patient for case in learned}),
            institutions=len({case.institution for case in learned}),
            tuning_cases=sum(case.split == "tuning" for case in cases),
            classes={name: of_classes.count(name) for name in classes},
            diagnoses={name: diagnoses.count(name) for name in dict.fromkeys(diagnoses)},
            subjects=subjects_of(learned[0].mask.parent) if learned else None,
        )

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        return (
            f"trained on {self.cases} lesions of {self.patients} {in_words(self.subjects)} "
            f"from {self.institutions} institution{'' if self.institutions == 1 else 's'}; "
            f"epoch and threshold chosen on {self.tuning_cases} more"
        )


@dataclass(frozen=True)
class LesionModelInfo:
    """What ``model.json`` says.

    Attributes
    ----------
    model
        One of `NETWORKS`.
    task, classes
        What it tells, and the names of its outputs in order.
    depth, cell
        Of its RegNet.
    pixels, denoise
        How the crops that it takes are cut, see `cut_lesion`.
    ctc_unit
        Unit of the levels that it was trained with.
    encoding
        Of patients.
    threshold
        Of the binary task: malignant from this probability of the ensemble on, by Youden's index on the tuning cases.
        None of several classes.
    weights
        SHA-256 of the weights of each seed.
    trained_on
        The cohort that it comes from.
    training
        All settings.
    """

    model: str
    task: Task
    classes: tuple[str, ...]
    depth: Depth
    cell: Cell
    pixels: int
    denoise: bool
    ctc_unit: str
    encoding: Encoding
    threshold: float | None
    weights: Mapping[int, str]
    trained_on: TrainedOn
    training: Mapping[str, Any]

    @property
    def uses_patient_data(self) -> bool:
        """Whether it looks at anything but the CT."""
        return self.model == DMFN

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files of its folder."""
        return (MODEL_FILE, *(weights_file(seed) for seed in self.weights))


def weights_file(seed: int) -> str:
    """Name the file of the weights of a seed."""
    return f"weights_seed_{seed}.pth"


def build_network(model: str, *, classes: Sequence[str], encoding: Encoding, depth: Depth, cell: Cell) -> nn.Module:
    """Build the network of a model, with weights drawn from torch's random numbers; see `build_lesion_model`."""
    from nnunet_amt.risk.fusion.dmfn import build_lesion_model

    return build_lesion_model(
        cast("LesionModel", model),
        classes=len(classes),
        clinical=len(encoding.clinical_names),
        depth=depth,
        cell=cell,
    )


def write_lesion_model(folder: Path, info: LesionModelInfo, weights: Mapping[int, Path]) -> None:
    """Write a model of the weights' files, by seed, in place of what stands there; `info` has their SHA-256."""
    (folder / MODEL_FILE).unlink(missing_ok=True)  # it must never stand beside weights that are not its own
    for earlier in folder.glob(weights_file(0).replace("0", "*")):
        earlier.unlink()
    for seed, file in weights.items():
        with atomic_path(folder / weights_file(seed)) as partial:
            shutil.copyfile(file, partial)
    content = {**vars(info), "encoding": info.encoding.as_json(), "trained_on": vars(info.trained_on)}
    write_json(folder / MODEL_FILE, {"schema_version": SCHEMA_VERSION, **content})


def read_lesion_model_info(folder: Path) -> LesionModelInfo:
    """Read what a model folder says of itself.

    Raises
    ------
    BadInputError
        If it is no such folder, of another version, or damaged.
    """
    content = read_description(folder, form=_FORM, version=SCHEMA_VERSION)
    path, seeds = folder / MODEL_FILE, content["weights"]
    binary, threshold = content["task"] == "binary", content["threshold"]
    classes = content["classes"]
    rules = (
        ("model", content["model"], content["model"] in NETWORKS, f"one of {', '.join(NETWORKS)}"),
        ("task", content["task"], content["task"] in TASKS, " or ".join(TASKS)),
        ("depth", content["depth"], content["depth"] in DEPTHS, f"one of {', '.join(map(str, DEPTHS))}"),
        ("cell", content["cell"], content["cell"] in CELLS, f"one of {', '.join(CELLS)}"),
        ("pixels", content["pixels"], 32 <= content["pixels"] <= 4096, "32 to 4096 px"),
        ("weights", [*seeds], bool(seeds) and all(map(_is_seed, seeds)), "SHA-256 by whole numbers, the seeds"),
        ("classes", classes, len({*classes}) == len(classes) >= 2, "two or more that differ"),
        ("classes", classes, not binary or tuple(classes) == BINARY_CLASSES, " and ".join(BINARY_CLASSES)),
        ("threshold", threshold, (threshold is not None) == binary, "a number of the binary task alone"),
        ("threshold", threshold, threshold is None or 0 <= threshold <= 1, "a probability"),
    )
    for name, value, fits, rule in rules:
        if not fits:
            raise BadInputError(f"{path}: {name} is {value}; must be {rule}; {AGAIN}")
    known: dict[str, Any] = {name: content[name] for name in _FORM}
    return LesionModelInfo(
        **{
            **known,
            "classes": tuple(classes),
            "encoding": Encoding.of_json(content["encoding"], path=path),
            "weights": {int(seed): sha256 for seed, sha256 in seeds.items()},
            "trained_on": TrainedOn(**{name: content["trained_on"][name] for name in TrainedOn.__annotations__}),
        }
    )


def load_lesion_networks(folder: Path, info: LesionModelInfo, *, device: str = "cpu") -> list[nn.Module]:
    """Load the networks of a model, one a seed, ready to score.

    Raises
    ------
    BadInputError
        If weights are missing, not those that were written with the model, or of another network.
    """
    networks = []
    for seed, sha256 in info.weights.items():
        network = build_network(
            info.model, classes=info.classes, encoding=info.encoding, depth=info.depth, cell=info.cell
        )
        take_weights(network, folder / weights_file(seed), sha256=sha256, name=info.model)
        networks.append(network.to(device).eval())
    return networks


def _is_seed(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
