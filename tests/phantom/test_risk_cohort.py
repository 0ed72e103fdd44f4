"""Phantoms of low and high risk: the published rates, tumours that are as the manifest says, a second reader."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.cohort import read_manifest
from nnunet_amt.errors import BadInputError
from nnunet_amt.phantom import (
    Appearance,
    CohortDesign,
    PhantomRequest,
    PlannedCase,
    TumourRequest,
    plan_cohort,
    plan_risk_cohort,
    render_phantom,
    write_risk_cohort,
)
from nnunet_amt.phantom.second_reader import second_outline
from tests.phantom.test_cohort import TINY, rows_of

LARGE = CohortDesign(training=400, tuning=5, external=400, development_institutions=3, external_institutions=3)


HIGH = ("B2", "B3")


@cache
def large_plan(*, null: bool = False) -> list[PlannedCase]:
    return plan_risk_cohort(LARGE, null=null)


def found(cases: list[PlannedCase], split: str, types: str, finding: str) -> Counter[str]:
    appearances = [
        case.request.tumours[0].appearance for case in cases if case.split == split and case.who_type in types.split()
    ]
    return Counter(getattr(appearance, finding) for appearance in appearances)


@pytest.mark.parametrize(
    ("split", "finding", "value", "low", "high"),
    [
        ("training", "margin", "unclear", 9 / 61, 100 / 144),
        ("external", "margin", "unclear", 1 / 20, 26 / 41),
        ("training", "contour", "irregular", 12 / 61, 24 / 144),
        ("training", "enhancement", "heterogeneous", 36 / 61, 106 / 144),
        ("external", "enhancement_degree", "severe", 1 / 20, 2 / 41),
        ("training", "calcification", "yes", 9 / 61, 39 / 144),
    ],
)
def test_findings_have_the_published_rates(split: str, finding: str, value: str, low: float, high: float) -> None:
    """Table 1; without signal both classes have the rate of both together."""
    cases, null = large_plan(), large_plan(null=True)
    shares, null_shares = [], []
    for types in ("A AB B1", "B2 B3"):
        counts, null_counts = (found(planned, split, types, finding) for planned in (cases, null))
        shares.append(counts[value] / counts.total())
        null_shares.append(null_counts[value] / null_counts.total())
    assert shares == pytest.approx([low, high], abs=0.02)
    assert null_shares[0] == pytest.approx(null_shares[1], abs=0.07)


def test_classes_ages_and_sizes_are_those_of_table_1() -> None:
    """144 of 205 are of high risk; the tumours of the testing centre are smaller, 5.3 cm against 8."""
    cases = [case for case in large_plan() if case.split in ("training", "external")]
    high = {split: [c for c in cases if c.split == split and c.who_type in HIGH] for split in ("training", "external")}
    assert len(high["training"]) / 400 == pytest.approx(144 / 205, abs=0.01)
    assert np.mean([c.request.tumours[0].diameter for c in high["training"]]) == pytest.approx(80.96, abs=4)
    assert np.mean([c.request.tumours[0].diameter for c in high["external"]]) == pytest.approx(52.85, abs=4)
    assert np.mean([c.request.age for c in high["training"]]) == pytest.approx(54.89, abs=2)
    assert {case.who_type for case in cases} == {"A", "AB", "B1", "B2", "B3"}
    assert [c.who_type in HIGH for c in large_plan()] == [c.who_type in HIGH for c in large_plan(null=True)]


def test_institutions_are_those_of_other_cohorts_and_cases_do_not_depend_on_later_ones() -> None:
    few, many = (plan_risk_cohort(replace(TINY, training=number)) for number in (3, 9))
    assert [case.institution for case in few] == [case.institution for case in plan_cohort(replace(TINY, training=3))]
    by_id = {case.case_id: case for case in many}
    assert all(by_id[case.case_id].request == case.request for case in few)


def drawn(**appearance: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one tumour, the same but for its appearance: HU and mask, (z, y, x), and its slices."""
    request = PhantomRequest(
        tumours=(TumourRequest("thymoma", 60.0, appearance=Appearance(**appearance)),),
        in_plane_pixels=96,
        contrast="venous",
        beside_tumours=10.0,
    )
    phantom = render_phantom(5, 3, request)
    slices: np.ndarray = phantom.mask.max(axis=(1, 2)) > 0
    return phantom.image.astype(float), phantom.mask > 0, slices


