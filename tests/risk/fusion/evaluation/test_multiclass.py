"""Many classes: those that have cases enough are judged, and the first guesses counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.risk.fusion.class_scores import ClassScore
from nnunet_amt.risk.fusion.evaluation.lesion_scores import LesionScores, gather_lesion_scores
from nnunet_amt.risk.fusion.evaluation.multiclass import guesses, judged_classes, most_frequent, multiclass_performances
from nnunet_amt.risk.fusion.evaluation.performance import LesionPerformance
from nnunet_amt.risk.fusion.lesion_case import LesionCase
from tests.risk.fusion.evaluation.made_up import cohort_of, guessed_rows, lesion_case, many_cases, write_rows

# Five cysts, five thymomas and one lymphoma; a training cohort of two thymomas, a cyst.
EXTERNAL = [
    lesion_case(f"x{place:02d}", name) for place, name in enumerate(["Cyst"] * 5 + ["Thymoma"] * 5 + ["Lymphoma"])
]
CASES = [*EXTERNAL, lesion_case("t0", "Thymoma"), lesion_case("t1", "Thymoma"), lesion_case("t2", "Cyst")]


def scores_of(folder: Path, rows: list[ClassScore], cases: list[LesionCase]) -> LesionScores:
    at = write_rows(folder, rows, task="multiclass")
    return gather_lesion_scores(at.scores("multiclass"), cohort_of(cases), task="multiclass")


@pytest.fixture
def external(tmp_path: Path) -> LesionPerformance:
    """All are called cysts for sure, but the last two: a thymoma, with 0.6, and the lymphoma as thymoma with 0.5."""
    certain, thymoma, last = (1.0, 0.0, 0.0), (0.4, 0.6, 0.0), (0.2, 0.5, 0.3)
    tables = [certain] * 9 + [thymoma, last]
    rows = [
        ClassScore("dmfn", 0, "external", case.case_id, str(case.lesion_class), table)
        for case, table in zip(EXTERNAL, tables, strict=True)
    ]
    (found,) = multiclass_performances(scores_of(tmp_path, rows, CASES))
    return found


def test_classes_of_five_cases_are_judged(external: LesionPerformance) -> None:
    """Cysts: 5 x 6 pairs, of which 4 thymomas tie each and the last two are in order: (2 + 2)/6. Thymomas: one of five
    is over 6, four tie with five cysts and lose to the lymphoma: (6 + 4 x 2.5) / 30."""
    assert judged_classes(np.array([0] * 5 + [1] * 5 + [2])) == (0, 1)
    assert [each.judged for each in external.of_class] == [True, True, False]
    assert external.areas["macro"].value == pytest.approx((4 / 6 + 16 / 30) / 2)
    assert external.of_class[2].area.value is None


def test_the_first_guess_and_the_first_three_are_counted(external: LesionPerformance) -> None:
    """Of three classes every case has its own among three; 5 cysts and a thymoma are right at once."""
    counts = {name: (rate.k, rate.n) for name, rate in external.rates.items()}
    assert counts == {"top_1": (6, 11), "top_3": (11, 11), "malignant_as_benign": (4, 6)}
    assert (external.of_class[1].top_1.k, external.of_class[2].top_1.k) == (1, 0)


def test_rows_are_the_pathology(external: LesionPerformance) -> None:
    assert external.matrix is not None
    assert external.matrix.tolist() == [[5, 0, 0], [4, 1, 0], [0, 1, 0]]


def test_guesses_are_in_order_and_the_first_of_equals() -> None:
    assert guesses(np.array([[0.1, 0.4, 0.4, 0.1], [0.0, 0.1, 0.2, 0.7]])).tolist() == [[1, 2, 0], [3, 2, 1]]


def test_naming_the_most_frequent_classes_of_training_is_a_floor() -> None:
    """Two of three training cases are thymomas, so thymoma is always named: 5 of 11 external cases are."""
    reference = np.array([0] * 5 + [1] * 5 + [2])
    found = most_frequent(cohort_of(CASES), ("Cyst", "Thymoma", "Lymphoma"), reference)
    assert {name: (rate.k, rate.n) for name, rate in found.items()} == {"top_1": (5, 11), "top_3": (11, 11)}


def test_one_judged_class_has_no_mean(tmp_path: Path) -> None:
    """The mean over one class would be called that of many."""
    cases = [case for case in CASES if case.case_id not in ("x05", "x06")]
    rows = guessed_rows("dmfn", 0, [case for case in cases if case.split == "external"], "multiclass", strength=1)
    (found,) = multiclass_performances(scores_of(tmp_path, rows, cases))
    assert {area.value for area in found.areas.values()} == {None}
    assert found.area_of_seed == {0: None}
    assert found.rates["top_1"].n == 9


def test_intervals_are_of_a_bootstrap_over_patients(tmp_path: Path) -> None:
    """The interval holds its mean, and another seed gives another; of few cases there is none."""
    cases = many_cases()
    scores = scores_of(tmp_path, guessed_rows("dmfn", 0, cases, "multiclass", strength=1.5), cases)
    one, other = (multiclass_performances(scores, seed=seed)[-1].areas["macro"] for seed in (0, 1))
    assert one.interval is not None
    assert one.value is not None
    assert one.interval[0] < one.value < one.interval[1]
    assert one.value == other.value
    assert one.interval != other.interval


def test_few_cases_have_no_interval(external: LesionPerformance) -> None:
    assert external.areas["macro"].interval is None
