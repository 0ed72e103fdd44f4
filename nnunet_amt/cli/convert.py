"""The command that converts a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli.console import one_line_errors, progress_bars, show_conversion, show_failures, show_next
from nnunet_amt.cli.options import DatasetId, Executor, Jobs
from nnunet_amt.errors import WorkFailedError

_SHOWN_REFUSED = 5


@one_line_errors
def convert(
    manifest: Annotated[
        Path, typer.Argument(metavar="MANIFEST", help="CSV: case_id, patient_id, institution, image, mask, ...")
    ],
    dataset: DatasetId,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the dataset after its number.")] = "AMT",
    seed: Annotated[
        int, typer.Option(metavar="N", help="Seed of the random tuning split and of the pseudonyms.")
    ] = 711,
    jobs: Jobs = 1,
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
        seed=seed,
        external_cases=external_cases,
        tuning_cases=tuning_cases,
        external_institutions=external_institutions,
        reading=ReadingOptions(resample_masks, resample_tilt),
        exclude_unreadable=exclude_unreadable,
        key_file=key_file,
        keep_case_ids=keep_case_ids,
        p_values=table1_p_values,
    )
    raw_folder = folder_from_environment("nnUNet_raw")
    try:
        with progress_bars() as progress:
            summary = convert_cohort(
                manifest,
                raw_folder,
                dataset_id=dataset,
                dataset_name=name,
                settings=settings,
                jobs=jobs,
                executor=executor,
                progress=progress,
            )
    except CasesRefusedError as error:
        if len(error.refused) == 1:
            raise
        show_failures(refused.message for refused in error.refused[:_SHOWN_REFUSED])
        raise WorkFailedError(error.summary) from error
    show_conversion(summary)
    show_next(f"nnunet_amt plan -d {dataset}")
