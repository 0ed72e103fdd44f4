"""The commands of the clinic: results of new patients, as objects that a PACS takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunet_amt.cli import options
from nnunet_amt.cli.console import (
    err,
    one_line_errors,
    out,
    printable,
    progress_bars,
    show_next,
    show_written,
    text_table,
)
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import BEST_CHECKPOINT, DEFAULT_TRAINER

if TYPE_CHECKING:
    from nnunet_amt.cli.assess import Assessor
    from nnunet_amt.clinic.case_objects import ObjectOptions


Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--as", metavar="seg|rtstruct|sc|sr", help="DICOM to write; may be repeated; for export seg by default."
    ),
]
Holes = Annotated[
    str, typer.Option("--holes", metavar="keyhole|xor", help="Holes of an RTSTRUCT; every reader takes keyhole.")
]
Together = Annotated[
    bool, typer.Option("--together", help="One segment and one ROI for all lesions of a case, not one for each.")
]
SmallestLesion = Annotated[
    int, typer.Option("--minimum-voxels", min=0, metavar="N", help="Smaller lesions are left out; 0 keeps all.")
]
Empty = Annotated[
    str,
    typer.Option("--empty", metavar="nothing|sc", help="Without a lesion: nothing, or a page that says so."),
]


@one_line_errors
def segment(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT...", help="DICOM folders or zips, image files, or folders of them."),
    ],
    output: options.Output,
    model: Annotated[
        str,
        typer.Option("--model", metavar="FOLDER|N|ZIP", help="A study, a dataset's number, or a model or its zip."),
    ] = "711",
    fold: options.Fold = "0",
    trainer: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Of a dataset's model; nnUNetTrainerAMT if not given.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(metavar="FILE", help="checkpoint_best.pth, and where it is missing the final one.")
    ] = None,
    operating_point: options.OperatingPoint = None,
    assess: Annotated[
        list[Path] | None,
        typer.Option(
            "--assess",
            metavar="FOLDER",
            help="A trained model of risk or diagnosis, see risk predict: its answers, or why it has none, stand on "
            "the page; may be repeated.",
        ),
    ] = None,
    patients: options.Patients = None,
    kinds: Kinds = None,
    holes: Holes = "keyhole",
    together: Together = False,
    minimum_voxels: SmallestLesion = 10,
    empty: Empty = "nothing",
    resample_tilt: Annotated[
        bool,
        typer.Option("--resample-tilt", help="Straighten series of a tilted gantry; DICOM is moved back."),
    ] = False,
    keep_intensities: Annotated[
        bool, typer.Option("--keep-intensities", help="Take CTs whose values do not look like HU.")
    ] = False,
    device: options.Device = "auto",
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            metavar="N",
            help="Worker processes; each takes the memory of the model and a case.",
            show_default="one model for all",
        ),
    ] = None,
    executor: options.Executor = None,
) -> None:
    """Segment CTs of new patients, which have no reference: masks, lesions, a page, and DICOM. Research use only."""
    from nnunet_amt.cli.assess import assess_segmented
    from nnunet_amt.clinic.segment import segment as segment_cases
    from nnunet_amt.clinic.segment_case import SegmentOptions
    from nnunet_amt.images.image_file import ReadingOptions
    from nnunet_amt.nnunet.environment import require_device

    asked = SegmentOptions(
        _objects(kinds or [], holes, together, minimum_voxels, empty),
        ReadingOptions(resample_tilt=resample_tilt, keep_intensities=keep_intensities),
    )
    assessors = _assessors(assess or [], patients)
    with progress_bars() as progress:
        result = segment_cases(
            inputs, output, model=model, options=asked, fold=fold, trainer=trainer, checkpoint=checkpoint,
            operating_point=operating_point, device=device, jobs=jobs or 1, executor=executor, progress=progress,
        )  # fmt: skip
        told = (
            assess_segmented(assessors, output, result.not_taken, device=require_device(device), progress=progress)
            if assessors
            else []
        )
    for line in told:
        err.print(printable(f"warning: {line}"), markup=False)
    out.print(f"segmented {len(result.done)} now, {len(result.kept)} before")
    for case_id, note in result.notes.items():
        out.print(printable(f"{case_id}: {note}"), markup=False)
    for one in result.not_taken:
        err.print(printable(f"not taken: {one.given.name}: {one.reason}"), markup=False)
    show_written([output])
    show_next("open", result.page, note="    # in a browser")
    if any(one.is_ct for one in result.not_taken):
        raise typer.Exit(1)


def _assessors(models: list[Path], patients: Path | None) -> list[Assessor]:
    """Look at the models of ``--assess`` before anything is segmented; the table goes to those that look at it."""
    from nnunet_amt.cli.assess import LesionAssessor, opened_assessor

    if patients is not None and not models:
        raise BadInputError(f"--patients {patients}: goes with --assess, a model that looks at it")
    assessors = [opened_assessor(model, patients, among_others=len(models) > 1) for model in models]
    if patients is not None and not any(isinstance(one, LesionAssessor) and one.patients for one in assessors):
        raise BadInputError(f"--patients {patients}: none of the models looks at anything but the CT; leave it out")
    return assessors


def _objects(kinds: list[str], holes: str, together: bool, minimum_voxels: int, empty: str) -> ObjectOptions:
    """Make the options of the objects, whose choices are looked at."""
    from nnunet_amt.clinic.case_objects import KINDS, ObjectOptions

    for kind in kinds:
        options.require_choice("--as", kind, KINDS)
    options.require_choice("--holes", holes, ("keyhole", "xor"))
    options.require_choice("--empty", empty, ("nothing", "sc"))
    return ObjectOptions(
        kinds=tuple(dict.fromkeys(kinds)),  # type: ignore[arg-type]
        holes=holes,  # type: ignore[arg-type]
        together=together,
        minimum_voxels=minimum_voxels,
        empty=empty,  # type: ignore[arg-type]
    )


@one_line_errors
def export(
    predictions: options.Predictions,
    output: options.Output,
    dicom: Annotated[
        list[Path] | None,
        typer.Option(
            "--dicom", metavar="FOLDER|ZIP", help="Where the CT series are; may be repeated; segment knows its own."
        ),
    ] = None,
    kinds: Kinds = None,
    holes: Holes = "keyhole",
    together: Together = False,
    minimum_voxels: SmallestLesion = 10,
    empty: Empty = "nothing",
) -> None:
    """Write predicted label maps as DICOM objects of the CT series that they were made of. Research use only."""
    from nnunet_amt.clinic.export import export_predictions

    asked = _objects(kinds or ["seg"], holes, together, minimum_voxels, empty)
    with progress_bars() as progress:
        result = export_predictions(predictions, dicom or [], output, options=asked, progress=progress)
    show_written(result.files)
    for case_id in result.without_lesion:
        out.print(f"{case_id}: no lesion, {'a page says so' if empty == 'sc' else 'nothing written'}", markup=False)
    for case_id, note in result.notes.items():
        out.print(printable(f"{case_id}: {note}"), markup=False)
    for case_id, reason in result.refused.items():
        err.print(printable(f"{case_id}: not written: {reason}"), markup=False)
    if result.refused:
        raise typer.Exit(1)


@one_line_errors
def calibrate(
    dataset: Annotated[int | None, options.maybe_dataset("Number of the dataset in nnU-Net; -d N is the same.")] = None,
    study: Annotated[
        Path | None, typer.Option("--study", metavar="FOLDER", help="In place of DATASET: the model of this study.")
    ] = None,
    fold: options.Fold = "0",
    trainer: options.Trainer = DEFAULT_TRAINER,
    checkpoint: Annotated[str, typer.Option(metavar="NAME", help="File name of the checkpoint.")] = BEST_CHECKPOINT,
    fp_per_scan: Annotated[
        float,
        typer.Option(
            "--fp-per-scan", min=0, metavar="X", help="False positives per scan that screening may have at most."
        ),
    ] = 1.0,
    seed: options.BootstrapSeed = 711,
    ci_always: options.CIAlways = False,
    device: options.Device = "auto",
    jobs: options.Jobs = None,
) -> None:
    """Choose operating points on the tuning cases: screening, balanced, volumetry. Research use only.

    They stand in operating_points.json beside the checkpoint, for the option --operating-point of predict, segment and
    evaluate. The probabilities of the tuning cases are kept: run again, the network is not.
    """
    from nnunet_amt.clinic.calibrate import calibrate as calibrate_model
    from nnunet_amt.clinic.tuning_cases import model_of_dataset, model_of_study

    if (dataset is None) == (study is None):
        raise BadInputError("DATASET, --study: give the number of the dataset (-d N) or the folder of the study")
    if study is not None:
        if (fold, trainer, checkpoint) != ("0", DEFAULT_TRAINER, BEST_CHECKPOINT):
            raise BadInputError("--fold, --trainer, --checkpoint: with --study these are the study's; leave them out")
        model = model_of_study(study)
    else:
        model = model_of_dataset(dataset or 0, fold=fold, trainer=trainer, checkpoint=checkpoint)
    with progress_bars() as progress:
        result = calibrate_model(
            model, most_fp_per_scan=fp_per_scan, seed=seed, ci_always=ci_always, device=device,
            jobs=options.worker_processes(jobs), progress=progress,
        )  # fmt: skip
    out.print(text_table(result.table))
    for sentence in result.sentences:
        out.print(sentence, markup=False)
    show_written(result.files)
    if not result.points:
        return
    point = "balanced" if "balanced" in result.points else result.points[0]
    if study is not None:
        show_next("nnunet_amt", "segment", "CT", "-o", "segmented", "--model", study, "--operating-point", point)
        return
    named = options.of_model(trainer, fold, checkpoint)
    show_next("nnunet_amt", "predict", "-d", str(model.dataset_id), *named, "--operating-point", point, "-o", point)
