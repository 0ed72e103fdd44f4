"""Results that appear in their folder all at once, with the record of the run that made them among them."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import PARTIAL_MARK, require_no_file
from nnunet_amt.base.processes import is_running
from nnunet_amt.base.run_record import RECORD_FILE, RunInput, RunNotes, recorded_run
from nnunet_amt.errors import BadInputError, DiskFullError
from nnunet_amt.evaluation.settings import EvaluationSettings

_LOGGER = logging.getLogger(__name__)
_AT_FDCWD = -100  # Linux: paths are relative to the working directory
_SWAP = 2  # RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS


def require_apart(output: Path, read: Path, what: str) -> None:
    """Refuse to write results to the folder `read`, which holds `what`, or to one above it.

    The folder of earlier results is exchanged for another, and what else is in it is moved back a moment later: a
    kill in between must not leave it without what the next run reads.

    Raises
    ------
    BadInputError
        Of one line.
    """
    folder, inner = output.resolve(), read.resolve()
    if folder == inner or folder in inner.parents:
        where = f"holds {what}" if folder == inner else f"{what} are below it"
        raise BadInputError(f"{output}: {where}; give another folder for the results")


@contextmanager
def result_folder(output: Path, file_names: Collection[str]) -> Iterator[Path]:
    """Give a folder to write results to, which becomes `output` if the block ends well.

    The folder stands beside `output` until then. A new `output` comes by renaming it; an old one is exchanged
    for it in one step of the file system: whenever the process dies, `output` holds the old
    results or the new ones, not some of each. What else stood in `output` stays there. Where folders cannot be
    exchanged (`output` is a mount point or the working directory, the file system cannot) the
    files are replaced one by one.

    Parameters
    ----------
    output
        The results' folder; made where missing.
    file_names
        What the block may write; those of an earlier run that it does not write again go.

    Yields
    ------
    Path
        The folder to write to.

    Raises
    ------
    BadInputError
        If `output` is a file, or nothing can be written there.
    DiskFullError
        If the disk fills up on the way.
    """
    output = output.resolve()
    try:
        require_no_file(output)
        output.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(output, file_names)
        staging = _make_staging(output)
    except OSError as error:
        raise BadInputError(f"{output}: cannot be written to ({error.strerror}); choose another folder") from error
    try:
        yield staging
        _publish(staging, output, file_names)
    except DiskFullError as error:  # names a file that is gone by now
        advice = "free some space or choose another folder; earlier results there are as they were"
        raise DiskFullError(f"{output}: the disk is full; {advice}") from error
    finally:
        _discard(staging, file_names)


def _make_staging(output: Path) -> Path:
    """Make the folder beside `output`, or in it where renaming that is impossible or pulls the floor from under us."""
    movable = not output.exists() or (
        os.access(output.parent, os.W_OK) and not output.is_mount() and not Path.cwd().is_relative_to(output)
    )
    name = f"{PARTIAL_MARK}{os.getpid()}"
    staging = output.parent / f"{name}-{output.name}" if movable else output / f"{name}-results"
    staging.mkdir()
    return staging


def _publish(staging: Path, output: Path, file_names: Collection[str]) -> None:
    if staging.parent == output:
        _replace_files(staging, output, file_names)
    elif not output.exists():
        staging.rename(output)
    else:
        shutil.copymode(output, staging)
        if _exchange(staging, output):
            _keep_other_entries(staging, output, file_names)
        else:
            _replace_files(staging, output, file_names)


def _replace_files(staging: Path, output: Path, file_names: Collection[str]) -> None:
    for name in file_names:
        if (staging / name).exists():
            (staging / name).replace(output / name)
        else:
            (output / name).unlink(missing_ok=True)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one step; False where the system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    one, other = os.fsencode(first), os.fsencode(second)
    if hasattr(libc, "renameat2"):
        return bool(libc.renameat2(_AT_FDCWD, one, _AT_FDCWD, other, _SWAP) == 0)
    if hasattr(libc, "renamex_np"):
        return bool(libc.renamex_np(one, other, _SWAP) == 0)
    return False


def _keep_other_entries(retired: Path, output: Path, file_names: Collection[str]) -> None:
    """Move what is not a result from the retired folder back to where it was."""
    for entry in sorted(retired.iterdir()):
        target = output / entry.name
        if not _is_ours(entry, file_names) and not target.exists():
            entry.rename(target)


def _discard(folder: Path, file_names: Collection[str]) -> None:
    """Remove a folder of ours; whatever else is in it is not ours to remove, and the folder stays with it."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if _is_ours(entry, file_names):
            entry.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _is_ours(entry: Path, file_names: Collection[str]) -> bool:
    return entry.is_file() and (entry.name in file_names or entry.name.startswith(PARTIAL_MARK))


def _clear_leftovers(output: Path, file_names: Collection[str]) -> None:
    """Remove what killed runs left, after saving from it what is not ours."""
    for folder, name in ((output.parent, output.name), (output, "results")):
        leftover_name = re.compile(rf"{re.escape(PARTIAL_MARK)}(\d+)-{re.escape(name)}")
        for leftover in sorted(folder.iterdir()) if folder.is_dir() else ():
            found = leftover_name.fullmatch(leftover.name)
            if found is None or not leftover.is_dir():
                continue
            if int(found[1]) != os.getpid() and is_running(int(found[1])):
                continue  # of another run
            _LOGGER.info("removing %s, left by a run that was stopped", leftover)
            if output.is_dir():
                _keep_other_entries(leftover, output, file_names)
            _discard(leftover, file_names)


@contextmanager
def recorded_results(
    output: Path,
    *,
    file_names: Collection[str],
    stage: str,
    settings: Mapping[str, Any] | EvaluationSettings,
    inputs: Mapping[str, Path | RunInput | None],
    seed: int | None = None,
) -> Iterator[tuple[Path, RunNotes]]:
    """Give a folder to write results to, as `result_folder` does, and the notes of their run, see `recorded_run`.

    The block may write `file_names`; inputs that are None were not given.

    Yields
    ------
    Path
        The folder to write to.
    RunNotes
        To add counts and further settings to.

    Raises
    ------
    BadInputError
        If nothing can be written to `output`; `DiskFullError` if the disk fills up on the way.
    """
    given = {name: item for name, item in inputs.items() if item is not None}
    with (
        result_folder(output, (*file_names, RECORD_FILE)) as folder,
        recorded_run(
            folder,
            stage,
            settings=settings,
            seed=seed,
            inputs=given,
            outputs=tuple(file_names),
            keep_earlier=False,
            final_folder=output,
        ) as notes,
    ):
        yield folder, notes
