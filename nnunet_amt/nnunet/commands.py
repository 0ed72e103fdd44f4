"""The stock nnU-Net commands: build them, and run them so that they find our trainer and die with us."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nnunet_amt.errors import BadInputError, MissingEnvironmentError, WorkFailedError
from nnunet_amt.models.checkpoint_safety import read_checkpoint
from nnunet_amt.models.plans_check import read_plans, require_same_plans, require_sample_for_every_gpu
from nnunet_amt.models.plans_names import DEFAULT_TRAINER
from nnunet_amt.nnunet.environment import environment_with_trainer, hook_folder

logger = logging.getLogger(__name__)


def train_command(
    dataset_id: int, configuration: str, fold: str, trainer: str, plans: str, device: str, extra: Sequence[str] = ()
) -> list[str]:
    """Build the ``nnUNetv2_train`` command.

    Raises
    ------
    BadInputError
        If ``-num_gpus`` is more than our trainers can use.
    """
    if trainer.startswith(DEFAULT_TRAINER) and (gpus := re.search(r"-num_gpus[ =](\d+)", " ".join(extra))):
        require_sample_for_every_gpu(int(gpus[1]))
    return [
        "nnUNetv2_train", str(dataset_id), configuration, fold,
        "-tr", trainer, "-p", plans, "-device", device, *extra,
    ]  # fmt: skip


def require_known_trainer(name: str) -> None:
    """Refuse a misspelt name of ours, and nnU-Net's own trainers; others, from elsewhere, are nnU-Net's to find.

    nnU-Net's own cannot build the network of our plans, and would end in a traceback.

    Raises
    ------
    BadInputError
        Lists our trainers.
    """
    module = (hook_folder() / "amt_trainers.py").read_text(encoding="utf-8")
    ours = sorted(set(re.findall(r"nnUNetTrainerAMT\w*", module.partition("__all__")[2])))
    if name.startswith("nnUNetTrainerAMT") and name not in ours:
        raise BadInputError(f"--trainer {name}: there is no such trainer; ours are {', '.join(ours)}")
    if name.startswith("nnUNetTrainer") and name not in ours and is_of_nnunet(name):
        raise BadInputError(
            f"--trainer {name}: is nnU-Net's own, which cannot train the network of our plans; take one of ours "
            f"({', '.join(ours)}), or run plain nnUNetv2_train with nnU-Net's plans"
        )


def is_of_nnunet(trainer: str) -> bool:
    """Whether nnU-Net defines a trainer; it is read, not imported: some variants need what may not be installed."""
    found = importlib.util.find_spec("nnunetv2")
    folders = (
        [Path(folder, "training", "nnUNetTrainer") for folder in (found.submodule_search_locations or [])]
        if found
        else []
    )
    definition = re.compile(rf"^class {re.escape(trainer)}\b", re.MULTILINE)
    modules = (module for folder in folders for module in folder.rglob("*.py"))
    return any(definition.search(module.read_text(encoding="utf-8")) for module in modules)


def predict_command(
    images: Path,
    output: Path,
    dataset_id: int,
    configuration: str,
    fold: str,
    trainer: str,
    plans: str,
    checkpoint: str,
    device: str,
    extra: Sequence[str] = (),
) -> list[str]:
    """Build the ``nnUNetv2_predict`` command."""
    return [
        "nnUNetv2_predict", "-i", str(images), "-o", str(output), "-d", str(dataset_id), "-c", configuration,
        "-f", fold, "-tr", trainer, "-p", plans, "-chk", checkpoint, "-device", device, *extra,
    ]  # fmt: skip


def model_folder(results: Path, dataset: str, trainer: str, plans: str, configuration: str) -> Path:
    """Folder in nnUNet_results of one trained model."""
    return results / dataset / f"{trainer}__{plans}__{configuration}"


def checkpoint_to_continue_from(fold_folder: Path) -> Path | None:
    """Find the checkpoint that ``nnUNetv2_train --c`` would take, None where there is none."""
    for name in ("checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth"):
        if (fold_folder / name).is_file():
            return fold_folder / name
    return None


def may_continue(extra: Sequence[str], fold_folder: Path) -> bool:
    """Whether ``--c`` is to be added: there is a checkpoint, and no option that it cannot stand beside.

    Raises
    ------
    BadInputError
        If the checkpoint is damaged or would run code.
    """
    apart = {"--c", "--val", "-pretrained_weights"}
    checkpoint = checkpoint_to_continue_from(fold_folder)
    if checkpoint is None or not apart.isdisjoint(extra):
        return False
    read_checkpoint(checkpoint)
    return True


def loaded_by_training(options: argparse.Namespace, fold_folder: Path) -> list[Path]:
    """List the files that ``nnUNetv2_train`` will load with these options, as far as they are there.

    Parameters
    ----------
    options
        What `stock_options.train_options` gives.
    fold_folder
        Folder of the fold in the model's.
    """
    files = [Path(options.pretrained_weights)] if options.pretrained_weights else []
    if options.c and (checkpoint := checkpoint_to_continue_from(fold_folder)):
        files.append(checkpoint)
    if options.val:
        files.append(fold_folder / "checkpoint_final.pth")
    if options.val_best:
        files.append(fold_folder / "checkpoint_best.pth")
    return [path for path in files if path.is_file()]


def require_plans_of_model(model: Path, plans_file: Path, configuration: str) -> None:
    """Refuse to continue a model under other plans than it was begun with; see `require_same_plans`."""
    begun_with = model / "plans.json"
    if begun_with.is_file():
        require_same_plans(read_plans(begun_with), read_plans(plans_file), configuration, str(model))


def find_checkpoint(fold_folder: Path, name: str) -> Path:
    """Give the path of a checkpoint, unread.

    Raises
    ------
    BadInputError
        If it is not there; the message names those that are.
    """
    path = fold_folder / name
    if not path.is_file():
        results = fold_folder.parents[1]
        others = sorted(str(other.relative_to(results)) for other in results.glob("*/fold_*/checkpoint_*.pth"))
        found = ", ".join(others) or "none"
        raise BadInputError(
            f"{path}: no such checkpoint (found there: {found}); give --trainer, --fold and --checkpoint of one, "
            "or train with: nnunet_amt train DATASET"
        )
    return path


def require_checkpoint(fold_folder: Path, name: str) -> Path:
    """Give the path of a checkpoint that is whole and runs no code.

    Raises
    ------
    BadInputError
        If it is not there, damaged, or would run code.
    """
    path = find_checkpoint(fold_folder, name)
    read_checkpoint(path)
    return path


def run_stock_command(
    command: Sequence[str],
    environment: Mapping[str, str],
    on_line: Callable[[str], None] | None = None,
    log_file: Path | None = None,
) -> int | None:
    """Run a command of nnU-Net in an environment where it finds our trainer.

    Parameters
    ----------
    command
        The command as one would type it.
    environment
        Variables to run it with; our trainers are added.
    on_line
        If given, output goes line by line to it and to `log_file` instead of to the terminal.
    log_file
        Appended to; used with `on_line` only.

    Returns
    -------
    int or None
        Most memory that the largest single one of its processes held, in bytes, and not less than we held when it
        was started; None where the system does not tell.

    Raises
    ------
    WorkFailedError
        If the command ends with another exit code than 0.
    """
    executable = _executable(command[0])
    logger.info("running %s", shlex.join(command))
    process = subprocess.Popen(
        [sys.executable, "-m", "nnunet_amt.base.processes", executable, *command[1:]],
        # unbuffered: through a pipe nnU-Net's lines would come in lumps
        env={**environment_with_trainer(environment), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,  # held open: the supervisor ends everything when it closes
        stdout=subprocess.PIPE if on_line else None,
        stderr=subprocess.STDOUT if on_line else None,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C reaches us, and we end its workers with it
    )
    try:
        tail = _follow(process, on_line, log_file) if on_line else []
        exit_code, peak = _wait(process)
    except BaseException:
        _end_group(process)
        raise
    if exit_code != 0:
        last = f"; its last line: {tail[-1]}" if tail else ""
        where = f"; all of its output is in {log_file}" if log_file else ""
        raise WorkFailedError(f"{command[0]} ended with exit code {exit_code}{last}{where}")
    return peak


def _wait(process: subprocess.Popen[str]) -> tuple[int, int | None]:
    """Wait for a process; give its exit code, and the peak memory of it and those that it has waited for."""
    if not hasattr(os, "wait4"):
        return process.wait(), None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # or Popen would wait for what is gone
    return process.returncode, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def cpu_friendly_environment(device: str) -> dict[str, str]:
    """Copy the environment; on a CPU ask nnU-Net for no more workers than there are cores."""
    environment = dict(os.environ)
    if device == "cpu":
        environment.setdefault("nnUNet_n_proc_DA", "0")
        environment.setdefault("nnUNet_def_n_proc", str(os.cpu_count() or 1))
        environment.setdefault("nnUNet_compile", "f")
    return environment


def _follow(process: subprocess.Popen[str], on_line: Callable[[str], None], log_file: Path | None) -> list[str]:
    """Pass output on line by line; return its last line."""
    tail: list[str] = []
    if process.stdout is None:
        return tail
    log_path = log_file or Path(os.devnull)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("a", encoding="utf-8") as log:
        for line in process.stdout:
            log.write(line)
            log.flush()
            if line.strip():
                tail = [line.strip()]
            on_line(line)
    return tail


def _executable(name: str) -> str:
    beside_python = Path(sys.executable).parent / name
    found = str(beside_python) if beside_python.is_file() else shutil.which(name)
    if found is None:
        raise MissingEnvironmentError(f"{name}: command not found; install nnU-Net with: pip install nnunetv2")
    return found


def _end_group(process: subprocess.Popen[str]) -> None:
    """End the command and its workers at once: checkpoints are written whole, half a prediction is made again."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
