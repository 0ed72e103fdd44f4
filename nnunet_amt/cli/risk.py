"""The commands of the study of risk: ``nnunet_amt risk ...``, one a stage, and all of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunet_amt.cli import options, risk_lesions
from nnunet_amt.cli.console import err, one_line_errors, out, printable, progress_bars, show_next, show_written
from nnunet_amt.cli.risk_lesions import LesionOptions, require_options_of, show_warnings
from nnunet_amt.cli.risk_options import (
    RISK,
    Carcinoma,
    Cell,
    ClassMap,
    CtcUnit,
    Epochs,
    Folder,
    Folds,
    FromScratch,
    Grid,
    Models,
    RegNetDepth,
    Repeats,
    Seed,
    Size,
    Task,
    Tasks,
    TypedDataset,
    Weights,
    WithNoise,
    chosen_device,
    raw_dataset,
    raw_or_converted,
    risk_cohort,
    risk_settings,
)
from nnunet_amt.errors import BadInputError

if TYPE_CHECKING:
    from nnunet_amt.clinic.new_cases import NotTaken
    from nnunet_amt.risk.evaluation.evaluate_risk import RiskEvaluation
    from nnunet_amt.risk.radiomics.feature_tables import FeatureFiles
    from nnunet_amt.risk.risk_study import RiskStudyResult

risk = typer.Typer(
    help="What a tumour is: low or high risk of thymomas (networks, radiomics, heat maps, readers), and, with --task, "
    "benign or malignant lesions and their classes, from CT and circulating tumour cells. Research use only.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@risk.command(cls=options.DatasetCommand)
@one_line_errors
def rois(
    dataset: TypedDataset,
    output: Folder,
    task: Task = RISK,
    masks: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Predicted label maps of the external cases, in place of the references; of --task risk.",
        ),
    ] = None,
    carcinoma: Carcinoma = None,
    class_map: ClassMap = None,
    ctc_unit: CtcUnit = None,
    size: Size = None,
    with_noise: WithNoise = False,
    jobs: options.Jobs = None,
    executor: options.Executor = None,
) -> None:
    """Cut each tumour's ROI: the slice of its largest area, and the plane 1 mm beside it."""
    require_options_of(
        task,
        of_risk={"--masks": masks, "--carcinoma": carcinoma},
        of_lesions={"--class-map": class_map, "--ctc-unit": ctc_unit, "--size": size, "--with-noise": with_noise},
    )
    if task != RISK:
        chosen = LesionOptions(size=size, with_noise=with_noise)
        risk_lesions.rois(
            dataset, output, task, class_map=class_map, ctc_unit=ctc_unit, chosen=chosen, jobs=jobs, executor=executor
        )
        return
    from nnunet_amt.risk.risk_settings import RiskFolder
    from nnunet_amt.risk.rois import write_rois

    at = RiskFolder(output)
    with progress_bars() as progress:
        cohort = risk_cohort(raw_dataset(dataset, output), output, carcinoma, progress)
        summary = write_rois(
            cohort if masks is None else cohort.of_split("external"),
            output=at.rois if masks is None else at.predicted_rois,
            masks=masks, jobs=options.worker_processes(jobs), executor=executor, progress=progress,
        )  # fmt: skip
    for reason, cases in cohort.left_out.items():
        out.print(f"left out: {reason}: {len(cases)}", markup=False)
    show_written([summary.file])
    show_next("nnunet_amt", "risk", "features" if masks is None else "evaluate", str(dataset), "-o", output)


@risk.command(cls=options.DatasetCommand)
@one_line_errors
def features(
    dataset: TypedDataset,
    output: Folder,
    carcinoma: Carcinoma = None,
    seed: Seed = 0,
    jobs: options.Jobs = None,
    executor: options.Executor = None,
) -> None:
    """Compute the 1743 radiomics features of each tumour, and of second readings."""
    from nnunet_amt.risk.radiomics.feature_tables import write_features
    from nnunet_amt.risk.risk_settings import RiskFolder

    with progress_bars() as progress:
        cohort = risk_cohort(raw_dataset(dataset, output), output, carcinoma, progress)
        files = write_features(
            cohort.cases, output=RiskFolder(output).features, seed=seed, jobs=options.worker_processes(jobs),
            executor=executor, progress=progress,
        )  # fmt: skip
    _show_failed(files)
    show_written([files.features, files.features_second])
    show_next("nnunet_amt", "risk", "train", str(dataset), "-o", output)
    if files.failed:
        raise typer.Exit(1)


