"""What the command line shows: progress, errors, what was written and what to type next."""

from __future__ import annotations

import errno
import functools
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from unicodedata import category

import typer
from rich import progress as rich_progress
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nnunet_amt import paper
from nnunet_amt.base.progress import Progress
from nnunet_amt.errors import AMTError, DiskFullError
from nnunet_amt.writing.numbers import duration

if TYPE_CHECKING:
    import nnunet_amt.writing.table as writing
    from nnunet_amt.evaluation.summary.summary import GroupSummary
    from nnunet_amt.study.run_study import OnStage
    from nnunet_amt.study.stage import Stage

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
# Between two lines of progress where the output is not a terminal, in seconds.
LINE_INTERVAL = 5.0

_MISPLACED = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG, errno.ELOOP)
FULL = (errno.ENOSPC, errno.EDQUOT)
_ADVICE = {
    **dict.fromkeys(FULL, "free some space and run the same command again"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "choose a folder you may write to"),
    **dict.fromkeys(_MISPLACED, "a file or folder stands where the other should be, or is missing"),
}

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def one_line_errors(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn the errors that a user can mend into one line on stderr and an exit code."""

    @functools.wraps(function)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            result = function(*args, **kwargs)
            sys.stdout.flush()  # a full disk is told of here, not when Python ends
            return result
        except AMTError as error:
            message, exit_code = str(error), error.exit_code
        except KeyboardInterrupt:
            message, exit_code = "interrupted; the same command goes on where it stopped", EXIT_INTERRUPTED
        except OSError as error:
            if error.errno not in _ADVICE:
                raise
            where = f"{error.filename}: " if error.filename else ""
            message = f"{where}{error.strerror}; {_ADVICE[error.errno]}"
            exit_code = DiskFullError.exit_code if error.errno in FULL else EXIT_BAD_INPUT
        err.print("[bold red]error:[/bold red] ", end="")
        err.print(printable(message), markup=False)
        raise typer.Exit(exit_code)

    return wrapped


def printable(text: str) -> str:
    """Give text as one line: the name of a file may hold line feeds, or what moves the cursor of a terminal."""
    return "".join(c if c.isprintable() or category(c) == "Zs" else repr(c)[1:-1] for c in text)


def show_written(paths: Iterable[Path]) -> None:
    """List what a command wrote."""
    out.print("[bold]written[/bold]")
    for path in paths:
        out.print(f"  {printable(str(path))}", markup=False)


def show_next(*words: str | Path, note: str = "") -> None:
    """Say what to type next, or to look at: words are put as a shell takes them, a note behind is not."""
    out.print("[bold]next[/bold]")
    out.print(f"  {printable(shlex.join(map(str, words)))}{note}", markup=False)


def show_command(command: str) -> None:
    """Show a command of nnU-Net that is about to run."""
    out.print("[bold]running[/bold]")
    out.print(f"  {command}", markup=False)


def overall_table(overall: GroupSummary, whose: str = "ours", *, subjects: str | None = None) -> Table:
    """Lay out the overall metrics of Tables 3 and 4, with their 95% intervals, beside those of patients the paper's."""
    from nnunet_amt.evaluation import threshold_index
    from nnunet_amt.evaluation.subjects import PATIENTS

    voxel, lesion, cases = overall.voxel, overall.lesion, overall.cases
    at = threshold_index(paper.OPERATING_POINT.iou_threshold)
    voxel_row, lesion_row = paper.TABLE_3[0], paper.TABLE_4[0]
    ours = f"{whose} ({cases} case{'' if cases == 1 else 's'})"
    beside = subjects == PATIENTS
    table = Table("", ours, *([f"published** ({voxel_row.cases} cases)"] if beside else []))
    for name, metric, published in (
        ("Dice", voxel["dice"], voxel_row.dice),
        ("IoU", voxel["iou"], voxel_row.iou),
        ("precision", voxel["precision"], voxel_row.precision),
        ("recall", voxel["recall"], voxel_row.recall),
        ("lesion sensitivity*", lesion.sensitivity[at], lesion_row.sensitivity_05),
        ("FP per scan*", lesion.fp_per_scan[at], lesion_row.fp_per_scan_05),
    ):
        interval = (published.ci_low, published.ci_high)
        theirs = [_with_interval(published.mean, interval)] if beside else []
        table.add_row(name, _with_interval(metric.mean, metric.ci95), *theirs)
    if (found := overall.specificity) is not None:
        table.add_row("specificity by scan", _with_interval(found.value, found.wilson95))
    caption = ["mean (95% CI)", "* at IoU above 0.5"]
    if beside:
        caption.append("** other patients")
    elif subjects is None:
        caption.append("not on record as patients: no published results beside these")
    else:
        caption.append(f"{subjects}: no published results beside these")
    if found is not None:
        caption.append(f"{found.scans} without a tumour: Dice 0 where something is predicted, else none")
    if voxel["dice"].ci95 is None and cases > 1:
        caption[0] = "mean (95% CI; of the first four from 20 cases on)"
    table.caption = "   ".join(caption)
    return table


def text_table(table: writing.Table) -> Table:
    """Lay out a table of ready text for the screen, its notes below."""
    shown = Table(title=table.title, title_justify="left")
    for column in (table.heading, *table.columns):
        shown.add_column(column, overflow="fold")
    for row in table.rows:
        shown.add_row(row.title, *row.cells)
    shown.caption, shown.caption_justify = " ".join(table.notes) or None, "left"
    return shown


def _with_interval(mean: float | None, interval: tuple[float, float] | None) -> str:
    if mean is None:
        return "–"
    return f"{mean:.2f}" if interval is None else f"{mean:.2f} ({interval[0]:.2f}–{interval[1]:.2f})"


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Draw a bar for everything that is reported; where the output is no terminal, print a line now and then."""
    if not err.is_terminal:
        yield line_progress()
        return
    columns = (
        rich_progress.SpinnerColumn(),
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeElapsedColumn(),
    )
    with rich_progress.Progress(*columns, console=err) as bars:
        tasks: dict[str, rich_progress.TaskID] = {}

        def progress(done: int, total: int, what: str) -> None:
            # a title may change after a colon without beginning a new bar
            key = what.partition(":")[0]
            if key not in tasks:
                tasks[key] = bars.add_task(what, total=total)
            bars.update(tasks[key], completed=done, total=total, description=what)

        yield progress


def line_progress() -> Progress:
    """Print a line now and then, where a bar would be in the way of what nnU-Net prints."""
    last: dict[str, float] = {}

    def progress(done: int, total: int, what: str) -> None:
        key, now = what.partition(":")[0], time.monotonic()
        if done == total or now - last.get(key, 0.0) >= LINE_INTERVAL:
            last[key] = now
            err.print(f"{what} {done}/{total}", markup=False)

    return progress


class _StudyClock:
    """What is said of a running study: stage, time since its beginning, expected rest of the step; and the step."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.begin("")

    def begin(self, stage: str) -> None:
        self.title, self.step = stage, ""
        self.done = self.total = self.first_done = 0
        self.step_started = time.monotonic()

    def progress(self, done: int, total: int, what: str) -> None:
        if what.partition(":")[0] != self.step.partition(":")[0]:
            self.first_done, self.step_started = done, time.monotonic()
        self.step, self.done, self.total = what, done, total

    def times(self) -> str:
        """Give stage and times; the rest is reckoned from what was made since the step began in this run."""
        now = time.monotonic()
        made, rest = self.done - self.first_done, ""
        if made > 0 and self.done < self.total:
            seconds = (now - self.step_started) / made * (self.total - self.done)
            rest = f", about {duration(seconds)} left in this step"
        return ", ".join(filter(None, [self.title, duration(now - self.started)])) + rest

    def steps(self) -> str:
        return f"{self.step} {self.done}/{self.total}" if self.step else ""

    def line(self) -> str:
        return ": ".join(filter(None, [self.times(), self.steps()]))


@contextmanager
def stage_display() -> Iterator[tuple[Progress, OnStage]]:
    """Show stage, times and step while they run; where the output is no terminal, print them now and then.

    Now and then is every few seconds at first, and a hundredth of the time after hours.
    """
    clock = _StudyClock()

    def on_stage(number: int, stages: int, stage: Stage, skipped: bool) -> None:
        clock.begin(f"{number}/{stages} {stage.name}")
        err.print(f"{clock.title}: {'done already' if skipped else stage.purpose}", markup=False)

    last_line = 0.0

    def print_line(done: int, total: int, what: str) -> None:
        nonlocal last_line
        clock.progress(done, total, what)
        now = time.monotonic()
        pause = max(LINE_INTERVAL, (now - clock.started) / 100)
        if total and (now - last_line >= pause or done == total):  # none of 0 says nothing
            last_line = now
            err.print(clock.line(), markup=False)

    if not err.is_terminal:
        yield print_line, on_stage
        return

    class Shown:
        def __rich__(self) -> Group:
            bar = ProgressBar(total=max(clock.total, 1), completed=clock.done, width=40)
            lines = (Text(line, overflow="ellipsis", no_wrap=True) for line in (clock.times(), clock.steps()))
            return Group(*lines, bar)

    with Live(Shown(), console=err, refresh_per_second=4, transient=True):
        yield clock.progress, on_stage
