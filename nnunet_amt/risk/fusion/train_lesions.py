"""Train all models of a task, each with several seeds, and have them score every case into one table.

The training split trains, the tuning split chooses the epoch and the threshold, and the external split is scored: it
has a say in nothing. The ablation is trained and scored like the DMFN; it leaves no model to be handed on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, recorded_run
from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.risk.fusion.class_scores import (
    CLASS_SCORES_FILE,
    ClassScore,
    ClassScoreTable,
    read_class_scores,
    tuning_threshold,
    write_class_scores,
)
from nnunet_amt.risk.fusion.encoding import CTC, Encoding, fit_encoding, mixed_columns
from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
from nnunet_amt.risk.fusion.fusion_settings import BASELINES, SHUFFLED, TITLES, FusionSettings
from nnunet_amt.risk.fusion.lesion_baselines import class_scores, score_baselines
from nnunet_amt.risk.fusion.lesion_case import LesionCase, LesionCohort
from nnunet_amt.risk.fusion.lesion_model import LesionModelInfo, TrainedOn, write_lesion_model
from nnunet_amt.risk.fusion.shuffled_ctc import with_shuffled_ctc
from nnunet_amt.writing.numbers import counted

if TYPE_CHECKING:
    from nnunet_amt.risk.fusion.lesion_crop import LesionCrop
    from nnunet_amt.risk.fusion.lesion_training import LesionTraining, TrainedLesions

STAGE = "fusion-train"


@dataclass(frozen=True)
class _Work:
    """What all models of a task share."""

    cases: tuple[LesionCase, ...]
    classes: tuple[str, ...]
    crops: Mapping[str, LesionCrop]
    crop_sha256: Mapping[str, str]
    encoding: Encoding
    settings: FusionSettings
    at: FusionFolder

    def training(self, model: str, seed: int) -> LesionTraining:
        """Give the training of a model and seed."""
        from nnunet_amt.risk.fusion.lesion_training import LesionTraining

        cases = with_shuffled_ctc(self.cases, seed=seed) if model == SHUFFLED else self.cases
        output = self.at.training(self.settings.task, model, seed)
        return LesionTraining(
            output, model, seed, self.settings, cases, self.crops, self.crop_sha256, self.classes, self.encoding
        )


def train_lesion_models(
    cohort: LesionCohort,
    crops: Mapping[str, LesionCrop],
    at: FusionFolder,
    *,
    settings: FusionSettings,
    device: str = "cpu",
    restart: bool = False,
    progress: Progress = silent,
) -> tuple[str, ...]:
    """Train the models of a task and the baselines beside them, or go on with what an earlier run left.

    Their scores go into ``class_scores.csv``, and each network but the ablation's into a model folder.

    Parameters
    ----------
    cohort
        See `read_lesion_cases`.
    crops
        Of its cases, see `read_lesion_crops`. A case without one takes no part, which is a warning.
    at
        Where all stands.
    device
        ``cpu``, ``cuda``, ...
    restart
        Remove what an earlier run left of these models.
    progress
        Called after every epoch.

    Returns
    -------
    tuple of str
        What the reader of the results has to know, a sentence each.

    Raises
    ------
    TooFewCasesError
        If training or tuning cases are missing, or of one class where two are needed.
    BadInputError
        If a crop cannot be used, a folder holds a training of something else, or the table scores of other classes.
    WorkFailedError
        If a loss grows beyond all numbers, or the device's memory is full.
    """
    work, warnings = _prepare(cohort, crops, at, settings)
    folder = at.scores(settings.task)
    others, of_others = _other_scores(folder, work)
    from nnunet_amt.risk.fusion.lesion_training import begin_lesion_training

    runs = [(model, seed) for model in settings.models for seed in settings.seeds]
    for model, seed in runs:  # before the first of them takes a day
        begin_lesion_training(work.training(model, seed), restart=restart)
    inputs = {"rois": RunInput(at.rois, "names_and_sizes")}
    with recorded_run(
        folder, STAGE, settings=settings, seed=min(settings.seeds), inputs=inputs, outputs=(CLASS_SCORES_FILE,),
        device=device,
    ) as notes:  # fmt: skip
        notes.counts |= {split: _count(work.cases, split) for split in ("training", "tuning", "external")}
        rows = list(score_baselines(work.cases, settings.task, classes=work.classes, encoding=work.encoding))
        for number, model in enumerate(settings.models):
            trained = _train_seeds(work, model, number=number, device=device, progress=progress)
            of_model = [
                row
                for seed, one in trained.items()
                for row in class_scores(model, seed, work.cases, settings.task, one.probabilities)
            ]
            if model != SHUFFLED:
                _write_model(work, model, trained, of_model)
            rows += of_model
            warnings += _of_epochs(model, trained, settings)
            notes.settings |= {f"{model} best epochs": [one.best_epoch for one in trained.values()]}
        write_class_scores(folder, ClassScoreTable(work.classes, (*others, *rows)), alone=True)
    return (*of_others, *warnings)


def _prepare(
    cohort: LesionCohort, crops: Mapping[str, LesionCrop], at: FusionFolder, settings: FusionSettings
) -> tuple[_Work, list[str]]:
    """Choose the cases of the task, encode by those of the training split, and say what they lack."""
    from nnunet_amt.risk.fusion.lesion_tensors import crop_sha256

    task = settings.task
    of_task = [case for case in cohort.cases if case.class_of(task) is not None]
    cases = tuple(sorted((case for case in of_task if case.case_id in crops), key=lambda case: case.case_id))
    classes = cohort.classes_of(task)
    _require_cases(cases, settings)
    learned = [case for case in cases if case.split == "training"]
    encoding = fit_encoding(learned)
    warnings = [
        *_without_crop(of_task, crops),
        *mixed_columns(learned),
        *_of_levels(cases, encoding),
        *_of_classes(cases, settings, classes),
    ]
    hashes = {case.case_id: crop_sha256(crops[case.case_id], pixels=settings.pixels) for case in cases}
    return _Work(cases, classes, crops, hashes, encoding, settings, at), warnings


def _require_cases(cases: Sequence[LesionCase], settings: FusionSettings) -> None:
    remedy = "put cases of two classes or more into it, and convert the cohort again (nnunet_amt convert)"
    for split, words in (("training", "to learn from"), ("tuning", "to choose epoch and threshold by")):
        found = {str(case.class_of(settings.task)) for case in cases if case.split == split}
        least = 2 if split == "training" or settings.task == "binary" else 1
        if len(found) < least:
            raise TooFewCasesError(
                f"{settings.task} task: the {split} split has crops of {counted(_count(cases, split), 'lesion')} of "
                f"{', '.join(sorted(found)) or 'no class'}, {words}; {remedy}"
            )


def _other_scores(folder: Path, work: _Work) -> tuple[tuple[ClassScore, ...], list[str]]:
    """Give the scores of other models, which stay in the table, and what is to be said of them.

    Refuses, before anything is trained, to let them stand beside scores of other classes or of another split.
    """
    path = folder / CLASS_SCORES_FILE
    if not path.exists():
        return (), []
    try:
        earlier = read_class_scores(folder)
    except BadInputError:
        return (), [f"{path}: could not be read, and is made anew with the models of this training alone"]
    others = tuple(row for row in earlier.rows if row.model not in (*work.settings.models, *BASELINES))
    named = ", ".join(dict.fromkeys(row.model for row in others))
    known = {case.case_id: (case.class_of(work.settings.task), case.split) for case in work.cases}
    differ = [row for row in others if known.get(row.case_id, (row.reference, row.split)) != (row.reference, row.split)]
    if others and (earlier.classes != work.classes or differ):
        raise BadInputError(
            f"{path}: holds scores of {named} with other classes or another split of the cases; train these models "
            "too, or give another folder"
        )
    if others and {row.case_id for row in others} != {*known}:
        return others, [f"{named}: scored other cases than these models; train them again to compare them"]
    return others, []


def _train_seeds(work: _Work, model: str, *, number: int, device: str, progress: Progress) -> dict[int, TrainedLesions]:
    """Train a model, which is the `number`-th from 0 on, with each seed."""
    from nnunet_amt.risk.fusion.lesion_training import train_lesions

    settings = work.settings
    total = len(settings.models) * len(settings.seeds) * settings.epochs
    return {
        seed: train_lesions(
            work.training(model, seed), device=device, report=progress,
            before=(number * len(settings.seeds) + place) * settings.epochs, total=total,
        )
        for place, seed in enumerate(settings.seeds)
    }  # fmt: skip


def _write_model(work: _Work, model: str, trained: Mapping[int, TrainedLesions], rows: Sequence[ClassScore]) -> None:
    settings = work.settings
    info = LesionModelInfo(
        model=model,
        task=settings.task,
        classes=work.classes,
        depth=settings.depth,
        cell=settings.cell,
        pixels=settings.pixels,
        denoise=settings.denoise,
        ctc_unit=settings.ctc_unit,
        encoding=work.encoding,
        threshold=tuning_threshold(ClassScoreTable(work.classes, tuple(rows)), model),
        weights={seed: one.weights_sha256 for seed, one in trained.items()},
        trained_on=TrainedOn.of(work.cases, task=settings.task, classes=work.classes),
        training={**settings.of_training(model), "best_epochs": [one.best_epoch for one in trained.values()]},
    )
    files = {seed: one.weights for seed, one in trained.items()}
    write_lesion_model(work.at.model(settings.task, model), info, files)


def _without_crop(cases: Sequence[LesionCase], crops: Mapping[str, LesionCrop]) -> list[str]:
    without = [case for case in cases if case.case_id not in crops]
    if not without:
        return []
    of_splits = ", ".join(f"{_count(without, split)} {split}" for split in dict.fromkeys(c.split for c in without))
    return [f"{counted(len(without), 'lesion')} without a crop ({of_splits}) took no part; the crops' table says why"]


def _of_levels(cases: Sequence[LesionCase], encoding: Encoding) -> list[str]:
    """Say where levels are missing, and whether the training could learn what that means."""
    if not encoding.ctc.known:
        return [f"no training case has a {CTC}: the DMFN has learned from CT and clinical data alone"]
    missing = {
        split: sum(case.ctc_level is None for case in cases if case.split == split)
        for split in ("training", "tuning", "external")
    }
    if not any(missing.values()):
        return []
    counts = ", ".join(f"{count} of {_count(cases, split)} {split}" for split, count in missing.items())
    learned = "" if missing["training"] else "; no training case lacked it, so their mean stands in for it"
    return [f"the {CTC} is missing in {counts} cases{learned}"]


def _of_classes(cases: Sequence[LesionCase], settings: FusionSettings, classes: Sequence[str]) -> list[str]:
    learned = {case.class_of(settings.task) for case in cases if case.split == "training"}
    lacking = [name for name in classes if name not in learned]
    if not lacking:
        return []
    scored = sum(case.class_of(settings.task) in lacking for case in cases)
    return [
        f"no training case is of {', '.join(lacking)}: no model can find "
        f"{'it' if len(lacking) == 1 else 'them'} ({counted(scored, 'case')} of the other splits)"
    ]


def _of_epochs(model: str, trained: Mapping[int, TrainedLesions], settings: FusionSettings) -> list[str]:
    still = [seed for seed, one in trained.items() if one.best_epoch == settings.epochs]
    if not still:
        return []
    return [
        f"{TITLES[model]}: the tuning loss of {len(still)} of {len(trained)} seeds was lowest in the last of "
        f"{settings.epochs} epochs; more of them may do better"
    ]


def _count(cases: Sequence[LesionCase], split: str) -> int:
    return sum(case.split == split for case in cases)
