"""The record that a stage leaves beside its results."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePath
from typing import Any

from nnunet_amt.base.run_record.cost import peak_memory
from nnunet_amt.base.run_record.hashes import RunInput, describe_input
from nnunet_amt.base.run_record.paths import command_line
from nnunet_amt.base.run_record.record_file import read_record_file, record_name, write_runs
from nnunet_amt.base.run_record.software import describe_machine, software_versions

# Two runs that agree in these did the same, whenever and however fast.
_SAME = ("stage", "settings", "seed", "inputs", "outputs")


@dataclass
class RunNotes:
    """What a stage adds to its record while it runs.

    Attributes
    ----------
    counts
        Such as ``cases``.
    cost
        Such as ``seconds_per_case`` and ``parameters``. ``seconds`` and peak memory are measured without being asked.
    settings
        Beyond those that were known before.
    inputs, outputs
        Beyond those that were known before.
    nothing_done
        Set it if there was nothing to do: no run is recorded then.
    """

    counts: dict[str, int] = field(default_factory=dict)
    cost: dict[str, float | None] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Path | RunInput] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    nothing_done: bool = False
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
        False keeps the names of files out of the command; see `told_words`.
    part
        See `record_name`.

    Yields
    ------
    RunNotes
        To add counts and costs to.

    Raises
    ------
    DiskFullError
        If the disk filled up while writing the record.
    """
    started = datetime.now(timezone.utc)
    peak_before = peak_memory(in_children)
    notes = RunNotes()
    yield notes
    seconds = notes.seconds()
    if notes.nothing_done:
        return
    final = final_folder or folder
    peak = peak_memory(in_children)
    # the highest child of an earlier run of this process may be higher than those of this one
    measured = {} if peak is None or (in_children and peak == peak_before) else {"peak_memory_bytes": peak}
    run = {
        "stage": stage,
        "command": command_line(files_named),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "software": software_versions(),
        "machine": describe_machine(device),
        "settings": {**recorded_settings(settings), **recorded_settings(notes.settings)},
        "seed": seed,
        "inputs": {name: describe_input(item, final) for name, item in {**(inputs or {}), **notes.inputs}.items()},
        "outputs": _hashed(folder, [*outputs, *notes.outputs]),
        "counts": dict(notes.counts),
        "cost": {**measured, **{name: value for name, value in notes.cost.items() if value is not None}},
    }
    name = record_name(part)
    earlier = read_record_file(final / name)
    if not keep_earlier:
        written = {*outputs, *notes.outputs}
        earlier = [old for old in earlier if old["stage"] != stage and written.isdisjoint(old["outputs"])]
    elif earlier and all(earlier[-1].get(key) == run[key] for key in _SAME):
        return
    write_runs(folder / name, [*earlier, run])


def _hashed(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    hashed = {name: describe_input(RunInput(folder / name, told=False), folder) for name in dict.fromkeys(names)}
    return {name: entry for name, entry in hashed.items() if entry["sha256"] is not None}


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
