"""The phantom cohort: splits, institutions and proportions as asked, files whole or absent, reruns that keep them."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt import paper
from nnunet_amt.cohort import read_manifest
from nnunet_amt.errors import BadInputError
from nnunet_amt.phantom import MANIFEST_COLUMNS, CohortDesign, plan_cohort, write_phantom_cohort

TINY = CohortDesign(
    training=2,
    tuning=1,
    external=2,
    excluded=2,
    development_institutions=2,
    external_institutions=2,
    in_plane_pixels=32,
    seed=3,
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom_cohort(tmp_path_factory.mktemp("cohort"), design=TINY)


def rows_of(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_manifest_has_its_columns_and_files_on_one_grid(cohort: Path) -> None:
    rows = rows_of(cohort)
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    assert [row["split"] for row in rows] == ["training"] * 2 + ["tuning"] + ["external"] * 2 + [""] * 2
    assert len({row["patient_id"] for row in rows}) == len({row["case_id"] for row in rows}) == 7
    for row in rows[:5]:
        image, mask = (sitk.ReadImage(str(cohort.parent / row[name])) for name in ("image", "mask"))
        assert image.GetPixelID() == sitk.sitkInt16
        assert mask.GetPixelID() == sitk.sitkUInt8
        assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
        for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(image, get)() == getattr(mask, get)()
        assert image.GetSpacing()[2] == pytest.approx(float(row["slice_thickness_mm"]))
        assert sitk.GetArrayViewFromImage(mask).any()


def test_excluded_rows_say_why_and_have_no_files(cohort: Path) -> None:
    excluded = rows_of(cohort)[5:]
    assert [row["exclusion_reason"] for row in excluded] == ["incomplete CT", "missing clinical data"]
    assert all(row["image"] == row["mask"] == "" for row in excluded)
    assert excluded[1]["age"] == excluded[1]["histology"] == ""


def test_phantoms_without_a_tumour_are_added_on_request(cohort: Path, tmp_path: Path) -> None:
    """One after the other for training, external and tuning; the others stay as they are, byte for byte."""
    manifest = write_phantom_cohort(tmp_path, design=replace(TINY, no_tumour=3))
    rows = rows_of(manifest)
    healthy = [row for row in rows if row["no_tumour"] == "yes"]
    assert [row["case_id"] for row in healthy] == [f"no_tumour_{number:03d}" for number in (1, 2, 3)]
    assert [row["split"] for row in healthy] == ["training", "external", "tuning"]
    assert all(row["mask"] == row["histology"] == "" and (tmp_path / row["image"]).is_file() for row in healthy)
    others = [{name: row[name] for name in MANIFEST_COLUMNS} for row in rows if row["no_tumour"] == "no"]
    assert others == rows_of(cohort)
    for row in others[:5]:
        for name in ("image", "mask"):
            assert (tmp_path / row[name]).read_bytes() == (cohort.parent / row[name]).read_bytes()
    by_split = {
        split: {row["institution"] for row in rows if row["split"] == split} for split in ("training", "external")
    }
    assert not by_split["training"] & by_split["external"]
    assert read_manifest(manifest).cases[-1].no_tumour
    assert not list((tmp_path / "masks").glob("no_tumour*"))


def test_no_external_institution_is_a_development_institution() -> None:
    cases = plan_cohort(CohortDesign())
    by_split = {
        split: {c.institution for c in cases if c.split == split} for split in ("training", "tuning", "external")
    }
    assert not by_split["external"] & (by_split["training"] | by_split["tuning"])
    assert by_split["tuning"] <= by_split["training"]
    assert (len(by_split["training"]), len(by_split["external"])) == (4, 9)


def test_a_large_plan_has_the_papers_proportions() -> None:
    """Table 3: 24% small, 35% medium, 41% large; Table 2: Canon has about half of the external cases."""
    design = CohortDesign(training=400, external=164, external_institutions=121, development_institutions=13)
    cases = plan_cohort(design)
    external = [case.request for case in cases if case.split == "external"]
    thymoma = [r.tumours[0].diameter for case in cases for r in [case.request] if r.tumours[0].histology == "thymoma"]
    assert np.mean(np.array(thymoma) < 50) == pytest.approx(0.24, abs=0.06)
    assert np.mean(np.array(thymoma) > 80) == pytest.approx(0.41, abs=0.06)
    assert np.mean([r.manufacturer == "Canon Medical Systems" for r in external]) == pytest.approx(80 / 164, abs=0.05)
    assert np.mean([r.tumours[0].histology == "thymoma" for r in external]) == pytest.approx(74 / 164, abs=0.05)
    assert {r.slice_thickness for r in external} == {5.0}
    assert all(20 <= case.request.age <= 87 for case in cases)
    assert {r.tumours[0].histology for r in external} <= set(paper.DIAGNOSES)


def test_a_case_does_not_depend_on_how_many_others_there_are() -> None:
    few, many = plan_cohort(CohortDesign(training=5)), plan_cohort(CohortDesign(training=50, external=30))
    more = {case.case_id: case for case in many}
    assert all((case.index, case.request) == (more[case.case_id].index, more[case.case_id].request) for case in few)


def test_a_rerun_keeps_every_file_and_reports_nothing_to_do(cohort: Path) -> None:
    before = {path: path.stat() for path in cohort.parent.rglob("*.*")}
    reports: list[int] = []
    write_phantom_cohort(cohort.parent, design=TINY, progress=lambda done, total, what: reports.append(done))
    after = {path: path.stat() for path in cohort.parent.rglob("*.*")}
    assert {p: (s.st_ino, s.st_mtime_ns) for p, s in before.items()} == {
        p: (s.st_ino, s.st_mtime_ns) for p, s in after.items()
    }
    assert reports == []


def test_what_a_crash_left_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first image breaks off half way: its name must not be taken, and the next run must write it whole."""
    design = CohortDesign(1, 0, 1, 0, 1, 1, in_plane_pixels=32)
    write = sitk.WriteImage

    def break_off(image: sitk.Image, path: str, **options: Any) -> None:
        if "training_001" in path and "images" in path:
            Path(path).write_bytes(b"half")
            raise KeyboardInterrupt
        write(image, path, **options)

    monkeypatch.setattr(sitk, "WriteImage", break_off)
    with pytest.raises(KeyboardInterrupt):
        write_phantom_cohort(tmp_path, design=design)
    image = tmp_path / "images" / "training_001.nii.gz"
    assert not image.exists()
    assert not (tmp_path / "manifest.csv").exists()
    image.with_name(".partial-1-training_001.nii.gz").write_bytes(b"half")  # as kill -9 would leave it
    monkeypatch.setattr(sitk, "WriteImage", write)
    reports: list[tuple[int, int]] = []
    write_phantom_cohort(tmp_path, design=design, progress=lambda done, total, what: reports.append((done, total)))
    assert reports == [(1, 2), (2, 2)]
    assert sitk.ReadImage(str(image)).GetSize()[:2] == (32, 32)


