"""A server of the no-code page in a process of its own, as a user starts it, and pages of it in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


class AppServer:
    """``nnunet_amt app FOLDER``, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start it; give the first address, with the token."""
        root = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nnunet_amt", "app", str(self.folder), "--no-browser"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": root, "PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self.address = self._process.stdout.readline().strip()
        return self.address

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
