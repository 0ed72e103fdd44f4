"""NSCLC-Radiomics, and other collections of radiotherapy planning: a folder a patient, with CT series and RTSTRUCTs.

Layout: ``LUNG1-001/<study>/<series>/*.dcm``, or all files of a patient in one folder.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.cohort import Split
from nnunet_amt.dataset_conversion.public.public_cohort import PublicCase, as_case_id, reported, write_public_manifest
from nnunet_amt.errors import ImageReadError, ManifestError, RoiNotFoundError
from nnunet_amt.images.dicom.files import RT_STRUCTURE_SET, DicomFolder, DicomMask
from nnunet_amt.images.dicom.headers import CT_IMAGE, DicomHeader
from nnunet_amt.images.dicom.mask import masks_named
from nnunet_amt.images.dicom.rtstruct import RtStruct

logger = logging.getLogger(__name__)


def write_manifest(
    source: Path,
    output: Path,
    *,
    roi: str = "GTV-1",
    institution: str = "NSCLC-Radiomics",
    split: Split | None = None,
    reference: str = "NSCLC-Radiomics, doi:10.7937/K9/TCIA.2015.PF0M9REI",
    progress: Progress = silent,
) -> Path:
    """Write a manifest with one case for each RTSTRUCT that has the ROI.

    Raises ManifestError if there is no patient's folder, or no patient has the ROI.

    Parameters
    ----------
    source
        Folder of the collection; its subfolders are the patients.
    output
        The manifest. No file of the collection is changed or copied.
    roi
        Regular expression of the ROI names to merge, or the name itself.
    institution, split
        Of all cases.
    reference
        Whom to cite, for ``dataset.json``; another collection has another one.

    Returns
    -------
    Path
        `output`. Patients without CT, RTSTRUCT or ROI are excluded with the reason.
    """
    beside = [path for path in sorted(source.iterdir()) if not path.name.startswith(".")] if source.is_dir() else []
    patients = [path for path in beside if path.is_dir()]
    if not patients:
        raise ManifestError(f"{source.name}: holds no patients' folders; give the folder above them")
    cases: list[PublicCase] = []
    for patient in reported(patients, progress, "looking for RTSTRUCTs"):
        cases += _cases_of(patient, roi)
    for path in beside:  # a zip whose patient is there unpacked too is left over from the download
        packed = path.suffix.lower() == ".zip" and path.is_file() and source / path.stem not in patients
        if packed or not path.exists():
            reason = "zip, not unpacked" if packed else "link to nothing"
            cases.append(PublicCase(as_case_id(path.stem), path.stem, exclusion_reason=reason))
    notes = {
        "label_origin": (
            f"Labels are the contours of the ROIs named {roi!r}, filled by pixel centres, those on a contour included."
        ),
        "cohort_reference": reference,
    }
    return write_public_manifest(output, cases=cases, institution=institution, split=split, notes=notes)


def _cases_of(patient: Path, roi: str) -> list[PublicCase]:
    case_id = as_case_id(patient.name)
    folder = DicomFolder(patient)
    try:
        headers = folder.headers()
        structures = masks_named(folder, headers, roi=roi, kinds=(RtStruct,))
    except RoiNotFoundError:
        return [PublicCase(case_id, patient.name, exclusion_reason=f"no ROI named {roi}")]
    except ImageReadError as error:
        logger.warning("%s: left out, %s", case_id, error)
        return [PublicCase(case_id, patient.name, exclusion_reason="no DICOM file, or a damaged one")]
    kinds = {header.sop_class for header in headers}
    for kind, name in ((CT_IMAGE, "CT"), (RT_STRUCTURE_SET, "RTSTRUCT")):
        if kind not in kinds:
            return [PublicCase(case_id, patient.name, exclusion_reason=f"no {name}")]
    drawn_on = Counter(structure.series_uids for structure in structures)
    if max(drawn_on.values()) > 1:
        return [PublicCase(case_id, patient.name, exclusion_reason="several RTSTRUCTs of one CT have the ROI")]
    names = [case_id] if len(structures) == 1 else [f"{case_id}-{number}" for number in range(1, len(structures) + 1)]
    return [
        PublicCase(name, patient.name, _ct_folder(patient, headers, structure), patient / structure.member, roi)
        for name, structure in zip(names, structures, strict=True)
    ]


def _ct_folder(patient: Path, headers: Sequence[DicomHeader], structure: DicomMask) -> Path:
    """Give the subfolder that holds the CT which the RTSTRUCT refers to, or all if it says nothing."""
    slices = [header for header in headers if header.sop_class == CT_IMAGE]
    named = [header for header in slices if header.series_uid in structure.series_uids]
    folders = {(patient / header.member).parent for header in named or slices}
    return folders.pop() if len(folders) == 1 else patient
