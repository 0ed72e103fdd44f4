"""Write what stands beside the images of a raw dataset, and list the cases that could not be converted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from nnunet_amt import __version__, paper
from nnunet_amt.base.files import write_csv, write_json
from nnunet_amt.cohort import CohortCase, SplitAudit, manufacturer_in_header
from nnunet_amt.cohort.lesion_findings import LESION_COLUMNS
from nnunet_amt.cohort.thymic_findings import THYMIC_COLUMNS, is_clinical
from nnunet_amt.dataset_conversion.case_source import TumourInMaskError
from nnunet_amt.dataset_conversion.cohort_tables import write_cohort_tables
from nnunet_amt.dataset_conversion.convert_case import CaseRecord
from nnunet_amt.dataset_conversion.flow_figure import FlowCounts, write_flow_figure
from nnunet_amt.dataset_conversion.raw_dataset import FILE_ENDING, SECOND_FOLDER, RawDataset
from nnunet_amt.dataset_conversion.readable_split import MovedCase
from nnunet_amt.dataset_conversion.training_list import TRAINING_KEY, described_list
from nnunet_amt.errors import (
    AMTError,
    ContourError,
    GeometryMismatchError,
    ImageReadError,
    LabelValueError,
    RoiNotFoundError,
    WorkFailedError,
)
from nnunet_amt.images.image_file import FLOOR_HU
from nnunet_amt.images.mask_on_grid import EmptyMaskError, WholeMaskError

AUDIT_FILE = "audit.json"
PATIENTS = "patients"
AUDIT_COLUMNS = ("split", "cases", "patients", "institutions")
# No patient_id: the dataset may be passed on. The patient is a code, which CTs of one person share.
COHORT_COLUMNS = (
    "case_id",
    "patient",
    "institution",
    "split",
    "age",
    "sex",
    "histology",
    "manufacturer",
    "slice_thickness_mm",
)
NO_TUMOUR_COLUMN = "no_tumour"  # a further one, yes or no, where there are such cases; findings come after it
# How the labels were made, and whom to cite. No other note is copied: nnU-Net reads the file too.
_COPIED_NOTES = ("label_origin", "cohort_reference")
# In words that hold nothing of the case, as they go into the dataset and the flow figure.
_REASONS: dict[type[AMTError], str] = {
    ImageReadError: "CT or mask cannot be read",
    GeometryMismatchError: "mask does not fit the CT",
    EmptyMaskError: "mask is empty",
    WholeMaskError: "mask larger than any tumour",
    TumourInMaskError: "mask holds a tumour where none is stated",
    LabelValueError: "mask holds other labels",
    ContourError: "contours contradict each other or are missing",
    RoiNotFoundError: "no ROI of that name",
}
_OTHER_REASON = "conversion failed"
# nnU-Net passes over a key that it does not know, and copies the file into the folder of every model.
_IMAGES_TO_PREDICT = (
    f"LPS axes (x to the patient's left, y to posterior, z to the head), whole HU, values below {FLOOR_HU} raised to "
    "it. nnunet_amt predict brings images to this and results back to their axes; plain nnUNetv2_predict does not."
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetContent:
    """What the files say, in the dataset's names."""

    cases: Sequence[CohortCase]  # included cases, with splits
    records: Mapping[str, CaseRecord]  # of every case, by its name
    audit: SplitAudit  # of the split
    excluded: Mapping[str, int]  # excluded cases by reason
    p_values: bool = False  # whether Table 1 is to have them
    # Beside the manifest; of them `_COPIED_NOTES` go into ``dataset.json``
    notes: Mapping[str, str] = field(default_factory=dict)
    split_drawn_without: int = 0  # refused cases that a drawn split would have had
    moved: Sequence[MovedCase] = ()  # cases of an earlier run that are in another set now
    test_only: bool = False  # whether there is nothing to train on
    compared_with_training: int = 0  # CTs of a model's training list that these were compared with

    @property
    def checks(self) -> tuple[str, ...]:
        """What was checked, in words."""
        compared = self.compared_with_training
        known = f"compared voxel for voxel with {compared} CTs that the model was trained on, none is among them"
        return (*audit_checks(self.audit, len(self.records)), *([known] if compared else []))

    @property
    def subjects(self) -> str:
        """Of what the CTs are, by the notes; without any they are patients."""
        return self.notes.get("subjects", "").strip().casefold() or PATIENTS

    @property
    def interpolated(self) -> dict[str, int]:
        """Of the cases with slices of the mask that nobody has drawn: how many these are."""
        return {
            case.case_id: slices for case in self.cases if (slices := self.records[case.case_id].interpolated_slices)
        }

    @property
    def skipped(self) -> dict[str, int]:
        """Of the cases with slices that nobody seems to have drawn on, see `skipped_slices`: how many these are."""
        return {name: record.skipped_slices for name, record in sorted(self.records.items()) if record.skipped_slices}

    @property
    def trusted(self) -> dict[str, str]:
        """Of the cases whose mask names another CT: what was trusted in place of it."""
        return {name: record.trusted for name, record in sorted(self.records.items()) if record.trusted}

    @property
    def second_dice(self) -> dict[str, float]:
        """Of the cases with a second reader's mask: its Dice with the first."""
        records = sorted(self.records.items())
        return {name: record.second_dice for name, record in records if record.second_dice is not None}

    @property
    def resampled(self) -> dict[str, tuple[int, int]]:
        """Of the cases whose mask was brought to the CT's grid: lesions in it, and on that grid."""
        records = sorted(self.records.items())
        return {name: record.resampled_lesions for name, record in records if record.resampled_lesions}