@risk.command(cls=options.DatasetCommand)
@one_line_errors
def train(
    dataset: TypedDataset,
    output: Folder,
    task: Task = RISK,
    models: Models = None,
    epochs: Epochs = None,
    size: Size = None,
    from_scratch: FromScratch = False,
    weights: Weights = None,
    grid: Grid = None,
    carcinoma: Carcinoma = None,
    folds: Folds = None,
    class_map: ClassMap = None,
    ctc_unit: CtcUnit = None,
    repeats: Repeats = None,
    regnet: RegNetDepth = None,
    cell: Cell = None,
    with_noise: WithNoise = False,
    seed: Seed = 0,
    device: options.Device = "auto",
    restart: Annotated[bool, typer.Option("--restart", help="Begin the networks anew.")] = False,
) -> None:
    """Train each model; the external cases are scored once.

    Low or high risk: by folds of the training centres' patients. Lesions: on the training cases, ended by the tuning
    cases, several times.
    """
    chosen = LesionOptions(models, epochs, size, seed, repeats, regnet, cell, with_noise)
    require_options_of(
        task,
        of_risk=_of_risk(from_scratch, weights, grid, carcinoma, folds),
        of_lesions=_of_lesions(class_map, ctc_unit, chosen),
    )
    if task != RISK:
        risk_lesions.train(
            dataset, output, task, class_map=class_map, ctc_unit=ctc_unit, chosen=chosen, device=device, restart=restart
        )
        return
    from nnunet_amt.risk.model_stages import train_models
    from nnunet_amt.risk.risk_settings import RiskFolder

    settings = risk_settings(models, epochs, size, from_scratch, grid, carcinoma, folds, seed)
    with progress_bars() as progress:
        cohort = risk_cohort(raw_dataset(dataset, output), output, carcinoma, progress)
        warnings = train_models(
            cohort, RiskFolder(output), settings=settings, weights=weights, device=chosen_device(device),
            restart=restart, progress=progress,
        )  # fmt: skip
    show_warnings(warnings)
    show_written([RiskFolder(output).scores])
    show_next("nnunet_amt", "risk", "evaluate", str(dataset), "-o", output)


@risk.command()
@one_line_errors
def predict(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT", help="What segment wrote; or one CT with --mask; or CTs with --segment-with."),
    ],
    output: options.Output,
    model: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="A trained network: models/NAME/model of a study; of lesions fusion/TASK/models/NAME/model.",
        ),
    ],
    mask: Annotated[Path | None, typer.Option(metavar="FILE", help="The tumour's mask, on the grid of the CT.")] = None,
    segment_with: Annotated[
        str | None,
        typer.Option("--segment-with", metavar="MODEL", help="Segment the CTs first, see nnunet_amt segment --model."),
    ] = None,
    patients: options.Patients = None,
    device: options.Device = "auto",
) -> None:
    """Score new patients' tumours: of CT and mask, or of the CT alone through segment; of risk with heat maps."""
    from nnunet_amt.cli.assess import opened_assessor
    from nnunet_amt.risk.new_tumours import NewTumour, segmented_tumours

    if mask is not None and (segment_with is not None or len(inputs) != 1):
        raise BadInputError(f"--mask {mask}: goes with one CT, and without --segment-with")
    if segment_with is None and mask is None and (len(inputs) != 1 or not inputs[0].is_dir()):
        raise BadInputError(
            f"{inputs[0]}: give one folder that nnunet_amt segment wrote, or CTs with --segment-with, or --mask"
        )
    # what is wrong with the model, or with the table, is told before anything is segmented
    assessor = opened_assessor(model, patients)
    not_taken: tuple[NotTaken, ...] = ()
    with progress_bars() as progress:
        if mask is not None:
            tumours = [NewTumour.of_files(inputs[0], mask)]
        elif segment_with is None:
            tumours = segmented_tumours(inputs[0])
        else:
            from nnunet_amt.clinic.segment import segment

            folder = output / "segmented"
            not_taken = segment(inputs, folder, model=segment_with, device=device, progress=progress).not_taken
            tumours = segmented_tumours(folder)
        found = assessor.assess(tumours, output, device=chosen_device(device), progress=progress)
    for case_id, assessment in found.items():
        out.print(printable(f"{case_id}: {assessor.said(assessment)}"), markup=False)
    show_warnings(assessor.told_of_patients(tumours))
    for ct in not_taken:
        err.print(printable(f"not taken: {ct.given.name}: {ct.reason}"), markup=False)
    show_written([output])
    if (picture := assessor.picture(output)) is not None:
        show_next("open", picture, note=", the heat maps")
    if not all(one.answer for one in found.values()) or any(ct.is_ct for ct in not_taken):
        raise typer.Exit(1)


