"""From the record of one stage to the files that it read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunet_amt.run_record import read_runs

__all__ = ["Run", "linked", "newest_run", "recorded_cohort"]

Run = Mapping[str, Any]


def newest_run(runs: Sequence[Run], stage: str) -> Run | None:
    """Give the last run of a stage; None without any."""
    return next((run for run in reversed(runs) if run.get("stage") == stage), None)


def linked(folder: Path, run: Run | None, key: str) -> Path | None:
    """Give the path of an input if it is still there; it is noted relative to the folder of the record."""
    path = None if run is None else run.get("inputs", {}).get(key, {}).get("path")
    found = folder / path if isinstance(path, str) else None
    return found if found is not None and found.exists() else None


def recorded_cohort(evaluation: Path) -> Path | None:
    """Give the cohort file that an evaluation was made with, if a record says so and it is still there."""
    return linked(evaluation, newest_run(read_runs(evaluation), "evaluate"), "cohort")
