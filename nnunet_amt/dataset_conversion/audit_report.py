"""audit.json: what was checked before the split was trusted, and what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nnunet_amt.base.files import write_json
from nnunet_amt.cohort import SplitAudit

AUDIT_FILE = "audit.json"
AUDIT_COLUMNS = ("split", "cases", "patients", "institutions")


def audit_rows(audit: SplitAudit) -> list[tuple[str, str, str, str]]:
    """Lay out the counts for a table on the screen.

    Returns
    -------
    list of tuple
        A row a split and one for all, in the order of `AUDIT_COLUMNS`.
    """
    counts = [(str(row.split), row.cases, row.patients, row.institutions) for row in audit.splits]
    counts.append(("all", *audit.total))
    return [(name, str(cases), str(patients), str(places)) for name, cases, patients, places in counts]


def audit_checks(audit: SplitAudit, compared_voxels: int) -> list[str]:
    """Say in words what was checked; a breach would have stopped the conversion.

    Parameters
    ----------
    audit
        Of a split without a leak.
    compared_voxels
        Cases whose voxels were compared.
    """
    _, patients, institutions = audit.total
    external = audit.splits[-1].institutions
    others = institutions - external
    return [
        f"institutions: {external} of the external test set, {others} of training and tuning, none of both",
        f"patients: {patients}, none in two splits",
        f"CTs compared voxel for voxel: {compared_voxels}, no two the same",
    ]


def write_audit(
    folder: Path,
    audit: SplitAudit,
    excluded: Mapping[str, int],
    compared_voxels: int,
) -> Path:
    """Write ``audit.json``.

    Parameters
    ----------
    folder
        The dataset's.
    audit
        With codes in place of the institutions' names, see `SplitAudit.coded`.
    excluded
        Excluded cases by reason.
    compared_voxels
        Cases whose voxels were compared.

    Returns
    -------
    Path
        The written file.
    """
    cases, patients, institutions = audit.total
    left_out = sum(excluded.values())
    content = {
        "checks": [{"check": check, "passed": True} for check in audit_checks(audit, compared_voxels)],
        "identified": cases + left_out,
        "excluded": left_out,
        "excluded_by_reason": dict(excluded),
        "included": {"cases": cases, "patients": patients, "institutions": institutions},
        "splits": {
            row.split: {"cases": row.cases, "patients": row.patients, "institutions": row.institutions}
            for row in audit.splits
        },
        "institutions_of_both_training_and_tuning": audit.shared_institutions,
        "cases_by_institution": audit.cases_by_institution,
    }
    path = folder / AUDIT_FILE
    write_json(path, content)
    return path