@risk.command(cls=options.DatasetCommand)
@one_line_errors
def evaluate(
    dataset: TypedDataset,
    output: Folder,
    task: Task = RISK,
    main_model: Annotated[
        str | None,
        typer.Option(
            "--main-model",
            metavar="NAME",
            help="Of which sentences, subgroups and calibration are; of --task risk.",
            show_default="the highest out-of-fold AUC",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The model that each other one is compared with; of --task risk.",
            show_default="clinical",
        ),
    ] = None,
    carcinoma: Carcinoma = None,
    seed: options.BootstrapSeed = 0,
    device: options.Device = "auto",
) -> None:
    """Write the paper's tables, ROC, calibration, decision curve, and what else the task has."""
    of_risk = {"--main-model": main_model, "--reference": reference, "--carcinoma": carcinoma}
    require_options_of(task, of_risk=of_risk, of_lesions={})
    if task != RISK:
        risk_lesions.evaluate(dataset, output, task, seed=seed)
        return
    from nnunet_amt.risk.clinical_baseline import CLINICAL
    from nnunet_amt.risk.model_stages import draw_heat_maps, score_predicted_rois
    from nnunet_amt.risk.risk_settings import RiskFolder
    from nnunet_amt.risk.risk_study import evaluate_study, require_scores

    at, raw = RiskFolder(output), raw_dataset(dataset, output)
    with progress_bars() as progress:
        cohort = risk_cohort(raw, output, carcinoma, progress)
        require_scores(at)
        if at.has_predicted_rois:
            score_predicted_rois(cohort, at, device=chosen_device(device), progress=progress)
        draw_heat_maps(cohort, at, device=chosen_device(device), progress=progress)
        result = evaluate_study(
            raw, cohort, at, main_model=main_model, reference=reference or CLINICAL, seed=seed, progress=progress
        )
    _show_evaluation(result)


@risk.command(cls=options.DatasetCommand)
@one_line_errors
def readers(
    dataset: TypedDataset,
    output: Folder,
    task: Task = RISK,
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Columns reader, level, condition (without, with), case, rating; of binary and multiclass also "
            "question (diagnosis, management, class) and reference (of management: surgery, follow-up, conservative).",
            show_default="of phantoms: six simulated readers, which is said everywhere",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="That the readers were given; of binary and multiclass the one that stands beside them.",
            show_default="the highest out-of-fold AUC; dmfn",
        ),
    ] = None,
    high_from: Annotated[
        float | None,
        typer.Option("--high-from", metavar="RATING", help="Of graded ratings: from here on high risk, or malignant."),
    ] = None,
    carcinoma: Carcinoma = None,
    seed: Seed = 0,
) -> None:
    """Analyse a reader study of the external cases, without and with help, reader by reader and over readers.

    The help is AI; with --task binary or multiclass the levels of circulating tumour cells.
    """
    require_options_of(task, of_risk={"--carcinoma": carcinoma}, of_lesions={})
    if task != RISK:
        risk_lesions.readers(dataset, output, task, table=table, model=model, high_from=high_from, seed=seed)
        return
    from nnunet_amt.risk.risk_settings import RiskFolder
    from nnunet_amt.risk.risk_study import evaluate_readers
    from nnunet_amt.study.study_files import READER_STUDY

    at, raw = RiskFolder(output), raw_dataset(dataset, output)
    with progress_bars() as progress:
        cohort = risk_cohort(raw, output, carcinoma, progress)
    evaluate_readers(raw, cohort, at, readings=table, model=model, high_from=high_from, seed=seed)
    _show_readers(at.readers)
    show_next("open", at.readers / READER_STUDY.page, note=" in a browser")


