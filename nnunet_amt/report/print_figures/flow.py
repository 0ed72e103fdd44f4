"""The flow of cases of a dataset on disk, for Figure 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt.errors import BadInputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AUDIT_FILE = "audit.json"


def flow_figure_of(dataset: Path) -> Figure:
    """Draw the exclusions and the split that the conversion has written down.

    Parameters
    ----------
    dataset
        Raw dataset with ``audit.json``.

    Raises
    ------
    BadInputError
        If that file cannot be read, or is not what the conversion writes.
    """
    # the conversion's package brings pandas and pydantic along, which other figures do without
    from nnunet_amt.cohort import SplitCounts
    from nnunet_amt.dataset_conversion.flow_figure import FlowCounts, flow_figure

    path = dataset / AUDIT_FILE
    try:
        audit = json.loads(path.read_text(encoding="utf-8"))
        splits = tuple(
            SplitCounts(split, row["cases"], row["patients"], row["institutions"])
            for split, row in audit["splits"].items()
        )
        counts = FlowCounts(
            excluded=audit["excluded_by_reason"],
            included_cases=audit["included"]["cases"],
            included_institutions=audit["included"]["institutions"],
            splits=splits,
            shared_institutions=audit["institutions_of_both_training_and_tuning"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(
            f"{path}: is not what the conversion writes ({error}); run nnunet_amt convert again"
        ) from error
    return flow_figure(counts)
