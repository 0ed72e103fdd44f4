"""Cases that could not be converted, and the files that name them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import write_csv
from nnunet_amt.cohort import CohortCase
from nnunet_amt.errors import (
    AMTError,
    GeometryMismatchError,
    ImageReadError,
    LabelValueError,
    RoiNotFoundError,
    WorkFailedError,
)
from nnunet_amt.images.mask_file import EmptyMaskError, WholeMaskError

# In words that hold nothing of the case, as they go into the dataset and the flow figure.
_REASONS: dict[type[AMTError], str] = {
    ImageReadError: "CT or mask cannot be read",
    GeometryMismatchError: "mask does not fit the CT",
    EmptyMaskError: "mask is empty",
    WholeMaskError: "mask covers the whole CT",
    LabelValueError: "mask holds other labels",
    RoiNotFoundError: "no ROI of that name",
}
_OTHER_REASON = "conversion failed"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RefusedCase:
    """A case that could not be converted.

    Attributes
    ----------
    case
        As in the manifest.
    name
        Of the case in the dataset.
    message
        What is wrong and what to do, with the manifest's line and case id.
    reason
        In a few words that hold nothing of the case.
    """

    case: CohortCase
    name: str
    message: str
    reason: str

    @classmethod
    def of(cls, case: CohortCase, name: str, place: str, error: AMTError) -> RefusedCase:
        """Take what `nnunet_amt.base.workers.attempt` gave; `place` goes before messages that do not say it."""
        message = f"{place}: {error}" if isinstance(error, WorkFailedError) else str(error)
        return cls(case, name, message, _REASONS.get(type(error), _OTHER_REASON))


class CasesRefusedError(WorkFailedError):
    """Cases could not be converted, and are not to be left out for it.

    Parameters
    ----------
    refused
        At least one.
    converted
        Cases that are converted.
    listed_in
        File that lists the refused ones.
    """

    def __init__(self, refused: Sequence[RefusedCase], *, converted: int, listed_in: Path) -> None:
        self.refused = tuple(refused)
        them, cases = ("it", "the case") if len(refused) == 1 else ("them", "the cases")
        self.summary = (
            f"{converted} of {converted + len(refused)} cases are converted, {len(refused)} failed "
            f"({listed_in} lists {them}): mend {cases} and run the same command again"
            + (f", or leave {them} out with --exclude-unreadable" if converted else "")
        )
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        super().__init__(f"{refused[0].message}{more}; {self.summary}")


def reasons_of(refused: Sequence[RefusedCase]) -> Counter[str]:
    """Count refused cases by reason."""
    return Counter(one.reason for one in refused)


def write_reasons(path: Path, refused: Sequence[RefusedCase]) -> None:
    """Write the refused cases by their names in the dataset into a file in it; remove the file if there are none."""
    _write(path, ("case_id", "reason"), [(one.name, one.reason) for one in refused])


def write_messages(path: Path, refused: Sequence[RefusedCase]) -> None:
    """Write the refused cases with the manifest's ids and whole messages; remove the file if there are none.

    It lies outside the dataset: the manifest's case ids are in it.
    """
    rows = [(one.case.line, one.case.case_id, one.message) for one in refused]
    _write(path, ("line", "case_id", "message"), rows)


def list_early(path: Path, refused: Sequence[RefusedCase], *, going_on: int) -> None:
    """List cases that are refused already, see `write_messages`, before hours are spent on the `going_on` others."""
    if refused and going_on:
        write_messages(path, sorted(refused, key=lambda one: one.case.line))
        logger.warning(
            "failed so far: %d of %d cases, listed in %s; the others (%d) are converted now",
            len(refused),
            len(refused) + going_on,
            path,
            going_on,
        )


def _write(path: Path, columns: Sequence[str], rows: Sequence[Iterable[object]]) -> None:
    if rows:
        write_csv(path, columns, rows)
    else:
        path.unlink(missing_ok=True)
