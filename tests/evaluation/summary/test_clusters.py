"""Which patients and institutions are drawn, and what must be known of the cases for it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.settings import ResamplingUnit
from nnunet_amt.evaluation.summary.clusters import clusters_of, read_clusters
from nnunet_amt.evaluation.summary.cohort_groups import CohortRows


def rows(column: str, *values: str) -> CohortRows:
    return {f"c{i}": {column: value} for i, value in enumerate(values)}


def test_they_are_the_column_of_the_cohort_file() -> None:
    assert clusters_of(rows("patient", "patient-0001", "patient-0001"), cluster="patient") == {
        "c0": "patient-0001",
        "c1": "patient-0001",
    }
    assert clusters_of(rows("institution", "H1", "H2"), cluster="institution") == {"c0": "H1", "c1": "H2"}
    assert clusters_of(rows("patient_id", "7", "7"), cluster="patient") == {"c0": "7", "c1": "7"}, "a table by hand"
    assert clusters_of(rows("institution", "H1", ""), cluster="case") is None


@pytest.mark.parametrize(
    ("cohort", "cluster", "message"),
    [
        (None, "institution", "cluster institution: needs to know the institutions; give a cohort file too (--cohort)"),
        (None, "patient", "cluster patient: needs to know the patients; give a cohort file too (--cohort)"),
        (
            rows("institution", "H1", ""),
            "institution",
            "cluster institution: in the cohort file 1 of 2 cases lack an institution; fill its column 'institution', "
            "or leave the option out to resample cases",
        ),
        (rows("sex", "F"), "institution", "in the cohort file no case has an institution; fill its column"),
        (
            rows("institution", "H1"),
            "patient",
            "cluster patient: the cohort file has no column 'patient', as those of earlier versions of nnunet_amt; run "
            "nnunet_amt convert again, which keeps the finished cases, or leave the option out to resample cases",
        ),
        (rows("patient", "", "p"), "patient", "1 of 2 cases lack a patient; fill its column 'patient'"),
        (rows("patient_id", ""), "patient", "no case has a patient; fill its column 'patient_id'"),
    ],
)
def test_they_must_be_known_of_every_case(cohort: CohortRows | None, cluster: ResamplingUnit, message: str) -> None:
    with pytest.raises(BadInputError) as caught:
        clusters_of(cohort, cluster=cluster)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_few_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        clusters_of(rows("institution", "H1", "H2"), cluster="institution")
    assert "only 2 institutions; under 20 the intervals are too narrow" in caplog.text
    caplog.clear()
    clusters_of(rows("patient", *(f"p{i}" for i in range(20))), cluster="patient")
    assert caplog.text == ""


def test_the_file_is_read_only_where_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    assert read_clusters(path, case_ids=["a"], cluster="case") is None
    path.write_text("case_id,patient\na,p1\nb,p1\nother,p2\n")
    assert read_clusters(path, case_ids=["a", "b"], cluster="patient") == {"a": "p1", "b": "p1"}
