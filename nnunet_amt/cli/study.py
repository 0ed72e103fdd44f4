"""The commands of a study: the whole of it, the demo, and what is made of its results: the page and the figures."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

from nnunet_amt.cli.app import require_page, show_address
from nnunet_amt.cli.console import (
    err,
    one_line_errors,
    out,
    overall_table,
    progress_bars,
    show_next,
    show_written,
    stage_display,
)
from nnunet_amt.cli.options import Device, Jobs, Output, require_choice
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import RECIPES, recipe_of
from nnunet_amt.writing.numbers import duration, file_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnunet_amt.study.run_study import StudyResult
    from nnunet_amt.study.settings import StudySettings
    from nnunet_amt.study.stage import StageState

Study = Annotated[
    Path, typer.Argument(metavar="STUDY_DIR", help="Folder of the study, such as amt_demo: it holds the evaluation.")
]
Evaluation = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="The evaluation that is meant, where the study holds several.")
]


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
        typer.Option(
            "--dataset", "-d", min=1, max=999, metavar="N", help="Number of the dataset in nnU-Net.", show_default="711"
        ),
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
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="paper|fast", help="By which recipe it is trained; --trainer says it too.", show_default="paper"
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="auto|cpu|cuda|mps", help="For training and prediction.", show_default="auto")
    ] = None,
    jobs: Jobs = None,
    spacing: Annotated[
        tuple[float, float, float] | None,
        typer.Option(metavar="Z Y X", help="Spacing in mm to resample to.", show_default="the median"),
    ] = None,
    patch_size: Annotated[
        tuple[int, int, int] | None,
        typer.Option(
            metavar="Z Y X",
            help="Patch in voxels, multiples of 8; y and x of 16 in the fast recipe.",
            show_default="32 192 192 or smaller",
        ),
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
    other_model: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="Run no stage: predict and evaluate by another trained model of the study, into models/CLASS.",
        ),
    ] = None,
) -> None:
    """Run a whole study: convert, plan, doctor, train, predict, evaluate, failures, report.

    What is done already with the same inputs is skipped, so that the same command goes on after a crash.

    Every setting stands in FOLDER/study.toml, written at the first run; an option here goes before it.
    """
    from nnunet_amt.study.run_study import open_study, run_study, study_status
    from nnunet_amt.study.settings import SETTINGS_FILE, read_settings

    if given.is_dir():
        folder, manifest = given, None
        if output is not None:
            raise BadInputError(f"{given}: is a folder, a study to go on with; leave -o out, or give a manifest")
    elif output is None:
        command = shlex.join(["nnunet_amt", "study", str(given), "-o", "FOLDER"])
        raise BadInputError(f"{given}: give the folder of the new study too: {command}")
    else:
        folder, manifest = output, given
    new = not (folder / SETTINGS_FILE).exists()
    written = None if new else read_settings(folder)
    changes = _changes(
        study={"dataset": dataset, "name": name, "device": device, "jobs": jobs},
        convert={"exclude_unreadable": exclude_unreadable},
        plan={"spacing": spacing, "patch_size": patch_size},
        train={"trainer": _trainer_of(recipe, trainer, known=None if written is None else written.train.trainer)},
        baseline={"run": baseline},
    )
    settings = open_study(folder, manifest=manifest, changes=changes)
    if new:
        out.print(f"settings: {folder / SETTINGS_FILE}", markup=False)
    given_words = [] if new else _words(changes)
    if settings != written and given_words:
        err.print(f"note: {shlex.join(given_words)} holds for this run; {folder / SETTINGS_FILE} stays", markup=False)
    if status:
        _show_status(study_status(folder, settings), folder, given_words)
        return
    started = time.monotonic()
    if other_model is not None:
        _other_model(folder, settings, other_model)
        return
    with stage_display() as (progress, on_stage):
        result = run_study(folder, settings, progress=progress, on_stage=on_stage)
    _show_study(result, time.monotonic() - started)


def _other_model(folder: Path, settings: StudySettings, trainer: str) -> None:
    """Predict and evaluate by another model of a study, and show its metrics and how it is compared."""
    from nnunet_amt.evaluation.results.summary_json import read_summary
    from nnunet_amt.study.run_study import evaluate_other_model
    from nnunet_amt.study.stages import OTHER_MODELS

    with stage_display() as (progress, on_stage):
        result = evaluate_other_model(folder, settings, trainer, progress=progress, on_stage=on_stage)
    evaluation = folder / OTHER_MODELS / trainer / "evaluation"
    summary = read_summary(evaluation)
    out.print(overall_table(summary.overall, subjects=summary.subjects))
    show_written([evaluation])
    show_next("nnunet_amt", "compare", result.folders.evaluation, evaluation, "-o", folder / "comparison")


@one_line_errors
def demo(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder for the cohort, the models and the results.",
            show_default="amt_demo, with --risk amt_risk_demo, with --fusion amt_fusion_demo",
        ),
    ] = None,
    device: Device = "cpu",
    risk: Annotated[
        bool, typer.Option("--risk", help="The study of low and high risk in its place, see nnunet_amt risk.")
    ] = False,
    fusion: Annotated[
        bool,
        typer.Option(
            "--fusion", help="The study of CT with circulating tumour cells in its place, see nnunet_amt risk."
        ),
    ] = False,
    no_tumour: Annotated[
        int, typer.Option("--no-tumour", min=0, metavar="N", help="Phantoms without a tumour besides the others.")
    ] = 0,
    app: Annotated[
        bool,
        typer.Option("--app", help="Then open it in the no-code page; into amt_demo_app/amt_demo if nothing is there."),
    ] = False,
) -> None:
    """Make a phantom cohort and run every stage on it: 10 to 20 minutes on two CPU cores."""
    if risk and fusion:
        raise BadInputError("--risk --fusion: are two demos; run one after the other")
    if (risk or fusion) and app:
        place = f"{output or ('amt_risk_demo' if risk else 'amt_fusion_demo')}/risk"
        raise BadInputError(
            f"--app: the page shows studies of segmentation; leave it out, and open the pages in {place} in a browser"
        )
    if (risk or fusion) and no_tumour:
        raise BadInputError(f"--no-tumour: every case of the demo with {'--risk' if risk else '--fusion'} has a tumour")
    if risk:
        _risk_demo(output or Path("amt_risk_demo"), device)
        return
    if fusion:
        _fusion_demo(output or Path("amt_fusion_demo"), device)
        return
    if app:
        require_page()
        output = output or _demo_to_open()
    output = output or Path("amt_demo")
    from nnunet_amt.demo import DemoSettings, demo_is_finished, run_demo

    if app and demo_is_finished(output):
        _open_demo(output)
        return
    started = time.monotonic()
    settings = DemoSettings()
    settings = replace(settings, design=replace(settings.design, no_tumour=no_tumour))
    with stage_display() as (progress, on_stage):
        result = run_demo(output, settings=settings, device=device, progress=progress, on_stage=on_stage)
    out.print("\nThe external phantoms, of institutions that gave none to training and tuning:")
    _show_study(result, time.monotonic() - started)
    _show_own_cohort("nnunet_amt study MANIFEST.csv -o FOLDER", output)
    if app:
        _open_demo(output)


def _demo_to_open() -> Path:
    """Choose the demo that the page opens: the usual one if it was begun, else one with nothing else beside it."""
    from nnunet_amt.study.settings import SETTINGS_FILE

    usual = Path("amt_demo")
    return usual if (usual / SETTINGS_FILE).is_file() else Path("amt_demo_app", "amt_demo")


def _open_demo(output: Path) -> None:
    """Open the page of the folder that the demo lies in at the demo's results; say what else is opened with it."""
    from nnunet_amt.app.start import serve

    study = output.resolve()
    beside = sorted(path.name for path in study.parent.iterdir() if path != study and not path.name.startswith("."))
    out.print(f"the page opens {study.parent}, the folder that the demo lies in", markup=False)
    if beside:
        shown = ", ".join(beside[:5]) + (f" and {len(beside) - 5} more" if len(beside) > 5 else "")
        err.print(f"note: what else lies there can be read and used on the page too: {shown}", markup=False)
    serve(study.parent, page=f"/studies/{quote(study.name)}/results", on_start=show_address)


