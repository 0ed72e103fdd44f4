"""The study of CT with circulating tumour cells, all of it, and the stages of it that a command runs by itself.

Every stage reads what the ones before have left in the folder, and, run again, does only what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.subjects import subjects_of
from nnunet_amt.risk.fusion.class_scores import read_class_scores
from nnunet_amt.risk.fusion.evaluation.evaluate_lesions import LesionEvaluation, evaluate_lesions
from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
from nnunet_amt.risk.fusion.fusion_settings import DMFN, FusionSettings
from nnunet_amt.risk.fusion.lesion_case import LesionCohort, Task
from nnunet_amt.risk.fusion.lesion_crops import read_lesion_crops, write_lesion_crops
from nnunet_amt.risk.fusion.reading.lesion_questions import questions_of, read_lesion_readers
from nnunet_amt.risk.fusion.reading.lesion_reader_analysis import LesionReaderStudy
from nnunet_amt.risk.fusion.reading.lesion_reader_study import write_lesion_reader_study
from nnunet_amt.risk.fusion.study_cohort import CUT_LESIONS, OpenedCohort, open_lesion_cohort
from nnunet_amt.risk.fusion.train_lesions import train_lesion_models
from nnunet_amt.risk.roi_folder import RoiSummary
from nnunet_amt.risk.study_cohort import with_rois


@dataclass(frozen=True, eq=False)
class LesionStudyResult:
    """What a study found, by task."""

    at: FusionFolder
    rois: RoiSummary
    warnings: tuple[str, ...]
    evaluations: Mapping[Task, LesionEvaluation]
    readers: Mapping[Task, LesionReaderStudy] = field(default_factory=dict)


def run_lesion_study(
    dataset: Path,
    at: FusionFolder,
    *,
    settings: Sequence[FusionSettings] = (FusionSettings(),),
    class_map: Path | None = None,
    ctc_unit: str | None = None,
    readings: Path | None = None,
    simulated_readers: bool = False,
    device: str = "cpu",
    jobs: int = 1,
    executor: str | None = None,
    progress: Progress = silent,
) -> LesionStudyResult:
    """Run all stages on a raw dataset; run again, they go on where they stopped.

    Parameters
    ----------
    dataset
        Folder of the raw dataset, with ``cohort.csv``.
    at
        Folder of the study.
    settings
        Of each task, see `FusionSettings`; the unit in them gives way to the study's.
    class_map, ctc_unit
        See `open_lesion_cohort`.
    readings
        Table of a reader study, see `read_lesion_readers`, of the questions of one task or several; None leaves that
        out.
    simulated_readers
        Let readers at the published AUCs read the external cases: for phantoms.
    device
        ``cpu``, ``cuda``, ...
    jobs, executor
        Of the crops.

    Raises
    ------
    BadInputError
        What the stages raise, or if two tasks want crops of two kinds.
    """
    if len({(one.pixels, one.denoise) for one in settings}) != 1:
        raise BadInputError("both tasks look at the same crops; give them the same size and denoising")
    opened = open_lesion_cohort(
        dataset, at, class_map=class_map, ctc_unit=ctc_unit, pixels=settings[0].pixels, denoise=settings[0].denoise,
        begin=True, progress=progress,
    )  # fmt: skip
    tasks: tuple[Task, ...] = tuple(one.task for one in settings)
    read = tasks if readings is None else _tasks_of(readings, tasks, opened.cohort)  # a mistake is told before training
    summary = cut_crops(opened, at, jobs=jobs, executor=executor, progress=progress)
    warnings: list[str] = []
    evaluations: dict[Task, LesionEvaluation] = {}
    readers: dict[Task, LesionReaderStudy] = {}
    for of_task in settings:
        task = of_task.task
        warnings += train_task(opened, at, settings=of_task, device=device, progress=progress)
        evaluations[task] = evaluate_task(dataset, opened, at, task, seed=min(of_task.seeds), progress=progress)
        if task in read and (readings is not None or simulated_readers):
            readers[task] = read_task(dataset, opened, at, task, readings=readings, seed=min(of_task.seeds))
    return LesionStudyResult(at, summary, tuple(dict.fromkeys(warnings)), evaluations, readers)


def _tasks_of(readings: Path, tasks: Sequence[Task], cohort: LesionCohort) -> tuple[Task, ...]:
    """Tell of which tasks a table of readings has questions; BadInputError if of none, or it cannot be read."""
    tables = read_lesion_readers(readings, classes=cohort.classes)
    questions = {task: [question.name for question in questions_of(task, cohort.classes_of(task))] for task in tasks}
    read = tuple(task for task in tasks if any(name in tables for name in questions[task]))
    if not read:
        names = " and ".join(name for of_task in questions.values() for name in of_task)
        raise BadInputError(
            f"{readings}: no reading is of the {' or '.join(tasks)} task, whose questions are {names}; add rows of "
            "these"
        )
    return read


def cut_crops(
    opened: OpenedCohort, at: FusionFolder, *, jobs: int = 1, executor: str | None = None, progress: Progress = silent
) -> RoiSummary:
    """Cut the crop of each lesion as the study was begun, for all tasks; see `write_lesion_crops`."""
    return write_lesion_crops(
        opened.cohort.cases, output=at.rois, pixels=opened.begun.pixels, denoise=opened.begun.denoise, jobs=jobs,
        executor=executor, progress=progress,
    )  # fmt: skip


def train_task(
    opened: OpenedCohort,
    at: FusionFolder,
    *,
    settings: FusionSettings,
    device: str = "cpu",
    restart: bool = False,
    progress: Progress = silent,
) -> tuple[str, ...]:
    """Train the models of a task on the crops of the study, see `train_lesion_models`.

    What the study was begun with goes before what `settings` say of the crops and of the unit.
    """
    cohort, begun = with_rois(opened.cohort, at.rois, command=CUT_LESIONS), opened.begun
    settings = replace(settings, ctc_unit=begun.ctc_unit, pixels=begun.pixels, denoise=begun.denoise)
    return train_lesion_models(
        cohort, read_lesion_crops(at.rois), at, settings=settings, device=device, restart=restart, progress=progress,
    )  # fmt: skip


def evaluate_task(
    dataset: Path, opened: OpenedCohort, at: FusionFolder, task: Task, *, seed: int = 0, progress: Progress = silent
) -> LesionEvaluation:
    """Evaluate what is scored of a task, see `evaluate_lesions`."""
    cohort_file = dataset / "cohort.csv"
    return evaluate_lesions(
        at,
        task,
        with_rois(opened.cohort, at.rois, command=CUT_LESIONS),
        cohort_file=cohort_file,
        ctc_unit=opened.ctc_unit,
        subjects=subjects_of(dataset / "labelsTs", cohort_file),
        seed=seed,
        progress=progress,
    )


def read_task(
    dataset: Path,
    opened: OpenedCohort,
    at: FusionFolder,
    task: Task,
    *,
    readings: Path | None,
    model: str = DMFN,
    high_from: float | None = None,
    seed: int = 0,
) -> LesionReaderStudy:
    """Analyse the readings of a task; of phantoms, without a table, readers are simulated.

    Parameters
    ----------
    readings
        See `read_lesion_readers`.
    model
        Whose scores stand beside the readers.
    high_from
        See `write_lesion_reader_study`.
    """
    cohort: LesionCohort = with_rois(opened.cohort, at.rois, command=CUT_LESIONS)
    return write_lesion_reader_study(
        cohort,
        None if readings is None else read_lesion_readers(readings, classes=cohort.classes),
        output=at.readers(task),
        task=task,
        scores=read_class_scores(at.scores(task)),
        model=model,
        high_from=high_from,
        table_file=readings,
        subjects=subjects_of(dataset / "labelsTs", dataset / "cohort.csv"),
        seed=seed,
    )
