"""Stock nnU-Net on the same split: what the paper's recipe is to be compared with."""

from nnunet_amt.baseline.commands import STOCK_MODELS, BaselineSettings, StockModel, baseline_script, stock_models
from nnunet_amt.baseline.run import BaselineResult, compare_with_ours, run_baseline

__all__ = [
    "STOCK_MODELS",
    "BaselineResult",
    "BaselineSettings",
    "StockModel",
    "baseline_script",
    "compare_with_ours",
    "run_baseline",
    "stock_models",
]
