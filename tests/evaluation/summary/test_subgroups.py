"""Subgroups of cases and lesions, and whether rows average to the overall row, ours and the paper's."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_amt.errors import ManifestError, UnmatchedCasesError, WorkFailedError
from nnunet_amt.evaluation.measure.case import CaseEvaluation, evaluate_counts
from nnunet_amt.evaluation.measure.lesions import threshold_index
from nnunet_amt.evaluation.results.csv_files import VOLUME_BINS_COLUMNS, write_volume_bins_csv
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.cohort_groups import CohortRows, as_number, cohort_groups, read_cohort_rows
from nnunet_amt.evaluation.summary.subgroups import (
    check_subgroups_add_up,
    sensitivity_by_volume,
    split_into_subgroups,
    tumour_size,
)
from nnunet_amt.evaluation.summary.summary import GroupSummary, summarise
from nnunet_amt.statistics.intervals import wilson_interval
from tests.evaluation.builders import count, evaluated, row_mask


def case_of(case_id: str, *diameters_mm: float) -> CaseEvaluation:
    """A case with a reference lesion of each diameter."""
    counts = count(row_mask(40), row_mask(40, *((3 * i, 3 * i + 1) for i in range(len(diameters_mm)))), case_id=case_id)
    counts = replace(counts, reference_diameters_mm=np.array(diameters_mm, dtype=float))
    return evaluate_counts(counts, settings=EvaluationSettings())


@pytest.mark.parametrize(
    ("diameters_mm", "expected"),
    [
        ((49.9,), "small"),
        ((50.0,), "medium"),  # 5 cm and 8 cm are medium: small is below 5, large above 8
        ((80.0,), "medium"),
        ((80.1,), "large"),
        ((10.0, 60.0, 20.0), "medium"),  # the largest lesion, not the sum
        ((), "no lesion"),
    ],
)
def test_tumour_size(diameters_mm: tuple[float, ...], expected: str) -> None:
    assert tumour_size(case_of("a", *diameters_mm)) == expected


def test_size_needs_no_cohort() -> None:
    subgroups = split_into_subgroups([case_of("a", 90), case_of("b", 10), case_of("c")])
    assert [(s.group, s.name, len(s.cases)) for s in subgroups] == [
        ("tumour", "with a tumour", 2),
        ("tumour", "without a tumour", 1),
        ("tumour_size", "large", 1),
        ("tumour_size", "small", 1),
        ("tumour_size", "no lesion", 1),
    ]


def test_groups_of_the_cohort_in_the_order_of_the_paper() -> None:
    rows = {
        "a": {"manufacturer": "SIEMENS", "histology": "Thymoma", "institution": "H2"},
        "b": {"manufacturer": "canon medical systems", "histology": "carcinoid", "institution": "H1"},
        "c": {"manufacturer": "", "histology": "teratoma", "institution": "H1", "sex": ""},
        "d": {"manufacturer": "Aurora", "histology": "", "institution": "H1"},
    }
    subgroups = split_into_subgroups(
        [case_of(case_id, 10) for case_id in rows], cohort_groups(rows, settings=EvaluationSettings())
    )
    assert [(s.group, s.name, "".join(case.case_id for case in s.cases)) for s in subgroups] == [
        ("manufacturer", "Canon Medical Systems", "b"),
        ("manufacturer", "Siemens", "a"),
        ("manufacturer", "Aurora", "d"),
        ("manufacturer", "not stated", "c"),
        ("tumour_size", "small", "abcd"),
        ("histology", "thymoma", "a"),
        ("histology", "others", "bc"),
        ("histology", "not stated", "d"),
        ("institution", "H1", "bcd"),
        ("institution", "H2", "a"),
    ]  # no column says anything of sex, so there is no such group


def read(tmp_path: Path, text: str, *case_ids: str, encoding: str = "utf-8") -> CohortRows:
    path = tmp_path / "cohort.csv"
    path.write_text(text, encoding=encoding)
    return read_cohort_rows(path, case_ids=case_ids)


@pytest.mark.parametrize(
    "text", ["sep=;\ncase_id;age\na;61,5\nb;\n", "case_id\tage\na\t61,5\nb\t\n", 'case_id,age,,\na,"61,5",,\nb,,,\n']
)
def test_what_spreadsheets_make_of_a_cohort_is_read(tmp_path: Path, text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        assert read(tmp_path, text, "a", "b", encoding=encoding)["a"]["age"] == "61,5"
    assert as_number("61,5") == 61.5
    assert as_number("1,234") is None  # which of the two nobody can tell


def test_rows_of_other_cases_are_passed_over(tmp_path: Path) -> None:
    text = "case_id,sex\r\ntrain_1,M\r\nb, F \r\n\r\na,\r\n"
    assert read(tmp_path, text, "a", "b", encoding="utf-8-sig") == {
        "a": {"case_id": "a", "sex": ""},
        "b": {"case_id": "b", "sex": "F"},
    }


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("case,sex\na,F\n", ManifestError, "cohort.csv line 1: has no column 'case_id' (its columns: case, sex)"),
        ("", ManifestError, "has no column 'case_id' (its columns: none)"),
        ("case_id\na\nb\na\n", ManifestError, "line 4, column 'case_id': case a stands on line 2 already"),
        ("case_id,case_id\na,b\n", ManifestError, "line 1, column 'case_id': stands there twice; remove one"),
        ("case_id,sex\na,F\nb,F,60\n", ManifestError, "cohort.csv line 3: has 3 cells, the header has 2; put cells"),
        ("case_id,sex\na\nb,F\n", ManifestError, "cohort.csv line 2: has 1 cells, the header has 2; put cells"),
        ("case_id,sex\na,F\nother\n", ManifestError, "cohort.csv line 3: has 1 cells, the header has 2"),
        (
            'case_id,sex\na,F\nb,"F\n',
            ManifestError,
            "cohort.csv line 3: is not CSV (unexpected end of data); check",
        ),
        ('case_id,sex\na,"F"M\nb,F\n', ManifestError, "cohort.csv line 2: is not CSV ("),
        ('case_id,"sex\na,F\nb,F\n', ManifestError, "cohort.csv line 1: is not CSV (unexpected end of data)"),
        ("case_id,sex\na,F\nb,F\0\n", ManifestError, "cohort.csv line 3: holds a NUL byte"),
        ("case_id\na\n", UnmatchedCasesError, "no row for 1 case (b) that the predictions hold"),
    ],
)
def test_bad_cohort_files(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        read(tmp_path, text, "a", "b")


def test_a_cohort_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        ManifestError, match=r"cohort\.csv: cannot be read \(No such file or directory\); give the cohort"
    ):
        read_cohort_rows(tmp_path / "cohort.csv", case_ids=["a"])
    with pytest.raises(ManifestError, match=r"line 2: is no UTF-8 text \(byte 0xfc\); save it as CSV UTF-8"):
        read(tmp_path, "case_id,name\na,ü\n", "a", encoding="latin-1")


SETTINGS = EvaluationSettings(bootstrap_resamples=10)


def case(prediction_stop: int, reference_stop: int) -> CaseEvaluation:
    return evaluated(row_mask(60, (0, prediction_stop)), row_mask(60, (0, reference_stop)))


def groups(cases: list[CaseEvaluation], names: list[str]) -> list[tuple[str, str, GroupSummary]]:
    return [
        ("sex", name, summarise([c for c, its in zip(cases, names, strict=True) if its == name], settings=SETTINGS))
        for name in sorted(set(names))
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from("abc")), min_size=1, max_size=12))
def test_any_partition_adds_up(drawn: list[tuple[int, int, str]]) -> None:
    """Also with empty masks, where a metric is undefined in some cases and its weight is not the cases'."""
    cases = [case(prediction, reference) for prediction, reference, _ in drawn]
    subgroups = groups(cases, [name for *_, name in drawn])
    check_subgroups_add_up(overall=summarise(cases, settings=SETTINGS), subgroups=subgroups)