def write_dataset_files(dataset: RawDataset, content: DatasetContent) -> list[Path]:
    """Write cohort, exclusions, audit, flow figure, tables, split, and last ``dataset.json``.

    The files are given in that order.
    """
    folder = dataset.folder
    cells = [cohort_row(case, content.records[case.case_id]) for case in content.cases]
    columns = _cohort_columns(content, cells)
    rows = [[row.get(column) for column in columns] for row in cells]
    files = [folder / "cohort.csv", folder / "exclusions.csv"]
    write_csv(files[0], columns, rows)
    write_csv(files[1], ("reason", "cases"), content.excluded.items())
    _warn_of_masks(content)
    files.append(
        write_audit(
            folder,
            audit=content.audit,
            excluded=content.excluded,
            checks=content.checks,
            compared_with_training=content.compared_with_training if content.test_only else None,
            split_drawn_without=content.split_drawn_without,
            moved=content.moved,
            interpolated=content.interpolated,
            skipped=content.skipped,
            trusted=content.trusted,
            resampled=content.resampled,
            second_dice=content.second_dice,
        )
    )
    files += write_flow_figure(folder, FlowCounts.of(content.audit, content.excluded))
    patients = [split.patients for split in content.audit.splits]
    cohort = pd.DataFrame(rows, columns=list(columns))
    files += write_cohort_tables(
        folder, cohort=cohort, p_values=content.p_values, patients=patients, published=content.subjects == PATIENTS
    )
    fold = {
        "train": sorted(case.case_id for case in content.cases if case.split == "training"),
        "val": sorted(case.case_id for case in content.cases if case.split == "tuning"),
    }
    if content.test_only:
        (folder / "splits_final.json").unlink(missing_ok=True)
    else:
        files.append(folder / "splits_final.json")
        write_json(files[-1], [fold])
    files.append(folder / "dataset.json")
    write_json(files[-1], _description(folder.name, fold, content))
    return files


