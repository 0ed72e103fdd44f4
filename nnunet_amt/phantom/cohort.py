"""A whole phantom cohort on disk: images, masks and the manifest that a user would write."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.files import csv_text, read_record, require_free_space, write_json, write_text
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.cohort.thymic_findings import FINDINGS, THYMIC_COLUMNS
from nnunet_amt.errors import BadInputError
from nnunet_amt.images.image_file import write_image
from nnunet_amt.phantom.plan import CohortDesign, PlannedCase, plan_cohort
from nnunet_amt.phantom.render import Phantom, render_phantom
from nnunet_amt.phantom.second_reader import second_outline

if TYPE_CHECKING:
    import SimpleITK as sitk

MANIFEST_COLUMNS = (
    *("case_id", "patient_id", "institution", "image", "mask", "split"),
    *("age", "sex", "histology", "manufacturer", "slice_thickness_mm", "exclusion_reason"),
)
_DESIGN_FILE = "phantom_design.json"
_NOTES_FILE = "manifest.notes.json"  # beside manifest.csv; see `nnunet_amt.dataset_conversion`
_TYPICAL_SLICES = 56
_SECOND_READER = 9  # stream of random numbers; others are those of the plan and of the phantom


def write_phantom_cohort(folder: Path, *, design: CohortDesign, jobs: int = 1, progress: Progress = silent) -> Path:
    """Write the images, masks and manifest of a phantom cohort with `jobs` processes; give the path of its manifest.

    Files that are there already are kept; every file appears whole or not at all. The paths in the manifest are
    relative to `folder`.

    Raises
    ------
    BadInputError
        If `folder` holds phantoms of another seed or size.
    DiskFullError
        If the cohort does not fit on the disk.
    """
    return write_planned_cohort(folder, design=design, cases=plan_cohort(design), jobs=jobs, progress=progress)


def write_planned_cohort(
    folder: Path,
    *,
    design: CohortDesign,
    cases: list[PlannedCase],
    difficulty: str | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> Path:
    """Write the `cases` that were planned for a `design`; see `write_phantom_cohort`.

    `difficulty` marks the folder, so that it takes the cases of no other plan.
    """
    _claim_folder(folder, design, difficulty)
    missing = [
        case for case in cases if not all((folder / name).exists() for name in (case.image, case.mask, case.mask_2))
    ]
    require_free_space(folder, len(missing) * _TYPICAL_SLICES * design.in_plane_pixels**2 * 3, "the phantom cohort")
    total = sum(1 for case in cases if case.image)
    for written, _ in enumerate(_written(folder, missing, design.seed, jobs), start=1):
        progress(total - len(missing) + written, total, "making phantoms")
    columns = (
        *MANIFEST_COLUMNS,
        *(["no_tumour"] if any(case.no_tumour for case in cases) else []),
        *((*THYMIC_COLUMNS, "mask_2") if any(case.who_type for case in cases) else ()),
        *dict.fromkeys(name for case in cases for name, _ in case.more),
    )
    rows = ([row.get(column, "") for column in columns] for row in map(_manifest_row, cases))
    text, manifest = csv_text(columns, rows), folder / "manifest.csv"
    if not manifest.exists() or manifest.read_text(encoding="utf-8") != text:
        write_text(manifest, text)
    if not (folder / _NOTES_FILE).exists():
        write_json(folder / _NOTES_FILE, {"subjects": "phantoms"})  # which the conversion writes into dataset.json
    return manifest


def _claim_folder(folder: Path, design: CohortDesign, difficulty: str | None) -> None:
    """Refuse a folder whose phantoms another design made: files are kept by name."""
    mark: dict[str, float | str] = {"seed": design.seed, "in_plane_pixels": design.in_plane_pixels}
    if design.beside_tumours is not None:
        mark["beside_tumours"] = design.beside_tumours
    if difficulty:
        mark["difficulty"] = difficulty
    path = folder / _DESIGN_FILE
    if not path.exists():
        write_json(path, mark)
        return
    found = read_record(path)
    if found != mark:
        raise BadInputError(
            f"{folder}: holds phantoms made with {found}, not {mark}; choose another folder or remove this one"
        )


def _written(folder: Path, cases: list[PlannedCase], seed: int, jobs: int) -> Iterator[PlannedCase]:
    if jobs <= 1 or len(cases) < 2:
        for case in cases:
            yield _write_case(folder, case, seed)
        return
    with ProcessPoolExecutor(min(jobs, len(cases)), mp_context=get_context("spawn")) as pool:
        tasks = [pool.submit(_write_case, folder, case, seed) for case in cases]
        try:
            for task in as_completed(tasks):
                yield task.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _write_case(folder: Path, case: PlannedCase, seed: int) -> PlannedCase:
    phantom = render_phantom(seed, case.index, case.request)
    if case.mask_2:
        rng = np.random.default_rng([seed, case.index, _SECOND_READER])
        _write_image(folder / case.mask_2, second_outline(phantom.mask, phantom.spacing, rng), phantom)
    if case.mask:
        _write_image(folder / case.mask, phantom.mask, phantom)
    _write_image(folder / case.image, phantom.image, phantom)
    return case


def _write_image(path: Path, voxels: NDArray[np.int16] | NDArray[np.uint8], phantom: Phantom) -> None:
    import SimpleITK as sitk

    image: sitk.Image = sitk.GetImageFromArray(voxels)  # (z, y, x) to SimpleITK's (x, y, z)
    image.SetSpacing(phantom.spacing[::-1])
    image.SetOrigin(phantom.origin)
    write_image(path, image)


def _manifest_row(case: PlannedCase) -> dict[str, str]:
    request = case.request
    known = case.exclusion_reason != "missing clinical data"
    appearance = request.tumours[0].appearance if request.tumours else None
    return {
        "case_id": case.case_id,
        "patient_id": case.patient_id,
        "institution": case.institution,
        "image": case.image,
        "mask": case.mask,
        "split": case.split or "",
        "age": str(request.age) if known else "",
        "sex": request.sex,
        "histology": request.tumours[0].histology if known and request.tumours else "",
        "manufacturer": request.manufacturer,
        "slice_thickness_mm": f"{request.slice_thickness:g}",
        "exclusion_reason": case.exclusion_reason,
        "no_tumour": "yes" if case.no_tumour else "no",
        "who_type": case.who_type,
        **{name: getattr(appearance, name, "") for name in FINDINGS},
        "mask_2": case.mask_2,
        **dict(case.more),
    }
