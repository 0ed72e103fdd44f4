"""Jobs on disk: they outlive whoever asked for them, wait for each other, end when told, and never end unsaid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nnunet_amt.app.jobs import JobStore
from nnunet_amt.base.processes import is_running
from nnunet_amt.errors import BadInputError, DiskFullError
from tests.app.stand_ins import python, runner_of, texts, training, wait_for, wait_until
from tests.hostile_folder import environment


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore(tmp_path)
    yield store
    for job in store.jobs():
        store.stop(job.id)
    wait_for(lambda: all(job.is_over for job in store.jobs()))


def test_a_job_runs_and_all_of_it_is_on_disk(store: JobStore, tmp_path: Path) -> None:
    """Another store of the folder, as of a server that started later, says the same."""
    command = python("import sys; print('one'); print('zwei ü', file=sys.stderr); raise SystemExit(3)")
    job = store.submit("study", command, study="mine", takes_device=True)
    assert (job.id, job.kind, job.study, job.command) == ("1", "study", "mine", command)
    assert job.state in ("queued", "running")
    ended = wait_until(store, job, "failed")
    assert (ended.exit_code, ended.is_gone) == (3, False)
    assert ended.created <= ended.started <= ended.ended  # type: ignore[operator]
    assert sorted(texts(store, job)) == ["one", "zwei ü"]
    assert JobStore(tmp_path).jobs() == (ended,)
    done = wait_until(store, store.submit("study", python(""), takes_device=False), "done", "failed")
    assert (done.id, done.state, done.exit_code) == ("2", "done", 0)


def test_our_own_command_is_run_by_its_name(store: JobStore) -> None:
    """The command that one would type; it is this package's, from wherever it was started."""
    job = store.submit("version", ("nnunet_amt", "--version"), takes_device=False)
    assert wait_until(store, job, "done", "failed").state == "done"
    assert texts(store, job)[0].startswith("nnunet_amt ")
    assert job.command_line == "nnunet_amt --version"


def test_lines_are_read_on_from_where_one_was(store: JobStore) -> None:
    """From each position, and from amid a line; one that is half written is left for later."""
    job = store.submit("count", python("for i in range(5): print(i)"), takes_device=False)
    wait_until(store, job, "done")
    lines = store.lines(job.id)
    assert [line.text for line in lines] == ["0", "1", "2", "3", "4"]
    for number, line in enumerate(lines):
        assert store.lines(job.id, after=line.position) == lines[number + 1 :]
        assert store.lines(job.id, after=line.position - 3) == lines[number + 1 :]
    with (store.place(job.id) / "lines.jsonl").open("a") as file:
        file.write('{"at": "", "text": "half')
    assert store.lines(job.id) == lines
    assert store.last_lines(job.id) == lines


# What a server does, and is killed.
SERVER = """
import sys, time
from pathlib import Path
from nnunet_amt.app.jobs import JobStore
from tests.app.stand_ins import training
store = JobStore(Path(sys.argv[1]))
for name in ("a", "b"):
    store.submit("study", training(Path(sys.argv[1]) / name, epochs=4, seconds=0.3), takes_device=True)
print("submitted", flush=True)
time.sleep(600)
"""


