"""Cases that could not be converted, and the files that name them."""

from __future__ import annotations

import csv
import io
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import write_text
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
class CaseFailure:
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


class CasesFailedError(WorkFailedError):
    """Cases could not be converted, and are not to be left out for it.

    Parameters
    ----------
    failures
        At least one.
    converted, total
        Cases that are converted, and all.
    listed_in
        File that lists the failures.
    """

    def __init__(self, failures: Sequence[CaseFailure], converted: int, total: int, listed_in: Path) -> None:
        self.failures = tuple(failures)
        them, cases = ("it", "the case") if len(failures) == 1 else ("them", "the cases")
        self.summary = (
            f"{converted} of {total} cases are converted, {len(failures)} failed ({listed_in} lists {them}): "
            f"mend {cases} and run the same command again"
            + (f", or leave {them} out with --exclude-unreadable" if converted else "")
        )
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        super().__init__(f"{failures[0].message}{more}; {self.summary}")


def failure_of(case: CohortCase, name: str, place: str, error: AMTError) -> CaseFailure:
    """Make a record of what went wrong with a case.

    Parameters
    ----------
    case, name
        The case, and its name in the dataset.
    place
        The manifest's line, put before messages that do not say it.
    error
        What `nnunet_amt.base.workers.attempt` gave.
    """
    message = str(error)
    if isinstance(error, WorkFailedError):
        message = f"{place}: {message}"
    return CaseFailure(case, name, message, _REASONS.get(type(error), _OTHER_REASON))


def reasons_of(failures: Sequence[CaseFailure]) -> Counter[str]:
    """Count failed cases by reason."""
    return Counter(failure.reason for failure in failures)


def write_failure_reasons(path: Path, failures: Sequence[CaseFailure]) -> None:
    """Write the failed cases by their names in the dataset; without failures the file is removed.

    Parameters
    ----------
    path
        A CSV file in the dataset.
    failures
        Sorted by line.
    """
    _write(path, ("case_id", "reason"), [(failure.name, failure.reason) for failure in failures])


def write_failure_messages(path: Path, failures: Sequence[CaseFailure]) -> None:
    """Write the failed cases with the manifest's ids and whole messages; without failures the file is removed.

    Parameters
    ----------
    path
        A CSV file outside the dataset: the manifest's case ids are in it.
    failures
        Sorted by line.
    """
    rows = [(failure.case.line, failure.case.case_id, failure.message) for failure in failures]
    _write(path, ("line", "case_id", "message"), rows)


def tell_early(path: Path, failures: Sequence[CaseFailure], going_on: int) -> None:
    """List cases that have failed before hours are spent on the others.

    Parameters
    ----------
    path
        See `write_failure_messages`.
    failures
        So far.
    going_on
        Cases that are yet to be converted.
    """
    if failures and going_on:
        write_failure_messages(path, sorted(failures, key=lambda failure: failure.case.line))
        logger.warning(
            "failed so far: %d of %d cases, listed in %s; the others (%d) are converted now",
            len(failures),
            len(failures) + going_on,
            path,
            going_on,
        )


def _write(path: Path, columns: Sequence[str], rows: Sequence[Iterable[object]]) -> None:
    if not rows:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())
