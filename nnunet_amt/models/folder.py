"""The folder of a trained model: where its parts are, and whether it may be used, seen before nnU-Net loads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_amt.base.json_file import read_json
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.checkpoint_safety import read_checkpoint
from nnunet_amt.models.plans import (
    CONFIGURATION,
    DEFAULT_TRAINER,
    RECIPES,
    read_plans,
    recipe_of,
    require_amt_plans,
    require_same_plans,
)

if TYPE_CHECKING:
    from torch import nn

# What nnU-Net's predictor takes from a checkpoint of version 2.
_NEEDED = ("network_weights", "trainer_name", "init_args")
_ENDING = ".nii.gz"
_MISSING = "is missing, nnU-Net cannot predict without it"
_DESCRIPTION = {"labels": {str: (int, [int])}, "channel_names": {str: str}, "file_ending": str}


def model_folder(results: Path, *, dataset: str, trainer: str, plans: str | None = None) -> Path:
    """Folder in nnUNet_results of one trained model; without `plans` of those of the trainer's recipe."""
    return results / dataset / f"{trainer}__{plans or recipe_of(trainer).plans}__{CONFIGURATION}"


def trainer_of(model: Path) -> str:
    """Name the trainer of a model's folder, ``<trainer>__<plans>__<configuration>``."""
    return model.name.partition("__")[0]


def find_checkpoint(fold_folder: Path, name: str) -> Path:
    """Give the path of a checkpoint, unread; where it is not there, say which are."""
    path = fold_folder / name
    if not path.is_file():
        results = fold_folder.parents[1]
        others = sorted(str(other.relative_to(results)) for other in results.glob("*/fold_*/checkpoint_*.pth"))
        found = ", ".join(others) or "none"
        trainer = trainer_of(fold_folder.parent)
        chosen = "" if trainer == DEFAULT_TRAINER else f" --trainer {trainer}"
        raise BadInputError(
            f"{path}: no such checkpoint (found there: {found}); give --trainer, --fold and --checkpoint of one, "
            f"or train with: nnunet_amt train DATASET{chosen}"
        )
    return path


def checkpoint_to_continue_from(fold_folder: Path) -> Path | None:
    """Find the checkpoint that ``nnUNetv2_train --c`` would take, None where there is none."""
    for name in ("checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth"):
        if (fold_folder / name).is_file():
            return fold_folder / name
    return None


def may_continue(extra: Sequence[str], fold_folder: Path) -> bool:
    """Whether ``--c`` is to be added: there is a checkpoint, harmless, and no option that it cannot stand beside."""
    checkpoint = checkpoint_to_continue_from(fold_folder)
    if checkpoint is None or not {"--c", "--val", "-pretrained_weights"}.isdisjoint(extra):
        return False
    read_checkpoint(checkpoint)
    return True


def require_plans_of_model(model: Path, plans_file: Path) -> None:
    """Refuse to continue a model under other plans than it was begun with; see `require_same_plans`."""
    begun_with = model / "plans.json"
    if begun_with.is_file():
        require_same_plans(read_plans(begun_with), read_plans(plans_file), CONFIGURATION, str(model))


def require_model(model: Path, *, fold: str, checkpoint: str, trainer: str, network: Callable[..., nn.Module]) -> Path:
    """Look into a model's folder as a prediction needs it; give the path of the checkpoint.

    `trainer` is the class that the model was asked for by; `network` makes the network that plans describe for so many
    channels and labels, for its weights to be compared.

    Raises
    ------
    BadInputError
        If a file is missing, damaged or of another model, or the checkpoint would run code.
    """
    folds = sorted(path.name.removeprefix("fold_") for path in model.glob("fold_*") if path.is_dir())
    if folds and fold not in folds:
        raise BadInputError(f"--fold {fold}: {model} has no such fold; it has {', '.join(folds)}")
    path = find_checkpoint(model / f"fold_{fold}", checkpoint)
    description = _read_description(model / "dataset.json")
    plans_file = model / "plans.json"
    if not plans_file.is_file():
        raise BadInputError(f"{plans_file}: {_MISSING}; copy the whole model folder again, or train again")
    plans = read_plans(plans_file)
    require_ours(plans, plans_file)
    content = read_checkpoint(path)
    require_state(path, content, trainer)
    require_same_plans(content["init_args"]["plans"], plans, CONFIGURATION, str(path))
    _require_fitting_weights(path, content["network_weights"], description, partial(network, plans))
    return path