def _risk_demo(output: Path, device: str) -> None:
    from nnunet_amt.cli.risk import show_risk_study
    from nnunet_amt.demo import run_risk_demo

    heading = "Phantoms of thymomas, drawn by a program, and readers that no people are:"
    _further_demo(run_risk_demo, show_risk_study, output, device, heading=heading, options="")


def _fusion_demo(output: Path, device: str) -> None:
    from nnunet_amt.cli.risk_lesions import show_lesion_study
    from nnunet_amt.demo import run_fusion_demo

    heading = "Phantoms of lesions, drawn by a program with drawn CTC levels, and readers that no people are:"
    _further_demo(run_fusion_demo, show_lesion_study, output, device, heading=heading, options=" --task binary")


def _further_demo(
    run: Callable[..., Any], show: Callable[[Any], None], output: Path, device: str, *, heading: str, options: str
) -> None:
    """Run the demo of a study of risk or of lesions, and show it; `options` are those of the like command."""
    from nnunet_amt.nnunet.environment import require_device

    device, started = require_device(device), time.monotonic()
    with progress_bars() as progress:
        result = run(output, device=device, progress=progress)
    out.print(f"\n{heading}")
    show(result)
    out.print(f"  took {duration(time.monotonic() - started)}", markup=False)
    _show_own_cohort(f"nnunet_amt risk study MANIFEST.csv -o FOLDER{options}", output)


def _show_own_cohort(command: str, output: Path) -> None:
    manifest = output / "phantom_cohort" / "manifest.csv"
    out.print(f"  {command}    # your own cohort; columns as in {manifest}", markup=False)


