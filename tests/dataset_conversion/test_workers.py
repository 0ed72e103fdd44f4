"""Work in one process or in several: the order of results, errors, and processes that die."""

from __future__ import annotations

import os

import pytest

from nnunet_amt.dataset_conversion.workers import Workers
from nnunet_amt.errors import ImageReadError, WorkFailedError
from nnunet_amt.progress import silent


def halve(number: int) -> float:
    if number % 2:
        raise ImageReadError(f"{number} is odd")
    return number / 2


def die(number: int) -> None:
    os._exit(9)


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_and_errors_come_in_the_order_of_the_items(jobs: int) -> None:
    with Workers(jobs, silent) as workers:
        assert workers.each(halve, [8, 2, 4], "halving") == [4, 1, 2]
        first, second, third = workers.each(halve, [8, 3, 4], "halving", go_on=True)
        assert (first, third) == (4, 2)
        assert isinstance(second, ImageReadError)
        with pytest.raises(ImageReadError, match="3 is odd"):
            workers.each(halve, [8, 3, 4], "halving")


def test_a_killed_process_is_explained() -> None:
    with pytest.raises(WorkFailedError, match="most likely because memory ran out"), Workers(2, silent) as workers:
        workers.each(die, [1, 2], "dying")


def test_no_items_need_no_work() -> None:
    with Workers(0, silent) as workers:
        assert workers.each(halve, [], "halving") == []
