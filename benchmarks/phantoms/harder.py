"""The harder phantom cohort: sizes from 1 to 12 cm or none, isodense tumours, distractors, an external test set apart.

The external cases come from institutions, manufacturers, kernels, slice thicknesses and, mostly, contrast phases that
no training or tuning case has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.phantoms.distractors import DISTRACTORS, Distractors
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.mask_file import read_geometry
from nnunet_amt.images.nifti import write_nifti
from nnunet_amt.phantom.cohort import write_planned_cohort
from nnunet_amt.phantom.plan import CohortDesign, PlannedCase, plan_cohort
from nnunet_amt.phantom.render import Phantom, render_phantom
from nnunet_amt.phantom.scanner import ContrastPhase, Kernel
from nnunet_amt.phantom.tumour import TumourRequest

_Choice = TypeVar("_Choice")

HARDER_DESIGN = CohortDesign(
    training=70,
    tuning=7,
    external=21,
    excluded=0,
    development_institutions=10,
    external_institutions=15,
    in_plane_pixels=104,
    beside_tumours=60.0,
)


@dataclass(frozen=True)
class _Practice:
    """How the institutions of one side scan; phases and thicknesses with their shares."""

    manufacturers: tuple[str, ...]
    kernels: tuple[Kernel, ...]
    thicknesses: tuple[float, ...]
    phases: tuple[tuple[ContrastPhase, float], ...]


_DEVELOPMENT = _Practice(
    ("Canon Medical Systems", "GE Healthcare", "Siemens"),
    ("standard", "soft"),
    (5.0, 7.0),
    (("native", 0.3), ("venous", 0.7)),
)
_EXTERNAL = _Practice(
    ("Fujifilm", "Philips Healthcare"),
    ("sharp",),
    (3.0, 4.0, 8.0),
    (("native", 0.25), ("arterial", 0.4), ("delayed", 0.35)),
)
# Largest axial diameter in mm by rank: as many below 3 cm as above 8
_DIAMETERS = ((0.0, 0.25, 0.5, 0.75, 1.0), (10.0, 30.0, 50.0, 80.0, 120.0))
_ISODENSE, _TWO_LESIONS = 0.25, 0.12  # shares of cases
_ONE_WITHOUT_TUMOUR_IN = 7  # of a split's cases, spread over it
_EACH_DISTRACTOR = 0.3  # share of cases


def write_harder_cohort(
    folder: Path, *, design: CohortDesign = HARDER_DESIGN, jobs: int = 1, progress: Progress = silent
) -> Path:
    """Write the images, masks and manifest of a harder cohort; see `write_phantom_cohort`."""
    return write_planned_cohort(
        folder, design=design, cases=plan_harder_cohort(design), difficulty="harder", jobs=jobs, progress=progress
    )


def plan_harder_cohort(design: CohortDesign = HARDER_DESIGN) -> list[PlannedCase]:
    """Lay out every row of the harder cohort's manifest without rendering anything.

    Every seventh case of a split has no tumour. Each split runs through all diameters, evenly, from 1 to 12 cm;
    excluded rows are those of `plan_cohort`.
    """
    sizes = {"training": design.training, "tuning": design.tuning, "external": design.external}
    places = {
        split: np.random.default_rng([design.seed, number, 5]).permutation(count)
        for number, (split, count) in enumerate(sizes.items())
    }
    counted = dict.fromkeys(sizes, 0)
    cases = []
    for case in plan_cohort(design):
        if case.split is not None:
            rank, count = int(places[case.split][counted[case.split]]), sizes[case.split]
            counted[case.split] += 1
            number = counted[case.split] + 1
            case = _harder(case, design.seed, rank / max(count - 1, 1), without=number % _ONE_WITHOUT_TUMOUR_IN == 0)
        cases.append(case)
    return cases


def write_without_tumours(
    folder: Path, cohort: Path, *, design: CohortDesign = HARDER_DESIGN, progress: Progress = silent
) -> None:
    """Draw the external patients of `write_harder_cohort` who have a tumour once more, without it.

    They are as many scans with nothing to find, of the same scanners, anatomy and distractors, and of the same length.
    The length matters: scans of the cohort end 60 mm from a tumour, so that a network has seen few lower halves of
    hearts, and takes them for tumours.

    Parameters
    ----------
    folder
        Gets an image a case, called ``CASE.nii.gz``.
    cohort
        Folder of the cohort.
    """
    cases = [case for case in plan_harder_cohort(design) if case.split == "external" and case.mask]
    folder.mkdir(parents=True, exist_ok=True)
    for done, case in enumerate(cases, start=1):
        path = folder / f"{case.case_id}.nii.gz"
        if not path.exists():
            with_tumour = read_geometry(cohort / case.image)
            phantom = render_phantom(design.seed, case.index, replace(case.request, tumours=()))
            image, grid = _of_length(phantom, with_tumour)
            write_nifti(path, image, geometry=grid)
        progress(done, len(cases), "phantoms without their tumours")


def _of_length(phantom: Phantom, scan: Geometry) -> tuple[NDArray[np.int16], Geometry]:
    """Give the slices of a phantom, (z, y, x), that lie in the heights that a scan covers, and their grid."""
    thickness, *_ = phantom.spacing
    heights = phantom.origin[2] + thickness * np.arange(len(phantom.image))
    lowest, highest = scan.origin[2], scan.origin[2] + scan.spacing[2] * (scan.size[2] - 1)
    kept = np.flatnonzero((heights > lowest - thickness / 2) & (heights < highest + thickness / 2))
    image = phantom.image[kept[0] : kept[-1] + 1]
    grid = replace(scan, origin=(*phantom.origin[:2], float(heights[kept[0]])), size=image.shape[::-1])
    return image, grid


def _harder(case: PlannedCase, seed: int, place: float, *, without: bool) -> PlannedCase:
    rng = np.random.default_rng([seed, case.index, 6])
    practice = _EXTERNAL if case.split == "external" else _DEVELOPMENT
    histology = case.request.tumours[0].histology
    isodense = bool(rng.random() < _ISODENSE)
    tumours = [TumourRequest(histology, round(float(np.interp(place, *_DIAMETERS)), 1), isodense)]
    if rng.random() < _TWO_LESIONS:
        tumours.append(TumourRequest(histology, round(float(rng.uniform(12.0, 34.0)), 1), isodense))
    phases, shares = zip(*practice.phases, strict=True)
    request = replace(
        case.request,
        tumours=() if without else tuple(tumours),
        manufacturer=_one_of(practice.manufacturers, rng),
        slice_thickness=_one_of(practice.thicknesses, rng),
        kernel=_one_of(practice.kernels, rng),
        contrast=phases[int(rng.choice(len(phases), p=shares))],
        findings=_distractors(rng),
    )
    return replace(case, request=request)


def _distractors(rng: np.random.Generator) -> Distractors:
    return Distractors(tuple(name for name in DISTRACTORS if rng.random() < _EACH_DISTRACTOR))


def _one_of(choices: Sequence[_Choice], rng: np.random.Generator) -> _Choice:
    return choices[int(rng.integers(len(choices)))]
