"""The command of the receiver as it is run, with the sender that it is run with: what goes back, and what is logged."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.app.stand_ins import wait_for
from tests.clinic.pacs.stand_ins import Archive, archive, store_all, write_study
from tests.images.dicom.dicom_fixtures import series_uid

PROGRAM = Path(__file__).with_name("run_receive_command.py")
PEERS = '[[peer]]\nae_title = "PACS"\naddresses = ["127.0.0.1"]\n'


@contextmanager
def receiving(folder: Path, running: Archive, *words: str) -> Iterator[tuple[int, Path]]:
    """Run the command; gives its port and its log."""
    (folder / "peers.toml").write_text(PEERS)
    command = [
        *(sys.executable, str(PROGRAM), *words, "receive", "-o", str(folder / "received"), "--model", str(folder)),
        *("--port", "0", "--peers", str(folder / "peers.toml"), "--return-to", str(running.address)),
        *("--quiet-seconds", "1", "--keep-free", "0", "--device", "cpu"),
    ]
    log = folder / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        assert process.stdout is not None
        found = re.match(r"AMT listens at 127\.0\.0\.1:(\d+);", process.stdout.readline())
        assert found is not None, log.read_text()
        yield int(found[1]), log
    finally:
        process.terminate()
        process.wait(timeout=60)


def test_a_model_that_is_missing_is_told_before_anybody_may_send(tmp_path: Path) -> None:
    """One line on stderr, exit code 2, and nothing that says we listen."""
    (tmp_path / "peers.toml").write_text(PEERS)
    command = [
        *(sys.executable, "-m", "nnunet_amt", "receive", "-o", str(tmp_path / "received"), "--port", "0"),
        *("--peers", str(tmp_path / "peers.toml"), "--return-to", "PACS@127.0.0.1:104", "--model", "WRONG"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert f"--model {tmp_path / 'WRONG'}: is neither the folder of a study nor the number of a dataset" in line


def returned(log: Path) -> bool:
    return "is returned, 2 objects, revision 1" in log.read_text()


@pytest.mark.slow
def test_a_result_goes_back_once_and_the_log_names_nobody(tmp_path: Path) -> None:
    """A line each step, with its time, and no UID of the CT or of what was made of it."""
    files = write_study(tmp_path, "one")
    with archive() as running, receiving(tmp_path, running) as (port, log):
        store_all(port, files)
        wait_for(lambda: returned(log), seconds=120)
        store_all(port, files)
    assert len(running.of_series(series_uid("one"))) == 1
    assert sorted(running.came.values()) == [1, 1]
    text = log.read_text()
    assert not [uid for uid in running.came if uid in text] and "2.25." not in text and series_uid("one") not in text
    _, *lines = text.splitlines()  # after what to type next
    assert [line for line in lines if not re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ [A-Z]+ ", line)] == []
    steps = [line.split()[5:7] for line in lines]
    assert steps == [["is", "whole,"], ["is", "segmented,"], ["is", "returned,"]]


@pytest.mark.slow
def test_verbose_shows_what_pynetdicom_says(tmp_path: Path) -> None:
    """Also once something was sent, which silences it elsewhere."""
    with archive() as running, receiving(tmp_path, running, "--verbose") as (port, log):
        store_all(port, write_study(tmp_path, "one"))
        wait_for(lambda: returned(log), seconds=120)
        assert "Requesting Association" in log.read_text().partition("to send: ")[2]
