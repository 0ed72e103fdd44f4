"""What the command line shows: progress, errors, what was written and what to type next."""

from __future__ import annotations

import errno
import functools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from nnunet_amt import paper
from nnunet_amt.base.progress import Progress
from nnunet_amt.errors import AMTError

if TYPE_CHECKING:
    from rich.progress import TaskID
    from rich.table import Table

    from nnunet_amt.dataset_conversion import ConversionSummary
    from nnunet_amt.evaluation.summary.summary import GroupSummary

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
# Between two lines of progress where the output is not a terminal, in seconds.
LINE_INTERVAL = 5.0

_FULL = "free some space and run the same command again"
_FORBIDDEN = "choose a folder you may write to"
_MISPLACED = "a file or folder stands where the other should be, or is missing"
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _FORBIDDEN),
    **dict.fromkeys(
        (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG, errno.ELOOP), _MISPLACED
    ),
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
            return function(*args, **kwargs)
        except AMTError as error:
            _fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            _fail("interrupted; the same command goes on where it stopped", EXIT_INTERRUPTED)
        except OSError as error:
            if error.errno not in _ADVICE:
                raise
            where = f"{error.filename}: " if error.filename else ""
            _fail(f"{where}{error.strerror}; {_ADVICE[error.errno]}", EXIT_BAD_INPUT)

    return wrapped


def _fail(message: str, exit_code: int) -> NoReturn:
    err.print("[bold red]error:[/bold red] ", end="")
    err.print(message, markup=False)
    raise typer.Exit(exit_code)


def show_written(paths: Iterable[Path]) -> None:
    """List what a command wrote."""
    out.print("[bold]written[/bold]")
    for path in paths:
        out.print(f"  {path}", markup=False)


def show_next(command: str) -> None:
    """Say what to type next."""
    out.print("[bold]next[/bold]")
    out.print(f"  {command}", markup=False)


def show_command(command: str) -> None:
    """Show a command of nnU-Net that is about to run."""
    out.print("[bold]running[/bold]")
    out.print(f"  {command}", markup=False)


def show_failures(messages: Iterable[str]) -> None:
    """Show what was wrong with cases, on stderr."""
    for message in messages:
        err.print(f"[red]failed[/red] {escape(message)}")


def show_conversion(summary: ConversionSummary) -> None:
    """Show the audit of the split, what was excluded, and what was written."""
    from rich.table import Table

    from nnunet_amt.dataset_conversion.dataset_files import AUDIT_COLUMNS, audit_checks, audit_rows

    table = Table(*AUDIT_COLUMNS)
    for row in audit_rows(summary.audit):
        table.add_row(*row)
    out.print(table)
    for check in audit_checks(summary.audit, summary.converted + summary.already_done):
        out.print(f"[green]checked[/green]  {escape(check)}")
    for refused in summary.refused:
        out.print(f"[yellow]excluded[/yellow] {escape(refused.message)}")
    for reason, count in summary.excluded.items():
        out.print(f"excluded: {count} for {reason!r}", markup=False)
    out.print(f"{summary.converted} cases converted, {summary.already_done} kept from an earlier run")
    show_written([summary.dataset_folder, *summary.files])


def overall_table(overall: GroupSummary, whose: str = "ours") -> Table:
    """Lay out the overall metrics of Tables 3 and 4, with their 95% intervals, the published ones beside them."""
    from rich.table import Table

    from nnunet_amt.evaluation import threshold_index

    voxel, lesion, cases = overall.voxel, overall.lesion, overall.cases
    at = threshold_index(paper.OPERATING_POINT.iou_threshold)
    voxel_row, lesion_row = paper.TABLE_3[0], paper.TABLE_4[0]
    ours = f"{whose} ({cases} case{'' if cases == 1 else 's'})"
    table = Table("", ours, f"published** ({voxel_row.cases} cases)")
    for name, metric, published in (
        ("Dice", voxel["dice"], voxel_row.dice),
        ("IoU", voxel["iou"], voxel_row.iou),
        ("precision", voxel["precision"], voxel_row.precision),
        ("recall", voxel["recall"], voxel_row.recall),
        ("lesion sensitivity*", lesion.sensitivity[at], lesion_row.sensitivity_05),
        ("FP per scan*", lesion.fp_per_scan[at], lesion_row.fp_per_scan_05),
    ):
        interval = (published.ci_low, published.ci_high)
        table.add_row(name, _with_interval(metric.mean, metric.ci95), _with_interval(published.mean, interval))
    caption = ["mean (95% CI)", "* at IoU above 0.5", "** other patients"]
    if voxel["dice"].ci95 is None and cases > 1:
        caption[0] = "mean (95% CI, from 20 cases on)"
    table.caption = "   ".join(caption)
    return table


def _with_interval(mean: float | None, interval: tuple[float, float] | None) -> str:
    if mean is None:
        return "–"
    return f"{mean:.2f}" if interval is None else f"{mean:.2f} ({interval[0]:.2f}–{interval[1]:.2f})"


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Draw a bar for everything that is reported; where the output is no terminal, print a line now and then."""
    if not err.is_terminal:
        yield _line_progress()
        return
    from rich import progress as rich_progress

    columns = (
        rich_progress.SpinnerColumn(),
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeElapsedColumn(),
    )
    with rich_progress.Progress(*columns, console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(done: int, total: int, what: str) -> None:
            # a title may change after a colon without beginning a new bar
            key = what.partition(":")[0]
            if key not in tasks:
                tasks[key] = bars.add_task(what, total=total)
            bars.update(tasks[key], completed=done, total=total, description=what)

        yield progress


def _line_progress() -> Progress:
    last: dict[str, float] = {}

    def progress(done: int, total: int, what: str) -> None:
        key, now = what.partition(":")[0], time.monotonic()
        if done == total or now - last.get(key, 0.0) >= LINE_INTERVAL:
            last[key] = now
            err.print(f"{what} {done}/{total}", markup=False)

    return progress