def test_jobs_outlive_a_server_that_is_killed(tmp_path: Path) -> None:
    """By kill -9, of its whole process group: the one that runs goes on, the one that waits has its turn after it."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)],
        stdout=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"submitted\n"
    wait_for(lambda: (tmp_path / "a").exists())
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    store = JobStore(tmp_path)
    assert [job.state for job in store.jobs()] == ["running", "queued"]
    first, second = (wait_until(store, job, "done", "failed") for job in store.jobs())
    assert (first.state, second.state) == ("done", "done")
    assert first.ended is not None and second.started is not None
    assert first.ended <= second.started
    assert texts(store, second) == ["epoch 1", "epoch 2", "epoch 3", "epoch 4"]


def test_one_job_takes_the_device_and_the_others_wait_in_order(store: JobStore, tmp_path: Path) -> None:
    """A job that does not take it passes them; one that is stopped while it waits never begins, nor is waited for."""
    first = store.submit("study", training(tmp_path / "a", epochs=100, seconds=0.1), takes_device=True)
    wait_until(store, first, "running")
    second = store.submit("study", training(tmp_path / "b", epochs=1, seconds=0.1), takes_device=True)
    third = store.submit("study", training(tmp_path / "c", epochs=1, seconds=0.1), takes_device=True)
    beside = store.submit("look", python(""), takes_device=False)
    wait_until(store, beside, "done")
    assert [job.state for job in store.jobs()][:3] == ["running", "queued", "queued"]
    assert [job.id for job in store.ahead_of(third.id)] == ["1", "2"]
    store.stop(second.id)
    stopped = wait_until(store, second, "stopped")
    assert (stopped.started, stopped.exit_code) == (None, None)
    store.stop(first.id)
    wait_until(store, first, "stopped")
    wait_until(store, third, "done")
    assert not (tmp_path / "b").exists()


def test_a_stopped_training_keeps_its_checkpoint(store: JobStore, tmp_path: Path) -> None:
    """It is interrupted, as by Ctrl-C, cleans up and ends by itself; its workers are not signalled, and are gone."""
    job = store.submit("study", training(tmp_path / "a", epochs=1000, seconds=0.05), takes_device=True)
    wait_for((tmp_path / "a" / "checkpoint_latest.pth").exists)
    store.stop(job.id)
    stopped = wait_until(store, job, "stopped")
    assert stopped.exit_code == 130
    assert texts(store, job)[-1] == "error: interrupted; the same command goes on where it stopped"
    assert int((tmp_path / "a" / "checkpoint_latest.pth").read_text()) >= 1
    store.stop(job.id)  # of one that is over: nothing
    assert store.job(job.id) == stopped


def test_a_job_whose_process_is_gone_has_failed(store: JobStore, tmp_path: Path) -> None:
    """Kill -9 of the process that sees to it takes the command along, and the next one has its turn."""
    script = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(600)"
    job = store.submit("study", python(script), takes_device=True)
    after = store.submit("study", training(tmp_path / "a", epochs=1, seconds=0.1), takes_device=True)
    wait_for(lambda: texts(store, job))
    command = int(texts(store, job)[0])
    os.kill(runner_of(store, job), signal.SIGKILL)
    gone = wait_until(store, job, "failed")
    assert (gone.exit_code, gone.ended, gone.is_gone) == (None, None, True)
    wait_for(lambda: not is_running(command))
    wait_until(store, after, "done")
    assert JobStore(tmp_path).job(job.id) == gone


def test_a_command_that_is_killed_is_told_by_its_signal(store: JobStore) -> None:
    """As a shell tells it: 128 and the number, here 9; the runner lives and says so."""
    job = store.submit("study", python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), takes_device=True)
    assert wait_until(store, job, "failed").exit_code == 137


def test_the_same_command_is_not_run_beside_itself(store: JobStore, tmp_path: Path) -> None:
    """Two clicks are one job; once it is over the command may run again."""
    command = training(tmp_path / "a", epochs=100, seconds=0.1)
    job = store.submit("study", command, takes_device=True)
    with pytest.raises(BadInputError, match=r"^job 1: does just this, and is (queued|running); wait for it or stop it"):
        store.submit("study", command, takes_device=True)
    store.stop(job.id)
    wait_until(store, job, "stopped")
    assert store.submit("study", command, takes_device=True).id == "2"


def test_nothing_begins_on_a_full_disk(store: JobStore) -> None:
    """Said before anything is there."""
    with pytest.raises(DiskFullError, match=r"a job needs about 1000000000.0 GB, the disk has"):
        store.submit("study", python(""), takes_device=True, needed_bytes=10**18)
    assert store.jobs() == ()


@pytest.mark.parametrize("number", ["2", "x", "../1", "-1", "٣"])
def test_a_job_that_is_not_there_is_refused(store: JobStore, number: str) -> None:
    """Numbers of jobs come from addresses, and must not become paths."""
    with pytest.raises(BadInputError, match=f"^job {number}: "):
        store.job(number)
    with pytest.raises(BadInputError, match=f"^job {number}: "):
        store.stop(number)
