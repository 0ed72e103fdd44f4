"""The study command: from the manifest to the page, every stage that is not done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nnunet_amt.base.progress import Progress
from nnunet_amt.cli.console import LINE_INTERVAL, err, one_line_errors, out, overall_table, show_next, show_written
from nnunet_amt.errors import BadInputError

if TYPE_CHECKING:
    from nnunet_amt.study.run_study import StudyResult
    from nnunet_amt.study.stage import Stage, StageState


@one_line_errors
def study(
    given: Annotated[
        Path, typer.Argument(metavar="MANIFEST.csv|FOLDER", help="The cohort's table; or a study to go on with.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of a new study.")
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Run nothing: say what is done and what comes next.")
    ] = False,
    dataset: Annotated[
        int | None,
        typer.Option("--dataset", "-d", min=1, max=999, metavar="N", help="Number in nnU-Net.", show_default="711"),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the dataset after its number.", show_default="AMT")
    ] = None,
    trainer: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="nnUNetTrainerAMT_5epochs to try it out.",
            show_default="nnUNetTrainerAMT, 1000 epochs",
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="auto|cpu|cuda|mps", help="For training and prediction.", show_default="auto")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, metavar="N", help="Worker processes.", show_default="one a core"),
    ] = None,
    spacing: Annotated[
        tuple[float, float, float] | None, typer.Option(help="Spacing z y x in mm.", show_default="the median")
    ] = None,
    patch_size: Annotated[
        tuple[int, int, int] | None,
        typer.Option(help="Patch z y x in voxels, multiples of 8.", show_default="32 192 192 or smaller"),
    ] = None,
    exclude_unreadable: Annotated[
        bool | None,
        typer.Option(
            "--exclude-unreadable", help="Count cases that cannot be converted as excluded.", show_default="no"
        ),
    ] = None,
    baseline: Annotated[
        bool | None,
        typer.Option("--baseline/--no-baseline", help="Train and compare stock nnU-Net too.", show_default="no"),
    ] = None,
) -> None:
    """Run a whole study: convert, plan, doctor, train, predict, evaluate, failures, report.

    What is done already with the same inputs is skipped, so that the same command goes on after a crash. Every setting
    stands in FOLDER/study.toml, written at the first run; an option here goes before it.
    """
    from nnunet_amt.study.run_study import open_study, run_study, study_status
    from nnunet_amt.study.settings import SETTINGS_FILE

    changes = _changes(
        study={"dataset": dataset, "name": name, "device": device, "jobs": jobs},
        convert={"exclude_unreadable": exclude_unreadable},
        plan={"spacing": spacing, "patch_size": patch_size},
        train={"trainer": trainer},
        baseline={"run": baseline},
    )
    folder, manifest = _folder_and_manifest(given, output)
    new = not (folder / SETTINGS_FILE).exists()
    settings = open_study(folder, manifest=manifest, changes=changes)
    if new:
        out.print(f"settings: {folder / SETTINGS_FILE}", markup=False)
    if status:
        _show_status(study_status(folder, settings), folder)
        return
    started = time.monotonic()
    with stage_display() as (progress, on_stage):
        result = run_study(folder, settings, progress=progress, on_stage=on_stage)
    show_study(result, time.monotonic() - started)


def show_study(result: StudyResult, seconds: float) -> None:
    """Show what a run of a study did, its overall metrics, and where the results are."""
    from nnunet_amt.evaluation.results.summary_json import read_summary

    folders = result.folders
    for name, said in result.ran.items():
        if said:
            out.print(f"[bold]{name}[/bold]  {escape(said)}")
    done = f"; done already: {', '.join(result.skipped)}" if result.skipped else ""
    out.print(f"ran {', '.join(result.ran)}{done}; took {duration(seconds)}", markup=False)
    summary = read_summary(folders.evaluation / "summary.json")
    out.print(overall_table(summary.overall))
    parts = [folders.raw, folders.fold_folder, folders.predictions, folders.evaluation, folders.failures]
    parts += [folders.baseline / "comparison"] if (folders.baseline / "comparison").is_dir() else []
    show_written([*parts, folders.page])
    show_next(f"open {folders.page} in a browser")


def _folder_and_manifest(given: Path, output: Path | None) -> tuple[Path, Path | None]:
    if given.is_dir():
        if output is not None:
            raise BadInputError(f"{given}: is a folder, a study to go on with; leave -o out, or give a manifest")
        return given, None
    if output is None:
        raise BadInputError(f"{given}: give the folder of the new study too: nnunet_amt study {given} -o FOLDER")
    return output, given


def _changes(**sections: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Keep the settings that were given."""
    given = {section: {k: v for k, v in values.items() if v is not None} for section, values in sections.items()}
    return {section: values for section, values in given.items() if values}


