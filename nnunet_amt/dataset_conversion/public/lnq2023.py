"""LNQ2023: CT with mediastinal lymph nodes, partly annotated.

Layout: ``train/lnq2023-train-0001-ct.nrrd`` and ``...-seg.nrrd``, ``val`` and ``test`` likewise. In the training cases
only some of the nodes are drawn: what is not drawn there may be a node or none, and gets nnU-Net's ignore label. The
cases of the validation and test sets are drawn fully. Some segmentations have fewer slices or pixels than their CT:
convert them with ``--resample-masks``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.cohort import Split
from nnunet_amt.dataset_conversion.public.public_cohort import (
    PublicCase,
    as_case_id,
    is_up_to_date,
    reported,
    visible_files,
    write_label_file,
    write_public_manifest,
)
from nnunet_amt.errors import ManifestError
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_file import open_image_file
from nnunet_amt.images.mask_file import IGNORE_KEY, IGNORE_LABEL

_CT, _SEGMENTATION = "-ct.nrrd", "-seg.nrrd"
_ORIGIN = (
    "Labels are mediastinal lymph nodes. Where a case was annotated in part only (the challenge's training set), all "
    f"voxels that are not drawn have the ignore label {IGNORE_LABEL}."
)


def write_manifest(
    source: Path, output: Path, *, institution: str = "LNQ2023", split: Split | None = None, progress: Progress = silent
) -> Path:
    """Write label files with the ignore label, and the manifest.

    Parameters
    ----------
    source
        Folder of the challenge; the NRRD pairs may lie in subfolders.
    output
        The manifest; the label files go to a folder beside it.
    institution, split
        Of all cases.

    Raises
    ------
    ManifestError
        If there is no CT.
    ImageReadError
        If a segmentation cannot be read.
    """
    folder = output.parent / f"{output.stem}_labels"
    images = visible_files(source, f"*{_CT}")
    if not images:
        raise ManifestError(f"{source.name}: holds no file that ends in {_CT}; give the folder of LNQ2023")
    cases = []
    for image in reported(images, progress, "making label files"):
        name = image.name.removesuffix(_CT)
        segmentation = image.with_name(f"{name}{_SEGMENTATION}")
        if not segmentation.exists():
            cases.append(PublicCase(as_case_id(name), name, exclusion_reason="no segmentation"))
            continue
        label = folder / f"{as_case_id(name)}.nrrd"
        if not is_up_to_date(label, segmentation):
            _write_label(label, segmentation, partly="-train-" in name)
        cases.append(PublicCase(as_case_id(name), name, image, label))
    for segmentation in visible_files(source, f"*{_SEGMENTATION}"):
        name = segmentation.name.removesuffix(_SEGMENTATION)
        if not segmentation.with_name(f"{name}{_CT}").exists():
            cases.append(PublicCase(as_case_id(name), name, exclusion_reason="no CT"))
    notes = {"label_origin": _ORIGIN, "cohort_reference": "LNQ2023, https://lnq2023.grand-challenge.org"}
    return write_public_manifest(output, cases=cases, institution=institution, split=split, notes=notes)


def _write_label(label: Path, segmentation: Path, *, partly: bool) -> None:
    image = open_image_file(segmentation).read(label.parent)
    nodes = sitk.GetArrayViewFromImage(image) > 0  # (z, y, x); the nodes may be numbered
    background = IGNORE_LABEL if partly else 0
    header = {IGNORE_KEY: str(IGNORE_LABEL)} if partly else None
    write_label_file(label, np.where(nodes, 1, background).astype(np.uint8), geometry=Geometry.of(image), header=header)
