"""Open the cases of a public cohort's manifest as the conversion does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.cohort import Manifest, read_manifest
from nnunet_amt.dataset_conversion.case_source import CaseSource, open_case

__all__ = ["exclusions", "masks", "opened"]


def opened(manifest: Path) -> dict[str, CaseSource]:
    """Give the included cases by their id, headers read."""
    return {case.case_id: open_case(case, manifest_name=manifest.name) for case in read_manifest(manifest).cases}


def masks(manifest: Path) -> dict[str, NDArray[np.uint8]]:
    """Give the masks of the included cases, (z, y, x), on the grids of their CTs."""
    return {case_id: case.mask.read(case.image.geometry).labels for case_id, case in opened(manifest).items()}


def exclusions(manifest: Path) -> dict[str, str]:
    """Give the reasons of the excluded cases."""
    cohort: Manifest = read_manifest(manifest)
    return {case.case_id: case.exclusion_reason for case in cohort.excluded}
