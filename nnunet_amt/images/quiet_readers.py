"""Keep the readers' own warnings off the screen: they quote what the headers hold."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_READERS = ("pydicom", "highdicom")


@contextmanager
def quiet_readers() -> Iterator[None]:
    """Silence pydicom and highdicom in the block.

    A UID or character set that is none is a warning to them, with the value, which may be a patient's name. What
    matters of it is an error of ours, which names the case.
    """
    loggers = [logging.getLogger(name) for name in _READERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
