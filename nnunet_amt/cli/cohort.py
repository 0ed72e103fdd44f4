"""The commands that come before nnU-Net: manifests of public cohorts, and the conversion of a cohort."""

from __future__ import annotations

from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from nnunet_amt.cli.console import err, one_line_errors, out, progress_bars, show_next, show_written
from nnunet_amt.cli.options import Dataset, Executor, Jobs, worker_processes
from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.writing.numbers import counted

if TYPE_CHECKING:
    from nnunet_amt.dataset_conversion import ConversionSummary
    from nnunet_amt.dataset_conversion.training_list import TrainingList

_SHOWN_REFUSED = 5


@one_line_errors
def convert(
    manifest: Annotated[
        Path, typer.Argument(metavar="MANIFEST", help="CSV: case_id, patient_id, institution, image, mask, ...")
    ],
    dataset: Dataset,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the dataset after its number.")] = "AMT",
    seed: Annotated[
        int, typer.Option(metavar="N", help="Seed of the random tuning split and of the pseudonyms.")
    ] = 711,
    jobs: Jobs = None,
    executor: Executor = None,
    external_institutions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Without a split column: file with an institution a line, all held out."),
    ] = None,
    external_cases: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Without a split column: cases to hold out, smallest institutions first.",
            show_default="23%, the paper's share",
        ),
    ] = None,
    tuning_cases: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Without a split column: cases for tuning.",
            show_default="11% of the others, the paper's share",
        ),
    ] = None,
    resample_masks: Annotated[
        bool, typer.Option("--resample-masks", help="Bring masks of another grid to the CT's, nearest neighbour.")
    ] = False,
    resample_tilt: Annotated[
        bool, typer.Option("--resample-tilt", help="Straighten CTs that were scanned with a tilted gantry.")
    ] = False,
    keep_intensities: Annotated[
        bool, typer.Option("--keep-intensities", help="Take CTs whose values do not look like Hounsfield units.")
    ] = False,
    interpolate_contours: Annotated[
        bool,
        typer.Option("--interpolate-contours", help="Make up contours that are missing between others of an RTSTRUCT."),
    ] = False,
    trust_geometry: Annotated[
        bool,
        typer.Option(
            "--trust-geometry",
            help="Take an RTSTRUCT or DICOM SEG that names other UIDs than the CT's, if patient and place fit.",
        ),
    ] = False,
    exclude_unreadable: Annotated[
        bool, typer.Option("--exclude-unreadable", help="Count cases that cannot be converted as excluded.")
    ] = False,
    key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the pseudonyms' key and the secret are kept.",
            show_default="beside the manifest",
        ),
    ] = None,
    keep_case_ids: Annotated[
        bool, typer.Option("--keep-case-ids", help="The manifest's case ids and institutions are pseudonyms already.")
    ] = False,
    test_only: Annotated[
        bool,
        typer.Option("--test-only", help="All cases are an external test set, for a model that was trained elsewhere."),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="FOLDER|N|ZIP", help="With --test-only: that model; none of these CTs may be among its."
        ),
    ] = None,
    table1_p_values: Annotated[
        bool, typer.Option("--table1-p-values", help="Put p-values between the splits into Table 1.")
    ] = False,
) -> None:
    """Convert a cohort to nnU-Net's raw format, with a split that no institution and no patient leaks through."""
    from nnunet_amt.dataset_conversion import ConversionSettings, ReadingOptions
    from nnunet_amt.dataset_conversion import convert as convert_cohort
    from nnunet_amt.dataset_conversion.dataset_files import CasesRefusedError
    from nnunet_amt.nnunet.environment import folder_from_environment

    settings = ConversionSettings(
        seed=seed, external_cases=external_cases, tuning_cases=tuning_cases,
        external_institutions=external_institutions, exclude_unreadable=exclude_unreadable,
        reading=ReadingOptions(
            resample_masks=resample_masks,
            resample_tilt=resample_tilt,
            keep_intensities=keep_intensities,
            interpolate_contours=interpolate_contours,
            trust_geometry=trust_geometry,
        ),
        key_file=key_file, keep_case_ids=keep_case_ids,
        p_values=table1_p_values, test_only=test_only,
    )  # fmt: skip
    if model is not None and not test_only:
        raise BadInputError("--model: is compared with a test set alone; add --test-only, or leave it out")
    raw_folder = folder_from_environment("nnUNet_raw")
    trained_on = _training_list(model) if test_only else None
    try:
        with progress_bars() as progress:
            summary = convert_cohort(
                manifest, raw_folder, dataset_id=dataset, dataset_name=name, settings=settings, trained_on=trained_on,
                jobs=worker_processes(jobs), executor=executor, progress=progress,
            )  # fmt: skip
    except CasesRefusedError as error:
        if len(error.refused) == 1:
            raise
        for refused in error.refused[:_SHOWN_REFUSED]:
            err.print(f"[red]failed[/red] {escape(refused.message)}")
        raise WorkFailedError(error.summary) from error
    _show_conversion(summary)
    if test_only:
        number, note = _dataset_of(model)
        images = str(summary.dataset_folder / "imagesTs")
        show_next("nnunet_amt", "predict", "-d", number, "--input", images, "-o", "predictions", note=note)
        show_next("nnunet_amt", "evaluate", "predictions", "-d", str(dataset), "-o", "evaluation")
    else:
        show_next("nnunet_amt", "plan", "-d", str(dataset))


def _dataset_of(model: str | None) -> tuple[str, str]:
    """Give the number by which `predict` finds a model, and what is to be known of it where it has none yet."""
    from nnunet_amt.nnunet.environment import dataset_number

    if model is None or Path(model).is_dir():
        return "N", "    # N: the model's dataset"
    if dataset_number(model) is None:
        return "N", "    # its dataset's; first: nnUNetv2_install_pretrained_model_from_zip"
    return model, ""


