"""The dataset that the baseline runs on, and whether it is the one that the paper's recipe saw."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import read_record, read_rows
from nnunet_amt.base.json_file import parse_json, read_json
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import SPLITS, require_fold
from nnunet_amt.nnunet.environment import dataset_name, folder_from_environment
from nnunet_amt.nnunet.predictions import require_images
from nnunet_amt.nnunet.raw_cases import FINGERPRINT_RECORD, RawCases, list_cases, raw_files_state

_SPLITS = "splits_final.json"


@dataclass(frozen=True)
class BaselineDataset:
    """A converted dataset: its name, its folders in nnUNet_raw and nnUNet_preprocessed, nnUNet_results, its cases."""

    name: str
    raw: Path
    preprocessed: Path
    results: Path
    cases: RawCases

    @property
    def images(self) -> Path:
        """CTs of the external test set."""
        return self.raw / "imagesTs"

    @property
    def references(self) -> Path:
        """Label maps of the external test set."""
        return self.raw / "labelsTs"

    @property
    def cohort(self) -> Path | None:
        """Table of the cases, where there is one."""
        table = self.raw / "cohort.csv"
        return table if table.is_file() else None


def find_dataset(dataset_id: int, fold: str) -> BaselineDataset:
    """Find a dataset and check that stock nnU-Net will train and test on the cases that ours does.

    Raises
    ------
    BadInputError
        If it is not there, has no external test set or split, the split beside the preprocessed data is another,
        or the raw files are no more those that were planned with.
    """
    raw_folder = folder_from_environment("nnUNet_raw")
    preprocessed, results = (folder_from_environment(f"nnUNet_{name}") for name in ("preprocessed", "results"))
    name = dataset_name(dataset_id, raw_folder)
    raw = raw_folder / name
    require_images(raw / "imagesTs")
    cases = list_cases(raw)
    if fold != "all" and not fold.isdigit():
        raise BadInputError(f"--fold {fold}: must be 0, the split of the cohort, or 'all'")
    if fold != "all":
        require_fold(raw / _SPLITS, int(fold))
    dataset = BaselineDataset(name, raw, preprocessed / name, results, cases)
    _require_same_split(dataset)
    _require_same_images(dataset, dataset_id)
    return dataset


def put_split_in_place(dataset: BaselineDataset) -> None:
    """Copy the split of the cohort to where nnU-Net's training looks for it, unless it is there."""
    target = dataset.preprocessed / _SPLITS
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(dataset.raw / _SPLITS, target)


def require_validated_on_split(dataset: BaselineDataset, fold_folder: Path, fold: str) -> None:
    """Refuse a finished model whose final validation was of other cases than the tuning cases of the split.

    nnU-Net does not write down which split it trained on, but its validation has a label map a case.
    """
    if fold == "all":
        return
    splits = read_json(dataset.raw / _SPLITS, form=SPLITS, advice="convert the cohort again")
    if int(fold) >= len(splits):
        raise BadInputError(f"{dataset.raw / _SPLITS}: has {len(splits)} folds, no {fold}; convert the cohort again")
    expected = set(splits[int(fold)]["val"])
    validated = {path.name.removesuffix(".nii.gz") for path in (fold_folder / "validation").glob("*.nii.gz")}
    if validated != expected:
        raise BadInputError(
            f"{fold_folder}: was validated on {len(validated)} cases that are not the {len(expected)} tuning cases of "
            "the split, so it was trained on another split; move this folder away to train on the split of the cohort"
        )


def require_evaluation_of(dataset: BaselineDataset, evaluation: Path) -> None:
    """Refuse what is no evaluation of the external test set, before hours of training end in the refusal."""
    table = evaluation / "cases.csv"
    if not table.is_file() or not (evaluation / "summary.json").is_file():
        raise BadInputError(f"--evaluation {evaluation}: holds no results of nnunet_amt evaluate; give their folder")
    evaluated = {row["case_id"] for row in read_rows(table)}
    external = {case.case_id for case in dataset.cases.external}
    if evaluated != external:
        raise BadInputError(
            f"--evaluation {evaluation}: is of {len(evaluated)} cases, which are not the {len(external)} external "
            f"ones of {dataset.name}; evaluate predictions of its imagesTs"
        )


def _require_same_split(dataset: BaselineDataset) -> None:
    """Refuse a split beside the preprocessed data that is not the cohort's: nnU-Net trains on what stands there."""
    cohorts, used = dataset.raw / _SPLITS, dataset.preprocessed / _SPLITS
    if used.is_file() and _read_json(used) != _read_json(cohorts):
        raise BadInputError(
            f"{used}: is not the split of the cohort ({cohorts}), the models would not be trained on the same cases; "
            "plan again with: nnunet_amt plan, or copy the cohort's over it and train anew"
        )


def _read_json(path: Path) -> object:
    """Read a JSON file of any kind; None if it is broken."""
    try:
        content: object = parse_json(path)
    except (OSError, ValueError):
        return None
    return content


def _require_same_images(dataset: BaselineDataset, dataset_id: int) -> None:
    """Refuse a fingerprint of other raw files than there are; nnU-Net would plan with it."""
    record = read_record(dataset.preprocessed / FINGERPRINT_RECORD)
    if record and record.get("raw_files_sha256") != raw_files_state(dataset.cases):
        raise BadInputError(
            f"{dataset.raw}: its images have changed since they were planned with; plan again with: "
            f"nnunet_amt plan -d {dataset_id}"
        )
