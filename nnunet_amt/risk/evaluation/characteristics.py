"""Table 1: what the cases are, by risk and split, with the paper's tests and its rows beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt.cohort.thymic_findings import FINDINGS, WHO_TYPES
from nnunet_amt.evaluation.summary.cohort_groups import NOT_STATED, as_number
from nnunet_amt.risk.cases import RiskCase, RiskSplit
from nnunet_amt.risk.evaluation.published import published_characteristics, published_note
from nnunet_amt.statistics.tests import GroupTest, count_test, group_test
from nnunet_amt.writing.numbers import UNDEFINED, short_p_text
from nnunet_amt.writing.table import Row, Table

_SPLITS: Mapping[RiskSplit, str] = {"training": "training", "external": "external"}
SEXES = {"M": "male", "F": "female", "O": "other"}
_PUBLISHED_NAMES = {"enhancement": "enhancement pattern", "enhancement_degree": "enhancement degree"}
_MOST_TEXTS = 6  # of a column of words; one with more is no characteristic
Groups = tuple[tuple[RiskCase, ...], ...]


@dataclass(frozen=True)
class Numbers:
    """A measured characteristic: its name, as in a paper, and its values by case; None where not stated."""

    name: str
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class Words:
    """A characteristic of words: those there can be, in their order, and that of each case; empty: not stated."""

    name: str
    levels: tuple[str, ...]
    values: Mapping[str, str]
    tested: bool = True


def characteristics_table(cases: Sequence[RiskCase]) -> Table:
    """Lay out Table 1.

    Parameters
    ----------
    cases
        Of both splits.

    Returns
    -------
    Table
        A p-value compares low and high risk within a split and names its test.
    """
    groups: Groups = tuple(
        tuple(case for case in cases if case.split == split and case.high is high)
        for split in _SPLITS
        for high in (False, True)
    )
    published = published_characteristics()
    rows: list[Row] = []
    for one in _characteristics(cases):
        rows += _number_rows(one, groups, published) if isinstance(one, Numbers) else _word_rows(one, groups, published)
    columns: list[str] = []
    for place, title in enumerate(_SPLITS.values()):
        low, high = groups[2 * place : 2 * place + 2]
        columns += [f"LRT, {title} (n = {len(low)})", f"HRT, {title} (n = {len(high)})", f"p, {title} (test)"]
    return Table(
        "Table 1: clinical and CT characteristics by risk, counted by case",
        "Characteristic",
        tuple(columns),
        tuple(rows),
        (
            *_notes(cases),
            published_note("Its p-values are as printed; three are not those of its counts."),
        ),
    )


def _notes(cases: Sequence[RiskCase]) -> Iterator[str]:
    yield (
        "LRT: low-risk thymoma (A, AB, B1). HRT: high-risk thymoma (B2, B3). Mean ± SD; percentages are of the cases "
        "that state it."
    )
    yield (
        "p: Welch's t test where both groups look normal (Shapiro and Wilk, p at least 0.05), else the Mann-Whitney "
        "U test; chi-squared, or Fisher's exact test where expected counts are too small. Not corrected for their "
        "number."
    )
    if len({case.patient for case in cases}) < len(cases):
        yield "Some patients have several cases; the tests take cases for independent."
    if not _have_volumes(cases):
        yield "Tumour volumes were not given."
    yield "The paper's minimal diameter is not measured: it is not said in which plane it was taken."


def _have_volumes(cases: Sequence[RiskCase]) -> bool:
    return any(case.volume_cm3 is not None for case in cases)


def _characteristics(cases: Sequence[RiskCase]) -> Iterator[Numbers | Words]:
    yield Numbers("age, years", {case.case_id: case.age for case in cases})
    yield Words("sex", tuple(SEXES.values()), {case.case_id: SEXES.get(case.sex or "", "") for case in cases})
    yield Numbers("maximal diameter, cm", {case.case_id: case.diameter_cm for case in cases})
    if _have_volumes(cases):
        yield Numbers("tumour volume, cm3", {case.case_id: case.volume_cm3 for case in cases})
    for column, levels in FINDINGS.items():
        values = {case.case_id: case.findings.get(column, "") for case in cases}
        yield Words(_PUBLISHED_NAMES.get(column, column), levels, values)
    yield Words("WHO type", WHO_TYPES, {case.case_id: case.who_type for case in cases}, tested=False)
    for column in dict.fromkeys(name for case in cases for name in case.clinical):
        yield from clinical_characteristic(
            column, {case.case_id: case.clinical.get(column, "").strip() for case in cases}
        )


def clinical_characteristic(column: str, texts: Mapping[str, str]) -> Iterator[Numbers | Words]:
    """Take a column ``clinical_*`` for numbers where all texts are some, for words where there are few."""
    name, stated = column.removeprefix("clinical_").replace("_", " "), {text for text in texts.values() if text}
    if stated and all(as_number(text) is not None for text in stated) and len(stated) > 2:
        yield Numbers(name, {case_id: as_number(text) for case_id, text in texts.items()})
    elif 0 < len(stated) <= _MOST_TEXTS:
        yield Words(name, tuple(sorted(stated)), texts)


def _number_rows(one: Numbers, groups: Groups, published: Mapping[str, tuple[str, ...]]) -> Iterator[Row]:
    values = [
        np.array([value for case in group if (value := one.values[case.case_id]) is not None], dtype=float)
        for group in groups
    ]
    missing = [len(group) - known.size for group, known in zip(groups, values, strict=True)]
    if sum(missing) < sum(map(len, groups)):
        tests = [_group_test(values[place], values[place + 1]) for place in (0, 2)]
        yield Row(one.name, _cells([mean_text(known) for known in values], tests))
    yield from _published_row(one.name, published)
    yield from _missing_row(one.name, missing)


def _word_rows(one: Words, groups: Groups, published: Mapping[str, tuple[str, ...]]) -> Iterator[Row]:
    counts = {
        level: [sum(one.values[case.case_id] == level for case in group) for group in groups] for level in one.levels
    }
    stated = [sum(column) for column in zip(*counts.values(), strict=True)]
    tests: list[GroupTest | None] = [None, None]
    if one.tested:
        tests = [count_test([row[place : place + 2] for row in counts.values()]) for place in (0, 2)]
    for level, row in counts.items():
        printed = f"{one.name}: {level}"
        if sum(row) or (sum(stated) and printed in published):
            cells = [share_text(number, of) for number, of in zip(row, stated, strict=True)]
            yield Row(printed, _cells(cells, tests))
            tests = [None, None]  # beside the first level, as in the paper
        yield from _published_row(printed, published)
    yield from _missing_row(one.name, [len(group) - known for group, known in zip(groups, stated, strict=True)])


def _missing_row(name: str, missing: Sequence[int]) -> Iterator[Row]:
    if any(missing):
        yield Row(f"{name}: {NOT_STATED}", _cells(list(map(str, missing)), [None, None]))


def _published_row(name: str, published: Mapping[str, tuple[str, ...]]) -> Iterator[Row]:
    if name in published:
        low, high, other_low, other_high, p, other_p = published[name]
        yield Row(f"{name}, published", (low, high, p, other_low, other_high, other_p), "published")


def _cells(of_groups: Sequence[str], tests: Sequence[GroupTest | None]) -> tuple[str, ...]:
    """Put the p-value of each split after its two groups."""
    p_values = ["" if test is None else p_cell(test) for test in tests]
    return (*of_groups[:2], p_values[0], *of_groups[2:], p_values[1])


def p_cell(test: GroupTest) -> str:
    """Write a p-value and the name of its test."""
    return UNDEFINED if test.p is None else f"{short_p_text(test.p)} ({test.name})"


def _group_test(low: np.ndarray, high: np.ndarray) -> GroupTest:
    return group_test(low, high) if low.size and high.size else GroupTest("", None)


def mean_text(values: np.ndarray) -> str:
    """Write mean and standard deviation of values (n,), as both papers do."""
    if not values.size:
        return UNDEFINED
    deviation = f" ± {values.std(ddof=1):.2f}" if values.size > 1 else ""
    return f"{values.mean():.2f}{deviation}"


def share_text(number: int, of: int) -> str:
    """Write a number and its share in percent."""
    return f"{number} ({100 * number / of:.0f}%)" if of else f"{number}"
