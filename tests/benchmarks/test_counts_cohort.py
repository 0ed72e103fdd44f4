"""The phantom cohort with the paper's counts, through the conversion: audit, flow, Tables 1 and 2 are the paper's."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import SimpleITK as sitk

from benchmarks.phantoms.counts_cohort import EXCLUSIONS, write_counts_cohort
from nnunet_amt import paper
from nnunet_amt.cohort import SplitAudit, assign_splits, audit_splits, read_manifest
from nnunet_amt.dataset_conversion import convert

pytestmark = pytest.mark.slow  # 711 cases are made and converted


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_counts_cohort(tmp_path_factory.mktemp("counts"))


def assert_counts_are_the_papers(audit: SplitAudit) -> None:
    assert [(row.cases, row.patients, row.institutions) for row in audit.splits] == [
        (paper.TRAINING_CASES, paper.TRAINING_CASES, paper.TRAINING_INSTITUTIONS),
        (paper.TUNING_CASES, paper.TUNING_CASES, paper.TUNING_INSTITUTIONS),
        (paper.EXTERNAL_CASES, paper.EXTERNAL_CASES, paper.EXTERNAL_INSTITUTIONS),
    ]
    assert audit.total == (paper.INCLUDED_CASES, paper.INCLUDED_CASES, paper.INSTITUTIONS)


def test_the_manifest_has_the_papers_counts(manifest: Path) -> None:
    cohort = read_manifest(manifest)
    assert len(cohort.cases) + len(cohort.excluded) == paper.IDENTIFIED_CASES
    assert sum(cohort.excluded_by_reason.values()) == paper.EXCLUDED_CASES
    assert_counts_are_the_papers(audit_splits(cohort.cases))


def test_without_the_split_column_the_same_institutions_are_held_out(manifest: Path, tmp_path: Path) -> None:
    """Smallest first: 164 cases are those of the 121 institutions that give one or two."""
    rows = [row | {"split": ""} for row in csv.DictReader(manifest.open(encoding="utf-8"))]
    with (tmp_path / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    cases = assign_splits(read_manifest(tmp_path / "manifest.csv").cases, external_cases=paper.EXTERNAL_CASES)
    training, tuning, external = audit_splits(cases).splits
    assert (external.cases, external.institutions) == (paper.EXTERNAL_CASES, paper.EXTERNAL_INSTITUTIONS)
    assert (training.cases, tuning.cases) == (paper.TRAINING_CASES, paper.TUNING_CASES)


def test_one_seed_gives_one_cohort(manifest: Path, tmp_path: Path) -> None:
    again = write_counts_cohort(tmp_path / "again")
    assert again.read_bytes() == manifest.read_bytes()
    other = write_counts_cohort(tmp_path / "other", seed=1)
    assert other.read_bytes() != manifest.read_bytes()
    name = "images/training_00001.nii.gz"
    voxels = [sitk.GetArrayFromImage(sitk.ReadImage(str(path.parent / name))) for path in (manifest, again, other)]
    assert (voxels[0] == voxels[1]).all()
    assert (voxels[0] != voxels[2]).any()


@pytest.fixture(scope="module")
def dataset(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convert 711 cases of 256 voxels."""
    return convert(manifest, tmp_path_factory.mktemp("raw"), dataset_id=711).dataset_folder


def test_the_audit_of_the_converted_cohort(dataset: Path) -> None:
    audit = json.loads((dataset / "audit.json").read_text())
    assert audit["identified"] == paper.IDENTIFIED_CASES
    assert audit["excluded"] == paper.EXCLUDED_CASES
    assert audit["excluded_by_reason"] == EXCLUSIONS
    assert [row["cases"] for row in audit["splits"].values()] == [485, 62, 164]
    assert [row["institutions"] for row in audit["splits"].values()] == [13, 4, 121]
    assert audit["included"] == {"cases": 711, "patients": 711, "institutions": 136}
    assert "CTs compared voxel for voxel: 711, no two the same, no slice in two patients" in [
        check["check"] for check in audit["checks"]
    ]


def test_the_flow_figure_of_the_converted_cohort(dataset: Path) -> None:
    words = (dataset / "flow.svg").read_text(encoding="utf-8")
    for cases in (858, 147, 711, 485, 62, 164):
        assert f">{cases} cases<" in words
    for institutions in (13, 4, 121, 136):
        assert f">from {institutions} institutions<" in words
    assert (dataset / "flow.png").stat().st_size > 10_000


def test_tables_1_and_2_of_the_converted_cohort_are_the_papers(dataset: Path) -> None:
    """All that the paper's Table 1 prints, recomputed from 711 converted cases; percentages are left out here."""
    table = {tuple(row[:2]): row[2:] for row in csv.reader((dataset / "table1.csv").open(encoding="utf-8"))}
    assert table["age, years", "median (range)"][:3] == ["58.0 (20–87)", "60.5 (23–87)", "58.0 (21–85)"]
    for name, counts in paper.DIAGNOSES.items():
        cells = table["diagnosis", name]
        assert [int(cell.split()[0]) for cell in cells] == [*counts, sum(counts), sum(counts)]
    assert [table["sex", sex][3].split()[0] for sex in ("female", "male")] == ["372", "339"]
    table = {tuple(row[:2]): row[2:] for row in csv.reader((dataset / "table2.csv").open(encoding="utf-8"))}
    for name, count in paper.MANUFACTURERS.items():
        ours, published = table["manufacturer", name]
        assert ours == published
        assert ours.split()[0] == str(count)


def test_the_dataset_names_no_case_institution_or_patient_of_the_manifest(manifest: Path, dataset: Path) -> None:
    rows = list(csv.DictReader((dataset / "cohort.csv").open(encoding="utf-8")))
    assert {row["case_id"] for row in rows} == {f"AMT-{number:04d}" for number in range(1, 712)}
    assert {row["institution"] for row in rows} == {f"institution-{number:04d}" for number in range(1, 137)}
    labels = {path.name.removesuffix(".nii.gz") for path in dataset.glob("labels??/*.nii.gz")}
    assert labels == {row["case_id"] for row in rows}
    for path in dataset.rglob("*"):
        assert not any(word in path.name for word in ("training_0", "tuning_0", "external_0"))
        if path.suffix in (".csv", ".json", ".md", ".svg"):
            text = path.read_text(encoding="utf-8")
            assert not any(word in text for word in ("hospital", "patient_", "training_0", "tuning_0", "external_0"))
