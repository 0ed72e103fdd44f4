"""The end of a command: what was wrong in one line, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from nnunet_amt.cli.console import one_line_errors

__all__ = ["run"]


def run(command: Callable[[], None]) -> None:
    """Run a command outside of typer, which would turn its exit into that of the process."""
    try:
        one_line_errors(command)()
    except typer.Exit as done:
        sys.exit(done.exit_code)
