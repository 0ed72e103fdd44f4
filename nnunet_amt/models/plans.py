"""Our plans: the names that nnU-Net finds them by, and whether plans, labels and split are what our trainer needs.

Importing it costs nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_amt.base.json_file import NUMBER, misfit, read_json
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.fast_network import FAST_FEATURES, FAST_NETWORK, fast_architecture
from nnunet_amt.paper import BATCH_SIZE, FEATURE_RANGE, LEARNING_RATE, NETWORK_LEVELS

CONFIGURATION = "3d_fullres"
STOCK_PLANS = "nnUNetPlans"  # nnU-Net's own, which its commands take where nothing is given
BEST_CHECKPOINT = "checkpoint_best.pth"
FINAL_CHECKPOINT = "checkpoint_final.pth"  # what nnU-Net's own commands take if not told otherwise


@dataclass(frozen=True)
class Recipe:
    """A way to train, with the plans that it needs.

    Attributes
    ----------
    key
        What ``--recipe`` takes.
    trainer
        Its trainer; shorter forms begin with this name.
    plans
        Their name, that of their file and of the model's folder.
    network
        Class of the network that they describe.
    patch_multiples
        What the edges (z, y, x) of a patch must be multiples of: pooling between the levels halves them.
    learning_rate
        Of Adam, at the beginning.
    """

    key: str
    trainer: str
    plans: str
    network: str
    patch_multiples: tuple[int, int, int]
    learning_rate: float

    def takes_patch(self, patch_size: Sequence[int]) -> bool:
        """Whether a patch has three edges (z, y, x) that pooling can halve."""
        if len(patch_size) != len(self.patch_multiples):
            return False
        return not any(edge % multiple for edge, multiple in zip(patch_size, self.patch_multiples, strict=True))

    @property
    def whose(self) -> str:
        """Name it in a sentence, as in "trained with the fast recipe"."""
        return "the paper's" if self.key == "paper" else f"the {self.key}"


PAPER = Recipe(
    "paper", "nnUNetTrainerAMT", "nnUNetAMTPlans", "nnunet_amt.trainers.unet.AMTUNet", (8, 8, 8), LEARNING_RATE
)
FAST = Recipe(
    "fast",
    "nnUNetTrainerAMTFast",
    "nnUNetAMTFastPlans",
    FAST_NETWORK,
    (8, 16, 16),
    1e-2,
)
RECIPES = {recipe.key: recipe for recipe in (PAPER, FAST)}
# What is taken if nothing is said.
DEFAULT_TRAINER, PLANS_NAME = PAPER.trainer, PAPER.plans
# The form of splits_final.json: the cases of each fold.
SPLITS = [{"train": [str], "val": [str]}]

_PLANS = {"configurations": {str: dict}, "foreground_intensity_properties_per_channel": {str: {str: NUMBER}}}
_SETTINGS = {"batch_size": int, "patch_size": [int], "spacing": [NUMBER], "normalization_schemes": [str]}
_NETWORK = {"features_per_level": [int], "blocks_per_level": int}
_FAST_NETWORK = {"features_per_stage": [int]}
_INTENSITIES = dict.fromkeys(("percentile_00_5", "percentile_99_5", "mean", "std"), NUMBER)
_REGION = {"y": [NUMBER], "x": [NUMBER]}
_ADVICE = "make them with: nnunet_amt plan -d ID"
_LONGEST_VALUE = 80  # of a value in a message
# Plans that nnU-Net takes where nobody says -p, or that are there beside: nnU-Net's own, and those of our recipes.
_OTHER_PLANS = (STOCK_PLANS, *(recipe.plans for recipe in RECIPES.values()))


def recipe_of(trainer: str) -> Recipe:
    """Give the recipe of a trainer by its name; one from elsewhere trains the paper's plans."""
    return FAST if trainer.startswith(FAST.trainer) else PAPER


