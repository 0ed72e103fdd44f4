"""Look through a folder for CTs and masks, and pair them: DICOM by what it refers to, image files by their names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from nnunet_amt.base.files import require_folder
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.dataset_conversion.pairing.dicom import DicomFound, pairs_by_reference
from nnunet_amt.dataset_conversion.pairing.found import FoundFiles, NotPaired
from nnunet_amt.dataset_conversion.pairing.names import NamedFile, pairs_by_name
from nnunet_amt.errors import AMTError, MissingExtraError
from nnunet_amt.images.dicom.files import NO_DICOM, DicomFolder, quiet_readers
from nnunet_amt.images.image_file import is_image_file_name

NEW_PATIENT_FILE = "new_patient.json"  # of a folder with what was sent of patients who are in no cohort
_STUDY_FILE = "study.toml"
_RUNS_FILE = "nnunet_amt_runs"
_NNUNETS_FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")


def find_pairs(root: Path, *, progress: Progress = silent) -> FoundFiles:
    """Find the CTs below a folder and their masks; nothing but headers is read.

    A mask is given to a CT only if nothing else can be meant: an RTSTRUCT or DICOM SEG names the series, an image file
    has the name of the CT but for words such as ``_mask`` or a folder ``masks``. All else is told with its reason.
    Hidden folders, linked ones, other studies, and results of ours are not entered.

    Parameters
    ----------
    root
        The folder; its subfolders are looked through too.

    Raises
    ------
    BadInputError
        If there is no such folder.
    MissingExtraError
        If there is DICOM, and what reads it is not installed.
    """
    require_folder(root, "give a folder of CTs and masks")
    dicom, images, others, passed_over = DicomFound(), [], [], 0
    files = list(_files_below(root))
    with quiet_readers():
        for number, path in enumerate(files):
            progress(number, len(files), "looking at the files")
            if is_image_file_name(path):
                images.append(path)
                continue
            try:
                dicom.take(path, DicomFolder(path).headers())
            except AMTError as error:
                if isinstance(error, MissingExtraError):
                    raise
                if str(error).endswith(NO_DICOM):
                    passed_over += 1
                else:
                    others.append(NotPaired(path, str(error).removeprefix(f"{path.name}: ").removeprefix(path.name)))
    cases, unpaired = pairs_by_reference(dicom, root)
    paired = [case for case in cases if case.mask is not None]
    named = [NamedFile.of(path, root) for path in images]
    named += [NamedFile.of(case.image, root, case=case) for case in cases if case.mask is None]
    by_name, without = pairs_by_name(named)
    found = sorted((*paired, *by_name), key=lambda case: str(case.image))
    return FoundFiles(tuple(found), (*others, *unpaired, *without), passed_over)


def _files_below(root: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(root):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if not _is_passed_over(here / name))
        yield from (here / name for name in sorted(names) if not name.startswith("."))


def _is_passed_over(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _NNUNETS_FOLDERS or folder.is_symlink():
        return True
    return any((folder / name).exists() for name in (_STUDY_FILE, NEW_PATIENT_FILE)) or any(
        folder.glob(f"{_RUNS_FILE}*")
    )
