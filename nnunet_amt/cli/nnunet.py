"""The commands around nnU-Net: plan, train and predict by it, its own models as a baseline, and the set-up."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from nnunet_amt.cli.console import (
    err,
    line_progress,
    one_line_errors,
    out,
    overall_table,
    progress_bars,
    show_command,
    show_next,
    show_written,
)
from nnunet_amt.cli.options import (
    IMAGES,
    Dataset,
    Device,
    Fold,
    Jobs,
    OperatingPoint,
    Recipe,
    Trainer,
    maybe_dataset,
    of_model,
    require_choice,
    worker_processes,
)
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import DEFAULT_TRAINER, PAPER, RECIPES


@one_line_errors
def plan(
    dataset: Dataset,
    recipe: Recipe = PAPER.key,
    spacing: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="Z Y X", help="Spacing in mm to resample to.", show_default="nnU-Net's choice, the median"
        ),
    ] = None,
    patch_size: Annotated[
        tuple[int, int, int] | None,
        typer.Option(
            metavar="Z Y X",
            help="Patch in voxels, multiples of 8; y and x of 16 in the fast recipe.",
            show_default="32 192 192, or smaller as the images",
        ),
    ] = None,
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="HU that become 0 and 1.",
            show_default="the dataset's range; -160 240 in the fast recipe",
        ),
    ] = None,
    features: Annotated[
        tuple[int, int, int, int] | None,
        typer.Option(
            metavar="N N N N",
            help="Channels of the levels of the paper's network, finest first.",
            show_default="32 64 128 256",
        ),
    ] = None,
    jobs: Jobs = None,
) -> None:
    """Take the fingerprint, write the pinned plans, preprocess.

    nnUNetTrainerAMT trains the paper's, nnUNetAMTPlans; nnUNetTrainerAMTFast trains those of --recipe fast.
    """
    from nnunet_amt.nnunet.planning import plan as plan_dataset

    require_choice("--recipe", recipe, tuple(RECIPES))
    if recipe != PAPER.key and features is not None:
        raise BadInputError(f"--features: are those of the paper's network; leave it out with --recipe {recipe}")
    with progress_bars() as progress:
        summary = plan_dataset(
            dataset, recipe=recipe, spacing=spacing, patch_size=patch_size, window=window, features=features,
            jobs=worker_processes(jobs), progress=progress,
        )  # fmt: skip
    mm, voxels = (" x ".join(f"{size:g}" for size in sizes) for sizes in (summary.spacing, summary.patch_size))
    out.print(f"spacing {mm} mm, patch {voxels} voxels (z, y, x)")
    low, high = summary.intensities.minimum, summary.intensities.maximum
    out.print(f"intensities {low:g} to {high:g} HU become 0 to 1; {summary.cases} cases preprocessed")
    show_written([summary.plans_file])
    show_next("nnunet_amt", "doctor", "-d", str(dataset))


@one_line_errors
def train(
    context: typer.Context,
    dataset: Dataset,
    fold: Fold = "0",
    trainer: Trainer = DEFAULT_TRAINER,
    device: Device = "auto",
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew where a training could be continued or is finished.")
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Seed of weights and batches: the same training again, on the same CPU.",
            show_default="none, every training is another one",
        ),
    ] = None,
) -> None:
    """Run nnUNetv2_train with our trainer found; -num_gpus and its other options are passed on.

    Run again, it goes on where it stopped. A checkpoint that would run code is refused.
    """
    from nnunet_amt.nnunet.train import train as train_fold

    trained = train_fold(
        dataset, fold=fold, trainer=trainer, options=context.args, restart=restart, seed=seed, device=device,
        show=show_command,
    )  # fmt: skip
    if trained.was_finished:
        out.print("this training is finished and validated; --restart trains anew, --val validates once more")
    else:
        show_written(list(trained.checkpoints))
    show_next("nnunet_amt", "predict", "-d", str(dataset), *of_model(trainer, fold), "-o", "predictions")


@one_line_errors
def predict(
    context: typer.Context,
    dataset: Dataset,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the predicted label maps.")
    ],
    images: Annotated[
        Path | None,
        typer.Option(*IMAGES, metavar="FOLDER", help="CTs <case>_0000.nii.gz.", show_default="the external test set's"),
    ] = None,
    fold: Fold = "0",
    trainer: Trainer = DEFAULT_TRAINER,
    checkpoint: Annotated[
        str, typer.Option(metavar="NAME", help="File name of the checkpoint.")
    ] = "checkpoint_best.pth",
    device: Device = "auto",
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write tumour probabilities too, in 8 bits.")
    ] = False,
    operating_point: OperatingPoint = None,
    keep_intensities: Annotated[
        bool, typer.Option("--keep-intensities", help="Take CTs whose values do not look like Hounsfield units.")
    ] = False,
    slurm_array: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Predict nothing; print a script for sbatch that does it in N tasks."),
    ] = None,
) -> None:
    """Predict label maps, those of nnUNetv2_predict; -step_size and its other options are understood.

    The fast recipe's network is asked in a part of the chest; the log says in how much of each CT.

    Images go through the checks of convert, and the label maps lie on their axes, whichever these are. Run again, it
    keeps finished predictions of the same checkpoint. A checkpoint that would run code is refused.
    """
    from nnunet_amt.nnunet.predict import PredictionSettings, external_images
    from nnunet_amt.nnunet.predict import predict as predict_images
    from nnunet_amt.nnunet.predict_array import prediction_script

    chosen = images or external_images(dataset)
    settings = PredictionSettings(
        dataset_id=dataset, fold=fold, trainer=trainer, checkpoint=checkpoint, options=context.args,
        probabilities=probabilities, operating_point=operating_point, keep_intensities=keep_intensities, device=device,
    )  # fmt: skip
    if slurm_array is not None:
        typer.echo(prediction_script(chosen, output, settings, parts=slurm_array), nl=False)
        note = "write this to a file, look at its #SBATCH lines, and submit it with: sbatch FILE"
        err.print(f"note: {note}", markup=False)
        return
    predict_images(chosen, output, settings, progress=line_progress(), show=show_command)
    show_written([output])
    beside = str(chosen.parent / "labelsTs") if chosen.name == "imagesTs" else "REFERENCES"
    references = (beside,) if images else ("-d", str(dataset))
    show_next("nnunet_amt", "evaluate", output, *references, "-o", "evaluation")


@one_line_errors
def baseline(
    dataset: Dataset,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Folder for predictions and evaluations, a folder a model."
        ),
    ] = Path("baseline"),
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="default|resenc-m", help="nnU-Net's own model; may be repeated.", show_default="both"),
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
        typer.Option(
            metavar="Z Y X",
            help="Spacing in mm, passed as -overwrite_target_spacing.",
            show_default="nnU-Net's choice",
        ),
    ] = None,
    gpu_memory_target: Annotated[
        float | None,
        typer.Option(metavar="GB", help="Passed as -gpu_memory_target: patch and batch.", show_default="nnU-Net's 8"),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            metavar="N",
            help="Worker processes of the preprocessing.",
            show_default="nnU-Net's own numbers",
        ),
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
    with progress_bars() as progress:
        results = run_baseline(settings, progress=progress, show=show_command)
        compared = None if evaluation is None else compare_with_ours(settings, evaluation, progress=progress)
    for result in results:
        out.print(f"\n[bold]{result.model.title}[/bold] on the external test set:")
        out.print(planned_choices(result.model_folder))
        evaluated = result.evaluation
        out.print(overall_table(evaluated.overall, result.model.title, subjects=evaluated.subjects))
    written = [folder for result in results for folder in (result.predictions, result.evaluation_folder)]
    if caveat := settings.caveat():
        err.print(f"note: {caveat}", markup=False)
    if compared is None:
        show_written(written)
        show_next(*compare_command(settings, Path("EVALUATION")))
        return
    for sentence in compared.sentences:
        out.print(sentence, markup=False)
    show_written([*written, compared.output])
    show_next("look", "at", compared.output / "comparison.html")


@one_line_errors
def doctor(
    dataset: Annotated[
        int | None,
        maybe_dataset("Number of a dataset whose files, plans and checkpoints are looked into too; -d N is the same."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A checkpoint from elsewhere: would it run code when loaded? It is not loaded for that.",
        ),
    ] = None,
) -> None:
    """Check what usually goes wrong before an hour of GPU is spent; exit code 1 if something would."""
    from nnunet_amt.nnunet.doctor import examine

    colours = {"ok": "green", "warning": "yellow", "problem": "red"}
    problems = 0
    with progress_bars() as progress:
        for finding in examine(dataset, checkpoint=checkpoint, progress=progress):
            problems += finding.verdict == "problem"
            colour = colours[finding.verdict]
            advice = f" -> {finding.advice}" if finding.advice else ""
            out.print(f"[{colour}]{finding.verdict:8}[/{colour}] {finding.check}: {escape(finding.seen + advice)}")
    if problems:
        out.print(f"{problems} problem{'s' if problems > 1 else ''} found")
        raise typer.Exit(1)
    out.print("no problem found")
    if dataset:
        _show_next_of_dataset(dataset)
    elif not checkpoint:
        show_next("nnunet_amt", "convert", "MANIFEST.csv", "-d", "711")


def _show_next_of_dataset(dataset: int) -> None:
    """Train what is planned, or predict with what is trained."""
    from nnunet_amt.nnunet.doctor import planned_recipe, trained_fold

    recipe = planned_recipe(dataset) or PAPER
    found = trained_fold(dataset, recipe)
    if found is None:
        show_next("nnunet_amt", "train", "-d", str(dataset), *of_model(recipe.trainer, "0"))
    else:
        show_next("nnunet_amt", "predict", "-d", str(dataset), *of_model(*found), "-o", "predictions")


@one_line_errors
def env(
    folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Put nnUNet_raw, nnUNet_preprocessed and nnUNet_results into this folder."),
    ] = None,
) -> None:
    """Print the export lines for plain nnU-Net commands: eval "$(nnunet_amt env)"."""
    from nnunet_amt.nnunet.environment import FOLDER_VARIABLES, export_lines, folders_below

    if folder and folder.exists() and not folder.is_dir():
        raise BadInputError(f"--folder {folder}: is a file; give a folder")
    environment = {**os.environ, **(folders_below(folder) if folder else {})}
    typer.echo("\n".join(export_lines(environment)))
    missing = [name for name in FOLDER_VARIABLES if not environment.get(name)]
    if missing:  # on stderr, which eval does not swallow
        err.print(f"note: {', '.join(missing)} not set; set them, or use: nnunet_amt env --folder DIR", markup=False)
