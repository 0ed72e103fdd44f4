"""The real study as a job: stopped in its training it keeps the checkpoint, and the next job goes on from there."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from nnunet_amt.app.job_progress import progress_after
from nnunet_amt.app.jobs import JobStore
from nnunet_amt.app.study_page import last_job, study_command
from nnunet_amt.base.processes import is_running
from nnunet_amt.models.checkpoint_safety import read_checkpoint
from nnunet_amt.phantom import write_phantom_cohort
from nnunet_amt.study.run_study import open_study, study_status
from nnunet_amt.study.settings import StudyFolders
from tests.app.stand_ins import runner_of, texts, wait_for, wait_until
from tests.test_demo import SETTINGS

pytestmark = pytest.mark.slow

MINUTES = 60.0
CHANGES: dict[str, dict[str, object]] = {
    "study": {"device": "cpu", "jobs": 1},
    "plan": {"spacing": SETTINGS.spacing, "patch_size": SETTINGS.patch_size, "features": (8, 8, 8, 8)},
}


def processes_that_name(folder: Path) -> list[int]:
    """Numbers of the processes in whose words or environment a folder stands."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            content = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in content and is_running(int(place.name)):
            found.append(int(place.name))
    return found


def test_a_stopped_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    """Not one process of nnU-Net stays; the second job begins where the first ended, and is killed by kill -9."""
    manifest = write_phantom_cohort(tmp_path / "cohort", design=SETTINGS.design)
    folder = tmp_path / "mine"
    settings = open_study(folder, manifest=manifest, changes={**CHANGES, "train": {"trainer": "nnUNetTrainerAMT_demo"}})
    latest = StudyFolders.of(folder, settings).fold_folder / "checkpoint_latest.pth"
    store = JobStore(tmp_path)
    job = store.submit("study", study_command(folder), study="mine", takes_device=True)
    wait_for(lambda: latest.exists() or store.job(job.id).is_over, seconds=8 * MINUTES)
    store.stop(job.id)
    stopped = wait_until(store, job, "stopped", "failed", "done")
    assert (stopped.state, stopped.exit_code) == ("stopped", 130), texts(store, job)
    assert "interrupted; the same command goes on where it stopped" in texts(store, job)[-1]
    wait_for(lambda: not processes_that_name(folder))
    epochs = read_checkpoint(latest)["current_epoch"]
    assert epochs >= 1
    done = {state.stage.name: state.done for state in study_status(folder, settings)}
    assert (done["convert"], done["plan"], done["train"]) == (True, True, False)

    again = store.submit("study", study_command(folder), study="mine", takes_device=True)

    def told() -> str:
        progress = progress_after(texts(store, again))
        return progress.what if progress.stage == "train" else ""

    wait_for(lambda: "epoch" in told() or store.job(again.id).is_over, seconds=8 * MINUTES)
    assert f"epoch {epochs + 1} of " in "\n".join(texts(store, again))
    assert last_job(store, "mine") == store.job(again.id)
    os.kill(runner_of(store, again), signal.SIGKILL)
    assert wait_until(store, again, "failed").is_gone
    wait_for(lambda: not processes_that_name(folder))
    assert read_checkpoint(latest)["current_epoch"] >= epochs