def require_amt_plans(plans: dict, configuration: str, recipe: Recipe = PAPER) -> None:
    """Refuse plans that would train something else than the recipe."""
    name, advice = plans.get("plans_name"), _advice(recipe)
    if name != recipe.plans and name in _OTHER_PLANS:
        raise BadInputError(
            f"plans {name!r}: are not those of {recipe.whose} recipe; {recipe.trainer} takes {recipe.plans} (-p of "
            f"nnU-Net); {advice}"
        )
    if configuration not in plans.get("configurations", {}):
        raise BadInputError(f"plans {name!r}: configuration {configuration!r} is not in them; use {CONFIGURATION!r}")
    settings = plans["configurations"][configuration]
    architecture = settings.get("architecture") if isinstance(settings, dict) else None
    network = architecture.get("network_class_name") if isinstance(architecture, dict) else None
    if network != recipe.network:
        raise BadInputError(f"plans {name!r}: network {network!r} must be {recipe.network!r}; {advice}")
    intensities: Any = plans.get("foreground_intensity_properties_per_channel")
    reason = misfit(settings, _SETTINGS) or misfit(intensities, {"0": _INTENSITIES})
    if reason or intensities["0"]["std"] == 0:
        raise BadInputError(f"plans {name!r}: are damaged ({reason or 'std is 0'}); {advice}")
    (_require_network if recipe == PAPER else _require_fast_network)(name, architecture)
    if settings["batch_size"] != BATCH_SIZE:
        raise BadInputError(f"plans {name!r}: batch_size {settings['batch_size']} must be {BATCH_SIZE}; {advice}")
    patch = settings["patch_size"]
    if not recipe.takes_patch(patch):
        raise BadInputError(
            f"plans {name!r}: the edges of patch_size {list(patch)} must be multiples of "
            f"{list(recipe.patch_multiples)}; {advice}"
        )
    channel = intensities["0"]
    low, high = channel["percentile_00_5"], channel["percentile_99_5"]
    rescaled = tuple((bound - channel["mean"]) / channel["std"] for bound in (low, high))
    if settings["normalization_schemes"] != ["CTNormalization"] or rescaled != FEATURE_RANGE:
        raise BadInputError(f"plans {name!r}: intensities go to {rescaled}, not to {FEATURE_RANGE}; {advice}")
    if recipe == FAST:
        _require_region(name, plans)


def _advice(recipe: Recipe) -> str:
    return _ADVICE if recipe == PAPER else f"{_ADVICE} --recipe {recipe.key}"


def _require_network(name: Any, architecture: Any) -> None:
    """Refuse plans that do not say how wide the levels of the paper's network are."""
    design = architecture.get("arch_kwargs")
    if reason := misfit(design, _NETWORK):
        raise BadInputError(f"plans {name!r}: do not describe the network ({reason}); {_ADVICE}")
    features, blocks = design["features_per_level"], design["blocks_per_level"]
    if len(features) != NETWORK_LEVELS or min(features) < 1 or blocks < 1 or len(design) != len(_NETWORK):
        raise BadInputError(
            f"plans {name!r}: features_per_level {features} must be {NETWORK_LEVELS} numbers from 1 up, "
            f"blocks_per_level ({blocks}) 1 or more, and nothing else; {_ADVICE}"
        )


def _require_fast_network(name: Any, architecture: Any) -> None:
    """Refuse plans that do not describe the levels of the fast recipe's network."""
    design = architecture.get("arch_kwargs")
    if reason := misfit(design, _FAST_NETWORK):
        raise BadInputError(f"plans {name!r}: do not describe the network ({reason}); {_advice(FAST)}")
    features = design["features_per_stage"]
    if len(features) != len(FAST_FEATURES) or min(features) < 1:
        raise BadInputError(
            f"plans {name!r}: features_per_stage {features} must be {len(FAST_FEATURES)} numbers from 1 up; "
            f"{_advice(FAST)}"
        )
    if changed := first_difference(architecture, fast_architecture(features)):
        where, found, rule = changed
        raise BadInputError(f"plans {name!r}: {where} {found} must be {rule} in the fast recipe; {_advice(FAST)}")


def _require_region(name: Any, plans: Mapping[str, Any]) -> None:
    """Refuse plans that do not say where in a chest the network is asked; None says everywhere."""
    if misfit(plans, {"mediastinal_region": (_REGION, None)}):
        raise BadInputError(
            f"plans {name!r}: do not say where the mediastinum is (mediastinal_region); {_advice(FAST)}"
        )
    for axis, ends in (plans["mediastinal_region"] or {}).items():
        if len(ends) != 2 or not ends[0] < ends[1]:
            raise BadInputError(
                f"plans {name!r}: mediastinal_region {axis} {ends} must be two shares of the lungs' box, the lower "
                f"first; {_advice(FAST)}"
            )


