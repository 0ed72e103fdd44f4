"""audit.json: what was checked, and what is in the split."""

from __future__ import annotations

import json
from pathlib import Path

from nnunet_amt.cohort import audit_splits
from nnunet_amt.dataset_conversion.dataset_files import AUDIT_COLUMNS, audit_checks, audit_rows, write_audit
from tests.cohort.test_audit import CLEAN


def test_rows_for_the_screen_end_with_the_whole() -> None:
    assert AUDIT_COLUMNS == ("split", "cases", "patients", "institutions")
    assert audit_rows(audit_splits(CLEAN)) == [
        ("training", "2", "1", "1"),
        ("tuning", "2", "2", "2"),
        ("external", "1", "1", "1"),
        ("all", "5", "4", "3"),  # North is in training and tuning
    ]


def test_checks_say_how_much_was_compared() -> None:
    assert audit_checks(audit_splits(CLEAN), 5) == [
        "institutions: 1 of the external test set, 2 of training and tuning, none of both",
        "patients: 4, none in two splits",
        "CTs compared voxel for voxel: 5, no two the same",
    ]


def test_the_file_holds_counts_codes_and_no_name(tmp_path: Path) -> None:
    codes = {"North": "i-1", "South": "i-2", "East": "i-3"}
    path = write_audit(
        tmp_path, audit=audit_splits(CLEAN).coded(codes), excluded={"incomplete CT": 2, "no CT": 1}, compared_voxels=5
    )
    assert path == tmp_path / "audit.json"
    content = json.loads(path.read_text())
    assert (content["identified"], content["excluded"]) == (8, 3)
    assert content["included"] == {"cases": 5, "patients": 4, "institutions": 3}
    assert content["splits"]["tuning"] == {"cases": 2, "patients": 2, "institutions": 2}
    assert content["institutions_of_both_training_and_tuning"] == 1
    assert content["cases_by_institution"]["i-1"] == {"training": 2, "tuning": 1}
    assert all(check["passed"] for check in content["checks"])
    assert not any(name in path.read_text() for name in ("North", "South", "East", "p1"))
