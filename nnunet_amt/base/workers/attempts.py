"""What goes wrong with one case ends that case only."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nnunet_amt.errors import AMTError, DiskFullError, MissingExtraError, WorkFailedError

Item = TypeVar("Item")
Result = TypeVar("Result")

_STOPS_ALL = (DiskFullError, MissingExtraError)


def attempt(function: Callable[[Item], Result], item: Item) -> Result | AMTError:
    """Call a function with a case; give what is wrong with the case in place of a result.

    Raises
    ------
    DiskFullError, MissingExtraError, OSError
        What is not the case's fault and would stop the next one too.
    """
    try:
        return function(item)
    except (*_STOPS_ALL, OSError):
        raise
    except AMTError as error:
        return error
    except MemoryError:
        return WorkFailedError("memory ran out; run the same command again with fewer jobs")
    except Exception as error:  # one case never ends a cohort
        return WorkFailedError(f"{_where(error)}; please report this")


def _where(error: Exception) -> str:
    """Name the kind and the place of an unexpected error; its text may hold what must not be shown."""
    frames = list(traceback.extract_tb(error.__traceback__))
    frames = frames[1:] or frames  # the first is `attempt`
    last = next((frame for frame in reversed(frames) if "nnunet_amt" in Path(frame.filename).parts), frames[-1])
    return f"unexpected {type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"
