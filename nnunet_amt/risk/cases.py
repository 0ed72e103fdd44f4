"""The cases of the study of risk: which tumours of a raw dataset take part, and which class each is of.

Low-risk thymomas (LRT) have the WHO types A, AB and B1, high-risk thymomas (HRT) B2 and B3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.cohort.thymic_findings import FINDINGS, WHO_TYPES, is_clinical, who_type_of
from nnunet_amt.dataset_conversion.raw_dataset import RawDataset
from nnunet_amt.errors import BadInputError, ManifestError
from nnunet_amt.evaluation.measure.distances import largest_diameters
from nnunet_amt.evaluation.measure.lesions import label_components
from nnunet_amt.evaluation.summary.cohort_groups import as_number
from nnunet_amt.images.foreground import Foreground, MaskBox
from nnunet_amt.images.mask_file import read_foreground
from nnunet_amt.risk.cohort_rows import CONVERT_AGAIN, files_of, require_patients_apart, rows_with, split_of

RiskSplit = Literal["training", "external"]
Carcinoma = Literal["out", "high"]

LOW_TYPES = ("A", "AB", "B1")
HIGH_TYPES = ("B2", "B3")
SMALLEST_MM = 10.0
_MM3_PER_CM3 = 1000.0
# Reasons why a case takes no part, in the order in which they are looked for.
NO_TYPE, MIXED, CARCINOMA, NO_TUMOUR, SMALL = (
    *("no WHO type", "mixed WHO type", "thymic carcinoma"),
    *("no tumour in the mask", "tumour under 10 mm"),
)
REASONS = (NO_TYPE, MIXED, CARCINOMA, NO_TUMOUR, SMALL)
_IN_WORDS: dict[RiskSplit, str] = {"training": "the training set (training and tuning)", "external": "the external set"}


@dataclass(frozen=True)
class RiskCase:
    """One tumour.

    Attributes
    ----------
    case_id, patient, institution
        The dataset's names: codes.
    split
        ``"training"`` are the cases of development, training and tuning together; ``"external"`` those of ``imagesTs``.
    who_type, high
        WHO type, and whether the risk is high.
    image, mask
        CT and reference mask.
    mask_2
        The second reader's mask; None where there is none.
    age, sex, manufacturer
        As the manifest, or the CT's header, has them; None where it has not.
    diameter_cm
        Largest axial diameter of the tumour, see `largest_component`.
    findings
        Those that are known, of `FINDINGS`.
    clinical
        Texts of the columns ``clinical_*``; empty where not stated.
    volume_cm3
        Of all that the mask holds; None where it was not measured.
    """

    case_id: str
    patient: str
    institution: str
    split: RiskSplit
    who_type: str
    high: bool
    image: Path
    mask: Path
    mask_2: Path | None
    age: float | None
    sex: str | None
    manufacturer: str | None
    diameter_cm: float
    findings: Mapping[str, str]
    clinical: Mapping[str, str]
    volume_cm3: float | None = None


@dataclass(frozen=True)
class RiskCohort:
    """The cases that take part, in the dataset's order, and those left out, by reason (those of `REASONS`)."""

    cases: tuple[RiskCase, ...]
    left_out: Mapping[str, tuple[str, ...]]

    def of_split(self, split: RiskSplit) -> RiskCohort:
        """Give the cases of a split; what is left out is told of the whole cohort."""
        return RiskCohort(tuple(case for case in self.cases if case.split == split), self.left_out)


def read_risk_cases(dataset_folder: Path, *, carcinoma: Carcinoma = "out", progress: Progress = silent) -> RiskCohort:
    """Read ``cohort.csv`` of a raw dataset, measure the tumours, and sort out which take part.

    Parameters
    ----------
    dataset_folder
        As the conversion made it, for example ``nnUNet_raw/Dataset711_AMT``.
    carcinoma
        Whether thymic carcinomas are left out, or count as high risk; the paper does not say where they went.
    progress
        Called after each mask.

    Raises
    ------
    ManifestError
        If the cohort's file has no column ``who_type``, or another word in it.
    SplitLeakageError
        If a patient is in both splits.
    BadInputError
        If the dataset cannot be read, or a split that has cases is left with one class; subclasses if a mask is
        damaged, or an image not there.
    """
    path = dataset_folder / "cohort.csv"
    if carcinoma not in ("out", "high"):
        raise BadInputError(f"carcinoma is {carcinoma!r}; it must be 'out' or 'high'")
    rows = rows_with(path, "who_type", values=", ".join(WHO_TYPES))
    cases: list[RiskCase] = []
    left_out: dict[str, list[str]] = {reason: [] for reason in REASONS}
    for done, row in enumerate(rows, start=1):
        found = _case_or_reason(path, row, carcinoma)
        if isinstance(found, RiskCase):
            cases.append(found)
        else:
            left_out[found].append(row["case_id"])
        progress(done, len(rows), "measuring tumours")
    cohort = RiskCohort(tuple(cases), {reason: tuple(ids) for reason, ids in left_out.items() if ids})
    require_patients_apart(path, cohort.cases)
    _require_both_classes(path, cohort, {_split(path, row) for row in rows})
    return cohort