def test_what_is_drawn_is_what_readers_are_to_find() -> None:
    """Inside, away from the edge: SD of HU by mottle and necrosis, mean by degree of enhancement, a bright spot."""
    from scipy.ndimage import binary_dilation, binary_erosion

    plain, mask, _ = drawn()
    inside = binary_erosion(mask, iterations=2)
    mottled = drawn(enhancement="heterogeneous")[0]
    assert mottled[inside].std() > 2 * plain[inside].std()
    strong = drawn(enhancement_degree="severe")[0]
    assert strong[inside].mean() - plain[inside].mean() == pytest.approx(25, abs=3)
    spot = drawn(calcification="yes")[0]
    assert (plain[inside].max() < 150, spot[inside].max() > 200) == (True, True)
    # Just outside of a margin that fades HU are nearer to the tumour's; the outline is the same
    faded, same, _ = drawn(margin="unclear")
    beside = binary_dilation(mask, iterations=1) & ~mask
    assert np.array_equal(same, mask)
    assert np.median(faded[beside]) > np.median(plain[beside]) + 20


def test_an_irregular_contour_has_more_edge_for_its_area() -> None:
    def edge(contour: str) -> float:
        mask = drawn(contour=contour)[1]
        faces = sum(int(np.abs(np.diff(mask.astype(int), axis=axis)).sum()) for axis in (1, 2))
        areas = mask.sum(axis=(1, 2)).astype(float)
        return faces / float(np.sqrt(areas).sum())

    assert edge("smooth") < edge("irregular")


def test_the_scan_ends_beside_the_tumour() -> None:
    """10 mm above and below: at least one slice of 5 mm without tumour at both ends, and no more than three."""
    slices = drawn()[2]
    before, after = int(slices.argmax()), int(slices[::-1].argmax())
    assert 1 <= before <= 3
    assert 1 <= after <= 3


def test_a_second_reader_is_a_little_off() -> None:
    """A disc of 20 pixels of 2 mm: an edge that is off by some 2 mm leaves Dice between 0.85 and 0.99."""
    y, x = np.indices((40, 40)) - 20
    mask = np.repeat((np.hypot(y, x) < 10)[None], 6, axis=0).astype(np.uint8)
    mask[[0, 5]] = 0
    one, again, other = (second_outline(mask, (5.0, 2.0, 2.0), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    for second in (one, other):
        assert 0.85 < 2 * (mask & second).sum() / (mask.sum() + second.sum()) < 0.99
    speck = np.zeros((3, 5, 5), np.uint8)
    speck[1, 2, 2] = 1
    assert all(second_outline(speck, (5.0, 2.0, 2.0), np.random.default_rng(seed)).any() for seed in range(8))


def test_a_cohort_on_disk(tmp_path: Path) -> None:
    """The manifest is one that a conversion reads; the folder takes no other cohort, nor the one without signal."""
    manifest = write_risk_cohort(tmp_path, design=TINY)
    rows = rows_of(manifest)
    assert [row["mask_2"] for row in rows[:2]] == [
        "second_masks/training_001.nii.gz",
        "second_masks/training_002.nii.gz",
    ]
    assert all((tmp_path / row["mask_2"]).is_file() and row["margin"] for row in rows[:5])
    assert [(row["who_type"], row["mask_2"]) for row in rows[5:]] == [("", "")] * 2
    planned = {case.case_id: case for case in plan_risk_cohort(TINY)}
    for case in read_manifest(manifest).cases:
        assert (case.who_type, case.histology) == (planned[case.case_id].who_type, "thymoma")
        appearance = planned[case.case_id].request.tumours[0].appearance
        assert appearance is not None
        assert (case.margin, case.contour, case.calcification) == (
            appearance.margin,
            appearance.contour,
            appearance.calcification,
        )
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nii.gz")}
    (tmp_path / rows[0]["mask_2"]).unlink()
    write_risk_cohort(tmp_path, design=TINY)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nii.gz")}
    assert {path.name for path in before if before[path] != after[path]} == {"training_001.nii.gz"}
    with pytest.raises(BadInputError, match="holds phantoms made with"):
        write_risk_cohort(tmp_path, design=TINY, null=True)
