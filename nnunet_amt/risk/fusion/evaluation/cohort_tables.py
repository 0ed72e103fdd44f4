"""Who the cases are: the flow of Fig. 1, patients as Table 1 and diagnoses as Table 2, with the paper's rows beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nnunet_amt.cohort import SplitCounts
from nnunet_amt.cohort.diagnosis import DIAGNOSES
from nnunet_amt.cohort.lesion_findings import LOCATIONS
from nnunet_amt.dataset_conversion.flow_figure import FlowCounts
from nnunet_amt.evaluation.summary.cohort_groups import NOT_STATED
from nnunet_amt.risk.evaluation.characteristics import (
    SEXES,
    Numbers,
    Words,
    clinical_characteristic,
    mean_text,
    p_cell,
    share_text,
)
from nnunet_amt.risk.fusion.class_scores import SPLITS
from nnunet_amt.risk.fusion.lesion_case import BENIGN, MALIGNANT, LesionCase, LesionCohort, LesionSplit
from nnunet_amt.statistics.consistency.papers import publication
from nnunet_amt.statistics.tests import GroupTest, count_test, kruskal_wallis, mann_whitney
from nnunet_amt.writing.numbers import UNDEFINED, counted, joined
from nnunet_amt.writing.table import Row, Table

SPLIT_TITLES: dict[LesionSplit, str] = {"training": "Training", "tuning": "Tuning", "external": "External"}
_PUBLISHED_COLUMN = "Published (other patients)"
_PUBLISHED_IDENTIFIED = 2000  # "We initially identified 2000 patients"
_PUBLISHED_LEVEL = "CTCs, pg/ml"
_LAST_BENIGN = "Lipoma"  # of Table 2, whose lower half is malignant
Groups = tuple[tuple[LesionCase, ...], ...]


def flow_table(cohort: LesionCohort) -> Table:
    """Lay out Fig. 1 as a table: cases identified, left out by reason, included by split, and what these lack."""
    sizes = [size or 0 for size in publication("wang").tables.variables[0].groups.values()]
    included, excluded = len(cohort.cases), sum(cohort.excluded.values())
    left_out = {reason: len(ids) for reason, ids in cohort.left_out.items()}
    rows = [
        Row("identified", (str(included + sum(left_out.values()) + excluded), str(_PUBLISHED_IDENTIFIED))),
        *_counts("Excluded before the conversion", cohort.excluded),
        *_counts("Left out of the study", left_out),
        Row("included", (_cases_text(cohort.cases), str(sum(sizes)))),
    ]
    for split, published in zip(SPLITS, sizes, strict=True):
        rows.append(Row(SPLIT_TITLES[split].lower(), (_cases_text(cohort.of_split(split)), str(published))))
    rows.append(Row("Of the included", kind="group"))
    rows += [Row(what, (share_text(number, included), "")) for what, number in _lacking(cohort.cases).items()]
    return Table(
        "Flow of cases, as Fig. 1",
        "Cases",
        ("Number", _PUBLISHED_COLUMN),
        tuple(rows),
        (
            "Whoever makes the manifest gives the reasons for exclusion. The paper's are: under 18 years, images of "
            "poor quality, no circulating tumour cells (CTC), follow-up or surgical record, lesions outside the "
            "mediastinum, other major conditions. Here cases without a CTC level take part, and are counted.",
            "A case in the binary task only has a diagnosis that the class map gives no class.",
            publication("wang").note("How many fell to which reason is not in its text."),
        ),
    )


def flow_counts(cohort: LesionCohort) -> FlowCounts:
    """Give what `nnunet_amt.dataset_conversion.flow_figure.flow_figure` draws: the figure of the same flow."""
    splits = tuple(
        SplitCounts(split, len(cases), len({case.patient for case in cases}), len({case.institution for case in cases}))
        for split in SPLITS
        if (cases := cohort.of_split(split))
    )
    places = {split: {case.institution for case in cohort.of_split(split)} for split in SPLITS}
    return FlowCounts(
        excluded={**cohort.excluded, **{reason: len(ids) for reason, ids in cohort.left_out.items()}},
        included_cases=len(cohort.cases),
        included_institutions=len(set().union(*places.values())),
        splits=splits,
        shared_institutions=len(places["training"] & places["tuning"]),
    )


def table_1(cohort: LesionCohort, *, ctc_unit: str | None = None) -> Table:
    """Lay out Table 1: age, sex, location, CTC level and the cohort's own columns by split.

    Parameters
    ----------
    cohort
        All cases.
    ctc_unit
        Unit of the levels, as the study states it.

    Returns
    -------
    Table
        A p-value compares the splits and names its test.
    """
    published = _published_rows("Table 1")
    groups = _by_split(cohort)
    rows: list[Row] = []
    for one in _characteristics(cohort.cases, level_title(ctc_unit)):
        rows += _number_rows(one, groups, published) if isinstance(one, Numbers) else _word_rows(one, groups, published)
    return Table(
        "Table 1: patients by split, counted by case",
        "Characteristic",
        (*_split_columns(groups), "p (test)"),
        tuple(rows),
        (
            "Mean ± SD; percentages are of the cases that state it.",
            f"{_TESTS} A split by patients at random differs by chance alone; where hospitals are split, so do their "
            "patients and laboratories.",
            *_of_several_cases(cohort.cases),
            publication("wang").note(
                "It prints no p-values here; its tuning set is called validation, its external one test."
            ),
        ),
    )


def table_2(cohort: LesionCohort, *, ctc_unit: str | None = None) -> Table:
    """Lay out Table 2: diagnoses by split, benign ones first, with the CTC level of each; then what the tests say.

    Parameters and the table's p-values are as those of `table_1`.
    """
    groups = _by_split(cohort)
    return Table(
        "Table 2: diagnoses by split, counted by case, and their CTC levels",
        "Diagnosis",
        ("Class", *_split_columns(groups), f"{level_title(ctc_unit)}, all splits", "p (test)"),
        (*_kind_rows(cohort, groups, False), *_kind_rows(cohort, groups, True), *_test_rows(cohort, groups)),
        (*_notes_of_2(cohort), publication("wang").note("Its levels are in pg/ml; it calls all thymomas malignant.")),
        words=frozenset({0}),
    )


_TESTS = (
    "p: Kruskal-Wallis test of numbers (Mann-Whitney U test of two groups), chi-squared test of counts, which is rough "
    "where fewer than five cases are expected; not corrected for their number."
)


def level_title(ctc_unit: str | None) -> str:
    """Name the level of circulating tumour cells, and its unit where the study states one."""
    return f"CTC level, {ctc_unit}" if ctc_unit else "CTC level (unit not stated)"


def levels(cases: Sequence[LesionCase]) -> np.ndarray:
    """Give the levels (cases,) that were measured."""
    return np.array([case.ctc_level for case in cases if case.ctc_level is not None], dtype=float)


def _counts(title: str, counts: Mapping[str, int]) -> Iterator[Row]:
    if counts:
        yield Row(title, kind="group")
        yield from (Row(reason, (str(number), "")) for reason, number in counts.items())
        yield Row("together", (str(sum(counts.values())), ""))


def _cases_text(cases: Sequence[LesionCase]) -> str:
    patients = len({case.patient for case in cases})
    return str(len(cases)) + ("" if patients == len(cases) else f" ({counted(patients, 'patient')})")


def _lacking(cases: Sequence[LesionCase]) -> dict[str, int]:
    """Count the cases that do not state something, and those of the binary task only."""
    return {
        "without a CTC level": sum(case.ctc_level is None for case in cases),
        "without a location": sum(case.location is None for case in cases),
        "without an age": sum(case.age is None for case in cases),
        "without a sex": sum(case.sex is None for case in cases),
        "in the binary task only": sum(case.lesion_class is None for case in cases),
    }


def _characteristics(cases: Sequence[LesionCase], level: str) -> Iterator[Numbers | Words]:
    yield Numbers("age, years", {case.case_id: case.age for case in cases})
    yield Words("sex", tuple(SEXES.values()), {case.case_id: SEXES.get(case.sex or "", "") for case in cases})
    yield Words("location", LOCATIONS, {case.case_id: case.location or "" for case in cases})
    yield Numbers(level, {case.case_id: case.ctc_level for case in cases})
    for column in dict.fromkeys(name for case in cases for name in case.clinical):
        yield from clinical_characteristic(
            column, {case.case_id: case.clinical.get(column, "").strip() for case in cases}
        )


def _number_rows(one: Numbers, groups: Groups, published: Mapping[str, tuple[str, ...]]) -> Iterator[Row]:
    values = [
        np.array([value for case in group if (value := one.values[case.case_id]) is not None], dtype=float)
        for group in groups
    ]
    yield Row(one.name, (*map(mean_text, values), p_cell(kruskal_wallis(values))))
    yield from _published_row(one.name, published)
    yield from _missing_row(one.name, [len(group) - known.size for group, known in zip(groups, values, strict=True)])


def _word_rows(one: Words, groups: Groups, published: Mapping[str, tuple[str, ...]]) -> Iterator[Row]:
    counts = {
        level: [sum(one.values[case.case_id] == level for case in group) for group in groups] for level in one.levels
    }
    stated = [sum(column) for column in zip(*counts.values(), strict=True)]
    p = p_cell(count_test(list(counts.values())))
    for level, row in counts.items():
        name = f"{one.name}: {level}"
        if sum(row) or name in published:
            yield Row(name, (*(share_text(number, of) for number, of in zip(row, stated, strict=True)), p))
            p = ""  # beside the first level alone
        yield from _published_row(name, published)
    yield from _missing_row(one.name, [len(group) - known for group, known in zip(groups, stated, strict=True)])


def _published_row(name: str, published: Mapping[str, tuple[str, ...]]) -> Iterator[Row]:
    printed = _PUBLISHED_LEVEL if name.startswith("CTC level") else name
    if printed in published:
        yield Row(f"{printed}, published", (*published[printed], ""), "published")


def _missing_row(name: str, missing: Sequence[int]) -> Iterator[Row]:
    if any(missing):
        yield Row(f"{name}: {NOT_STATED}", (*map(str, missing), ""))


def _kind_rows(cohort: LesionCohort, groups: Groups, malignant: bool) -> Iterator[Row]:
    """Give the diagnoses of a kind in the paper's order, others after them, and their sum."""
    published = _published_rows("Table 2")
    kind = (MALIGNANT if malignant else BENIGN).capitalize()
    yield Row(kind, kind="group")
    for name in _diagnoses(cohort.cases, malignant):
        cases = [case for case in cohort.cases if (case.diagnosis, case.malignant) == (name, malignant)]
        if cases:
            counts = (str(sum(case.diagnosis == name for case in group)) for group in groups)
            yield Row(name, (cases[0].lesion_class or "none", *counts, _level_text(cases), ""))
        if cells := published.get(f"diagnosis: {name}"):
            yield Row(f"{name}, published", ("", *cells, ""), "published")
    counts = (share_text(sum(case.malignant == malignant for case in group), len(group)) for group in groups)
    of_kind = [case for case in cohort.cases if case.malignant == malignant]
    yield Row(f"{kind}, all", ("", *counts, _level_text(of_kind), ""))


