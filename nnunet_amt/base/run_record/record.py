"""The record that a stage leaves beside its results.

``nnunet_amt_runs.json`` holds ``{"schema_version": 1, "runs": [...]}``, the newest run last.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePath
from typing import Any

from nnunet_amt.base.files import write_json
from nnunet_amt.base.json_file import NUMBER, misfit, parse_json
from nnunet_amt.base.run_record.entries import (
    HOME_MARK,
    RunInput,
    command_line,
    describe_input,
    describe_machine,
    peak_memory,
    software_versions,
)

RECORD_FILE = "nnunet_amt_runs.json"
SCHEMA_VERSION = 1
# Two runs that agree in these did the same, whenever and however fast.
_SAME = ("stage", "settings", "seed", "inputs", "outputs")
_PART = re.compile(r"nnunet_amt_runs_part\d+of\d+\.json")
_ENTRY = {"path?": str, "sha256?": (str, None), "files?": int, "names_and_sizes_sha256?": (str, None)}
_RUN = {
    "stage": str,
    "started": str,
    "command?": str,
    "seconds?": NUMBER,
    "software?": {str: str},
    "machine?": {"system?": str, "cores?": int, "device?": str, "gpu?": str},
    "settings": dict,
    "seed?": (int, None),
    "inputs": {str: _ENTRY},
    "outputs": {str: _ENTRY},
    "counts": {str: NUMBER},
    "cost": {str: (*NUMBER, None)},
}

_LOGGER = logging.getLogger(__name__)


def record_name(part: tuple[int, int] | None = None) -> str:
    """Name of the record; parts (number from 0 on, of how many) of a task on several machines write a file each."""
    if part is None or part[1] == 1:
        return RECORD_FILE
    return f"nnunet_amt_runs_part{part[0]}of{part[1]}.json"


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """Read the runs of a folder's record, and of its parts', by the time at which they started.

    Empty if there is no record; one that cannot be read counts as none, with a warning.
    """
    names = [RECORD_FILE, *sorted(path.name for path in folder.glob("nnunet_amt_runs_part*.json"))]
    files = [folder / name for name in names if name == RECORD_FILE or _PART.fullmatch(name)]
    runs = [run for file in files for run in read_record_file(file)]
    return sorted(runs, key=lambda run: run["started"])


def newest_run(folder: Path, stage: str) -> dict[str, Any] | None:
    """Give the newest run of a stage in a folder's record; None without one."""
    return next((run for run in reversed(read_runs(folder)) if run["stage"] == stage), None)


def read_record_file(path: Path) -> list[dict[str, Any]]:
    """Read the runs of one file; see `read_runs`."""
    try:
        content = parse_json(path)
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        _LOGGER.warning("%s: cannot be read; a new record is begun with the next run", path)
        return []
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        _LOGGER.warning("%s: is no record of version %d; a new one is begun with the next run", path, SCHEMA_VERSION)
        return []
    runs = content.get("runs", [])
    runs = runs if isinstance(runs, list) else [runs]
    damaged = [reason for run in runs if (reason := misfit(run, _RUN)) is not None]
    if damaged:
        _LOGGER.warning("%s: %d runs in it are damaged (%s); they are left out", path, len(damaged), damaged[0])
    return [run for run in runs if misfit(run, _RUN) is None]


def input_path(folder: Path, run: Mapping[str, Any], name: str) -> Path | None:
    """Find what a run of the record in `folder` read under a name such as ``predictions``.

    The path is without ``..``; None if the run had no input of this name, or it is not there any more.
    """
    entry = run["inputs"].get(name)
    recorded = entry.get("path") if isinstance(entry, Mapping) else None
    if not isinstance(recorded, str):
        return None
    path = Path(recorded).expanduser() if recorded.startswith(f"{HOME_MARK}/") else folder.resolve() / recorded
    return path.resolve() if path.exists() else None


