"""The file ``nnunet_amt_runs.json``: ``{"schema_version": 1, "runs": [...]}``, the newest run last."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import write_json
from nnunet_amt.base.run_record.paths import HOME_MARK

RECORD_FILE = "nnunet_amt_runs.json"
SCHEMA_VERSION = 1
_PART = re.compile(r"nnunet_amt_runs_part\d+of\d+\.json")

_LOGGER = logging.getLogger(__name__)


def record_name(part: tuple[int, int] | None = None) -> str:
    """Name of the record; parts of one task that run on several machines at once write a file each.

    Parameters
    ----------
    part
        Number of the part, from 0 on, and of parts.
    """
    if part is None or part[1] == 1:
        return RECORD_FILE
    return f"nnunet_amt_runs_part{part[0]}of{part[1]}.json"


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """Read the runs of a folder's record, and of its parts', by the time at which they started.

    Returns
    -------
    list of dict
        Empty if there is no record. One that cannot be read counts as none, with a warning.
    """
    names = [RECORD_FILE, *sorted(path.name for path in folder.glob("nnunet_amt_runs_part*.json"))]
    files = [folder / name for name in names if name == RECORD_FILE or _PART.fullmatch(name)]
    runs = [run for file in files for run in read_record_file(file)]
    return sorted(runs, key=lambda run: run["started"])


def read_record_file(path: Path) -> list[dict[str, Any]]:
    """Read the runs of one file; see `read_runs`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        _LOGGER.warning("%s: cannot be read; a new record is begun with the next run", path)
        return []
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        _LOGGER.warning("%s: is no record of version %d; a new one is begun with the next run", path, SCHEMA_VERSION)
        return []
    runs = content.get("runs")
    return [run for run in runs if _is_run(run)] if isinstance(runs, list) else []


def write_runs(path: Path, runs: Sequence[Mapping[str, Any]]) -> None:
    """Write a record, whole or not at all."""
    write_json(path, {"schema_version": SCHEMA_VERSION, "runs": list(runs)})


def input_path(folder: Path, run: Mapping[str, Any], name: str) -> Path | None:
    """Find what a run read.

    Parameters
    ----------
    folder
        Where the record stands.
    run
        Of its runs.
    name
        Of the input, such as ``predictions``.

    Returns
    -------
    Path or None
        The file or folder, without ``..``; None if the run had none of this name, or it is not there any more.
    """
    entry = run["inputs"].get(name)
    told = entry.get("path") if isinstance(entry, Mapping) else None
    if not isinstance(told, str):
        return None
    path = Path(told).expanduser() if told.startswith(f"{HOME_MARK}/") else folder.resolve() / told
    return path.resolve() if path.exists() else None


def _is_run(run: object) -> bool:
    if not isinstance(run, dict) or not all(isinstance(run.get(key), str) for key in ("stage", "started")):
        return False
    return all(isinstance(run.get(key), dict) for key in ("inputs", "outputs", "counts", "cost", "settings"))
