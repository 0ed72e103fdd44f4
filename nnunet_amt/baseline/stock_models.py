"""The models of nnU-Net's own that stand beside the paper's recipe, by nnU-Net's names for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnunet_amt.errors import BadInputError

# What nnU-Net's commands take where nothing is given: such words are left out, as one would type it.
DEFAULT_PLANNER = "ExperimentPlanner"
DEFAULT_PLANS = "nnUNetPlans"
DEFAULT_STOCK_TRAINER = "nnUNetTrainer"


@dataclass(frozen=True)
class StockModel:
    """A model that nnU-Net 2.8.1 configures by itself.

    Attributes
    ----------
    key
        Word on the command line, and name of a folder.
    title
        Name in tables.
    planner, plans
        Class that plans it, and name of the plans.
    """

    key: str
    title: str
    planner: str
    plans: str


STOCK_MODELS = (
    StockModel("default", "default nnU-Net", DEFAULT_PLANNER, DEFAULT_PLANS),
    StockModel("resenc-m", "nnU-Net ResEnc-M", "nnUNetPlannerResEncM", "nnUNetResEncUNetMPlans"),
)


def stock_models(keys: Sequence[str] = ()) -> tuple[StockModel, ...]:
    """Find models by their keys, each once and in our order; all of them if no key is given.

    Raises
    ------
    BadInputError
        Names the key that is none.
    """
    known = [model.key for model in STOCK_MODELS]
    for key in keys:
        if key not in known:
            raise BadInputError(f"--model {key}: must be one of {', '.join(known)}")
    return tuple(model for model in STOCK_MODELS if not keys or model.key in keys)
