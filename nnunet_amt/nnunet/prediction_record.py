"""The record of a prediction: which model, which images, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nnunet_amt.base.run_record import (
    RunInput,
    RunNotes,
    number_of_parameters,
    read_runs,
    recorded_run,
    shareable_words,
)
from nnunet_amt.models.checkpoint_safety import read_checkpoint
from nnunet_amt.models.plans import CONFIGURATION, recipe_of


@contextmanager
def recorded_prediction(
    images: Path,
    output: Path,
    checkpoint: Path,
    *,
    trainer: str,
    plans: str | None = None,
    options: Sequence[str] = (),
    part: tuple[int, int] = (0, 1),
    cases: int,
    to_do: int,
    saved: int = 0,
    device: str,
    in_children: bool = True,
    started: float | None = None,
) -> Iterator[RunNotes]:
    """Record a prediction that the block runs, if it ends well; one that had nothing to predict adds no run.

    ``cases`` are those that this run predicted, ``cases_in_all`` those of the task or its part. The cost
    ``seconds_per_case_with_start`` is the time of the run by the cases of this run: loading Python, torch
    and the model is in it, and weighs the more the fewer the cases are.

    `plans` are those of the trainer's recipe if not given. `part` is as in `cases_of_part`; `to_do` are those of its
    `cases` that are not there yet, `saved` those of them that the network is not run for; `in_children` is as in
    `recorded_run`. `started` is the time (`time.monotonic`) from which starting counts, now if not given.
    """
    before = 0.0 if started is None else time.monotonic() - started
    settings = {
        "trainer": trainer,
        "plans": plans or recipe_of(trainer).plans,
        "configuration": CONFIGURATION,
        "checkpoint": checkpoint.name,
        "fold": checkpoint.parent.name.removeprefix("fold_"),
        "device": device,
        "options": shareable_words(options),
    }
    inputs: dict[str, Path | RunInput] = {
        "images": RunInput(images, "names_and_sizes"),
        "model": RunInput(checkpoint.parents[1], names=("plans.json", "dataset.json")),
        "checkpoint": checkpoint,
    }
    outputs = (".",) if part[1] == 1 else ()  # other parts may be writing
    with recorded_run(
        output, "predict", settings=settings, inputs=inputs, outputs=outputs, device=device,
        in_children=in_children, part=part,
    ) as notes:  # fmt: skip
        yield notes
        # a run that was killed after its last case has left none
        kept = "probabilities" in notes.settings  # which an earlier record may not say
        runs = [run for run in read_runs(output) if run["stage"] == "predict"]
        recorded = any(run["settings"].get("probabilities") or not kept for run in runs)
        notes.nothing_done = to_do == 0 and (recorded or cases == 0)
        notes.counts.update(cases=to_do - saved, cases_in_all=cases)
        if saved:
            notes.counts["cases_of_saved_probabilities"] = saved
        if to_do > saved:
            notes.cost["seconds_per_case_with_start"] = round((before + notes.seconds()) / (to_do - saved), 3)
            if "parameters" not in notes.cost:
                notes.cost["parameters"] = number_of_parameters(read_checkpoint(checkpoint)["network_weights"])
