"""Write what stands beside the images of a raw dataset."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from nnunet_amt import __version__, paper
from nnunet_amt.cohort import CohortCase, canonical_manufacturer
from nnunet_amt.dataset_conversion.case_record import CaseRecord
from nnunet_amt.dataset_conversion.hounsfield import FLOOR_HU
from nnunet_amt.dataset_conversion.raw_dataset import FILE_ENDING, RawDataset
from nnunet_amt.files import write_json, write_text

__all__ = ["COHORT_COLUMNS", "write_dataset_files"]

# No patient_id: the dataset may be passed on.
COHORT_COLUMNS = (
    "case_id",
    "institution",
    "split",
    "age",
    "sex",
    "histology",
    "manufacturer",
    "slice_thickness_mm",
)


def write_dataset_files(
    dataset: RawDataset,
    cases: Sequence[CohortCase],
    records: Mapping[str, CaseRecord],
    excluded: Mapping[str, int],
) -> None:
    """Write ``cohort.csv``, ``exclusions.csv``, ``splits_final.json``, and last ``dataset.json``.

    Parameters
    ----------
    dataset
        Where to.
    cases
        The cohort, with splits.
    records
        Of every case, by case id.
    excluded
        Excluded cases by reason.
    """
    rows = [_cohort_row(case, records[case.case_id]) for case in cases]
    write_text(dataset.folder / "cohort.csv", _csv(COHORT_COLUMNS, rows))
    write_text(dataset.folder / "exclusions.csv", _csv(("reason", "cases"), excluded.items()))
    fold = {
        "train": sorted(case.case_id for case in cases if case.split == "training"),
        "val": sorted(case.case_id for case in cases if case.split == "tuning"),
    }
    write_json(dataset.folder / "splits_final.json", [fold])
    write_json(
        dataset.folder / "dataset.json",
        {
            "name": dataset.folder.name,
            "description": (
                "CT of anterior mediastinal tumours. Whole HU, values below the floor raised to it; LPS axes. "
                "imagesTr: training and tuning (splits_final.json, fold 0); imagesTs: external test set."
            ),
            "reference": f"Recipe and split after {paper.CITATION}, doi:{paper.DOI}",
            "converted_by": f"nnunet_amt {__version__}",
            "intensity_floor_hu": FLOOR_HU,
            "channel_names": {"0": "CT"},
            "labels": {"background": 0, "tumour": 1},
            "numTraining": len(fold["train"]) + len(fold["val"]),
            "file_ending": FILE_ENDING,
            "overwrite_image_reader_writer": "SimpleITKIO",
        },
    )


def _cohort_row(case: CohortCase, record: CaseRecord) -> list[object]:
    """One row in the order of `COHORT_COLUMNS`; what the manifest leaves out is taken from the image."""
    age = "" if case.age is None else f"{case.age:g}"
    manufacturer = case.manufacturer or canonical_manufacturer(record.manufacturer)
    thickness = record.spacing[2] if case.slice_thickness_mm is None else case.slice_thickness_mm
    row = (case.case_id, case.institution, case.split, age, case.sex, case.histology, manufacturer)
    return [*row, f"{thickness:.6g}"]


def _csv(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