def _diagnoses(cases: Sequence[LesionCase], malignant: bool) -> list[str]:
    """Name the diagnoses of a kind that a case has, and those that the paper alone has, where it puts them."""
    ours = dict.fromkeys(case.diagnosis for case in cases if case.malignant == malignant)
    others = {case.diagnosis for case in cases if case.malignant != malignant}
    after = DIAGNOSES.index(_LAST_BENIGN) + 1
    theirs = set(DIAGNOSES[after:] if malignant else DIAGNOSES[:after]) - others
    return [
        *(name for name in DIAGNOSES if name in ours or name in theirs),
        *(name for name in ours if name not in DIAGNOSES),
    ]


def _test_rows(cohort: LesionCohort, groups: Groups) -> Iterator[Row]:
    names = list(dict.fromkeys(case.diagnosis for case in cohort.cases))
    kinds = [[sum(case.malignant == kind for case in group) for group in groups] for kind in (False, True)]
    counts = [[sum(case.diagnosis == name for case in group) for group in groups] for name in names]
    benign, malignant = (levels([case for case in cohort.cases if case.malignant == kind]) for kind in (False, True))
    p, higher = mann_whitney(benign, malignant)
    by_diagnosis = [levels([case for case in cohort.cases if case.diagnosis == name]) for name in names]
    auc = UNDEFINED if higher is None else f"AUC {higher:.2f}"
    yield Row("Tests", kind="group")
    yield _test_row("benign or malignant, by split", "", count_test(kinds))
    yield _test_row("diagnosis, by split", "", count_test(counts))
    yield _test_row("CTC level, malignant against benign", auc, GroupTest("Mann-Whitney U", p))
    yield _test_row("CTC level, by diagnosis", "", kruskal_wallis(by_diagnosis))