def test_a_subgroup_too_few_is_told() -> None:
    cases = [case(20, 20), case(10, 20), case(5, 20)]
    rows = groups(cases, ["a", "a", "b"])
    overall = summarise(cases, settings=SETTINGS)
    message = "subgroups by sex: the number of cases is 2 over the subgroups and 3 overall; nothing was written"
    with pytest.raises(WorkFailedError, match=message):
        check_subgroups_add_up(overall=overall, subgroups=rows[:1])


def test_a_wrong_mean_is_told() -> None:
    cases = [case(20, 20), case(20, 20)]
    rows = groups(cases, ["a", "b"])
    wrong = replace(rows[1][2], voxel=rows[1][2].voxel | {"dice": replace(rows[1][2].voxel["dice"], mean=0.9)})
    with pytest.raises(WorkFailedError, match=r"mean dice is 0\.95 over the subgroups and 1 overall"):
        check_subgroups_add_up(overall=summarise(cases, settings=SETTINGS), subgroups=[rows[0], ("sex", "b", wrong)])


# A voxel has 10 mm3, so 100 of them are 1 cm3.
# Lesions of 0.99, 1 and 10 cm3: none of the first predicted, 55 of 100 voxels of the second, all of the third.
CASE = evaluated(
    row_mask(1500, (200, 255), (400, 1400)), row_mask(1500, (0, 99), (200, 300), (400, 1400)), case_id="three"
)
EMPTY = evaluated(row_mask(1500, (0, 50)), row_mask(1500), case_id="none")


def test_a_bin_begins_with_its_limit() -> None:
    """1 cm3 is in the bin from 1 to below 10, 10 cm3 in that from 10; nothing is as large as 100."""
    bins = sensitivity_by_volume([CASE, EMPTY])
    assert [(b.low, b.high, b.lesions) for b in bins] == [(0, 1, 1), (1, 10, 1), (10, 100, 1), (100, None, 0)]


def test_found_follows_the_threshold() -> None:
    """IoU 0.55 is above 0.5 and not above 0.55."""
    at = {t: [b.found[threshold_index(t)] for b in sensitivity_by_volume([CASE, CASE])] for t in (0.1, 0.5, 0.55)}
    assert at == {0.1: [0, 2, 2, 0], 0.5: [0, 2, 2, 0], 0.55: [0, 0, 2, 0]}


def test_bins_add_up_to_all_lesions() -> None:
    bins = sensitivity_by_volume([CASE, EMPTY, CASE])
    assert sum(b.lesions for b in bins) == 6
    assert [sum(found) for found in zip(*(b.found for b in bins), strict=True)] == (2 * CASE.lesions.tp).tolist()


def test_file_has_a_row_a_bin_and_threshold(tmp_path: Path) -> None:
    write_volume_bins_csv(tmp_path / "v.csv", sensitivity_by_volume([CASE, EMPTY]))
    rows = list(csv.DictReader((tmp_path / "v.csv").open(encoding="utf-8")))
    assert tuple(rows[0]) == VOLUME_BINS_COLUMNS
    assert len(rows) == 4 * 19
    whole, none = rows[2 * 19], rows[3 * 19]
    assert (whole["lesions"], whole["found"], whole["sensitivity"]) == ("1", "1", "1.0")
    assert float(whole["wilson95_low"]) == pytest.approx(wilson_interval(1, 1)[0])
    assert (none["lesions"], none["sensitivity"], none["below_cm3"]) == ("0", "", "")