def first_difference(old: Any, new: Any, where: str = "") -> tuple[str, str, str] | None:
    """Name the first place at which two values of a JSON file differ, and both values there; None if they do not."""
    if json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True):
        return None
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            if found := first_difference(old.get(key), new.get(key), f"{where} {key}".strip()):
                return found
    return where, _shortened(old), _shortened(new)


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def network_features(plans: Mapping[str, Any]) -> list[int]:
    """Give the channels of the levels, finest first, of plans such as `require_amt_plans` lets pass."""
    design = plans["configurations"][CONFIGURATION]["architecture"]["arch_kwargs"]
    return list(design.get("features_per_level") or design["features_per_stage"])


def read_plans(path: Path) -> dict:
    """Read a plans file, refusing a damaged one."""
    plans: dict = read_json(path, form=_PLANS, advice=_ADVICE)
    return plans


def require_same_plans(old: dict, new: dict, configuration: str, where: str) -> None:
    """Refuse to go on with weights that were trained under other plans.

    nnU-Net would write the new plans beside the old weights, and predict with a pair that does not fit.

    `old` are the plans that the weights in `where` were trained with. Spacing, patch, network, resampling and
    intensities must be the same.
    """
    keys = ("patch_size", "spacing", "batch_size", "architecture", "normalization_schemes", "resampling_fn_data")
    pairs = {key: tuple(plans["configurations"][configuration].get(key) for plans in (old, new)) for key in keys}
    intensities = "foreground_intensity_properties_per_channel"
    pairs["intensities"] = (old[intensities], new[intensities])
    pairs["mediastinal_region"] = (old.get("mediastinal_region"), new.get("mediastinal_region"))
    for key, (before, now) in pairs.items():
        if found := first_difference(before, now, key):
            raise BadInputError(
                f"{where}: was trained with other plans ({found[0]} {found[1]}, now {found[2]}); train anew with: "
                "nnunet_amt train --restart, or take the old plans again"
            )


def split_digest(split: Mapping[str, Sequence[str]]) -> str:
    """Give what is the same for the same cases in the same sets, in whatever order, without naming them."""
    return hashlib.sha256(json.dumps({name: sorted(split[name]) for name in sorted(split)}).encode()).hexdigest()


def require_same_split(old: str | None, new: str, where: str) -> None:
    """Refuse to go on with weights that have learnt from other cases: one of them may be in the test set by now.

    `old` is the digest in the checkpoint `where`; None in those that were written before there was one.
    """
    if old is not None and old != new:
        raise BadInputError(
            f"{where}: was trained with another split of the cases; train anew with: nnunet_amt train --restart, or "
            "make the old split again"
        )


def require_tumour_labels(dataset_json: dict) -> None:
    """Refuse a dataset of anything but background and tumour."""
    labels = {name: value for name, value in dataset_json["labels"].items() if name not in ("background", "ignore")}
    if list(labels.values()) != [1]:
        raise BadInputError(f"dataset.json: labels {labels} must be one, of value 1: the recipe segments one structure")


def require_fold(splits_file: Path, fold: int) -> None:
    """Refuse a fold that is not in the split of the cohort.

    nnU-Net would draw a split by case, in which no institution and no patient is kept apart.
    """
    folds = len(read_json(splits_file, form=SPLITS, advice=_ADVICE)) if splits_file.is_file() else 0
    if fold >= folds:
        raise BadInputError(f"fold {fold}: {splits_file} has {folds}; train fold 0, the split of the cohort, or 'all'")


def require_sample_for_every_gpu(gpus: int) -> None:
    """Refuse more GPUs than a batch has samples."""
    if gpus > BATCH_SIZE:
        raise BadInputError(
            f"-num_gpus {gpus}: the paper's batch has {BATCH_SIZE} samples, of which every GPU takes at least one; "
            f"use at most {BATCH_SIZE}"
        )
