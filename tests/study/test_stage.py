"""Whether a stage is done: by its run record, the hashes of what it read and wrote, and its settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nnunet_amt.base.run_record import recorded_run
from nnunet_amt.study.stage import Stage, stage_states, stale_reason


def copying(folder: Path, name: str, source: Path, *, times: int = 1) -> Stage:
    """Give a stage that copies a text so many times, with a record, as real stages leave one."""
    target = folder / name

    def run(progress: Callable[[int, int, str], None]) -> str:
        with recorded_run(
            target, name, settings={"times": times}, inputs={"text": source}, outputs=["copy.txt"], keep_earlier=False
        ):
            (target / "copy.txt").write_text(source.read_text() * times)
        return ""

    return Stage(name, "copy", target, {"text": source}, {"times": times}, run)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("a")
    return path


def run(stage: Stage) -> None:
    stage.record.mkdir(exist_ok=True)  # type: ignore[union-attr]
    stage.run(lambda done, total, what: None)


def test_a_stage_is_done_after_it_ran(tmp_path: Path, source: Path) -> None:
    """Before it: not run yet."""
    stage = copying(tmp_path, "copy", source)
    assert stale_reason(stage) == "not run yet"
    run(stage)
    assert stale_reason(stage) is None


def test_another_input_result_or_setting_makes_it_stale(tmp_path: Path, source: Path) -> None:
    """Each by itself, and each is named; put back, it is done again."""
    stage = copying(tmp_path, "copy", source)
    run(stage)
    source.write_text("b")
    assert stale_reason(stage) == "its text changed"
    source.write_text("a")
    (tmp_path / "copy" / "copy.txt").write_text("by hand")
    assert stale_reason(stage) == "copy.txt changed"
    (tmp_path / "copy" / "copy.txt").write_text("a")
    assert stale_reason(stage) is None
    assert stale_reason(copying(tmp_path, "copy", source, times=2)) == "its settings changed: times"
    source.unlink()
    assert stale_reason(stage) == "its text changed"


def test_a_seed_counts_where_one_is_asked_for(tmp_path: Path, source: Path) -> None:
    """It stands beside the settings in a record. A training that nobody asks a seed for is done with any."""
    with recorded_run(tmp_path / "copy", "copy", settings={"times": 1}, seed=7, inputs={"text": source}):
        (tmp_path / "copy").mkdir(exist_ok=True)
    stage = copying(tmp_path, "copy", source)
    reasons = [stale_reason(replace(stage, settings={"times": 1, **seed})) for seed in ({}, {"seed": 7}, {"seed": 8})]
    assert reasons == [None, None, "its settings changed: seed"]


def test_those_after_one_that_is_not_done_wait_for_it(tmp_path: Path, source: Path) -> None:
    """And once it ran, they are looked at by themselves: the same result again leaves them done."""
    first = copying(tmp_path, "first", source)
    second = copying(tmp_path, "second", tmp_path / "first" / "copy.txt")
    for stage in (first, second):
        run(stage)
    assert [state.done for state in stage_states((first, second))] == [True, True]
    (tmp_path / "first" / "copy.txt").write_text("by hand")
    assert [state.why for state in stage_states((first, second))] == ["copy.txt changed", "after first"]
    run(first)
    assert [state.done for state in stage_states((first, second))] == [True, True]


def test_one_stands_whose_own_inputs_are_as_they_were(tmp_path: Path, source: Path) -> None:
    """The first reads another text; the second has read what the first still holds, the third never ran."""
    first = copying(tmp_path, "first", source)
    second = copying(tmp_path, "second", tmp_path / "first" / "copy.txt")
    third = copying(tmp_path, "third", tmp_path / "second" / "copy.txt")
    for stage in (first, second):
        run(stage)
    source.write_text("b")
    states = stage_states((first, second, third))
    assert [(state.done, state.stands) for state in states] == [(False, False), (False, True), (False, False)]
    assert [state.why for state in states] == ["its text changed", "after first", "after first"]


def test_a_stage_without_results_is_needed_until_the_one_it_prepares_is_done(tmp_path: Path, source: Path) -> None:
    """As the doctor before the training."""
    copy = copying(tmp_path, "copy", source)
    look = Stage("look", "look", None, {}, {}, lambda progress: "", needed_until="copy")
    assert [state.why for state in stage_states((look, copy))] == ["needed before copy", "after look"]
    run(copy)
    assert [state.done for state in stage_states((look, copy))] == [True, True]
