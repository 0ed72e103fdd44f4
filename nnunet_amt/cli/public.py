"""The commands that write manifests: of a public cohort, and of several cohorts together."""

from __future__ import annotations

from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli.console import one_line_errors, progress_bars, show_next, show_written
from nnunet_amt.errors import BadInputError


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
    show_next(
        f"nnunet_amt join-manifests {output} OTHER.csv -o cohort.csv    # it is one institution; a split needs more"
    )


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
    show_next(f"nnunet_amt convert {output} -d 711")