@dataclass
class RunNotes:
    """What a stage adds to its record while it runs."""

    counts: dict[str, int] = field(default_factory=dict)  # such as ``cases``
    # Such as ``seconds_per_case`` and ``parameters``. ``seconds`` and peak memory are measured without being asked.
    cost: dict[str, float | None] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)  # beyond those that were known before
    # Beyond those that were known before
    inputs: dict[str, Path | RunInput] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    nothing_done: bool = False  # set it if there was nothing to do: no run is recorded then
    _started: float = field(default_factory=time.monotonic, repr=False)

    def seconds(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._started


@contextmanager
def recorded_run(
    folder: Path,
    stage: str,
    *,
    settings: Mapping[str, Any] | object | None = None,
    seed: int | None = None,
    inputs: Mapping[str, Path | RunInput] | None = None,
    outputs: Sequence[str] = (),
    keep_earlier: bool = True,
    final_folder: Path | None = None,
    device: str | None = None,
    in_children: bool = False,
    files_named: bool = True,
    part: tuple[int, int] | None = None,
) -> Iterator[RunNotes]:
    """Time a stage and, if it ends well, write or extend ``nnunet_amt_runs.json`` in the folder of its results.

    A run that agrees with the last one of the record in settings, inputs and outputs is not added a second time.
    Raises DiskFullError if the disk filled up while writing the record.

    Parameters
    ----------
    folder
        Of the results; made where missing.
    stage
        ``convert``, ``plan``, ``train``, ``predict``, ``evaluate`` ...
    settings
        A mapping or a dataclass; of paths in it the last name is kept.
    seed
        Of what is random, None if nothing is or nobody knows.
    inputs
        What was read, by its name in the record. It is hashed when the block has ended; see `RunInput`.
    outputs
        Names, relative to `folder`, of what the stage may write; of what is there the SHA-256 is kept. ``"."`` stands
        for the label maps in `folder`, hashed as when they are read, see `folder_sha256`.
    keep_earlier
        Keep the earlier runs. False where results replace earlier ones: runs of this stage, and of others that wrote
        a file of `outputs`, go then.
    final_folder
        Where `folder` will stand, if it is renamed: paths are relative to it, and earlier runs are taken from it.
    device
        That computed; see `describe_machine`.
    in_children
        Measure the peak memory of the processes that were started, as nnU-Net's commands are, and not of this one.
    files_named
        False keeps the names of files out of the command; see `shareable_words`.
    part
        See `record_name`.

    Yields
    ------
    RunNotes
        To add counts and costs to.
    """
    started = datetime.now(timezone.utc)
    peak_before = peak_memory(of_children=in_children)
    notes = RunNotes()
    yield notes
    seconds = notes.seconds()
    if notes.nothing_done:
        return
    final = final_folder or folder
    peak = peak_memory(of_children=in_children)
    # the highest child of an earlier run of this process may be higher than those of this one
    measured = {} if peak is None or (in_children and peak == peak_before) else {"peak_memory_bytes": peak}
    written = {
        output: describe_input(RunInput(folder / output, path_recorded=False), folder)
        for output in dict.fromkeys([*outputs, *notes.outputs])
    }
    run = {
        "stage": stage,
        "command": command_line(files_named=files_named),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "software": software_versions(),
        "machine": describe_machine(device),
        "settings": {**recorded_settings(settings), **recorded_settings(notes.settings)},
        "seed": seed,
        "inputs": {name: describe_input(item, final) for name, item in {**(inputs or {}), **notes.inputs}.items()},
        "outputs": {output: entry for output, entry in written.items() if entry["sha256"] is not None},
        "counts": dict(notes.counts),
        "cost": {**measured, **{name: value for name, value in notes.cost.items() if value is not None}},
    }
    name = record_name(part)
    earlier = read_record_file(final / name)
    if not keep_earlier:
        earlier = [old for old in earlier if old["stage"] != stage and written.keys().isdisjoint(old["outputs"])]
    elif earlier and all(earlier[-1].get(key) == run[key] for key in _SAME):
        return
    write_json(folder / name, {"schema_version": SCHEMA_VERSION, "runs": [*earlier, run]})


def recorded_settings(settings: Any) -> dict[str, Any]:
    """Give settings as a run record holds them."""
    if settings is None:
        return {}
    content = asdict(settings) if is_dataclass(settings) and not isinstance(settings, type) else dict(settings)
    return {str(name): _plain(value) for name, value in content.items()}


def _plain(value: Any) -> Any:
    """Give what JSON can hold, and no folder of this machine."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, PurePath):
        return value.name
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
