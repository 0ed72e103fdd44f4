"""What takes long to import is imported by the function that needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["comparison", "failures", "score_froc", "component_analysis"])
def test_importing_an_analysis_imports_neither_scipy_nor_matplotlib_nor_torch(module: str) -> None:
    slow = ("scipy", "matplotlib", "pandas", "skimage", "torch", "nnunetv2")
    script = f"import sys, nnunet_amt.evaluation.{module}; print([name for name in {slow} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
