"""Time 10,000 bootstraps of all metrics: the overall row and every subgroup of 164 cases from 121 institutions.

    python -m benchmarks.bench_intervals

The counts are made up; the time depends on their number, not on what they are.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.measure.case import CaseEvaluation, count_masks, evaluate_counts
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.cohort_groups import cohort_groups
from nnunet_amt.evaluation.summary.subgroups import Subgroup, split_into_subgroups
from nnunet_amt.evaluation.summary.summary import summarise
from nnunet_amt.images.foreground import Foreground

LIMIT_S = 1.0
SPACING = (1.0, 1.0, 5.0)  # mm, (x, y, z)


def made_up_case(number: int, rng: np.random.Generator) -> CaseEvaluation:
    """Make a lesion and its prediction, shifted, and now and then a second of either."""
    reference, prediction = np.zeros((2, 1, 1, 400), np.uint8)
    length, shift = rng.integers(20, 120), rng.integers(0, 40)
    reference[0, 0, 40 : 40 + length] = 1
    prediction[0, 0, 40 + shift : 40 + shift + length] = 1
    reference[0, 0, 250 : 250 + 40 * rng.integers(2)] = 1
    prediction[0, 0, 320 : 320 + 40 * rng.integers(2)] = 1
    settings = EvaluationSettings()
    counts = count_masks(
        f"case{number:03d}", Foreground.of(prediction, SPACING), Foreground.of(reference, SPACING), settings=settings
    )
    return evaluate_counts(counts, settings=settings)


def made_up_cohort() -> tuple[list[CaseEvaluation], tuple[Subgroup, ...]]:
    rng = np.random.default_rng(0)
    cases = [made_up_case(number, rng) for number in range(paper.EXTERNAL_CASES)]
    columns: dict[str, Sequence[object]] = {
        "manufacturer": rng.choice(list(paper.MANUFACTURERS), len(cases)).tolist(),
        "histology": rng.choice(list(paper.DIAGNOSES), len(cases)).tolist(),
        "institution": [f"H{number % paper.EXTERNAL_INSTITUTIONS}" for number in range(len(cases))],
        "sex": rng.choice(["F", "M"], len(cases)).tolist(),
        "age": rng.integers(20, 90, len(cases)).tolist(),
        "slice_thickness_mm": rng.choice([1, 2.5, 5], len(cases)).tolist(),
    }
    rows = {
        case.case_id: {name: str(values[number]) for name, values in columns.items()}
        for number, case in enumerate(cases)
    }
    return cases, split_into_subgroups(cases, cohort_groups(rows, settings=EvaluationSettings()))


def main() -> None:
    cases, subgroups = made_up_cohort()
    groups = [cases, *(subgroup.cases for subgroup in subgroups)]
    for ci_always in (False, True):
        settings = EvaluationSettings(ci_always=ci_always)
        wall, cpu = time.perf_counter(), time.process_time()
        for group in groups:
            summarise(group, settings=settings)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        verdict = "under" if cpu < LIMIT_S else "OVER"  # whatever else the machine does
        intervals = "all intervals" if ci_always else "intervals from 20 cases on"
        print(
            f"{settings.bootstrap_resamples} resamples of {len(groups)} groups, {intervals}: "
            f"{cpu:.2f} s of CPU, {verdict} {LIMIT_S:g} s ({wall:.2f} s by the clock)"
        )


if __name__ == "__main__":
    main()
