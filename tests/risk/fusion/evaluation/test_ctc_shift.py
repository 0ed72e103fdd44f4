"""Whether levels that are shifted between the splits are found, and no others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnunet_amt.risk.fusion.class_scores import SPLITS
from nnunet_amt.risk.fusion.evaluation.ctc_shift import (
    WITHIN_CLASSES,
    ctc_figure,
    ctc_shift_sentences,
    ctc_shift_table,
    ctc_shifts,
    ctc_signal,
)
from nnunet_amt.risk.fusion.lesion_case import LesionCase, LesionCohort, LesionSplit
from tests.risk.fusion.lesion_dataset import lesion_case

WARNING = "a model that is given them learns the laboratory"


def cases_of(split: LesionSplit, diagnosis: str, levels: list[float]) -> list[LesionCase]:
    return [lesion_case(f"{split}_{diagnosis}_{n}", split, diagnosis, level) for n, level in enumerate(levels)]


def cohort_of(*groups: list[LesionCase]) -> LesionCohort:
    return LesionCohort(tuple(case for group in groups for case in group), {}, ("Cyst", "TSCC"))


def drawn(shift: float, *, patients: int = 40, seed: int = 0, benign: dict[str, float] | None = None) -> LesionCohort:
    """Cysts about 10 and TSCC about 13, SD 4, and `shift` more in the external set; `benign` shares, by split."""
    generator = np.random.default_rng(seed)
    groups = []
    for split in SPLITS:
        cysts = int(patients * (benign or {}).get(split, 0.5))
        for diagnosis, mean, count in (("Cyst", 10.0, cysts), ("TSCC", 13.0, patients - cysts)):
            levels = mean + (shift if split == "external" else 0.0) + 4 * generator.normal(size=count)
            groups.append(cases_of(split, diagnosis, np.clip(levels, 0, None).tolist()))
    return cohort_of(*groups)


def test_two_groups_apart_on_paper() -> None:
    """1 to 5 against 6 to 10: D is 1, and 2 of the 252 ways are as far apart; the means differ by 5, SD 1.58."""
    cohort = cohort_of(cases_of("training", "Cyst", [1, 2, 3, 4, 5]), cases_of("external", "Cyst", [6, 7, 8, 9, 10]))
    [shift] = ctc_shifts(cohort)
    assert (shift.first, shift.other, shift.patients, shift.means) == ("training", "external", (5, 5), (3.0, 8.0))
    assert (shift.distance, shift.p, shift.p_holm) == (1.0, pytest.approx(2 / 252), pytest.approx(2 / 252))
    assert shift.effect == pytest.approx(5 / np.sqrt(2.5))
    assert shift.found


def test_p_values_are_corrected_for_all_tests_of_the_table() -> None:
    """Three tests of 2/252 each, the classes together and either: Holm makes three times that of each."""
    cohort = cohort_of(
        *(cases_of("training", name, [1, 2, 3, 4, 5]) for name in ("Cyst", "TSCC")),
        *(cases_of("external", name, [6, 7, 8, 9, 10]) for name in ("Cyst", "TSCC")),
    )
    together, cyst, tscc = ctc_shifts(cohort)
    assert (together.lesion_class, together.patients, together.means) == (WITHIN_CLASSES, (10, 10), None)
    assert together.effect == pytest.approx(5 / np.sqrt(2.5))
    assert [cyst.p_holm, tscc.p_holm] == [pytest.approx(2 * 2 / 252)] * 2
    assert together.p_holm == pytest.approx(3 * together.p)


def test_a_class_of_few_patients_is_not_compared() -> None:
    cohort = cohort_of(cases_of("training", "Cyst", [1, 2, 3, 4]), cases_of("external", "Cyst", [6, 7, 8, 9, 10]))
    assert ctc_shifts(cohort) == ()
    [sentence] = ctc_shift_sentences(cohort, ())
    assert sentence.startswith("Whether CTC levels are shifted between the splits cannot be told: no class has 5")


def test_a_patient_counts_once_and_without_a_level_not_at_all() -> None:
    """Five cases of one patient are one."""
    cohort = drawn(0.0)
    one = [replace(case, patient="one") for case in cohort.of_split("training")]
    rest = [case for case in cohort.cases if case.split != "training"]
    assert {(s.first, s.other) for s in ctc_shifts(replace(cohort, cases=(*one, *rest)))} == {("tuning", "external")}
    bare = tuple(replace(case, ctc_level=None) for case in cohort.cases)
    assert ctc_shift_sentences(replace(cohort, cases=bare), ()) == (
        "No case has a level of circulating tumour cells (CTC).",
    )


def test_diagnoses_without_a_class_count_as_what_they_are() -> None:
    cases = [replace(case, lesion_class=None) for case in drawn(0.0).cases]
    assert {shift.lesion_class for shift in ctc_shifts(cohort_of(cases))} == {
        WITHIN_CLASSES,
        "benign, no class",
        "malignant, no class",
    }


def test_a_shift_of_a_laboratory_is_found_and_put_into_words() -> None:
    """6 more in the external set is 1.5 SD, twice what benign and malignant lesions differ by."""
    cohort = drawn(6.0, patients=100)
    shifts = ctc_shifts(cohort)
    found = {(shift.first, shift.other) for shift in shifts if shift.found}
    assert found == {("training", "external"), ("tuning", "external")}
    assert ctc_signal(cohort) == pytest.approx(0.75, abs=0.4)
    first, second = ctc_shift_sentences(cohort, shifts)
    assert first.startswith("CTC levels are shifted between the splits among lesions of one class (6 of 9 tests): ")
    assert "SD higher in the external than in the training set" in first
    assert WARNING in first
    assert "higher in the external than in the training set" in first.partition("all classes together")[2]
    assert second.endswith("SD is more than that.")
    table = ctc_shift_table(shifts)
    assert [row.title for row in table.rows if row.kind == "group"] == [
        "Training and tuning",
        "Training and external",
        "Tuning and external",
    ]
    assert all(len(row.cells) == len(table.columns) for row in table.rows if row.kind == "row")


def test_classes_are_compared_about_their_own_means() -> None:
    """Cysts have 0 to 4, TSCC 100 to 104; four cysts a TSCC in training, the reverse elsewhere: no distance at all."""
    few, many = [0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 2.0, 3.0, 4.0] * 4
    cohort = cohort_of(
        cases_of("training", "Cyst", many),
        cases_of("training", "TSCC", [100 + level for level in few]),
        cases_of("external", "Cyst", few),
        cases_of("external", "TSCC", [100 + level for level in many]),
    )
    together = ctc_shifts(cohort)[0]
    assert (together.lesion_class, together.patients, together.effect) == (WITHIN_CLASSES, (25, 25), 0.0)
    assert (together.distance, together.p) == (pytest.approx(0.0), pytest.approx(1.0))


def test_another_mix_of_classes_is_no_shift() -> None:
    """Nine cysts of ten in training and one of ten in the external set: all levels differ, those of a class do not."""
    cohort = drawn(0.0, patients=100, benign={"training": 0.9, "tuning": 0.5, "external": 0.1})
    shifts = ctc_shifts(cohort)
    assert not any(shift.found for shift in shifts)
    [sentence] = ctc_shift_sentences(cohort, shifts)
    assert sentence.startswith("No shift of the CTC levels between the splits was found (9 tests of")
    assert WARNING in sentence


def test_false_alarms_are_as_rare_as_they_are_to_be() -> None:
    """Of 100 cohorts without a shift and with another mix, 5% may be alarms: 5, and 11 are 3 SD above that."""
    mixes = {"training": 0.8, "tuning": 0.5, "external": 0.3}
    alarms = sum(
        any(shift.found for shift in ctc_shifts(drawn(0.0, seed=seed, benign=mixes))) for seed in range(1, 101)
    )
    assert alarms <= 11


def test_levels_that_are_all_alike_have_no_effect() -> None:
    cohort = cohort_of(cases_of("training", "Cyst", [3.0] * 5), cases_of("external", "Cyst", [3.0] * 5))
    [shift] = ctc_shifts(cohort)
    assert (shift.effect, shift.distance, shift.p) == (None, 0.0, 1.0)
    assert ctc_shift_table([shift]).rows[-1].cells[2] == "–"
    assert ctc_signal(cohort) is None


def test_the_figure_has_a_row_for_each_class_and_every_level() -> None:
    cohort = drawn(2.0)
    figure = ctc_figure(cohort, ctc_unit="pg/ml")
    [axes] = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Cyst", "TSCC"]
    points = [line for line in axes.lines if str(line.get_label()).startswith(SPLITS)]
    assert [np.size(line.get_xdata()) for line in points] == [40, 40, 40]
    assert len(axes.lines) == 3 + 6  # and a median for each class and split
    assert axes.get_xlabel() == "CTC level, pg/ml; lines: medians"


def test_the_figure_of_no_levels_is_empty() -> None:
    cases = tuple(replace(case, ctc_level=None) for case in drawn(0.0).cases)
    assert ctc_figure(replace(drawn(0.0), cases=cases)).axes[0].get_yticklabels() == []
