"""Folders of evaluations for the tests of comparisons, made without drawing the figures that take most of the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.results.csv_files import write_case_thresholds_csv, write_cases_csv, write_lesions_csv
from nnunet_amt.evaluation.results.summary_json import write_summary_json
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import summarise
from tests.evaluation.builders import evaluated, row_mask

Runs = Sequence[tuple[int, int]]
LENGTH = 200
SETTINGS = EvaluationSettings(bootstrap_resamples=50)
TUMOUR: Runs = [(0, 20)]
# Two models on four cases that can be computed on paper; d is without tumour. The first finds a and c as they are,
# misses b, and marks nothing in d. The other finds 12 voxels of 20 in a, b as it is, c with 10 voxels elsewhere, and
# marks 10 voxels in d.
FIRST: dict[str, tuple[Runs, Runs]] = {
    "a": (TUMOUR, TUMOUR),
    "b": ([], TUMOUR),
    "c": (TUMOUR, TUMOUR),
    "d": ([], []),
}
OTHER: dict[str, tuple[Runs, Runs]] = {
    "a": ([(0, 12)], TUMOUR),
    "b": (TUMOUR, TUMOUR),
    "c": ([(0, 20), (100, 110)], TUMOUR),
    "d": ([(0, 10)], []),
}


def write_evaluation(
    folder: Path, cases: Mapping[str, tuple[Runs, Runs]], settings: EvaluationSettings = SETTINGS
) -> Path:
    """Write what `compare` reads of an evaluation.

    Parameters
    ----------
    folder
        For the files.
    cases
        Runs of voxels in one row, (start, stop), of prediction and of reference, by case id.
    settings
        Of the evaluation.
    """
    found = [
        evaluated(row_mask(LENGTH, *prediction), row_mask(LENGTH, *reference), settings, case_id)
        for case_id, (prediction, reference) in sorted(cases.items())
    ]
    return write_cases(folder, found, settings)


def write_cases(folder: Path, cases: Sequence[CaseEvaluation], settings: EvaluationSettings = SETTINGS) -> Path:
    """Write evaluated cases as `evaluate` does."""
    folder.mkdir(parents=True, exist_ok=True)
    write_cases_csv(folder / "cases.csv", cases)
    write_lesions_csv(folder / "lesions.csv", cases)
    write_case_thresholds_csv(folder / "case_thresholds.csv", cases)
    write_summary_json(
        folder / "summary.json", settings=settings, overall=summarise(cases, settings=settings), subgroups=()
    )
    return folder


def random_evaluation(folder: Path, cases: int, skill: float, seed: int) -> Path:
    """Write an evaluation of cases that are the same for every `skill` (0 to 1) and `seed`."""
    references, noise = np.random.default_rng(1), np.random.default_rng(seed)
    content: dict[str, tuple[Runs, Runs]] = {}
    for i in range(cases):
        reference, prediction = [], []
        for lesion in range(1 + int(references.integers(3) == 0)):
            start = 80 * lesion
            stop = start + int(references.integers(15, 60))
            reference.append((start, stop))
            if noise.random() < 0.7 + 0.3 * skill:
                error = int(noise.normal(0, 12 * (1.05 - skill)))
                prediction.append((max(0, start + error), max(start + error + 12, stop + error // 2)))
        if noise.random() < 0.6 * (1 - skill):
            prediction.append((170, 185))
        content[f"case_{i:03d}"] = (_apart(prediction), reference)
    return write_evaluation(folder, content)


def _apart(runs: Runs) -> Runs:
    """Cut runs so that none touches the next."""
    return [
        (start, min(stop, runs[i + 1][0] - 1) if i + 1 < len(runs) else stop) for i, (start, stop) in enumerate(runs)
    ]
