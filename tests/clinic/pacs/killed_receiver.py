"""A receiver as a program that is killed at random moments and started again, and what must hold all the same."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_amt.clinic.pacs.address import DicomAddress
from nnunet_amt.clinic.pacs.ledger import Ledger
from nnunet_amt.clinic.pacs.receive_status import SeriesStatus, read_status
from tests.clinic.pacs.stand_ins import LOOPBACK, store_all


@dataclass
class ReceiverProgram:
    """The program of `run_receiver.py`, in a folder, at one port."""

    folder: Path
    archive: DicomAddress
    quiet_seconds: float = 2.0
    slow_seconds: float = 0.0
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    starts: int = field(default=0)

    def start(self, *, wait: bool = True) -> None:
        """Start it; with `wait`, until others may send."""
        if not self.port:
            with socket.socket() as free:
                free.bind((LOOPBACK, 0))
                self.port = int(free.getsockname()[1])
        self.folder.mkdir(parents=True, exist_ok=True)
        weights = self.folder / "model" / "nnUNetTrainerAMT__plans__3d" / "fold_0" / "weights"
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.write_bytes(b"weights")
        words = [self.folder, self.port, self.archive, self.quiet_seconds]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("run_receiver.py")), *map(str, words)],
                stdout=log, stderr=log, env={**os.environ, "SLOW_SECONDS": str(self.slow_seconds)},
            )  # fmt: skip
        self.starts += 1
        if wait:
            self.wait_until_it_listens()

    def wait_until_it_listens(self) -> None:
        """Wait until others may send."""
        assert self.process is not None
        while True:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            try:
                socket.create_connection((LOOPBACK, self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)

    def kill(self) -> None:
        """Kill the receiver at once, and start it again."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.start(wait=False)

    def kill_worker(self) -> bool:
        """Kill its worker at once; False if there is none now."""
        assert self.process is not None
        try:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except OSError:
            return False
        for child in children:
            try:
                os.kill(int(child), signal.SIGKILL)
            except ProcessLookupError:
                return False
        return bool(children)

    def end(self) -> int:
        """End it as a service is ended; gives its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=30)

    def status(self) -> list[SeriesStatus]:
        """Read what it has done."""
        return read_status(self.folder / "receiver")

    def wait_for_work(self, *, seconds: float) -> None:
        """Wait until a job is at work, for so long at most."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not any(one.state == "running" for one in self.status()):
            time.sleep(0.1)

    def wait_until(self, state: str, count: int, *, seconds: float = 240.0) -> list[SeriesStatus]:
        """Wait until so many series have a state, and none has another."""
        end = time.monotonic() + seconds
        while True:
            found = self.status() if (self.folder / "receiver" / "ledger.sqlite").exists() else []
            if len(found) == count and {one.state for one in found} == {state}:
                return found
            assert time.monotonic() < end, f"{found}\n{(self.folder / 'log').read_text()[-3000:]}"
            time.sleep(0.2)


def send_under_kills(
    receiver: ReceiverProgram, studies: Mapping[str, Sequence[Path]], *, kills: int, seed: int,
    most_seconds_between: float = 5.0,
) -> dict[str, int]:  # fmt: skip
    """Send studies, each over its own association, while receiver and worker are killed at random moments.

    Half of the kills wait until a job is at work, if it soon is; the others strike while objects come, series are
    looked at, results go back or the model is loaded.

    Every object is sent until it is acknowledged. Gives how often which was killed.
    """
    chance = random.Random(seed)
    receiver.start()
    senders = [
        threading.Thread(
            target=_after, args=(chance.uniform(0, kills * most_seconds_between), receiver, files), daemon=True
        )
        for files in studies.values()
    ]
    for sender in senders:
        sender.start()
    killed = {"receiver": 0, "worker": 0}
    while sum(killed.values()) < kills:
        receiver.wait_until_it_listens()  # most of a start is reading Python's modules, when a kill meets nothing
        if chance.random() < 0.5:
            receiver.wait_for_work(seconds=15.0)
            time.sleep(chance.uniform(0.0, 2 * receiver.slow_seconds))
        else:
            time.sleep(chance.uniform(0.05, most_seconds_between))
        if chance.random() < 0.5 and receiver.kill_worker():
            killed["worker"] += 1
        else:
            receiver.kill()
            killed["receiver"] += 1
    for sender in senders:
        sender.join()
    return killed


def _after(seconds: float, receiver: ReceiverProgram, files: Sequence[Path]) -> None:
    time.sleep(seconds)
    store_all(receiver.port, files, seconds=1200)


def kept_files(receiver: ReceiverProgram) -> set[str]:
    """Give the objects that the ledger knows, each of which must lie on the disk."""
    folder = receiver.folder / "receiver"
    names = Ledger(folder).files()
    assert all((folder / "objects" / name).is_file() for name in names)
    return names
