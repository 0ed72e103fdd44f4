"""The baseline command: stock nnU-Net on the same split, printed or run."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli.console import (
    err,
    one_line_errors,
    out,
    overall_table,
    progress_bars,
    show_command,
    show_next,
    show_written,
)
from nnunet_amt.cli.options import DatasetId, Device, Fold, require_choice


@one_line_errors
def baseline(
    dataset: DatasetId,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for predictions and evaluations, a folder a model.")
    ] = Path("baseline"),
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="default|resenc-m", help="nnU-Net's own model; may be repeated; both if not given."),
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Our results of nnunet_amt evaluate, to compare with at the end."),
    ] = None,
    print_only: Annotated[
        bool, typer.Option("--print-only", help="Print the whole as a bash script; run nothing.")
    ] = False,
    trainer: Annotated[
        str, typer.Option(metavar="CLASS", help="One of nnU-Net's own, such as nnUNetTrainer_250epochs.")
    ] = "nnUNetTrainer",
    fold: Fold = "0",
    device: Device = "auto",
    spacing: Annotated[
        tuple[float, float, float] | None,
        typer.Option(help="Spacing z y x in mm, passed as -overwrite_target_spacing; nnU-Net's choice if not given."),
    ] = None,
    gpu_memory_target: Annotated[
        float | None,
        typer.Option(metavar="GB", help="Passed as -gpu_memory_target: patch and batch; nnU-Net's 8 if not given."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, metavar="N", help="Worker processes of the preprocessing.")
    ] = None,
) -> None:
    """Run stock nnU-Net (default and ResEnc-M) on the same split, predict and evaluate the external test set.

    Only nnU-Net's own commands run, and each is shown. Run again, it goes on where it stopped.
    """
    from nnunet_amt.baseline import BaselineSettings, baseline_script, compare_with_ours, run_baseline, stock_models
    from nnunet_amt.baseline.commands import compare_command
    from nnunet_amt.baseline.dataset import find_dataset, require_evaluation_of
    from nnunet_amt.baseline.planned import planned_choices
    from nnunet_amt.nnunet.environment import DEVICES, require_device

    require_choice("--device", device, DEVICES)
    models = stock_models(model or ())
    settings = BaselineSettings(dataset, output, models, trainer, device, fold, spacing, gpu_memory_target, jobs)
    settings.require_usable()
    if evaluation is not None:
        require_evaluation_of(find_dataset(dataset, fold), evaluation)
    if print_only:
        # it may run elsewhere, where nnU-Net's own choice is right
        settings = replace(settings, device="cuda" if device == "auto" else device)
        typer.echo(baseline_script(settings, evaluation), nl=False)
        return
    settings = replace(settings, device=require_device(device))
    with progress_bars() as report:
        results = run_baseline(settings, progress=report, show=show_command)
        compared = None if evaluation is None else compare_with_ours(settings, evaluation, progress=report)
    for result in results:
        out.print(f"\n[bold]{result.model.title}[/bold] on the external test set:")
        out.print(planned_choices(result.model_folder))
        out.print(overall_table(result.evaluation.overall, result.model.title))
    written = [folder for result in results for folder in (result.predictions, result.evaluation_folder)]
    if caveat := settings.caveat():
        err.print(f"note: {caveat}", markup=False)
    if compared is None:
        show_written(written)
        show_next(shlex.join(compare_command(settings, Path("EVALUATION"))))
        return
    for sentence in compared.sentences:
        out.print(sentence, markup=False)
    show_written([*written, compared.output])
    show_next(f"look at {compared.output / 'comparison.html'}")
