"""Stock commands: built as one would type them, ended with us, their leftovers sorted out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from nnunet_amt.errors import BadInputError, MissingEnvironmentError, WorkFailedError
from nnunet_amt.nnunet import commands as stock

PYTHON = Path(sys.executable).name


def test_train_command_is_what_one_would_type() -> None:
    command = stock.train_command(711, "3d_fullres", "0", "nnUNetTrainerAMT", "nnUNetAMTPlans", "cuda", ["--npz"])
    typed = "nnUNetv2_train 711 3d_fullres 0 -tr nnUNetTrainerAMT -p nnUNetAMTPlans -device cuda --npz"
    assert " ".join(command) == typed


def test_failed_command_is_one_line_with_its_last_line(tmp_path: Path) -> None:
    lines: list[str] = []
    with pytest.raises(WorkFailedError, match=r"exit code 3; its last line: two; all of its output is in"):
        script = "print('one'); print('two'); raise SystemExit(3)"
        stock.run_stock_command([PYTHON, "-c", script], os.environ, lines.append, tmp_path / "log")
    assert lines == ["one\n", "two\n"]
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_unknown_command_says_what_to_install() -> None:
    with pytest.raises(MissingEnvironmentError, match="nnUNetv2_nothing: command not found"):
        stock.run_stock_command(["nnUNetv2_nothing"], os.environ)


def test_command_finds_our_trainers() -> None:
    lines: list[str] = []
    script = "import os; print(os.environ['nnUNet_extTrainer'])"
    stock.run_stock_command([PYTHON, "-c", script], {}, lines.append)
    assert lines[0].strip().endswith("nnunet/hook")


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_neither_command_nor_its_workers_outlive_us(end: signal.Signals) -> None:
    """A second training would write into the same folder as one that nobody sees."""
    command = (
        "import os, subprocess, sys, time\n"
        "worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(os.getpid(), worker.pid, flush=True); time.sleep(60)"
    )
    script = (
        "import os; from nnunet_amt.nnunet.commands import run_stock_command\n"
        f"run_stock_command([{PYTHON!r}, '-c', {command!r}], os.environ, lambda line: print(line, flush=True))"
    )
    us = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert us.stdout is not None
    processes = [int(word) for word in us.stdout.readline().split()]
    assert len(processes) == 2
    us.send_signal(end)
    us.wait(timeout=20)
    deadline = time.monotonic() + 10
    while any(map(_is_running, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_is_running, processes))


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_lines_come_as_they_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a pipe Python would keep 8 kB back: no progress for minutes."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    times: list[float] = []
    script = "import time; print('one'); time.sleep(1.5); print('two')"
    stock.run_stock_command([PYTHON, "-c", script], os.environ, lambda line: times.append(time.monotonic()))
    assert times[1] - times[0] > 1


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_workers_of_a_crashed_command_end_and_we_do_not_wait_for_them() -> None:
    """As when the out-of-memory killer takes the main process; its worker holds the pipe open."""
    script = (
        "import os, signal, subprocess, sys\n"
        "worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(worker.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    lines: list[str] = []
    started = time.monotonic()
    with pytest.raises(WorkFailedError, match="exit code 137"):
        stock.run_stock_command([PYTHON, "-c", script], os.environ, lines.append)
    assert time.monotonic() - started < 30
    assert not _is_running(int(lines[0]))


@pytest.mark.parametrize(
    ("extra", "continues"),
    [([], True), (["--npz"], True), (["--c"], False), (["--val"], False), (["-pretrained_weights", "x"], False)],
)
def test_continue_is_added_where_nnunet_allows_it(tmp_path: Path, extra: list[str], continues: bool) -> None:
    assert stock.may_continue(extra, tmp_path) is False
    write_checkpoint(tmp_path / "checkpoint_latest.pth")
    assert stock.may_continue(extra, tmp_path) is continues


def write_checkpoint(path: Path) -> bytes:
    torch.save({"network_weights": {"bias": torch.zeros(250)}}, path)
    return path.read_bytes()


def test_damaged_checkpoint_is_one_line_and_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_best.pth"
    whole = write_checkpoint(path)
    assert stock.require_checkpoint(tmp_path, path.name) == path
    for damaged in (b"", b"junk", whole[:-30], whole.replace(bytes(1000), b"1" * 1000, 1)):
        path.write_bytes(damaged)
        with pytest.raises(BadInputError, match="is damaged, or older"):
            stock.require_checkpoint(tmp_path, path.name)


def test_checkpoint_to_continue_from_is_nnunets_choice(tmp_path: Path) -> None:
    assert stock.checkpoint_to_continue_from(tmp_path) is None
    for name in ("best", "latest", "final"):
        (tmp_path / f"checkpoint_{name}.pth").touch()
        found = stock.checkpoint_to_continue_from(tmp_path)
        assert found is not None
        assert found.name == f"checkpoint_{name}.pth"


def test_missing_checkpoint_names_those_that_are_there(tmp_path: Path) -> None:
    fold = tmp_path / "nnUNetTrainerAMT_1epoch__nnUNetAMTPlans__3d_fullres" / "fold_0"
    fold.mkdir(parents=True)
    (fold / "checkpoint_latest.pth").touch()
    with pytest.raises(
        BadInputError, match=r"no such checkpoint \(found there: nnUNetTrainerAMT_1epoch__.*latest.pth\)"
    ):
        stock.require_checkpoint(tmp_path / "nnUNetTrainerAMT__nnUNetAMTPlans__3d_fullres" / "fold_0", "c.pth")


@pytest.mark.parametrize("extra", [["-num_gpus", "4"], ["--npz", "-num_gpus=4"]])
def test_more_gpus_than_samples_are_refused(extra: list[str]) -> None:
    """A batch of three cannot be spread over four GPUs; nnU-Net's own trainers may take what they like."""
    with pytest.raises(BadInputError, match="-num_gpus 4: the paper's batch has 3 samples"):
        stock.train_command(1, "3d_fullres", "0", "nnUNetTrainerAMT_5epochs", "plans", "cuda", extra)
    assert stock.train_command(1, "3d_fullres", "0", "nnUNetTrainer", "plans", "cuda", extra)[-len(extra) :] == extra
    fewer = ["-num_gpus", "3"]
    assert stock.train_command(1, "3d_fullres", "0", "nnUNetTrainerAMT", "plans", "cuda", fewer)[-2:] == fewer


@pytest.mark.parametrize("name", ["nnUNetTrainer", "nnUNetTrainer_1epoch"])
def test_trainers_of_nnunet_are_refused_as_they_cannot_build_the_network_of_our_plans(name: str) -> None:
    with pytest.raises(BadInputError, match=f"--trainer {name}: is nnU-Net's own, which cannot train the network"):
        stock.require_known_trainer(name)


@pytest.mark.parametrize("name", ["nnUNetTrainerAMT", "nnUNetTrainerAMT_5epochs", "nnUNetTrainerOfMine"])
def test_our_trainers_and_those_from_elsewhere_are_let_through(name: str) -> None:
    stock.require_known_trainer(name)
