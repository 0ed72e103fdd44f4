"""Whether plans are those that the paper's trainer needs."""

from __future__ import annotations

from nnunet_amt.errors import BadInputError
from nnunet_amt.paper import BATCH_SIZE, FEATURE_RANGE
from nnunet_amt.trainers.plans_names import CONFIGURATION, NETWORK_CLASS, PATCH_MULTIPLE

__all__ = ["require_amt_plans"]

_ADVICE = "make them with: nnunet_amt plan -d ID"


def require_amt_plans(plans: dict, configuration: str) -> None:
    """Refuse plans that would train something else than the paper's recipe.

    Parameters
    ----------
    plans
        Content of a plans file.
    configuration
        Name of the configuration in it that is to be trained.

    Raises
    ------
    BadInputError
        Names the key, its value and the rule.
    """
    name = plans.get("plans_name")
    if configuration not in plans.get("configurations", {}):
        raise BadInputError(f"plans {name!r}: configuration {configuration!r} is not in them; use {CONFIGURATION!r}")
    settings = plans["configurations"][configuration]
    network = settings.get("architecture", {}).get("network_class_name")
    if network != NETWORK_CLASS:
        raise BadInputError(f"plans {name!r}: network {network!r} must be {NETWORK_CLASS!r}; {_ADVICE}")
    if settings["batch_size"] != BATCH_SIZE:
        raise BadInputError(f"plans {name!r}: batch_size {settings['batch_size']} must be {BATCH_SIZE}; {_ADVICE}")
    if any(edge % PATCH_MULTIPLE for edge in settings["patch_size"]):
        raise BadInputError(
            f"plans {name!r}: every edge of patch_size {list(settings['patch_size'])} must be a multiple of "
            f"{PATCH_MULTIPLE}; {_ADVICE}"
        )
    intensities = plans["foreground_intensity_properties_per_channel"]["0"]
    low, high = intensities["percentile_00_5"], intensities["percentile_99_5"]
    rescaled = tuple((bound - intensities["mean"]) / intensities["std"] for bound in (low, high))
    if settings["normalization_schemes"] != ["CTNormalization"] or rescaled != FEATURE_RANGE:
        raise BadInputError(f"plans {name!r}: intensities go to {rescaled}, not to {FEATURE_RANGE}; {_ADVICE}")
