"""The commands of the clinic: results of new patients, as objects that a PACS takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunet_amt.cli import options
from nnunet_amt.cli.console import err, one_line_errors, out, printable, progress_bars, show_next, show_written

if TYPE_CHECKING:
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
    kinds: Kinds = None,
    holes: Holes = "keyhole",
    together: Together = False,
    minimum_voxels: SmallestLesion = 10,
    empty: Empty = "nothing",
    resample_tilt: Annotated[
        bool, typer.Option("--resample-tilt", help="Straighten series of a tilted gantry; no DICOM is written of them.")
    ] = False,
    keep_intensities: Annotated[
        bool, typer.Option("--keep-intensities", help="Take CTs whose values do not look like HU.")
    ] = False,
    device: options.Device = "auto",
) -> None:
    """Segment CTs of new patients, which have no reference: masks, lesions, a page, and DICOM. Research use only."""
    from nnunet_amt.clinic.segment import SegmentOptions
    from nnunet_amt.clinic.segment import segment as segment_cases
    from nnunet_amt.images.image_file import ReadingOptions

    asked = SegmentOptions(
        _objects(kinds or [], holes, together, minimum_voxels, empty),
        ReadingOptions(resample_tilt=resample_tilt, keep_intensities=keep_intensities),
    )
    with progress_bars() as progress:
        result = segment_cases(
            inputs, output, model=model, options=asked, fold=fold, trainer=trainer, checkpoint=checkpoint,
            device=device, progress=progress,
        )  # fmt: skip
    out.print(f"segmented {len(result.done)} now, {len(result.kept)} before")
    for case_id, note in result.notes.items():
        out.print(printable(f"{case_id}: {note}"), markup=False)
    for one in result.not_taken:
        err.print(printable(f"not taken: {one.given.name}: {one.reason}"), markup=False)
    show_written([output])
    show_next("open", result.page, note="    # in a browser")
    if any(one.is_ct for one in result.not_taken):
        raise typer.Exit(1)


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
    dicom: Annotated[
        list[Path],
        typer.Option("--dicom", metavar="FOLDER|ZIP", help="Where the CT series are; may be repeated."),
    ],
    output: options.Output,
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
        result = export_predictions(predictions, dicom, output, options=asked, progress=progress)
    show_written(result.files)
    for case_id in result.without_lesion:
        out.print(f"{case_id}: no lesion, {'a page says so' if empty == 'sc' else 'nothing written'}", markup=False)
    for case_id, note in result.notes.items():
        out.print(printable(f"{case_id}: {note}"), markup=False)
    for case_id, reason in result.refused.items():
        err.print(printable(f"{case_id}: not written: {reason}"), markup=False)
    if result.refused:
        raise typer.Exit(1)
