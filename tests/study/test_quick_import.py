"""What a page or a figure begins with must not take seconds."""

from __future__ import annotations

import subprocess
import sys


def test_a_study_is_found_without_slow_libraries() -> None:
    slow = ("scipy", "matplotlib", "pandas", "skimage", "SimpleITK", "PIL", "torch", "nnunetv2")
    script = (
        f"import sys, nnunet_amt.study, nnunet_amt.pictures; print([name for name in {slow} if name in sys.modules]);"
        "import nnunet_amt.report.print_figures; print('torch' in sys.modules or 'nnunetv2' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.split("\n")[:2] == ["[]", "False"]
