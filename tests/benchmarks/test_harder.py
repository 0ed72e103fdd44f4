"""The harder cohort: what looks like a tumour and is none, sizes from 1 to 12 cm, an external test set apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from benchmarks.phantoms import (
    DISTRACTORS,
    HARDER_DESIGN,
    Distractor,
    Distractors,
    plan_harder_cohort,
    write_harder_cohort,
    write_without_tumours,
)
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.distances import largest_diameters
from nnunet_amt.phantom import (
    CohortDesign,
    Phantom,
    PhantomRequest,
    PlannedCase,
    TumourRequest,
    render_phantom,
    write_phantom_cohort,
)
from nnunet_amt.phantom.scanner import ContrastPhase

pytestmark = pytest.mark.slow  # chests in full size are drawn, for benchmarks only

SPLITS = ("training", "tuning", "external")
TINY = CohortDesign(2, 1, 2, 0, 2, 2, in_plane_pixels=32)


@pytest.fixture(scope="module")
def cases() -> list[PlannedCase]:
    return plan_harder_cohort()


def of(cases: list[PlannedCase], external: bool) -> list[PlannedCase]:
    return [case for case in cases if (case.split == "external") == external]


def distractors_of(case: PlannedCase) -> tuple[Distractor, ...]:
    assert isinstance(case.request.findings, Distractors)
    return case.request.findings.names


# The plan


def test_the_cohort_is_as_large_as_promised(cases: list[PlannedCase]) -> None:
    assert [sum(case.split == split for case in cases) for split in SPLITS] == [70, 7, 21]


def test_every_seventh_case_has_no_tumour_and_no_mask(cases: list[PlannedCase]) -> None:
    without = [case for case in cases if case.no_tumour]
    assert [sum(case.split == split for case in without) for split in SPLITS] == [10, 1, 3]
    assert {case.mask for case in without} == {""}


def test_nothing_about_the_external_scans_but_native_phases_was_seen_in_development(cases: list[PlannedCase]) -> None:
    inside, outside = of(cases, False), of(cases, True)
    assert not {c.institution for c in inside} & {c.institution for c in outside}
    for attribute in ("manufacturer", "kernel", "slice_thickness"):
        seen, unseen = ({getattr(c.request, attribute) for c in side} for side in (inside, outside))
        assert seen and unseen and not seen & unseen, attribute
    assert {c.request.contrast for c in inside} & {c.request.contrast for c in outside} == {"native"}


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_runs_from_1_to_12_cm(cases: list[PlannedCase], split: str) -> None:
    """A quarter of the cases lies in each of 1-3, 3-5, 5-8 and 8-12 cm, less those of it that have no tumour."""
    of_split = [case for case in cases if case.split == split]
    diameters = np.array([case.request.tumours[0].diameter for case in of_split if not case.no_tumour])
    assert (diameters.min(), diameters.max()) == (10.0, 120.0)
    counts, _ = np.histogram(diameters, [10, 30, 50, 80, 120.1])
    assert counts.max() <= len(of_split) / 4 + 1
    assert counts.sum() == len(diameters)


def test_every_distractor_and_isodense_tumours_are_on_both_sides(cases: list[PlannedCase]) -> None:
    for external in (False, True):
        side = of(cases, external)
        for distractor in DISTRACTORS:
            assert 0.1 < np.mean([distractor in distractors_of(c) for c in side]) < 0.5
        assert 0.1 < np.mean([c.request.tumours[0].isodense for c in side if not c.no_tumour]) < 0.45


def test_the_plan_is_that_of_its_seed(cases: list[PlannedCase]) -> None:
    assert plan_harder_cohort() == cases
    assert plan_harder_cohort(replace(HARDER_DESIGN, seed=1)) != cases


# The images


@pytest.mark.parametrize("diameter", [10.0, 120.0])
def test_the_smallest_and_largest_tumours_are_drawn_in_their_size(diameter: float) -> None:
    """At 1.5 mm a pixel the mask may miss or gain a pixel at either end; organs may hide a part of a large one."""
    request = PhantomRequest((TumourRequest("thymoma", diameter),), in_plane_pixels=256, slice_thickness=3.0)
    phantom = render_phantom(0, 3, request)
    found = largest_diameters(phantom.mask > 0, phantom.spacing[::-1]).axial
    assert found == pytest.approx(diameter, abs=2 * phantom.spacing[1] + 0.1 * diameter)


def twins(distractor: Distractor, contrast: ContrastPhase, *tumours: TumourRequest) -> tuple[Phantom, Phantom]:
    """The same patient on the same scanner, with and without a finding."""
    request = PhantomRequest(tumours, age=66, in_plane_pixels=96, contrast=contrast)
    return render_phantom(5, 3, replace(request, findings=Distractors((distractor,)))), render_phantom(5, 3, request)


@pytest.mark.parametrize("distractor", DISTRACTORS)
def test_a_distractor_changes_the_image_and_labels_nothing(distractor: Distractor) -> None:
    """More than 8 cm³ change by 40 HU or more, which noise of some 15 HU, the same in both, never does alone."""
    with_it, without = twins(distractor, "native")
    assert not with_it.mask.any()
    changed = np.abs(with_it.image.astype(int) - without.image) > 40
    assert changed.sum() * np.prod(with_it.spacing) > 8_000
    assert with_it.spacing == without.spacing and with_it.origin == without.origin


def median_of_changed(with_it: Phantom, without: Phantom, low: int, high: int) -> float:
    """Median HU of what was lung or fat (low to high HU) and is soft tissue now."""
    before = (without.image >= low) & (without.image <= high)
    brighter = with_it.image.astype(int) - without.image > 40
    return float(np.median(with_it.image[before & brighter & (with_it.image > -40)]))


def test_an_effusion_is_fluid_and_an_ectatic_aorta_and_nodes_take_up_contrast_medium() -> None:
    """Fluid is drawn at 3 to 26 HU, arterial blood above 240, nodes at 42 and 25 more at full strength; 5 mm voxels
    at 4 mm a pixel mix some lung and fat into all of them."""
    assert -15 < median_of_changed(*twins("pericardial effusion", "arterial"), -1024, -500) < 35
    assert median_of_changed(*twins("ectatic aorta", "arterial"), -1024, -20) > 120
    assert 0 < median_of_changed(*twins("enlarged nodes", "arterial"), -1024, -20) < 80
    assert 0 < median_of_changed(*twins("thymic remnant", "arterial"), -1024, -20) < 80


def test_an_isodense_tumour_is_as_dense_as_the_heart_muscle() -> None:
    for contrast in ("native", "delayed"):
        request = PhantomRequest(
            (TumourRequest("thymic carcinoma", 60.0, isodense=True),), in_plane_pixels=96, contrast=contrast
        )
        phantom = render_phantom(5, 3, request)
        # drawn within 6 HU; the scanner adds a bias of some HU
        muscle = phantom.patient.contrast.myocardium + phantom.scanner.bias
        assert np.median(phantom.image[phantom.mask > 0]) == pytest.approx(muscle, abs=6 + 3)


def test_kernels_differ_in_noise() -> None:
    """The same liver: a sharp kernel is drawn with twice the noise of a soft one, and its sharper texture."""
    spread = {}
    for kernel in ("soft", "sharp"):
        phantom = render_phantom(5, 3, PhantomRequest((), in_plane_pixels=128, kernel=kernel))
        z, y, x = phantom.index_of((-75.0, 0.0, -140.0))
        spread[kernel] = phantom.image[z, y - 4 : y + 5, x - 4 : x + 5].std()
    assert spread["sharp"] > 1.5 * spread["soft"]


def test_a_distractor_that_there_is_not_is_refused_in_one_line() -> None:
    with pytest.raises(BadInputError, match="distractor 'goitre' must be one of pericardial effusion, "):
        Distractors(("goitre",))  # type: ignore[arg-type]


# The files


def test_the_same_seed_writes_the_same_voxels_and_no_other_plan_gets_into_the_folder(tmp_path: Path) -> None:
    one, other = (write_harder_cohort(tmp_path / name, design=TINY) for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    files = sorted((tmp_path / "one").rglob("*.nii.gz"))
    assert len(files) == 10
    for path in files:
        twin = tmp_path / "other" / path.relative_to(tmp_path / "one")
        first, second = (sitk.GetArrayFromImage(sitk.ReadImage(str(p))) for p in (path, twin))
        assert np.array_equal(first, second), path.name
    with pytest.raises(BadInputError, match="choose another folder"):
        write_phantom_cohort(tmp_path / "one", design=TINY)


def test_the_external_patients_are_drawn_without_their_tumours(tmp_path: Path) -> None:
    """On slices of the same thickness, in the same heights to a slice, and without what was denser than fat there."""
    write_harder_cohort(tmp_path / "cohort", design=TINY)
    write_without_tumours(tmp_path / "without", tmp_path / "cohort", design=TINY)
    wanted = [case for case in plan_harder_cohort(TINY) if case.split == "external" and case.mask]
    assert sorted(path.name for path in (tmp_path / "without").iterdir()) == [f"{one.case_id}.nii.gz" for one in wanted]
    for case in wanted:
        own = sitk.ReadImage(str(tmp_path / "without" / f"{case.case_id}.nii.gz"))
        scan, mask = (sitk.ReadImage(str(tmp_path / "cohort" / name)) for name in (case.image, case.mask))
        assert own.GetSpacing() == pytest.approx(scan.GetSpacing())
        assert abs(own.GetSize()[2] - scan.GetSize()[2]) <= 1
        assert abs(own.GetOrigin()[2] - scan.GetOrigin()[2]) <= own.GetSpacing()[2]
        beneath = sitk.GetArrayFromImage(sitk.Resample(own, mask, defaultPixelValue=-1000))
        assert beneath[sitk.GetArrayFromImage(mask) > 0].mean() < 0