@risk.command(cls=options.DatasetCommand)
@one_line_errors
def study(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET|MANIFEST.csv",
            help="As of the other commands; or a cohort's table, which is converted first, to nnUNet_raw in FOLDER.",
        ),
    ],
    output: Folder,
    tasks: Tasks = None,
    models: Models = None,
    epochs: Epochs = None,
    size: Size = None,
    from_scratch: FromScratch = False,
    weights: Weights = None,
    grid: Grid = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Predicted label maps of the external cases: what segmentation costs; of --task risk.",
        ),
    ] = None,
    readings: Annotated[
        Path | None, typer.Option("--readers", metavar="FILE.csv", help="A reader study, see risk readers.")
    ] = None,
    carcinoma: Carcinoma = None,
    folds: Folds = None,
    class_map: ClassMap = None,
    ctc_unit: CtcUnit = None,
    repeats: Repeats = None,
    regnet: RegNetDepth = None,
    cell: Cell = None,
    with_noise: WithNoise = False,
    seed: Seed = 0,
    device: options.Device = "auto",
    jobs: options.Jobs = None,
    executor: options.Executor = None,
) -> None:
    """Run all stages, each only as far as it is missing."""
    chosen = LesionOptions(models, epochs, size, seed, repeats, regnet, cell, with_noise)
    of_risk = {"--masks": masks, **_of_risk(from_scratch, weights, grid, carcinoma, folds)}
    for task in (asked := list(dict.fromkeys(tasks or [RISK]))):
        require_options_of(task, of_risk=of_risk, of_lesions=_of_lesions(class_map, ctc_unit, chosen))
    if RISK in asked and len(asked) > 1:
        raise BadInputError("--task risk: has other models and settings than the other tasks; run it by itself")
    if RISK not in asked:
        risk_lesions.study(
            dataset, output, asked, class_map=class_map, ctc_unit=ctc_unit, chosen=chosen, readings=readings,
            device=device, jobs=jobs, executor=executor,
        )  # fmt: skip
        return
    from nnunet_amt.risk.risk_study import run_risk_study

    settings = risk_settings(models, epochs, size, from_scratch, grid, carcinoma, folds, seed)
    with progress_bars() as progress:
        raw = raw_or_converted(dataset, output, jobs=jobs, executor=executor, progress=progress)
        result = run_risk_study(
            raw, output, settings=settings, masks=masks, readings=readings, weights=weights,
            device=chosen_device(device), jobs=options.worker_processes(jobs), executor=executor, progress=progress,
        )  # fmt: skip
    show_risk_study(result)


def show_risk_study(result: RiskStudyResult) -> None:
    """Show what a study of risk found, and where; exit code 1 if cases have no features."""
    if result.features is not None:
        _show_failed(result.features)
    show_warnings(result.warnings)
    if result.readers is not None:
        _show_readers(result.folder.readers)
    _show_evaluation(result.evaluation)
    if result.features is not None and result.features.failed:
        raise typer.Exit(1)


def _show_failed(files: FeatureFiles) -> None:
    for one in files.failed:
        err.print(printable(f"{one.case_id}: no features: {one.message}"), markup=False)


def _show_readers(folder: Path) -> None:
    """Show what a reader study says, and where it stands."""
    from nnunet_amt.risk.reading.reader_study import READER_FILES
    from nnunet_amt.study.study_files import READER_STUDY

    for sentence in READER_STUDY.read(folder).sentences:
        out.print(sentence, markup=False)
    show_written([folder / name for name in READER_FILES if (folder / name).exists()])


def _of_risk(
    from_scratch: bool, weights: Path | None, grid: list[float] | None, carcinoma: str | None, folds: int | None
) -> dict[str, object]:
    """Name what ``train`` and ``study`` take of low or high risk alone."""
    return {
        "--from-scratch": from_scratch,
        "--weights": weights,
        "--grid": grid,
        "--carcinoma": carcinoma,
        "--folds": folds,
    }


def _of_lesions(class_map: Path | None, ctc_unit: str | None, chosen: LesionOptions) -> dict[str, object]:
    """Name what ``train`` and ``study`` take of lesions alone."""
    return {
        "--class-map": class_map,
        "--ctc-unit": ctc_unit,
        "--repeats": chosen.repeats,
        "--regnet": chosen.regnet,
        "--cell": chosen.cell,
        "--with-noise": chosen.with_noise,
    }


def _show_evaluation(result: RiskEvaluation) -> None:
    for sentence in result.sentences:
        out.print(sentence, markup=False)
    show_written(result.files)
    show_next("open", result.output / "risk_tables.html", note=" in a browser")