def test_two_processes_write_the_same_files_as_one(tmp_path: Path, cohort: Path) -> None:
    write_phantom_cohort(tmp_path, design=TINY, jobs=2)
    for path in sorted(cohort.parent.rglob("*.nii.gz")):
        twin = tmp_path / path.relative_to(cohort.parent)
        one, other = (sitk.GetArrayFromImage(sitk.ReadImage(str(p))) for p in (path, twin))
        assert np.array_equal(one, other), path.name


def test_a_scan_can_end_beside_the_tumours(tmp_path: Path) -> None:
    """Its highest and lowest slices with tumour are 10 mm from the ends, give or take one that is cut through."""
    design = CohortDesign(1, 0, 0, 0, 1, 0, in_plane_pixels=32, beside_tumours=10.0)
    write_phantom_cohort(tmp_path, design=design)
    mask = sitk.ReadImage(str(tmp_path / "masks" / "training_001.nii.gz"))
    thickness = mask.GetSpacing()[2]
    with_tumour = np.flatnonzero(sitk.GetArrayFromImage(mask).any(axis=(1, 2)))
    above = (mask.GetSize()[2] - 1 - with_tumour[-1]) * thickness
    below = with_tumour[0] * thickness
    assert all(abs(margin - 10.0) <= thickness for margin in (above, below))


def test_a_folder_of_another_design_is_refused(cohort: Path) -> None:
    with pytest.raises(BadInputError, match=r"holds phantoms made with .*'seed': 3.* choose another folder"):
        write_phantom_cohort(cohort.parent, design=CohortDesign(in_plane_pixels=32, seed=4))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"training": 0}, "training is 0; it must be at least 1"),
        ({"development_institutions": 60}, "development_institutions is 60; it must be from 1 to 48"),
        ({"external_institutions": 13}, "external_institutions is 13; it must be from 1 to 12"),
        ({"in_plane_pixels": 8}, "in_plane_pixels is 8; it must be from 32 to 1024"),
    ],
)
def test_a_design_that_cannot_be_is_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        CohortDesign(**wrong)