def _show_status(states: tuple[StageState, ...], folder: Path) -> None:
    from nnunet_amt.study.settings import PAGE_NAME

    table = Table("", "stage", "what it does", "")
    for state in states:
        mark = "[green]done[/green]" if state.done else "to do"
        table.add_row(mark, state.stage.name, state.stage.purpose, state.why or "")
    out.print(table)
    waiting = [state for state in states if not state.done]
    if waiting:
        show_next(f"nnunet_amt study {folder}    # begins with {waiting[0].stage.name}")
    else:
        show_next(f"everything is done; open {folder / PAGE_NAME} in a browser")


def duration(seconds: float) -> str:
    """Write a time as one would say it: 12 s, 3 min 20 s, 5 h 07 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class _StudyClock:
    """What one line says of a running study: stage, step, elapsed, expected rest of the stage."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.title = ""
        self._begin("", 0, 0)

    def _begin(self, what: str, done: int, total: int) -> None:
        self.step, self.done, self.total = what, done, total
        self.first_done, self.step_started = done, time.monotonic()

    def stage(self, number: int, stages: int, stage: Stage) -> None:
        self.title = f"{number}/{stages} {stage.name}"
        self._begin("", 0, 0)

    def progress(self, done: int, total: int, what: str) -> None:
        if what.partition(":")[0] != self.step.partition(":")[0]:
            self._begin(what, done, total)
        self.step, self.done, self.total = what, done, total

    def line(self) -> str:
        now = time.monotonic()
        steps = f" {self.step} {self.done}/{self.total}" if self.step else ""
        made = self.done - self.first_done
        rest = ""
        if made > 0 and self.done < self.total:
            seconds = (now - self.step_started) / made * (self.total - self.done)
            rest = f", about {duration(seconds)} left in this step"
        return f"{self.title}{steps}, {duration(now - self.started)}{rest}"


@contextmanager
def stage_display() -> Iterator[tuple[Progress, Any]]:
    """Show one line over all stages while they run; where the output is no terminal, print it now and then."""
    clock = _StudyClock()

    def on_stage(number: int, stages: int, stage: Stage, skipped: bool) -> None:
        clock.stage(number, stages, stage)
        said = "done already" if skipped else stage.purpose
        err.print(f"{clock.title}: {said}", markup=False)

    if not err.is_terminal:
        yield _printed_now_and_then(clock), on_stage
        return

    class Shown:
        def __rich__(self) -> Group:
            bar = ProgressBar(total=max(clock.total, 1), completed=clock.done, width=40)
            return Group(Text(clock.line(), overflow="ellipsis", no_wrap=True), bar)

    with Live(Shown(), console=err, refresh_per_second=4, transient=True):
        yield clock.progress, on_stage


def _printed_now_and_then(clock: _StudyClock) -> Progress:
    last = 0.0

    def progress(done: int, total: int, what: str) -> None:
        nonlocal last
        clock.progress(done, total, what)
        if time.monotonic() - last >= LINE_INTERVAL or done == total:
            last = time.monotonic()
            err.print(clock.line(), markup=False)

    return progress