def _case_or_reason(path: Path, row: Mapping[str, str], carcinoma: Carcinoma) -> RiskCase | str:
    who_type = _who_type(path, row)
    reasons = {None: NO_TYPE, "mixed": MIXED} | ({"TC": CARCINOMA} if carcinoma == "out" else {})
    if who_type is None or who_type in reasons:
        return reasons[who_type]
    case_id, split = row["case_id"], _split(path, row)
    image, mask = files_of(path, case_id, split)
    tumour = read_foreground(mask, case_id=case_id)
    if not tumour.boxes:
        return NO_TUMOUR
    diameter = largest_diameters(*tumour.axial(largest_component(tumour)[0].mask)).axial
    if diameter < SMALLEST_MM:
        return SMALL
    second = RawDataset(path.parent).second_label(case_id)
    return RiskCase(
        case_id=case_id,
        patient=row["patient"],
        institution=row["institution"],
        split=split,
        who_type=who_type,
        high=who_type not in LOW_TYPES,
        image=image,
        mask=mask,
        mask_2=second if second.is_file() else None,
        age=as_number(row.get("age", "")),
        sex=row.get("sex") or None,
        manufacturer=row.get("manufacturer") or None,
        diameter_cm=diameter / 10,
        findings={name: row[name] for name in FINDINGS if row.get(name)},
        clinical={name: text for name, text in row.items() if is_clinical(name)},
        volume_cm3=_volume_cm3(tumour),
    )


def _volume_cm3(tumour: Foreground) -> float:
    voxels = sum(int(np.count_nonzero(box.mask)) for box in tumour.boxes)
    return float(voxels * np.prod(tumour.spacing) / _MM3_PER_CM3)


def largest_component(tumour: Foreground) -> tuple[MaskBox, int]:
    """Give the component (26-connectivity) of most voxels of a mask that is not empty, and how many there are.

    It is the tumour of a case: a speck far from it, a pleural nodule, or a false positive of a predicted mask would
    stretch the rectangle around it over half of the chest. Of two of one size it is the first in the array's order.
    """
    components = label_components(tumour, connectivity=26)
    return max(components, key=lambda box: int(box.mask.sum())), len(components)


def _who_type(path: Path, row: Mapping[str, str]) -> str | None:
    text = row["who_type"].strip()
    try:
        return who_type_of(text) if text else None
    except ValueError as error:
        raise ManifestError(f"{path}, column 'who_type' (case {row['case_id']}): is {text!r}; it {error}") from error


def _split(path: Path, row: Mapping[str, str]) -> RiskSplit:
    return "external" if split_of(path, row) == "external" else "training"  # tuning cases are of development


def _require_both_classes(path: Path, cohort: RiskCohort, splits: set[RiskSplit]) -> None:
    """Refuse a split that has cases in the dataset, and of a class none that takes part."""
    left_out = "".join(f", {len(ids)} left out ({reason})" for reason, ids in cohort.left_out.items())
    for split in sorted(splits, reverse=True):
        high = [case.high for case in cohort.of_split(split).cases]
        for name, types, count in (("LRT", LOW_TYPES, high.count(False)), ("HRT", HIGH_TYPES, high.count(True))):
            if not count:
                raise BadInputError(
                    f"{path}: {_IN_WORDS[split]} has no {name} ({', '.join(types)}): {high.count(False)} LRT, "
                    f"{high.count(True)} HRT{left_out}; put cases of both classes into each split, or fill in "
                    f"'who_type', {CONVERT_AGAIN}"
                )