def require_state(path: Path, content: Mapping[str, Any], trainer: str) -> None:
    """Refuse what is no checkpoint of nnU-Net version 2, or another trainer's."""
    missing = [key for key in _NEEDED if key not in content]
    if missing:
        hint = "it is nnU-Net version 1's" if "state_dict" in content else "another program's or version's"
        raise BadInputError(f"{path}: lacks {', '.join(missing)}, which nnU-Net 2 writes ({hint}); train it again")
    if content["trainer_name"] != trainer:
        raise BadInputError(
            f"{path}: was made by {content['trainer_name']}, its folder and --trainer say {trainer}; put it into a "
            f"folder of its own trainer's name and give --trainer {content['trainer_name']}"
        )
    arguments = content["init_args"]
    try:
        configuration, plans = arguments["configuration"], arguments["plans"]
        complete = isinstance(plans["configurations"], dict)
    except (KeyError, TypeError):
        complete = False
    if not complete:
        raise BadInputError(f"{path}: its init_args hold no plans, as nnU-Net 2 writes; train it again")
    if configuration != CONFIGURATION:
        raise BadInputError(f"{path}: was trained as {configuration}, this command predicts {CONFIGURATION}")
    require_ours(plans, path)


def require_ours(plans: Mapping[str, Any], path: Path) -> None:
    """Refuse plans of another planner, or of a version that named things otherwise."""
    advice = "use nnUNetv2_predict for other models than ours, or make the plans with: nnunet_amt plan"
    try:
        name = plans.get("plans_name")
        settings = plans.get("configurations", {}).get(CONFIGURATION, {})
        if "UNet_class_name" in settings:
            raise BadInputError(f"{path}: its plans are of an nnU-Net older than 2.5 (UNet_class_name); {advice}")
        network = settings.get("architecture", {}).get("network_class_name")
        recipe = next((ours for ours in RECIPES.values() if (name, network) == (ours.plans, ours.network)), None)
        if recipe is None:
            ours = " or ".join(known.plans for known in RECIPES.values())
            raise BadInputError(f"{path}: its plans are {name!r} with network {network!r}, not our {ours}; {advice}")
        require_amt_plans(dict(plans), CONFIGURATION, recipe)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise BadInputError(f"{path}: its plans lack {error}, another version wrote them; {advice}") from error


def _read_description(path: Path) -> dict[str, Any]:
    advice = "copy the whole model folder again, or train the model again"
    if not path.is_file():
        raise BadInputError(f"{path}: {_MISSING}; {advice}")
    description: dict[str, Any] = read_json(path, form=_DESCRIPTION, advice=advice)
    ending = description["file_ending"]
    if ending != _ENDING:
        raise BadInputError(f"{path}: file_ending {ending!r} must be {_ENDING!r}; {advice}")
    return description


def _require_fitting_weights(
    path: Path, weights: Mapping[str, Any], description: Mapping[str, Any], network: Callable[[int, int], nn.Module]
) -> None:
    """Compare the shapes of the weights with those of the network that nnU-Net will build for the dataset."""
    import torch

    labels = [name for name in description["labels"] if name != "ignore"]
    try:
        found = {name.removeprefix("module."): tuple(tensor.shape) for name, tensor in weights.items()}
    except AttributeError as error:
        raise BadInputError(f"{path}: its network_weights are no tensors; train it again") from error
    head = found.get("head.weight")
    if head and head[0] != len(labels):
        raise BadInputError(
            f"{path}: its network tells {head[0]} classes apart, dataset.json beside it has {len(labels)} labels "
            f"({', '.join(labels)}); put the dataset.json of this model back, or train anew"
        )
    with torch.device("meta"):  # shapes only
        fitting = network(len(description["channel_names"]), len(labels))
    expected = {name: tuple(tensor.shape) for name, tensor in fitting.state_dict().items()}
    different = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    if different:
        first = different[0]
        raise BadInputError(
            f"{path}: {len(different)} of {len(expected)} weights do not fit our network, the first is {first} "
            f"({found.get(first)}, must be {expected.get(first)}); another version or trainer made it; train anew"
        )
