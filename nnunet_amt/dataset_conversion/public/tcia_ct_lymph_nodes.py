"""TCIA CT Lymph Nodes: DICOM series, and masks in which each node has its own number.

Layout: ``CT Lymph Nodes/MED_LYMPH_001/<study>/<series>/*.dcm`` and
``MED_ABD_LYMPH_MASKS/MED_LYMPH_001/MED_LYMPH_001_mask.nii.gz``. The arrays of the masks run to the left, to the back
and to the head, as the sorted series does; their origin is not that of the series.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import numpy as np
import SimpleITK as sitk

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.cohort import Split
from nnunet_amt.dataset_conversion.public.public_cohort import (
    PublicCase,
    is_up_to_date,
    reported,
    visible_files,
    write_label_file,
    write_public_manifest,
)
from nnunet_amt.errors import BadInputError, ManifestError, MissingExtraError
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.series import ct_series_among
from nnunet_amt.images.image_file import open_image_file

Region = Literal["mediastinal", "abdominal"]
_PREFIXES = {"mediastinal": "MED", "abdominal": "ABD"}
_MASK = "_mask.nii.gz"
_NO_SERIES = "MED_ABD_LYMPH_"  # MASKS, ANNOTATIONS, CANDIDATES
_NOTES = {
    "label_origin": "Labels are lymph nodes, whose numbers in the source were merged into one label.",
    "cohort_reference": "TCIA CT Lymph Nodes, doi:10.7937/K9/TCIA.2015.AQIIDCNM",
}

logger = logging.getLogger(__name__)


def write_manifest(
    source: Path,
    output: Path,
    *,
    region: Region = "mediastinal",
    institution: str = "TCIA_CT_Lymph_Nodes",
    split: Split | None = None,
    progress: Progress = silent,
) -> Path:
    """Write label files on the grids of the CTs, and the manifest.

    Raises ManifestError if there is no mask.

    Parameters
    ----------
    source
        Folder that holds both the series and the masks.
    output
        The manifest; the label files go to a folder beside it.
    region
        Which half of the collection.
    institution, split
        Of all cases.

    Returns
    -------
    Path
        `output`. Cases whose mask has another size than the CT, or whose CT is refused, are excluded with the reason.
    """
    folder = output.parent / f"{output.stem}_labels"
    masks = visible_files(source, f"{_PREFIXES[region]}_LYMPH_*{_MASK}")
    if not masks:
        raise ManifestError(
            f"{source.name}: holds no file {_PREFIXES[region]}_LYMPH_*{_MASK}; unpack MED_ABD_LYMPH_MASKS.zip there"
        )
    cases = []
    for mask in reported(masks, progress, "making label files"):
        case_id = mask.name.removesuffix(_MASK)
        # masks, annotations and candidates have folders of the same name
        found = [path for path in sorted(source.rglob(case_id)) if not path.parent.name.startswith(_NO_SERIES)]
        image = next((path for path in found if path.is_dir()), None)
        if image is None:
            cases.append(PublicCase(case_id, case_id, exclusion_reason="no CT"))
            continue
        label = folder / f"{case_id}.nii.gz"
        reason = None if is_up_to_date(label, mask) else _write_label(label, mask, image)
        if reason:
            logger.warning("%s: excluded, %s", case_id, reason)
            cases.append(PublicCase(case_id, case_id, exclusion_reason=reason.split(":")[0]))
        else:
            cases.append(PublicCase(case_id, case_id, image, label))
    with_mask = {case.case_id for case in cases}
    for case_id in sorted({path.name for path in source.rglob(f"{_PREFIXES[region]}_LYMPH_*") if path.is_dir()}):
        if case_id not in with_mask:
            cases.append(PublicCase(case_id, case_id, exclusion_reason="no mask"))
    return write_public_manifest(output, cases=cases, institution=institution, split=split, notes=_NOTES)


def _write_label(label: Path, mask: Path, image: Path) -> str | None:
    """Write the label file; if that cannot be done, say why."""
    try:
        folder = DicomFolder(image)
        series = ct_series_among(folder, folder.headers())
        nodes = sitk.GetArrayFromImage(open_image_file(mask).read(label.parent)) > 0  # (z, y, x): S, P, L
    except MissingExtraError:
        raise
    except BadInputError as error:
        return f"CT or mask cannot be read: {error}"
    geometry = series.geometry
    if nodes.shape != geometry.size[::-1]:
        return f"mask of another size than the CT: {nodes.shape[::-1]} against {geometry.size}"
    if not nodes.any():
        return "empty mask"
    write_label_file(label, nodes.astype(np.uint8), geometry=geometry)
    return None
