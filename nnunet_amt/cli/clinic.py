"""The commands of the clinic: results of new patients, as objects that a PACS takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from nnunet_amt.cli import options
from nnunet_amt.cli.console import err, one_line_errors, out, printable, progress_bars, show_written


@one_line_errors
def export(
    predictions: options.Predictions,
    dicom: Annotated[
        list[Path],
        typer.Option("--dicom", metavar="FOLDER|ZIP", help="Where the CT series are; may be repeated."),
    ],
    output: options.Output,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--as", metavar="seg|rtstruct|sc", help="Objects to write; may be repeated. seg by default."),
    ] = None,
    holes: Annotated[
        str,
        typer.Option("--holes", metavar="keyhole|xor", help="Holes of an RTSTRUCT; every reader takes keyhole."),
    ] = "keyhole",
    together: Annotated[
        bool, typer.Option("--together", help="One segment and one ROI for all lesions of a case, not one for each.")
    ] = False,
    minimum_voxels: Annotated[
        int, typer.Option("--minimum-voxels", min=0, metavar="N", help="Smaller lesions are left out; 0 keeps all.")
    ] = 10,
    empty: Annotated[
        str,
        typer.Option("--empty", metavar="nothing|sc", help="Without a lesion: nothing, or a page that says so."),
    ] = "nothing",
) -> None:
    """Write predicted label maps as DICOM objects of the CT series that they were made of. Research use only."""
    from nnunet_amt.clinic.export import KINDS, Empty, ExportOptions, Kind, export_predictions
    from nnunet_amt.clinic.rtstruct import Holes

    chosen = tuple(dict.fromkeys(kinds or ("seg",)))
    for kind in chosen:
        options.require_choice("--as", kind, KINDS)
    options.require_choice("--holes", holes, ("keyhole", "xor"))
    options.require_choice("--empty", empty, ("nothing", "sc"))
    with progress_bars() as progress:
        result = export_predictions(
            predictions, dicom, output,
            options=ExportOptions(
                kinds=cast("tuple[Kind, ...]", chosen), holes=cast("Holes", holes), together=together,
                minimum_voxels=minimum_voxels, empty=cast("Empty", empty),
            ),
            progress=progress,
        )  # fmt: skip
    show_written(result.files)
    for case_id in result.without_lesion:
        out.print(f"{case_id}: no lesion, {'a page says so' if empty == 'sc' else 'nothing written'}", markup=False)
    for case_id, reason in result.refused.items():
        err.print(printable(f"{case_id}: not written: {reason}"), markup=False)
    if result.refused:
        raise typer.Exit(1)
