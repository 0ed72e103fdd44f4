"""Workers leave Ctrl-C to the process that started them."""

from __future__ import annotations

import multiprocessing
import signal
import types

from nnunet_amt.base.processes import pools_that_end_with_parent


def _heeds_interrupt(_: int) -> bool:
    return signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def test_pools_of_another_library_ignore_interrupts() -> None:
    """Ctrl-C goes to the whole process group; each worker would print a traceback."""
    library = types.ModuleType("library")
    library.multiprocessing = multiprocessing  # type: ignore[attr-defined]
    with pools_that_end_with_parent(library), library.multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_heeds_interrupt, [0]) == [False]
    assert library.multiprocessing is multiprocessing