def _test_row(name: str, level: str, test: GroupTest) -> Row:
    return Row(name, ("", *[""] * len(SPLITS), level, p_cell(test)))


def _level_text(cases: Sequence[LesionCase]) -> str:
    """Write mean and SD, and of how many cases where not all were measured."""
    measured = levels(cases)
    return mean_text(measured) + ("" if measured.size in (0, len(cases)) else f" (n = {measured.size})")


def _notes_of_2(cohort: LesionCohort) -> Iterator[str]:
    yield f"Class: of the multi-class task. Mean ± SD of the levels that were measured. {_TESTS}"
    yield (
        "AUC: how often a malignant lesion has the higher level, of a benign and a malignant one at random; it takes "
        "no account of differences between laboratories."
    )
    trained = {case.lesion_class for case in cohort.of_split("training")}
    met = dict.fromkeys(case.lesion_class for case in cohort.cases if case.lesion_class)
    if trained and (unknown := [name for name in met if name not in trained]):
        yield f"No training case is of {joined(unknown)}: no model can name it, and each such case counts as wrong."
    yield from _of_several_cases(cohort.cases)


def _of_several_cases(cases: Sequence[LesionCase]) -> Iterator[str]:
    if len({case.patient for case in cases}) < len(cases):
        yield "Some patients have several cases; the tests take cases for independent."


def _by_split(cohort: LesionCohort) -> Groups:
    return tuple(cohort.of_split(split) for split in SPLITS)


def _split_columns(groups: Groups) -> tuple[str, ...]:
    return tuple(f"{SPLIT_TITLES[split]} (n = {len(group)})" for split, group in zip(SPLITS, groups, strict=True))


def _published_rows(title: str) -> dict[str, tuple[str, ...]]:
    """Give the cells of a table of the paper's by ``"sex: male"``."""
    table = next(table for table in publication("wang").shown if table.title.startswith(title))
    return {row[0]: row[1:] for row in table.rows}
