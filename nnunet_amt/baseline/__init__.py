"""Stock nnU-Net on the same split: what the paper's recipe is to be compared with."""

from nnunet_amt.baseline.commands import baseline_script
from nnunet_amt.baseline.run import BaselineResult, compare_with_ours, run_baseline
from nnunet_amt.baseline.settings import STOCK_MODELS, BaselineSettings, StockModel, stock_models

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
