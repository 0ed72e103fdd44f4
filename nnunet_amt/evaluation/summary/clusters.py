"""What resamples draw, and tests take for independent, where it is not single cases: patients, or institutions."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.settings import ResamplingUnit
from nnunet_amt.evaluation.summary.cohort_groups import CohortRows, read_cohort_rows

FEWEST_CLUSTERS = 20  # under which resampling them gives too narrow intervals
# Of the cohort file; the conversion writes "patient", a table that is made by hand may have the manifest's.
_COLUMNS: dict[ResamplingUnit, tuple[str, ...]] = {
    "institution": ("institution",),
    "patient": ("patient", "patient_id"),
}
_LOGGER = logging.getLogger(__name__)


def read_clusters(
    cohort: Path | None, *, case_ids: Sequence[str], cluster: ResamplingUnit, intervals: bool = True
) -> Mapping[str, str] | None:
    """Read the cohort file for `clusters_of`, if there is one."""
    rows = None if cohort is None or cluster == "case" else read_cohort_rows(cohort, case_ids=case_ids)
    return clusters_of(rows, cluster=cluster, intervals=intervals)


def clusters_of(
    rows: CohortRows | None, *, cluster: ResamplingUnit, intervals: bool = True
) -> Mapping[str, str] | None:
    """Give the patient or institution of each case, by case id; None where cases are drawn.

    Few are warned of, unless they are not for `intervals`.

    Raises
    ------
    BadInputError
        If there is no cohort file, or it does not say of every case.
    """
    if cluster == "case":
        return None
    if rows is None:
        raise BadInputError(f"cluster {cluster}: needs to know the {cluster}s; give a cohort file too (--cohort)")
    column = next((name for name in _COLUMNS[cluster] if any(name in row for row in rows.values())), None)
    if column is None and cluster == "patient":
        raise BadInputError(
            "cluster patient: the cohort file has no column 'patient', as those of earlier versions of nnunet_amt; run "
            "nnunet_amt convert again, which keeps the finished cases, or leave the option out to resample cases"
        )
    found = {case_id: row.get(column or "", "") for case_id, row in rows.items()}
    if missing := sum(not name for name in found.values()):
        lacking = "no case has" if missing == len(found) else f"{missing} of {len(found)} cases lack"
        raise BadInputError(
            f"cluster {cluster}: in the cohort file {lacking} {'an' if cluster == 'institution' else 'a'} {cluster}; "
            f"fill its column {column or cluster!r}, or leave the option out to resample cases"
        )
    number = len(set(found.values()))
    if intervals and number < FEWEST_CLUSTERS:
        _LOGGER.warning(
            "cluster %s: only %d %ss; under %d the intervals are too narrow to rely on",
            *(cluster, number, cluster, FEWEST_CLUSTERS),
        )
    return found
