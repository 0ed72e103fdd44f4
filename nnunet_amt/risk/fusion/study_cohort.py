"""The cohort of a study with circulating tumour cells, which every stage reads alike: one dataset, one class map."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import atomic_path, read_record, require_no_file, write_json
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion.cases import read_lesion_cases
from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
from nnunet_amt.risk.fusion.lesion_case import LesionCohort

STUDY_FILE, CLASS_MAP_FILE = "fusion_study.json", "class_map.csv"
UNKNOWN_UNIT = "unit not stated"


@dataclass(frozen=True)
class OpenedCohort:
    """A cohort, the class map that it was read with, and the unit of its levels of circulating tumour cells."""

    cohort: LesionCohort
    class_map: Path | None
    ctc_unit: str


def open_lesion_cohort(
    dataset: Path,
    at: FusionFolder,
    *,
    class_map: Path | None = None,
    ctc_unit: str | None = None,
    progress: Progress = silent,
) -> OpenedCohort:
    """Read the cohort of a study, and keep in its folder which dataset, class map and unit it is of.

    Parameters
    ----------
    dataset
        Folder of the raw dataset, with ``cohort.csv``.
    at
        Folder of the study; made where missing.
    class_map
        Of the user's own; it is copied into the study. None is the one that the study was begun with.
    ctc_unit
        Unit of ``ctc_level``; values are never converted. None is as the study was begun.

    Raises
    ------
    BadInputError
        If the study was begun otherwise, or the dataset is a test set alone; and what `read_lesion_cases` raises.
    """
    require_no_file(at.root)
    begun = read_record(at.root / STUDY_FILE)
    own_map = at.root / CLASS_MAP_FILE
    asked = {
        "dataset": dataset.name,
        "class_map_sha256": file_sha256(class_map) if class_map else begun.get("class_map_sha256"),
        "ctc_unit": ctc_unit or begun.get("ctc_unit", UNKNOWN_UNIT),
    }
    for name, value in asked.items():
        if begun.get(name, value) != value:
            raise BadInputError(
                f"{at.root / STUDY_FILE}: the study was begun with {name} {begun[name]}, now it is {value}; give "
                "another folder with -o, or the same as before"
            )
    if asked["class_map_sha256"] and not class_map:
        class_map = own_map
        if file_sha256(own_map) != asked["class_map_sha256"]:
            raise BadInputError(
                f"{own_map}: is not the class map that the study was begun with; put that back, or begin another study "
                "with -o and --class-map"
            )
    cohort = read_lesion_cases(dataset, class_map=class_map, progress=progress)
    for split, words in (("training", "to train on"), ("tuning", "to end the training by")):
        if not cohort.of_split(split):  # type: ignore[arg-type]
            raise BadInputError(
                f"{dataset / 'cohort.csv'}: has no {split} case that takes part, and there is nothing {words}; convert "
                "a cohort of training, tuning and external cases with a diagnosis"
            )
    if begun != asked:
        at.root.mkdir(parents=True, exist_ok=True)
        if class_map is not None and class_map != own_map:
            with atomic_path(own_map) as partial:
                shutil.copyfile(class_map, partial)
        write_json(at.root / STUDY_FILE, asked)
    return OpenedCohort(cohort, class_map, str(asked["ctc_unit"]))