def _training_list(model: str | None) -> TrainingList | None:
    """Gather a model's training list; say so where there is none."""
    from nnunet_amt.clinic.model_source import training_list_of

    found = None if model is None else training_list_of(model)
    if found is None:
        why = "give --model" if model is None else f"--model {model}: it came without, or with one of another version"
        err.print(
            "[yellow]warning:[/yellow] not compared with the CTs that the model was trained on, whose list is not at "
            f"hand ({escape(why)}); make sure that none of these is among them"
        )
    return found


def _show_conversion(summary: ConversionSummary) -> None:
    """Show the audit of the split, what was excluded, and what was written."""
    from nnunet_amt.dataset_conversion.dataset_files import (
        AUDIT_COLUMNS,
        audit_rows,
        interpolated_in_words,
    )

    table = Table(*AUDIT_COLUMNS)
    for row in audit_rows(summary.audit):
        table.add_row(*row)
    out.print(table)
    for check in summary.checks:
        out.print(f"[green]checked[/green]  {escape(check)}")
    if summary.interpolated:
        out.print(f"[yellow]interpolated[/yellow] {interpolated_in_words(summary.interpolated)}; audit.json names them")
    for refused in summary.refused:
        out.print(f"[yellow]excluded[/yellow] {escape(refused.message)}")
    if summary.split_drawn_without:
        unreadable = counted(summary.split_drawn_without, "case")
        out.print(f"the split is drawn without {unreadable} that could not be converted")
    for reason, count in summary.excluded.items():
        out.print(f"excluded: {count} for {reason!r}", markup=False)
    out.print(f"{counted(summary.converted, 'case')} converted, {summary.already_done} kept from an earlier run")
    show_written([summary.dataset_folder, *summary.files])


class Cohort(str, Enum):
    """Cohorts whose layout is known."""

    MELA2022 = "mela2022"
    LNQ2023 = "lnq2023"
    TCIA_CT_LYMPH_NODES = "tcia_ct_lymph_nodes"
    NSCLC_RADIOMICS = "nsclc_radiomics"


class GivenSplit(str, Enum):
    """Where all cases go."""

    TRAINING = "training"
    TUNING = "tuning"
    EXTERNAL = "external"


class Shape(str, Enum):
    """What MELA's boxes are taken for."""

    BOX = "box"
    ELLIPSOID = "ellipsoid"


class Region(str, Enum):
    """Halves of the TCIA collection."""

    MEDIASTINAL = "mediastinal"
    ABDOMINAL = "abdominal"


# Options that one cohort alone knows.
_OWN = {"shape": Cohort.MELA2022, "region": Cohort.TCIA_CT_LYMPH_NODES, "roi": Cohort.NSCLC_RADIOMICS}


@one_line_errors
def public_cohort(
    cohort: Annotated[Cohort, typer.Argument(metavar="COHORT", help=", ".join(kind.value for kind in Cohort) + ".")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What you have downloaded, unpacked.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The manifest to write, a CSV file.")],
    split: Annotated[
        GivenSplit | None,
        typer.Option(help="Put all cases into one set; they count as one institution.", show_default="no split column"),
    ] = None,
    shape: Annotated[
        Shape | None, typer.Option(help="mela2022: fill the boxes, or the ellipsoids in them.", show_default="box")
    ] = None,
    region: Annotated[
        Region | None, typer.Option(help="tcia_ct_lymph_nodes: which half.", show_default="mediastinal")
    ] = None,
    roi: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="nsclc_radiomics: regular expression of the ROIs.", show_default="GTV-1"),
    ] = None,
) -> None:
    """Write the manifest (and, where needed, label files) of a public cohort, for convert to read.

    Nothing is downloaded, and what you have downloaded is only read.
    """
    from nnunet_amt.cohort.case import require_usable_pattern
    from nnunet_amt.images.image_file import itk_warnings_off

    given = {"shape": shape and shape.value, "region": region and region.value, "roi": roi}
    own = {name: value for name, value in given.items() if value is not None}
    for name in own:
        if _OWN[name] is not cohort:
            raise BadInputError(f"--{name}: is an option of {_OWN[name].value}, not of {cohort.value}; leave it out")
    try:
        require_usable_pattern(roi or "")
    except ValueError as error:
        raise BadInputError(f"--roi {roi}: {error}") from error
    if not folder.is_dir():
        raise BadInputError(f"{folder}: is no folder; give the one that holds the unpacked cohort")
    if output.suffix.lower() != ".csv":
        raise BadInputError(f"--output {output}: must end in .csv")
    module = import_module(f"nnunet_amt.dataset_conversion.public.{cohort.value}")
    with itk_warnings_off(), progress_bars() as progress:
        module.write_manifest(folder, output, split=split.value if split else None, progress=progress, **own)
    show_written([output])
    command = ("nnunet_amt", "join-manifests", output, "OTHER.csv", "-o", "cohort.csv")
    show_next(*command, note="    # it is one institution; a split needs more")


@one_line_errors
def join_manifests(
    manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST...", help="CSV files of public or own cohorts.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The joint manifest, a CSV file.")],
) -> None:
    """Join manifests to one, for convert to read; their files stay where they are."""
    from nnunet_amt.dataset_conversion.public.public_cohort import join_manifests as join

    if output.resolve() in {manifest.resolve() for manifest in manifests}:
        raise BadInputError(f"--output {output}: is one of the manifests; choose another name")
    show_written([join(manifests, output)])
    show_next("nnunet_amt", "convert", output, "-d", "711")