@one_line_errors
def report(
    study: Study,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The page.")] = Path("report.html"),
    evaluation: Evaluation = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the page.")] = None,
    viewer: Annotated[
        bool, typer.Option("--viewer/--no-viewer", help="Put the cases in, to look at slice by slice.")
    ] = True,
) -> None:
    """Write one HTML page that opens offline: result, cohort, tables, failures, viewer, comparison, settings."""
    from nnunet_amt.report import write_report

    with progress_bars() as progress:
        result = write_report(study, output, evaluation=evaluation, title=title, viewer=viewer, progress=progress)
    if result.worst:
        out.print(result.worst, markup=False)
    show_written([result.path])
    out.print(f"  {file_size(result.size)}, opens without a network", markup=False)
    show_next("open", result.path, note=" in a browser")


@one_line_errors
def figures(
    study: Study,
    output: Output,
    cases: Annotated[
        list[str] | None,
        typer.Option(metavar="ID[,ID]", help="Cases for Figures 5 and 6 instead of those that are chosen by rule."),
    ] = None,
    evaluation: Evaluation = None,
) -> None:
    """Draw the paper's Figures 2, 4, 5 and 6 (flow, FROC, successes, failures) for print, with captions."""
    from nnunet_amt.report.print_figures import make_figures

    asked = [case_id.strip() for word in cases or () for case_id in word.split(",") if case_id.strip()]
    with progress_bars() as progress:
        result = make_figures(study, output, cases=asked, evaluation=evaluation, progress=progress)
    for reason in result.left_out:
        err.print(f"left out: {reason}", markup=False)
    show_written(result.files)
    show_next("look", "at", output / "figures.md", note=", the captions of the figures")


def _show_study(result: StudyResult, seconds: float) -> None:
    """Show what a run of a study did, its overall metrics, and where the results are."""
    from nnunet_amt.evaluation.results.summary_json import read_summary

    folders = result.folders
    for name, said in result.ran.items():
        if said:
            out.print(f"[bold]{name}[/bold]  {escape(said)}")
    done = f"; done already: {', '.join(result.skipped)}" if result.skipped else ""
    out.print(f"ran {', '.join(result.ran)}{done}; took {duration(seconds)}", markup=False)
    summary = read_summary(folders.evaluation / "summary.json")
    out.print(overall_table(summary.overall, subjects=summary.subjects))
    parts = [folders.raw, folders.fold_folder, folders.predictions, folders.evaluation]
    parts += [part for part in (folders.failures, folders.baseline / "comparison") if part.is_dir()]
    show_written([*parts, folders.page])
    show_next("open", folders.page, note=" in a browser")


def _trainer_of(recipe: str | None, trainer: str | None, *, known: str | None) -> str | None:
    """Give the trainer that a recipe is trained by, or the one that is named; BadInputError if they disagree.

    None where a study is `known` to have a trainer of that recipe, such as a shorter one.
    """
    if recipe is None:
        return trainer
    require_choice("--recipe", recipe, tuple(RECIPES))
    if trainer is not None and recipe_of(trainer).key != recipe:
        raise BadInputError(
            f"--trainer {trainer}: is of the recipe {recipe_of(trainer).key}, not of {recipe}; leave one of both out"
        )
    full = RECIPES[recipe].trainer
    if trainer is None and known is not None and known.startswith(full) and recipe_of(known).key == recipe:
        return None
    return trainer or full


def _changes(**sections: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Keep the settings that were given."""
    given = {section: {k: v for k, v in values.items() if v is not None} for section, values in sections.items()}
    return {section: values for section, values in given.items() if values}


def _words(changes: dict[str, dict[str, Any]]) -> list[str]:
    """Give settings as the options that they were given by."""
    from nnunet_amt.study.settings import option_of

    words: list[str] = []
    for section, values in changes.items():
        for name, value in values.items():
            option = option_of(section, name)
            if isinstance(value, bool):
                words.append(option if value else f"--no-{option[2:]}")
            else:
                words += [option, *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    return words


def _show_status(states: tuple[StageState, ...], folder: Path, options: list[str]) -> None:
    from nnunet_amt.study.run_study import is_running
    from nnunet_amt.study.settings import PAGE_NAME

    table = Table("state", "stage", "what it does", "why")
    for state in states:
        mark = "[green]done[/green]" if state.done else "done so far" if state.stands else "to do"
        table.add_row(mark, state.stage.name, state.stage.purpose, state.why or "")
    out.print(table)
    waiting = [state for state in states if not state.done]
    if is_running(folder):
        out.print("another process runs this study now: what is to do here may be under way")
    elif waiting:
        show_next("nnunet_amt", "study", folder, *options, note=f"    # begins with {waiting[0].stage.name}")
    else:
        show_next("open", folder / PAGE_NAME, note=" in a browser; everything is done")
