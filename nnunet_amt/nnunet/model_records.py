"""The records of nnU-Net's own commands: a training's in its fold's folder, a prediction's beside the label maps."""

from __future__ import annotations

import json
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
from nnunet_amt.models.plans_names import CONFIGURATION, PLANS_NAME

_CHECKPOINTS = ("checkpoint_best.pth", "checkpoint_final.pth")


@contextmanager
def recorded_training(
    preprocessed: Path,
    model: Path,
    trainer: str,
    fold: str,
    device: str,
    options: Sequence[str] = (),
    plans: str = PLANS_NAME,
) -> Iterator[RunNotes]:
    """Record a training that the block runs, if it ends well; one that goes on with an earlier adds a run.

    Parameters
    ----------
    preprocessed
        Folder of the dataset in nnUNet_preprocessed.
    model
        Folder in nnUNet_results; the record is in that of the fold.
    trainer, fold, device
        As nnU-Net is told. It draws its seeds itself, so that none is recorded.
    options
        Further words of the command.
    plans
        Name of the plans; those of nnU-Net's own models are other ones.
    """
    fold_folder, splits = model / f"fold_{fold}", preprocessed / "splits_final.json"
    settings = {"trainer": trainer, "plans": plans, "configuration": CONFIGURATION, "fold": fold}
    inputs: dict[str, Path | RunInput] = {
        "preprocessed": RunInput(preprocessed, "names_and_sizes"),
        "plans": preprocessed / f"{plans}.json",
        "splits": splits,
    }
    with recorded_run(
        fold_folder,
        "train",
        settings={**settings, "device": device, "options": shareable_words(options)},
        inputs=inputs,
        outputs=_CHECKPOINTS,
        device=device,
        in_children=True,
    ) as notes:
        yield notes
        written = [fold_folder / name for name in _CHECKPOINTS if (fold_folder / name).is_file()]
        if written:
            notes.cost["parameters"] = _parameters(written[0])
        notes.counts.update(_cases_of_fold(splits, fold))


@contextmanager
def recorded_prediction(
    images: Path,
    output: Path,
    checkpoint: Path,
    trainer: str,
    device: str,
    cases: int,
    to_do: int,
    options: Sequence[str] = (),
    part: tuple[int, int] | None = None,
    plans: str = PLANS_NAME,
) -> Iterator[RunNotes]:
    """Record a prediction that the block runs, if it ends well; one that had nothing to predict adds no run.

    ``cases`` are those that this run predicted, ``cases_in_all`` those of the task or its part. The cost
    ``seconds_per_case_with_start`` is the time of the run by the cases of this run: loading Python, torch
    and the model is in it, and weighs the more the fewer the cases are.

    Parameters
    ----------
    images, output
        Folders of the images and of the label maps; the record is in the latter.
    checkpoint
        In its fold's folder of the model.
    trainer, device
        As nnU-Net is told.
    cases, to_do
        All cases of the task or of its part, and those that are not there yet.
    options
        Further words of the command.
    part
        Number of the part, from 0 on, and of parts; see `nnunet_amt.base.run_record.record.record_name`.
    plans
        Name of the plans; those of nnU-Net's own models are other ones.
    """
    model = checkpoint.parents[1]
    settings = {"trainer": trainer, "plans": plans, "configuration": CONFIGURATION, "checkpoint": checkpoint.name}
    fold = checkpoint.parent.name.removeprefix("fold_")
    inputs: dict[str, Path | RunInput] = {
        "images": RunInput(images, "names_and_sizes"),
        "model": RunInput(model, names=("plans.json", "dataset.json")),
        "checkpoint": checkpoint,
    }
    with recorded_run(
        output,
        "predict",
        settings={**settings, "fold": fold, "device": device, "options": shareable_words(options)},
        inputs=inputs,
        outputs=(".",) if part is None or part[1] == 1 else (),  # other parts may be writing
        device=device,
        in_children=True,
        part=part,
    ) as notes:
        yield notes
        # a run that was killed after its last case has left none
        recorded = any(run["stage"] == "predict" for run in read_runs(output))
        notes.nothing_done = to_do == 0 and (recorded or cases == 0)
        notes.counts.update(cases=to_do, cases_in_all=cases)
        if to_do:
            notes.cost["seconds_per_case_with_start"] = round(notes.seconds() / to_do, 3)
            notes.cost["parameters"] = _parameters(checkpoint)


def _parameters(checkpoint: Path) -> int:
    return number_of_parameters(read_checkpoint(checkpoint)["network_weights"])


def _cases_of_fold(splits_file: Path, fold: str) -> dict[str, int]:
    """Count the cases of a fold as nnU-Net will take them: ``all`` trains and tunes on every one."""
    if not splits_file.is_file():  # nnU-Net needs none for "all"
        return {}
    splits = json.loads(splits_file.read_text(encoding="utf-8"))
    if fold == "all":
        cases = len({*splits[0]["train"], *splits[0]["val"]})
        return {"training": cases, "tuning": cases}
    chosen = splits[int(fold)]
    return {"training": len(chosen["train"]), "tuning": len(chosen["val"])}
