"""Options that the commands of the evaluation share, so that one word means one thing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Predictions = Annotated[Path, typer.Argument(help="Folder of predicted label maps.")]
References = Annotated[Path, typer.Argument(help="Folder of reference label maps of the same names.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the results.")]
ConnectivityOption = Annotated[
    int, typer.Option("--connectivity", metavar="6|18|26", help="Neighbours that make one lesion.")
]
MinimumVoxels = Annotated[
    int, typer.Option("--minimum-voxels", min=0, metavar="N", help="Smaller predicted lesions are dropped.")
]
FalsePositiveRuleOption = Annotated[
    str,
    typer.Option(
        "--false-positive-rule", metavar="RULE", help="unmatched (the paper's table) or no_overlap (its text)."
    ),
]
ForegroundOption = Annotated[
    int,
    typer.Option(
        "--foreground", min=1, metavar="N", help="Value of tumour in masks that do not hold 0 and 1, such as 255."
    ),
]
MissingAsEmpty = Annotated[
    bool, typer.Option("--missing-as-empty", help="Count cases without a prediction as empty predictions.")
]
