"""The command line: every command in its group."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated

import typer

from nnunet_amt import __version__
from nnunet_amt.base.processes import end_tidily_when_told, keep_current_folder_out
from nnunet_amt.cli.analysis import components, failures, score_froc
from nnunet_amt.cli.app import app as page
from nnunet_amt.cli.clinic import calibrate, export, segment
from nnunet_amt.cli.cohort import convert, join_manifests, public_cohort
from nnunet_amt.cli.console import FULL, err, out
from nnunet_amt.cli.evaluate import compare, evaluate
from nnunet_amt.cli.nnunet import baseline, doctor, env, plan, predict, train
from nnunet_amt.cli.options import DatasetCommand, NnunetCommand
from nnunet_amt.cli.pacs import fetch, send
from nnunet_amt.cli.published import published
from nnunet_amt.cli.receive import receive
from nnunet_amt.cli.risk import risk
from nnunet_amt.cli.study import demo, figures, report, study
from nnunet_amt.errors import DiskFullError

# Stages are imported by the command that runs them: torch takes seconds, and --help should not.

app = typer.Typer(
    help="Anterior mediastinal tumours on chest CT with nnU-Net v2: from a manifest of CTs to the lesion FROC. "
    "Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main() -> None:
    """Run the command line."""
    keep_current_folder_out()
    end_tidily_when_told()
    try:
        app(prog_name="nnunet_amt")
    except OSError as error:  # where help and version are written to
        if error.errno not in FULL:
            raise
        err.print(f"error: {error.strerror}; free some space and run the same command again", markup=False)
        raise SystemExit(DiskFullError.exit_code) from error


def _show_version(asked: bool) -> None:
    if asked:
        out.print(f"nnunet_amt {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what is done.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    from rich.logging import RichHandler

    level = logging.INFO if verbose else logging.WARNING
    handler = RichHandler(console=err, show_path=False, show_time=False)
    logging.basicConfig(level=level, format="%(message)s", handlers=[handler])


# What --help lists, in this order; a command is called as its function, with dashes.
GROUPS: dict[str, tuple[Callable[..., None], ...]] = {
    "Study": (study, page, demo, report, figures),
    "Stages": (convert, plan, train, predict, evaluate, failures, baseline),
    "Clinic": (fetch, calibrate, segment, export, send, receive),
    "Looking further": (compare, published),
    "Set-up": (public_cohort, join_manifests, env, doctor),
}
# evaluate writes what these do, with --probabilities and --components; by themselves they have some options more.
UNLISTED = (score_froc, components)
_KINDS: dict[Callable[..., None], type[DatasetCommand]] = {
    **dict.fromkeys((convert, plan, baseline, doctor, calibrate), DatasetCommand),
    **dict.fromkeys((train, predict), NnunetCommand),
}
for _group, _commands in GROUPS.items():
    for _command in _commands:
        app.command(rich_help_panel=_group, cls=_KINDS.get(_command))(_command)
for _command in UNLISTED:
    app.command(hidden=True)(_command)
app.add_typer(risk, name="risk", rich_help_panel="Risk")