def _cohort_columns(content: DatasetContent, cells: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """Name the columns of ``cohort.csv``: beyond the first ones those that say something of a case."""
    told = dict.fromkeys(column for row in cells for column, cell in row.items() if cell is not None)
    clinical = [column for column in told if is_clinical(column)]
    further = [column for column in (*THYMIC_COLUMNS, *LESION_COLUMNS, *clinical) if column in told]
    return (*COHORT_COLUMNS, *([NO_TUMOUR_COLUMN] if content.audit.without_tumour else ()), *further)


def _warn_of_masks(content: DatasetContent) -> None:
    """Say which masks are to be looked at once more."""
    same = [name for name, dice in content.second_dice.items() if dice == 1]
    changed = [name for name, (before, after) in content.resampled.items() if before != after]
    for names, what in (
        (list(content.trusted), "that name another CT, taken by where they lie (--trust-geometry)"),
        (changed, "whose lesions were joined or divided by --resample-masks"),
        (list(content.skipped), "with slices between others on which nobody has drawn: lesions in pieces"),
        (same, "of a second reader that are the first reader's voxel for voxel"),
    ):
        if names:
            first = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            logger.warning("masks %s: %d (%s); audit.json lists them", what, len(names), first)


def _description(name: str, fold: Mapping[str, Sequence[str]], content: DatasetContent) -> dict[str, object]:
    """Say what nnU-Net and people want to know of the dataset."""
    labels = {"background": 0, "tumour": 1}
    about_ignored = ""
    if any(record.ignored_voxels for record in content.records.values()):
        labels["ignore"] = 2
        about_ignored = " Label 2 marks what nobody has annotated; nnU-Net leaves it out of training."
    without = content.audit.without_tumour
    second = f" {SECOND_FOLDER}: masks of a second reader." if content.second_dice else ""
    about_others = f" Labels without a tumour are empty ({NO_TUMOUR_COLUMN} in cohort.csv)." if without else ""
    if content.interpolated:
        about_others += f" {interpolated_in_words(content.interpolated)} (audit.json names them)."
    return {
        "name": name,
        "description": (
            "CT of anterior mediastinal tumours. Whole HU, values below the floor raised to it; LPS axes. "
            + ("" if content.test_only else "imagesTr: training and tuning (splits_final.json, fold 0); ")
            + f"imagesTs: external test set.{about_ignored}"
            f"{about_others}{second}"
        ),
        "reference": f"Recipe and split after {paper.CITATION}, doi:{paper.DOI}",
        **{key: content.notes[key] for key in _COPIED_NOTES if key in content.notes},
        "subjects": content.subjects,
        "converted_by": f"nnunet_amt {__version__}",
        "intensity_floor_hu": FLOOR_HU,
        "images_to_predict": _IMAGES_TO_PREDICT,
        "channel_names": {"0": "CT"},
        "labels": labels,
        "numTraining": len(fold["train"]) + len(fold["val"]),
        TRAINING_KEY: described_list(content.records[name] for name in (*fold["train"], *fold["val"])),
        **({"cases_without_tumour": without} if without else {}),
        "file_ending": FILE_ENDING,
        "overwrite_image_reader_writer": "SimpleITKIO",
    }


def cohort_row(case: CohortCase, record: CaseRecord | None) -> dict[str, object]:
    """Give a row of ``cohort.csv`` by column; what is not given is taken from the image, if that was read already."""
    age = "" if case.age is None else f"{case.age:g}"
    manufacturer, thickness = case.manufacturer, case.slice_thickness_mm
    if record is not None:
        manufacturer = manufacturer or manufacturer_in_header(record.manufacturer)
        thickness = record.spacing[2] if thickness is None else thickness
    row = (case.case_id, case.patient_id, case.institution, case.split, age, case.sex, case.histology, manufacturer)
    return {
        **dict(zip(COHORT_COLUMNS, (*row, None if thickness is None else f"{thickness:.6g}"), strict=True)),
        NO_TUMOUR_COLUMN: "yes" if case.no_tumour else "no",
        **{column: getattr(case, column) for column in (*THYMIC_COLUMNS, *LESION_COLUMNS)},
        "ctc_level": None if case.ctc_level is None else f"{case.ctc_level:.10g}",
        **dict(case.clinical),
    }


def audit_rows(audit: SplitAudit) -> list[tuple[str, str, str, str]]:
    """Lay out the counts for a table on the screen: a row a split and one for all, in the order of `AUDIT_COLUMNS`."""
    counts = [(str(row.split), row.cases, row.patients, row.institutions, row.without_tumour) for row in audit.splits]
    counts.append(("all", *audit.total, audit.without_tumour))
    return [
        (name, f"{cases} ({without} without tumour)" if without else str(cases), str(patients), str(places))
        for name, cases, patients, places, without in counts
    ]


def audit_checks(audit: SplitAudit, compared_voxels: int) -> list[str]:
    """Say in words what was checked, in how many cases voxel for voxel; a breach would have stopped the conversion."""
    _, patients, institutions = audit.total
    external = audit.splits[-1].institutions
    others = institutions - external
    return [
        f"institutions: {external} of the external test set, {others} of training and tuning, none of both",
        f"patients: {patients}, none in two splits",
        f"CTs compared voxel for voxel: {compared_voxels}, no two the same, no slice in two patients",
    ]


def interpolated_in_words(interpolated: Mapping[str, int]) -> str:
    """Say how many slices of masks nobody has drawn; `interpolated` are those of each case that has any."""
    slices, cases = sum(interpolated.values()), len(interpolated)
    return (
        f"Contours are interpolated, not drawn, on {slices} slice{'s' if slices > 1 else ''} of {cases} "
        f"case{'s' if cases > 1 else ''}"
    )


def write_audit(
    folder: Path,
    *,
    audit: SplitAudit,
    excluded: Mapping[str, int],
    checks: Sequence[str],
    compared_with_training: int | None = None,
    split_drawn_without: int = 0,
    moved: Sequence[MovedCase] = (),
    interpolated: Mapping[str, int] | None = None,
    skipped: Mapping[str, int] | None = None,
    trusted: Mapping[str, str] | None = None,
    resampled: Mapping[str, tuple[int, int]] | None = None,
    second_dice: Mapping[str, float] | None = None,
) -> Path:
    """Write ``audit.json``: what was checked before the split was trusted, and what is in it.

    `audit` has codes in place of the institutions' names, see `SplitAudit.coded`; `excluded` are cases by reason, and
    `checks` what was checked in words. Of the others see `DatasetContent`; `skipped` are cases with slices that
    nobody seems to have drawn on, `trusted` those whose mask names another CT, and what was taken for it, `resampled`
    those whose mask had another grid, with its lesions and those that they became, `second_dice` those with a second
    reader's mask, and its Dice with the first. What there is none of is left out, as are the cases without a tumour.
    """
    cases, patients, institutions = audit.total
    left_out = sum(excluded.values())
    content = {
        "checks": [{"check": check, "passed": True} for check in checks],
        **({} if compared_with_training is None else {"compared_with_training_cts": compared_with_training}),
        "identified": cases + left_out,
        "excluded": left_out,
        "excluded_by_reason": dict(excluded),
        "included": {"cases": cases, "patients": patients, "institutions": institutions},
        "splits": {
            row.split: {"cases": row.cases, "patients": row.patients, "institutions": row.institutions}
            | ({"without_tumour": row.without_tumour} if audit.without_tumour else {})
            for row in audit.splits
        },
        **({"split_drawn_without_unreadable": split_drawn_without} if split_drawn_without else {}),
        **({"moved_since_the_last_run": [asdict(case) for case in moved]} if moved else {}),
        "institutions_of_both_training_and_tuning": audit.shared_institutions,
        "cases_by_institution": audit.cases_by_institution,
        **({"slices_with_interpolated_contours_by_case": dict(interpolated)} if interpolated else {}),
        **({"slices_without_tumour_between_others_by_case": dict(skipped)} if skipped else {}),
        **({"masks_that_name_another_ct": dict(trusted)} if trusted else {}),
        **({"lesions_before_and_after_resampling_by_case": dict(resampled)} if resampled else {}),
        **({"dice_of_both_readers_by_case": dict(second_dice)} if second_dice else {}),
    }
    path = folder / AUDIT_FILE
    write_json(path, content)
    return path


@dataclass(frozen=True)
class RefusedCase:
    """A case that could not be converted."""

    case: CohortCase  # as in the manifest
    name: str  # of the case in the dataset
    message: str  # what is wrong and what to do, with the manifest's line and case id
    reason: str  # in a few words that hold nothing of the case

    @classmethod
    def of(cls, case: CohortCase, name: str, place: str, error: AMTError) -> RefusedCase:
        """Take what `nnunet_amt.base.workers.attempt` gave; `place` goes before messages that do not say it."""
        message = f"{place}: {error}" if isinstance(error, WorkFailedError) else str(error)
        return cls(case, name, message, _REASONS.get(type(error), _OTHER_REASON))


class CasesRefusedError(WorkFailedError):
    """Cases, at least one, could not be converted, and are not to be left out for it; a file lists them."""

    def __init__(self, refused: Sequence[RefusedCase], *, converted: int, listed_in: Path) -> None:
        self.refused = tuple(refused)
        them, cases = ("it", "the case") if len(refused) == 1 else ("them", "the cases")
        self.summary = (
            f"{converted} of {converted + len(refused)} cases are converted, {len(refused)} failed "
            f"({listed_in} lists {them}): mend {cases} and run the same command again"
            + (f", or leave {them} out with --exclude-unreadable" if converted else "")
        )
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        super().__init__(f"{refused[0].message}{more}; {self.summary}")


def write_reasons(path: Path, refused: Sequence[RefusedCase]) -> None:
    """Write the refused cases by their names in the dataset into a file in it; remove the file if there are none."""
    _write(path, ("case_id", "reason"), [(one.name, one.reason) for one in refused])


def write_messages(path: Path, refused: Sequence[RefusedCase]) -> None:
    """Do the same with the manifest's ids and whole messages, into a file outside the dataset."""
    rows = [(one.case.line, one.case.case_id, one.message) for one in refused]
    _write(path, ("line", "case_id", "message"), rows)


def list_early(path: Path, refused: Sequence[RefusedCase], *, going_on: int) -> None:
    """List cases that are refused already, see `write_messages`, before hours are spent on the `going_on` others."""
    if refused and going_on:
        write_messages(path, sorted(refused, key=lambda one: one.case.line))
        logger.warning(
            "failed so far: %d of %d cases, listed in %s; the others (%d) are converted now",
            len(refused),
            len(refused) + going_on,
            path,
            going_on,
        )


def _write(path: Path, columns: Sequence[str], rows: Sequence[Iterable[object]]) -> None:
    if rows:
        write_csv(path, columns, rows)
    else:
        path.unlink(missing_ok=True)
