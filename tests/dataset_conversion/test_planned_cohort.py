"""What the page shows before a conversion is what the conversion writes: the same figure and tables, byte for byte."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nnunet_amt.cohort import read_manifest
from nnunet_amt.dataset_conversion import RawDataset, convert
from nnunet_amt.dataset_conversion.flow_figure import FLOW_ENDINGS, flow_figure, saved_flow_figure
from nnunet_amt.dataset_conversion.former_conversion import read_former_conversion
from nnunet_amt.dataset_conversion.planned_cohort import planned_cohort
from nnunet_amt.dataset_conversion.pseudonyms import default_key_file
from nnunet_amt.errors import SplitLeakageError
from tests.dataset_conversion.cohort_fixtures import make_ct, write_cohort, write_image, write_manifest

FINDINGS = ("histology", "manufacturer", "age", "sex", "slice_thickness_mm", "exclusion_reason")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Four cases with all that the tables count, and an excluded one."""
    values = ("thymoma", "Siemens", "61", "F", "5", "")
    path = write_cohort(tmp_path / "cohort", {number: dict(zip(FINDINGS, values, strict=True)) for number in range(4)})
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(["c4", *[""] * 10, "no CT"])
    return path


def test_the_prints_are_those_of_the_conversion(manifest: Path, tmp_path: Path) -> None:
    cohort = read_manifest(manifest)
    planned = planned_cohort(cohort.cases, cohort.excluded_by_reason)
    dataset = convert(manifest, tmp_path / "raw", dataset_id=711).dataset_folder
    for number, table in enumerate(planned.tables, start=1):
        assert table.as_csv() == (dataset / f"table{number}.csv").read_text(encoding="utf-8")
    for ending in ("png", "svg"):
        assert saved_flow_figure(flow_figure(planned.flow), ending) == (dataset / f"flow.{ending}").read_bytes()
    assert planned.flow.identified_cases == 5
    assert planned.without_manufacturer == 0


def test_every_ending_gives_the_same_bytes_again(manifest: Path) -> None:
    cohort = read_manifest(manifest)
    flow = planned_cohort(cohort.cases, cohort.excluded_by_reason).flow
    for ending in FLOW_ENDINGS:
        assert saved_flow_figure(flow_figure(flow), ending) == saved_flow_figure(flow_figure(flow), ending)


def test_phantoms_stand_beside_no_patients(manifest: Path) -> None:
    cohort = read_manifest(manifest)
    tables = planned_cohort(cohort.cases, {}, published=False).tables
    assert not any("ublished" in column for table in tables for column in table.columns)


def test_a_split_that_the_conversion_refuses_is_not_printed(tmp_path: Path) -> None:
    cohort = read_manifest(write_cohort(tmp_path, {0: {"institution": "East"}}))
    with pytest.raises(SplitLeakageError):
        planned_cohort(cohort.cases, {})


def test_a_former_conversion_tells_which_cases_have_moved(tmp_path: Path) -> None:
    """East tests at first; then North's two training cases and its tuning case do, and East learns."""
    manifest = write_cohort(tmp_path / "cohort")
    dataset = RawDataset(convert(manifest, tmp_path / "raw", dataset_id=711).dataset_folder)
    before = read_manifest(manifest).cases
    former = read_former_conversion(dataset, before, key_file=default_key_file(manifest))
    assert former is not None and former.moved(before) == ()
    assert former.require_unlike(before) == 4
    rows = {number: {"split": "training" if number == 2 else "external"} for number in range(4)}
    after = read_manifest(write_cohort(tmp_path / "cohort", rows)).cases
    moved = former.moved(after)
    assert (len(moved), sum(case.leaks for case in moved)) == (4, 3)


def test_equal_cts_of_an_unfinished_conversion_are_known_before_the_next(tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path / "cohort")
    write_image(tmp_path / "cohort" / "ct" / "2.nii.gz", make_ct(0))
    with pytest.raises(SplitLeakageError):
        convert(manifest, tmp_path / "raw", dataset_id=711)
    cases = read_manifest(manifest).cases
    dataset = RawDataset(tmp_path / "raw" / "Dataset711_AMT")
    former = read_former_conversion(dataset, cases, key_file=default_key_file(manifest))
    assert former is not None
    with pytest.raises(SplitLeakageError, match=r"'c0' \(line 2, training\) and case 'c2' \(line 4, external\)"):
        former.require_unlike(cases)


def test_without_a_conversion_there_is_nothing_to_know(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "manifest.csv", [])
    dataset = RawDataset(tmp_path / "raw" / "Dataset711_AMT")
    assert read_former_conversion(dataset, (), key_file=default_key_file(manifest)) is None
    dataset.folder.mkdir(parents=True)
    assert read_former_conversion(dataset, (), key_file=default_key_file(manifest)) is None
