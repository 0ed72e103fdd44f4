"""The cohort of a study with circulating tumour cells, which every stage reads alike: one dataset, class map and unit.

What a study was begun with stands in its folder: ``fusion_study.json``, and a copy of a class map of the user's own.
The stage that cuts the crops begins it; the others take the same without being told.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nnunet_amt.base.files import atomic_path, require_no_file, write_json
from nnunet_amt.base.json_file import read_json
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion.cases import read_lesion_cases
from nnunet_amt.risk.fusion.class_map import read_class_map
from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
from nnunet_amt.risk.fusion.lesion_case import LesionCohort
from nnunet_amt.risk.fusion.lesion_crop import PIXELS

STUDY_FILE, CLASS_MAP_FILE = "fusion_study.json", "class_map.csv"
UNKNOWN_UNIT = "unit not stated"
CUT_LESIONS = "nnunet_amt risk rois --task binary"
_FORM = {"dataset": str, "class_map_sha256": (str, None), "ctc_unit": str, "pixels": int, "denoise": bool}


@dataclass(frozen=True)
class StudyBegun:
    """What all stages of a study have in common.

    Attributes
    ----------
    dataset
        Name of the raw dataset's folder.
    class_map_sha256
        Of the user's own class map; None for the paper's.
    ctc_unit
        Of the levels of circulating tumour cells, which are never converted.
    pixels, denoise
        How crops are cut, see `cut_lesion`.
    """

    dataset: str
    class_map_sha256: str | None = None
    ctc_unit: str = UNKNOWN_UNIT
    pixels: int = PIXELS
    denoise: bool = True


@dataclass(frozen=True)
class OpenedCohort:
    """A cohort, and what the study was begun with."""

    cohort: LesionCohort
    begun: StudyBegun

    @property
    def ctc_unit(self) -> str | None:
        """Of the levels; None where nobody has stated it."""
        return None if self.begun.ctc_unit == UNKNOWN_UNIT else self.begun.ctc_unit


def read_study_begun(at: FusionFolder) -> StudyBegun | None:
    """Read what a study was begun with; None where none was, BadInputError if the file is damaged."""
    path = at.root / STUDY_FILE
    if not path.exists():
        return None
    advice = f"remove it, and run {CUT_LESIONS} with the --class-map, --ctc-unit and --size of before"
    content = read_json(path, form=_FORM, advice=advice)
    return StudyBegun(**{name: content[name] for name in _FORM})


def open_lesion_cohort(
    dataset: Path,
    at: FusionFolder,
    *,
    class_map: Path | None = None,
    ctc_unit: str | None = None,
    pixels: int | None = None,
    denoise: bool | None = None,
    begin: bool = False,
    progress: Progress = silent,
) -> OpenedCohort:
    """Read the cohort of a study, and hold it against what the study was begun with.

    Parameters
    ----------
    dataset
        Folder of the raw dataset, with ``cohort.csv``.
    at
        Folder of the study.
    class_map
        Of the user's own; it is copied into the study.
    ctc_unit
        Unit of ``ctc_level``. Where none was stated so far it may be stated later; values are never converted.
    pixels, denoise
        Of the crops, see `cut_lesion`.
    begin
        Begin the study where there is none: its folder is made, and keeps all this.

    None of each is as the study was begun, and at its beginning as `StudyBegun` has it.

    Raises
    ------
    BadInputError
        If there is no study, or it was begun otherwise, or training or tuning cases are missing; and what
        `read_lesion_cases` raises.
    """
    require_no_file(at.root)
    begun = read_study_begun(at)
    if begun is None and not begin:
        raise BadInputError(
            f"{at.root}: holds no {STUDY_FILE}, no study of lesions was begun there; run {CUT_LESIONS}, or name the "
            "folder of the study with -o"
        )
    given = {
        "class_map_sha256": None if class_map is None else _sha256(class_map),
        "ctc_unit": None if ctc_unit is None else _stated(ctc_unit),
        "pixels": pixels,
        "denoise": denoise,
    }
    stated = {name: value for name, value in given.items() if value is not None}
    asked = replace(begun or StudyBegun(dataset.name), dataset=dataset.name, **stated)  # type: ignore[arg-type]
    if begun is not None:
        _require_as_begun(at, begun, asked, class_map)
    own_map = at.root / CLASS_MAP_FILE
    taken = class_map or (own_map if asked.class_map_sha256 else None)
    cohort = read_lesion_cases(dataset, class_map=taken, progress=progress)
    _require_to_train_on(dataset, cohort)
    if begun != asked:
        at.root.mkdir(parents=True, exist_ok=True)
        if class_map is not None and class_map != own_map:
            with atomic_path(own_map) as partial:
                shutil.copyfile(class_map, partial)
        write_json(at.root / STUDY_FILE, asdict(asked))
    return OpenedCohort(cohort, asked)


def _sha256(class_map: Path) -> str | None:
    read_class_map(class_map)  # tells what is wrong with it
    return file_sha256(class_map)


def _stated(unit: str) -> str:
    if not (stripped := " ".join(unit.split())):
        raise BadInputError(f"--ctc-unit {unit!r}: is empty; give the unit of the levels, such as pg/ml")
    return stripped


def _require_as_begun(at: FusionFolder, begun: StudyBegun, asked: StudyBegun, class_map: Path | None) -> None:
    """Refuse what is not as the study was begun, but for a unit that was not stated."""
    own_map = at.root / CLASS_MAP_FILE
    of_begun = own_map if begun.class_map_sha256 else "the paper's class map"
    words: Mapping[str, tuple[object, object]] = {
        "dataset": (f"dataset {begun.dataset}", asked.dataset),
        "class_map_sha256": (of_begun, f"{class_map}, which differs from it"),
        "ctc_unit": (f"CTC levels in {begun.ctc_unit}", asked.ctc_unit),
        "pixels": (f"crops of {begun.pixels} px", f"{asked.pixels} px"),
        "denoise": (_noise(begun.denoise), _noise(asked.denoise)),
    }
    stated = begun if begun.ctc_unit != UNKNOWN_UNIT else replace(begun, ctc_unit=asked.ctc_unit)
    for name, (was, now) in words.items():
        if getattr(stated, name) != getattr(asked, name):
            raise BadInputError(
                f"{at.root / STUDY_FILE}: the study was begun with {was}, now it is {now}; give another folder with "
                "-o, or the same as before"
            )
    if begun.class_map_sha256 and file_sha256(own_map) != begun.class_map_sha256:
        raise BadInputError(
            f"{own_map}: is not the class map that the study was begun with; put that back, or begin another study "
            "with -o and --class-map"
        )


def _noise(denoise: bool) -> str:
    return f"crops {'without' if denoise else 'with'} noise"


def _require_to_train_on(dataset: Path, cohort: LesionCohort) -> None:
    for split, words in (("training", "to train on"), ("tuning", "to end the training by")):
        if not cohort.of_split(split):  # type: ignore[arg-type]
            raise BadInputError(
                f"{dataset / 'cohort.csv'}: has no {split} case that takes part, and there is nothing {words}; convert "
                "a cohort of training, tuning and external cases with a diagnosis"
            )
