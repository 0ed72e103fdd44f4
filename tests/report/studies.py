"""A study small enough to know: three cases in the demo's layout, evaluated and analysed by the real stages."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from nnunet_amt.evaluation import EvaluationSettings, evaluate
from nnunet_amt.evaluation.failures import analyse_failures
from nnunet_amt.risk.evaluation.evaluate_risk import evaluate_risk
from nnunet_amt.risk.fusion.evaluation.evaluate_lesions import evaluate_lesions
from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
from nnunet_amt.risk.fusion.reading.lesion_reader_study import write_lesion_reader_study
from nnunet_amt.risk.reading.reader_study import write_reader_study
from nnunet_amt.risk.reading.simulated import simulate_readers
from nnunet_amt.study.study_files import LESION_TASKS, LesionTask
from tests.conftest import write_image
from tests.risk.evaluation.made_up import cohort_of, write_two_models
from tests.risk.fusion.evaluation import made_up as lesions

SPACING = (1.0, 1.0, 2.0)  # mm, (x, y, z)
TITLE = "A study of three"
# A name of a folder above the study that must not be told.
SECRET = "jane_doe_laptop"
TABLE_1 = {
    "title": "Table 1: age, sex and diagnosis, counted by case",
    "heading": "Variable",
    "columns": ["Value", "Training", "Total, published"],
    "rows": [
        {"kind": "row", "title": "cases", "cells": ["", "2", "711"]},
        {"kind": "row", "title": "sex", "cells": ["female", "1 (50.0%)", "372 (52.3%)"]},
    ],
    "notes": ["Published: other patients."],
}
AUDIT = {
    "checks": [{"check": "patients: 5, none in two splits", "passed": True}],
    "identified": 6,
    "excluded": 1,
    "excluded_by_reason": {"incomplete CT": 1},
    "included": {"cases": 5, "patients": 5, "institutions": 3},
    "institutions_of_both_training_and_tuning": 0,
    "splits": {
        "training": {"cases": 2, "patients": 2, "institutions": 1},
        "tuning": {"cases": 0, "patients": 0, "institutions": 0},
        "external": {"cases": 3, "patients": 3, "institutions": 2},
    },
}
COHORT = """case_id,institution,split,age,sex,histology,manufacturer,slice_thickness_mm
AMT-0001,institution-0002,external,50,F,thymoma,Siemens,2
AMT-0002,institution-0002,external,60,M,lymphoma,Siemens,2
AMT-0003,institution-0003,external,70,F,thymoma,Siemens,2
AMT-0004,institution-0001,training,70,F,thymoma,Siemens,2
AMT-0005,institution-0001,training,70,M,thymoma,Siemens,2
"""


HEALTHY_AUDIT = {
    **AUDIT,
    "identified": 8,
    "included": {"cases": 7, "patients": 7, "institutions": 3},
    "splits": {**AUDIT["splits"], "external": {"cases": 5, "patients": 5, "institutions": 2, "without_tumour": 2}},  # type: ignore[dict-item]
}
HEALTHY_COHORT = "".join(
    f"{row},{'no_tumour' if row.startswith('case_id') else 'no'}\n" for row in COHORT.splitlines()
) + "".join(f"AMT-000{number},institution-0003,external,40,F,,Siemens,2,yes\n" for number in (6, 7))


def box(*edges: tuple[int, int, int, int, int, int]) -> np.ndarray:
    """A mask (z, y, x) of 8 x 30 x 30 voxels of boxes from (z, y, x) to (z, y, x)."""
    mask = np.zeros((8, 30, 30), np.uint8)
    for z, y, x, z_end, y_end, x_end in edges:
        mask[z:z_end, y:y_end, x:x_end] = 1
    return mask


# Case 1: 4 x 10 x 10 voxels found whole. Case 2: 200 of 400 found. Case 3: nothing of 400, and 60 voxels elsewhere.
REFERENCE = box((2, 5, 5, 6, 15, 15))
CASES = {
    "AMT-0001": REFERENCE,
    "AMT-0002": box((2, 5, 5, 4, 15, 15)),
    "AMT-0003": box((2, 20, 20, 5, 24, 25)),
}


# Two more, of people without a tumour: in the first nothing is predicted, in the second 100 voxels are.
HEALTHY = {"AMT-0006": box(), "AMT-0007": box((2, 20, 20, 6, 25, 25))}


def write_study(folder: Path, *, healthy: bool = False, subjects: str | None = "patients") -> Path:
    """Write manifest, dataset, predictions, evaluation and failure analysis below a folder, as ``study`` lays them out.

    `healthy` adds the cases of `HEALTHY`; `subjects` is what the conversion wrote, None for an older one.
    """
    dataset = folder / "nnUNet_raw" / "Dataset711_Tiny"
    for case_id, prediction in (CASES | (HEALTHY if healthy else {})).items():
        image = np.where(REFERENCE, 50, -900).astype(np.int16)
        reference = REFERENCE * (case_id in CASES)
        write_image(dataset / "imagesTs" / f"{case_id}_0000.nii.gz", image, SPACING)
        write_image(dataset / "labelsTs" / f"{case_id}.nii.gz", reference, SPACING)
        write_image(folder / "predictions" / f"{case_id}.nii.gz", prediction, SPACING)
    (folder / "manifest.csv").write_text("case_id,image,mask\n")
    said = {} if subjects is None else {"subjects": subjects}
    (dataset / "dataset.json").write_text(json.dumps({"name": "Dataset711_Tiny", "labels": {"tumour": 1}} | said))
    (dataset / "audit.json").write_text(json.dumps(HEALTHY_AUDIT if healthy else AUDIT))
    (dataset / "cohort.csv").write_text(HEALTHY_COHORT if healthy else COHORT)
    (dataset / "cohort_tables.json").write_text(json.dumps([TABLE_1]))
    settings = EvaluationSettings(bootstrap_resamples=50)
    references, predictions = dataset / "labelsTs", folder / "predictions"
    with (
        mock.patch("nnunet_amt.evaluation.evaluate.write_figures", blank_figures),
        mock.patch("nnunet_amt.evaluation.failures.analyse.write_feature_figures", _blank_features),
    ):
        evaluate(predictions, references, folder / "evaluation", cohort=dataset / "cohort.csv", settings=settings)
        analyse_failures(
            predictions, references, folder / "evaluation_failures", images=dataset / "imagesTs", settings=settings
        )
    return folder


def blank_figures(folder: Path, *_: object, **__: object) -> None:
    """Stand in for figures, which take seconds and have tests of their own."""
    for name in ("froc", "dice_by_size", "volumes"):
        _blank_features(folder / name)


def _blank_features(path: Path, *_: object) -> None:
    Image.new("L", (20, 10), 255).save(path.with_suffix(".png"))


def write_risk_study(folder: Path, *, subjects: str | None = "phantoms", cohort_file: Path | None = None) -> Path:
    """Evaluate two made-up models and simulated readers into ``risk`` of a study, by the real stages; give that folder.

    `cohort_file` is where the record says that the cases come from.
    """
    risk, cohort = folder / "risk", cohort_of()
    with contextlib.ExitStack() as patches:
        for module in ("writing.figure_style", "risk.reading.reader_study"):
            patches.enter_context(mock.patch(f"nnunet_amt.{module}.save_figure", _blank_figure))
        for figure in ("roc_figure", "calibration_figure", "subgroup_figure"):
            patches.enter_context(mock.patch(f"nnunet_amt.risk.evaluation.evaluate_risk.{figure}"))
        patches.enter_context(mock.patch("nnunet_amt.risk.reading.reader_figure.reader_figure"))
        evaluate_risk(
            write_two_models(risk / "scores"),
            cohort,
            output=risk / "evaluation",
            cohort_file=cohort_file,
            subjects=subjects,
        )
        table = simulate_readers({case.case_id: case.high for case in cohort.cases})
        write_reader_study(table, cohort.cases, output=risk / "readers", subjects=subjects, simulated=True)
    return risk


def write_lesion_study(
    folder: Path,
    *,
    tasks: Sequence[LesionTask] = LESION_TASKS,
    subjects: str | None = "phantoms",
    cohort_file: Path | None = None,
) -> FusionFolder:
    """Evaluate made-up models of 15 lesions a split into ``risk/fusion`` of a study; of phantoms readers too."""
    at, cases = FusionFolder.of_risk(folder / "risk"), lesions.many_cases(5)
    evaluation, reading = "evaluation.evaluate_lesions", "reading.lesion_reader_study"
    with contextlib.ExitStack() as patches:
        for module in ("writing.figure_style", f"risk.fusion.{reading}"):
            patches.enter_context(mock.patch(f"nnunet_amt.{module}.save_figure", _blank_figure))
        for figure in ("flow", "binary_roc", "multiclass_roc", "confusion", "decision", "gain", "ctc"):
            patches.enter_context(mock.patch(f"nnunet_amt.risk.fusion.{evaluation}.{figure}_figure"))
        for drawing in ("reader_figure", "draw_readers"):
            patches.enter_context(mock.patch(f"nnunet_amt.risk.fusion.{reading}.{drawing}"))
        for task in tasks:
            lesions.write_all_models(at.root, cases, task=task)
            cohort = lesions.cohort_of(cases)
            evaluate_lesions(at, task, cohort, cohort_file=cohort_file, ctc_unit="pg/ml", subjects=subjects)
            if subjects == "phantoms":
                write_lesion_reader_study(cohort, None, output=at.readers(task), task=task, subjects=subjects)
    return at


def _blank_figure(_figure: object, folder: Path, name: str) -> None:
    _blank_features(folder / name)


class PageReader(HTMLParser):
    """What the tests look at: the attributes of every element, and the text of styles, scripts and the rest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.blocks: list[tuple[str, dict[str, str], str]] = []
        self.words: list[str] = []
        self._open: tuple[str, dict[str, str]] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        if tag in ("style", "script"):
            self._open = (tag, found)
            self.blocks.append((*self._open, ""))

    def handle_endtag(self, tag: str) -> None:
        if self._open and tag == self._open[0]:
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open:
            tag, attributes, text = self.blocks[-1]
            self.blocks[-1] = (tag, attributes, text + data)
        else:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every element of a tag."""
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self) -> str:
        """All that is read, with single spaces."""
        return " ".join(" ".join(self.words).split())
