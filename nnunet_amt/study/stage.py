"""A stage of a study, and whether it is done.

A stage is done when the run record that it left says so: made with the same settings from inputs that still have the
same hashes, and its results unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_amt.base.progress import Progress
from nnunet_amt.base.run_record import RunInput, describe_input, newest_run, recorded_settings

_HASHES = ("sha256", "names_and_sizes_sha256")


@dataclass(frozen=True)
class Stage:
    """A step of a study.

    Attributes
    ----------
    name, purpose
        As its command and in a run record; and what it does, for a reader.
    record
        Folder of its results and of its run record; None for a stage that leaves none.
    reads
        Its inputs by their names in the run record; one that is not there must not have been there when it ran.
    settings
        What the run record must say of the settings for the results to be those that are asked for.
    run
        Does the work, and goes on where an earlier run stopped; gives what is worth saying of it, or nothing.
    needed_until
        For a stage without results of its own: the stage that it prepares; it is not run when that one is done.
    looks_itself
        Whether it is run even if it is done, because it looks at more than its record can say, and quickly.
    """

    name: str
    purpose: str
    record: Path | None
    reads: Mapping[str, Path | RunInput]
    settings: Mapping[str, Any]
    run: Callable[[Progress], str]
    needed_until: str | None = None
    looks_itself: bool = False


@dataclass(frozen=True)
class StageState:
    """How far a stage is: `why` it is to be run, None if it is done.

    One that comes after a stage that is to be run `stands` if its results are of all that it reads as that is now: it
    is looked at again, and run only if the stage before it writes something else.
    """

    stage: Stage
    why: str | None
    stands: bool = False

    @property
    def done(self) -> bool:
        """Whether there is nothing to do."""
        return self.why is None


def stage_states(stages: Sequence[Stage]) -> tuple[StageState, ...]:
    """Tell of every stage whether it is done; those after one that is not are looked at after it."""
    states: list[StageState] = []
    waiting_for: str | None = None
    for stage in stages:
        why = stale_reason(stage, stages)
        if waiting_for is not None:
            states.append(StageState(stage, f"after {waiting_for}", stands=why is None))
            continue
        waiting_for = None if why is None else stage.name
        states.append(StageState(stage, why))
    return tuple(states)


def stale_reason(stage: Stage, stages: Sequence[Stage] = ()) -> str | None:
    """Say why the results of a stage are not those that are asked for now; None if they are.

    Inputs and results are hashed as in the run record. A stage without results of its own is as far as the one among
    `stages` that it prepares.
    """
    if stage.needed_until is not None:
        prepared = next(other for other in stages if other.name == stage.needed_until)
        return None if stale_reason(prepared) is None else f"needed before {prepared.name}"
    run = None if stage.record is None else newest_run(stage.record, stage.name)
    if stage.record is None or run is None:
        return "not run yet"
    asked = recorded_settings(stage.settings)
    known = {"seed": run.get("seed"), **run["settings"]}
    if changed := [name for name, value in asked.items() if known.get(name) != value]:
        return f"its settings changed: {', '.join(changed)}"
    for name, given in stage.reads.items():
        if not _same(describe_input(given, stage.record), run["inputs"].get(name, {})):
            return f"its {name} changed"
    for name, recorded in run["outputs"].items():
        if not _same(describe_input(RunInput(stage.record / name, path_recorded=False), stage.record), recorded):
            return f"{name if name != '.' else 'its label maps'} changed"
    return None


def _same(now: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    return all(now.get(key) == recorded.get(key) for key in _HASHES)
