"""The ablation: levels of circulating tumour cells handed to other patients, so that they tell nothing of a lesion.

A network that still gains from them gains from something else: more weights, another training, or a leak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnunet_amt.risk.fusion.lesion_case import LesionCase


def with_shuffled_ctc(cases: Sequence[LesionCase], *, seed: int) -> tuple[LesionCase, ...]:
    """Permute the levels between the patients of each split, missing ones too; the order of the cases stays.

    All cases of a patient get the levels of one other patient (or, by chance, their own), over again where that one
    has fewer cases. Where each patient has one case, a split has the very levels that it had.
    """
    shuffled: dict[str, float | None] = {}
    for split in sorted({case.split for case in cases}):
        by_patient: dict[str, list[LesionCase]] = {}
        for case in sorted((case for case in cases if case.split == split), key=lambda case: case.case_id):
            by_patient.setdefault(case.patient, []).append(case)
        patients = sorted(by_patient)
        order = np.random.default_rng([seed, *split.encode()]).permutation(len(patients))
        for patient, giver in zip(patients, order, strict=True):
            levels = [case.ctc_level for case in by_patient[patients[giver]]]
            for place, case in enumerate(by_patient[patient]):
                shuffled[case.case_id] = levels[place % len(levels)]
    return tuple(replace(case, ctc_level=shuffled[case.case_id]) for case in cases)
