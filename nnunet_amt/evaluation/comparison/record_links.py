"""From the record of one stage to the files that it read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunet_amt.base.run_record import input_path, read_runs

Run = Mapping[str, Any]


def newest_run(runs: Sequence[Run], stage: str) -> Run | None:
    """Give the last run of a stage; None without any."""
    return next((run for run in reversed(runs) if run.get("stage") == stage), None)


def recorded_cohort(evaluation: Path) -> Path | None:
    """Give the cohort file that an evaluation was made with, if a record says so and it is still there."""
    run = newest_run(read_runs(evaluation), "evaluate")
    return None if run is None else input_path(evaluation, run, "cohort")
