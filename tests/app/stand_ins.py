"""Command lines that stand in for those of the package: quick, and of a known end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from nnunet_amt.app.jobs import Job, JobStore

# Writes a checkpoint an epoch, whole; Ctrl-C ends it as it ends the command line.
TRAINING = """
import sys, time
from pathlib import Path
folder, epochs, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)
try:
    for epoch in range(1, epochs + 1):
        print(f"epoch {epoch}", flush=True)
        time.sleep(seconds)
        (folder / "new").write_text(str(epoch))
        (folder / "new").rename(folder / "checkpoint_latest.pth")
except KeyboardInterrupt:
    print("error: interrupted; the same command goes on where it stopped", flush=True)
    raise SystemExit(130)
"""


def python(script: str, *words: object) -> tuple[str, ...]:
    """Give the command that runs a script."""
    return (sys.executable, "-c", script, *map(str, words))


def training(folder: Path, *, epochs: int, seconds: float) -> tuple[str, ...]:
    return python(TRAINING, folder, epochs, seconds)


def wait_for(condition: Callable[[], object], *, seconds: float = 60.0) -> None:
    """Wait until something holds; a machine at work may take its time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def wait_until(store: JobStore, job: Job, *states: str) -> Job:
    wait_for(lambda: store.job(job.id).state in states)
    return store.job(job.id)


def runner_of(store: JobStore, job: Job) -> int:
    """Give the number of the process that sees to a running job."""
    return int(json.loads((store.place(job.id) / "started.json").read_text())["process_id"])


def texts(store: JobStore, job: Job) -> list[str]:
    return [line.text for line in store.lines(job.id)]
