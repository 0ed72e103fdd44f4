"""A folder as somebody might send it: whoever imports from it leaves a trace."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What Python itself, its worker processes, nnU-Net and we import, as modules and as packages.
MODULES = (
    *("subprocess", "json", "pickle", "socket", "struct", "random", "tempfile", "signal", "threading", "queue"),
    *("runpy", "sitecustomize", "usercustomize", "amt_trainers", "nnUNetTrainerAMT"),
)
PACKAGES = ("nnunet_amt", "nnunetv2", "torch", "numpy", "SimpleITK", "multiprocessing", "concurrent", "batchgenerators")


class HostileFolder:
    """The folder, and who has imported from it."""

    def __init__(self, path: Path, *, modules: tuple[str, ...] = MODULES, packages: tuple[str, ...] = PACKAGES) -> None:
        self.path, self._traces = path, path.with_name(f"{path.name}-traces.txt")
        files = [*(f"{name}.py" for name in modules), *(f"{name}/__init__.py" for name in packages)]
        for file in files:
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            (path / file).write_text(
                f"print({file!r}, file=open({str(self._traces)!r}, 'a'))\nraise ImportError('hostile')\n"
            )

    def imported(self) -> list[str]:
        """Name the files of the folder that were imported."""
        return self._traces.read_text().split() if self._traces.exists() else []


def console_script(name: str = "nnunet_amt") -> str:
    """Give a command of this environment, which `environment` makes take the code under test."""
    return str(Path(sys.executable).parent / name)


def environment(*entries: str, **variables: str) -> dict[str, str]:
    """Copy the environment, with these entries and our code on PYTHONPATH."""
    path = os.pathsep.join([*entries, str(ROOT)])
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},
        "PYTHONPATH": path,
        **variables,
    }
