"""What the commands of ``nnunet_amt risk`` do with ``--task binary`` and ``multiclass``: CT with CTC, the DMFN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt.base.progress import Progress
from nnunet_amt.cli import options
from nnunet_amt.cli.console import err, out, printable, progress_bars, show_next, show_written
from nnunet_amt.cli.risk_options import RISK, TASKS, chosen_device, raw_dataset, raw_or_converted
from nnunet_amt.errors import BadInputError

if TYPE_CHECKING:
    from nnunet_amt.risk.fusion.evaluation.evaluate_lesions import LesionEvaluation
    from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
    from nnunet_amt.risk.fusion.fusion_settings import FusionSettings
    from nnunet_amt.risk.fusion.lesion_study import LesionStudyResult
    from nnunet_amt.risk.fusion.study_cohort import OpenedCohort


@dataclass(frozen=True)
class LesionOptions:
    """What the options of ``train`` and ``study`` say of these tasks; None, or empty, is as it is by default."""

    models: Sequence[str] | None = None
    epochs: int | None = None
    size: int | None = None
    seed: int = 0
    repeats: int | None = None
    regnet: int | None = None
    cell: str | None = None
    with_noise: bool = False

    @property
    def denoise(self) -> bool | None:
        """Whether crops are denoised; None is as the study was begun."""
        return False if self.with_noise else None

    def settings(self, task: str, at: FusionFolder) -> FusionSettings:
        """Make the settings of a task of a study; BadInputError if there is no such model, depth or cell."""
        from nnunet_amt.risk.fusion.fusion_settings import NETWORKS, SHUFFLED, FusionSettings
        from nnunet_amt.risk.fusion.study_cohort import StudyBegun, read_study_begun

        begun = read_study_begun(at) or StudyBegun(dataset="")
        repeats = self.repeats or len(FusionSettings.seeds)
        chosen = {"epochs": self.epochs, "depth": self.regnet, "cell": self.cell}
        return FusionSettings(
            task=task,  # type: ignore[arg-type]
            models=tuple(dict.fromkeys(self.models or (*NETWORKS, SHUFFLED))),
            seeds=tuple(range(self.seed, self.seed + repeats)),
            pixels=self.size or begun.pixels,
            denoise=begun.denoise and not self.with_noise,
            **{name: value for name, value in chosen.items() if value is not None},  # type: ignore[arg-type]
        )


def require_options_of(task: str, *, of_risk: Mapping[str, object], of_lesions: Mapping[str, object]) -> None:
    """Refuse what was given for another task than that of the command; BadInputError."""
    options.require_choice("--task", task, TASKS)
    foreign, other = (of_lesions, "binary or multiclass") if task == RISK else (of_risk, RISK)
    for name, value in foreign.items():
        if value:
            raise BadInputError(f"{name}: is of --task {other}, and this is --task {task}; leave it out")


def fusion_folder(output: Path) -> FusionFolder:
    """Name the folder of these tasks in that of a study of risk; BadInputError if that is a file."""
    from nnunet_amt.base.files import require_no_file
    from nnunet_amt.risk.fusion.fusion_folder import FusionFolder

    require_no_file(output)
    return FusionFolder.of_risk(output)


def rois(
    dataset: int,
    output: Path,
    task: str,
    *,
    class_map: Path | None,
    ctc_unit: str | None,
    chosen: LesionOptions,
    jobs: int | None,
    executor: str | None,
) -> None:
    """Cut the crop of each lesion, of both tasks."""
    from nnunet_amt.risk.fusion.lesion_study import cut_crops

    at = fusion_folder(output)
    with progress_bars() as progress:
        opened = _opened(raw_dataset(dataset, output), at, progress, class_map, ctc_unit, chosen, begin=True)
        summary = cut_crops(opened, at, jobs=options.worker_processes(jobs), executor=executor, progress=progress)
    for reason, cases in opened.cohort.left_out.items():
        out.print(f"left out: {reason}: {len(cases)}", markup=False)
    show_written([summary.file])
    show_next("nnunet_amt", "risk", "train", str(dataset), "-o", output, "--task", task)


def train(
    dataset: int,
    output: Path,
    task: str,
    *,
    class_map: Path | None,
    ctc_unit: str | None,
    chosen: LesionOptions,
    device: str,
    restart: bool,
) -> None:
    """Train the models of a task with each seed, and the baselines beside them."""
    from nnunet_amt.risk.fusion.lesion_study import train_task

    settings = chosen.settings(task, at := fusion_folder(output))
    with progress_bars() as progress:
        opened = _opened(raw_dataset(dataset, output), at, progress, class_map, ctc_unit, chosen)
        warnings = train_task(
            opened, at, settings=settings, device=chosen_device(device), restart=restart, progress=progress
        )
    show_warnings(warnings)
    show_written([at.scores(settings.task)])
    show_next("nnunet_amt", "risk", "evaluate", str(dataset), "-o", output, "--task", task)


def evaluate(dataset: int, output: Path, task: str, *, seed: int) -> None:
    """Write the tables and figures of a task."""
    from nnunet_amt.risk.fusion.lesion_study import evaluate_task

    at, raw = fusion_folder(output), raw_dataset(dataset, output)
    with progress_bars() as progress:
        opened = _opened(raw, at, progress)
        result = evaluate_task(raw, opened, at, task, seed=seed, progress=progress)  # type: ignore[arg-type]
    show_evaluation(result)


def readers(
    dataset: int, output: Path, task: str, *, table: Path | None, model: str | None, high_from: float | None, seed: int
) -> None:
    """Analyse a reader study of the external cases, without and with CTC levels."""
    from nnunet_amt.risk.fusion.fusion_settings import DMFN
    from nnunet_amt.risk.fusion.lesion_study import read_task
    from nnunet_amt.study.study_files import LESION_READER_STUDY

    at, raw = fusion_folder(output), raw_dataset(dataset, output)
    with progress_bars() as progress:
        opened = _opened(raw, at, progress)
    read_task(
        raw, opened, at, task, readings=table, model=model or DMFN, high_from=high_from, seed=seed  # type: ignore[arg-type]
    )  # fmt: skip
    folder = at.readers(task)  # type: ignore[arg-type]
    _show_readers(folder)
    show_next("open", folder / LESION_READER_STUDY.page, note=" in a browser")


def study(
    dataset: str,
    output: Path,
    tasks: Sequence[str],
    *,
    class_map: Path | None,
    ctc_unit: str | None,
    chosen: LesionOptions,
    readings: Path | None,
    device: str,
    jobs: int | None,
    executor: str | None,
) -> None:
    """Run all stages of the tasks, each only as far as it is missing."""
    from nnunet_amt.risk.fusion.lesion_study import run_lesion_study

    at = fusion_folder(output)
    settings = tuple(chosen.settings(task, at) for task in tasks)
    with progress_bars() as progress:
        raw = raw_or_converted(dataset, output, jobs=jobs, executor=executor, progress=progress)
        result = run_lesion_study(
            raw, at, settings=settings, class_map=class_map, ctc_unit=ctc_unit, readings=readings,
            device=chosen_device(device), jobs=options.worker_processes(jobs), executor=executor, progress=progress,
        )  # fmt: skip
    show_lesion_study(result)


def show_lesion_study(result: LesionStudyResult) -> None:
    """Show what a study found, and where."""
    for case_id, reason in result.rois.without.items():
        err.print(printable(f"{case_id}: no ROI: {reason}"), markup=False)
    show_warnings(result.warnings)
    for task in result.readers:
        _show_readers(result.at.readers(task))
    for evaluation in result.evaluations.values():
        show_evaluation(evaluation)


def show_evaluation(result: LesionEvaluation) -> None:
    """Show what an evaluation says, and where it stands."""
    from nnunet_amt.study.study_files import LESION_SUMMARY

    for sentence in result.sentences:
        out.print(printable(sentence), markup=False)
    show_written(result.files)
    show_next("open", result.output / LESION_SUMMARY.page, note=" in a browser")


def show_warnings(warnings: Sequence[str]) -> None:
    """Show what the reader of results has to know."""
    for warning in warnings:
        err.print(printable(f"warning: {warning}"), markup=False)


def _show_readers(folder: Path) -> None:
    from nnunet_amt.risk.fusion.reading.lesion_reader_study import LESION_READER_FILES
    from nnunet_amt.study.study_files import LESION_READER_STUDY

    for sentence in LESION_READER_STUDY.read(folder).sentences:
        out.print(printable(sentence), markup=False)
    show_written([folder / name for name in LESION_READER_FILES if (folder / name).exists()])


def _opened(
    raw: Path,
    at: FusionFolder,
    progress: Progress,
    class_map: Path | None = None,
    ctc_unit: str | None = None,
    chosen: LesionOptions | None = None,
    *,
    begin: bool = False,
) -> OpenedCohort:
    from nnunet_amt.risk.fusion.study_cohort import open_lesion_cohort

    chosen = chosen or LesionOptions()
    return open_lesion_cohort(
        raw, at, class_map=class_map, ctc_unit=ctc_unit, pixels=chosen.size, denoise=chosen.denoise, begin=begin,
        progress=progress,
    )  # fmt: skip
