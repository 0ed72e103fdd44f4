"""Where nnU-Net is made to do what it has no setting for, by changing a module of its own while it runs.

Each function says why, and is undone when its block ends. `tests/nnunet/test_patches.py` says what of nnU-Net 2.8 each
stands on, and likewise for the attributes that our trainer, loader, log and planner take from the classes that they
extend; what it names is to be looked at before another release is allowed in setup.cfg.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from types import ModuleType

from nnunet_amt.base.processes import end_with_parent, pools_made_by
from nnunet_amt.base.progress import Progress


@contextmanager
def quiet_nnunet() -> Iterator[None]:
    """Keep what nnU-Net prints off the screen: it has no switch for it, and its errors are exceptions."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def pools_that_end_with_parent(module: ModuleType) -> AbstractContextManager[None]:
    """Let the pools that a module makes by ``multiprocessing.get_context(...).Pool`` use `end_with_parent`.

    nnU-Net's fingerprint gives its workers no initialiser: Ctrl-C would reach them too, and each would print a
    traceback of its own; after a kill they would stay.
    """
    return pools_made_by(
        module, lambda method: partial(multiprocessing.get_context(method).Pool, initializer=end_with_parent)
    )


@contextmanager
def fingerprint_progress(total: int, progress: Progress) -> Iterator[None]:
    """Let nnU-Net's fingerprint report to us where it would draw a bar of its own: it takes no callback."""
    from nnunetv2.experiment_planning.dataset_fingerprint import fingerprint_extractor

    original = fingerprint_extractor.tqdm
    done = 0

    class Bar(contextlib.AbstractContextManager):
        def update(self, steps: int = 1) -> None:
            nonlocal done
            done += steps
            progress(done, total, "fingerprint")

        def __exit__(self, *error: object) -> None:
            pass

    fingerprint_extractor.tqdm = lambda **settings: Bar()
    try:
        progress(0, total, "fingerprint")
        yield
    finally:
        fingerprint_extractor.tqdm = original
