"""What the page says of a split: its findings as sentences, and its counts beside the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from nnunet_amt import paper
from nnunet_amt.app.language import Texts
from nnunet_amt.cohort.case import SPLITS
from nnunet_amt.cohort.set_counts import SetCounts, Spread
from nnunet_amt.cohort.split_findings import SplitFinding
from nnunet_amt.evaluation.summary.clusters import FEWEST_CLUSTERS
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.writing.numbers import UNDEFINED

_MOST_NAMED = 6
_LIMITS = {"few_cases": FEWEST_CASES, "few_institutions": FEWEST_CLUSTERS}


@dataclass(frozen=True)
class CountRow:
    """A line of the counts.

    Attributes
    ----------
    title
        Of the line.
    cells
        Ours and the paper's of training, tuning, external test and all; the paper's is empty where it states none.
    """

    title: str
    cells: tuple[tuple[str, str], ...]


def finding_words(finding: SplitFinding, t: Texts) -> str:
    """Say a finding in the reader's language; institutions and lines are named, patients are not."""
    count = len(finding.institutions if finding.kind == "few_institutions" else finding.lines)
    return t(
        f"split.finding_{finding.kind}",
        sets=joined((t(f"split.place_{split}") for split in finding.splits), t),
        institutions=joined((name or t("cases.no_institution") for name in finding.institutions), t),
        lines=joined(map(str, finding.lines), t),
        count=t.number(count),
        limit=_LIMITS.get(finding.kind, 0),
        variable=t(f"columns.{finding.column}") if finding.column else "",
        values=joined((t("split.value", value=value, count=t.number(n)) for value, n in finding.values.items()), t),
    )


def joined(parts: Iterable[str], t: Texts, *, most: int = _MOST_NAMED) -> str:
    """Write a list; of one of more than `most` only the first, and how many more there are."""
    named = list(parts)
    text = reduce(lambda before, after: t("split.pair", list=before, next=after), named[:most] or [""])
    rest = len(named) - most
    return text if rest <= 0 else t("split.and_more", list=text, count=t.number(rest))


def sets_of(cases: Mapping[str, int], t: Texts) -> list[str]:
    """Name the sets of an institution with its cases in each; a word that is no set stands as it is written."""
    names = {split: t(f"split.place_{split}") for split in SPLITS} | {"": t("split.place_none")}
    ordered = [*(split for split in names if cases.get(split)), *(word for word in cases if word not in names)]
    return [t("split.value", value=names.get(word, word), count=t.number(cases[word])) for word in ordered]


def count_rows(
    counts: Mapping[str, SetCounts], t: Texts, *, lesions: Mapping[str, str], published: bool
) -> list[CountRow]:
    """Lay the counts of each set out beside the paper's.

    Parameters
    ----------
    counts
        See `counts_by_set`.
    lesions
        What is known of them, by set; empty for nothing.
    published
        Whether the paper's stand beside: for patients.
    """
    sets = [counts[name] for name in (*SPLITS, "all")]
    sizes = (paper.TRAINING_CASES, paper.TUNING_CASES, paper.EXTERNAL_CASES, paper.INCLUDED_CASES)
    places = (paper.TRAINING_INSTITUTIONS, paper.TUNING_INSTITUTIONS, paper.EXTERNAL_INSTITUTIONS, paper.INSTITUTIONS)
    rows = [
        _numbers(t("split.row_cases"), [one.cases for one in sets], sizes, t),
        _numbers(t("split.row_patients"), [one.patients for one in sets], (), t),
        _numbers(t("split.row_institutions"), [one.institutions for one in sets], places, t),
    ]
    if lesions:
        rows.append(
            CountRow(t("split.row_lesions"), tuple((lesions.get(name, UNDEFINED), "") for name in (*SPLITS, "all")))
        )
    if counts["all"].without_tumour:
        rows.append(_numbers(t("split.row_without_tumour"), [one.without_tumour for one in sets], (), t))
    ages = [_spread_text(Spread(*paper.AGES[split], 0), t) for split in SPLITS]
    rows += _spread_rows("age", [one.age for one in sets], ages, t)
    rows += _value_rows("sex", [one.sexes for one in sets], {name: (0, 0, 0, n) for name, n in paper.SEXES.items()}, t)
    diagnoses = {name: (*row, sum(row)) for name, row in paper.DIAGNOSES.items()}
    rows += _value_rows("histology", [one.histologies for one in sets], diagnoses, t)
    rows += _spread_rows("slice_thickness_mm", [one.slice_thickness_mm for one in sets], (), t)
    makers = {name: (0, 0, n, 0) for name, n in paper.MANUFACTURERS.items()}
    rows += _value_rows("manufacturer", [one.manufacturers for one in sets], makers, t)
    return rows if published else [CountRow(row.title, tuple((ours, "") for ours, _ in row.cells)) for row in rows]


def published_flow(t: Texts) -> str:
    """Say what the paper's Fig. 2 counts."""
    return t(
        "split.figure_published",
        identified=paper.IDENTIFIED_CASES,
        excluded=paper.EXCLUDED_CASES,
        included=paper.INCLUDED_CASES,
        institutions=paper.INSTITUTIONS,
        training=paper.TRAINING_CASES,
        training_institutions=paper.TRAINING_INSTITUTIONS,
        tuning=paper.TUNING_CASES,
        tuning_institutions=paper.TUNING_INSTITUTIONS,
        external=paper.EXTERNAL_CASES,
        external_institutions=paper.EXTERNAL_INSTITUTIONS,
    )


def _numbers(title: str, ours: Sequence[int], theirs: Sequence[int], t: Texts) -> CountRow:
    texts = [t.number(number) for number in theirs] or [""] * len(ours)
    return CountRow(title, tuple(zip(map(t.number, ours), texts, strict=True)))


def _spread_rows(column: str, spreads: Sequence[Spread | None], theirs: Sequence[str], t: Texts) -> list[CountRow]:
    """Median and range; and in how many cases it is not stated, where that is so in any."""
    texts = [UNDEFINED if spread is None else _spread_text(spread, t) for spread in spreads]
    published = [*theirs, *[""] * (len(texts) - len(theirs))]
    title = t(f"columns.{column}")
    rows = [CountRow(t("split.row_spread", variable=title), tuple(zip(texts, published, strict=True)))]
    missing = [0 if spread is None else spread.missing for spread in spreads]
    if any(missing):
        rows.append(_numbers(t("split.row_missing", variable=title), missing, (), t))
    return rows


def _spread_text(spread: Spread, t: Texts) -> str:
    return f"{t.number(spread.median, 1)} ({spread.lowest:g}–{spread.highest:g})"


def _value_rows(
    column: str, counts: Sequence[Mapping[str, int]], theirs: Mapping[str, tuple[int, int, int, int]], t: Texts
) -> list[CountRow]:
    """Count each value that a case has; the paper's order first, and what is not stated last."""
    of_all = counts[-1]
    others = sorted((value for value in of_all if value and value not in theirs), key=lambda value: -of_all[value])
    rows = []
    for value in (*(value for value in theirs if of_all.get(value)), *others, *([""] if of_all.get("") else [])):
        title = t("split.row_value", variable=t(f"columns.{column}"), value=_value_words(column, value, t))
        published = ["" if not n else t.number(n) for n in theirs.get(value, ())] or [""] * len(counts)
        ours = [t.number(count.get(value, 0)) for count in counts]
        rows.append(CountRow(title, tuple(zip(ours, published, strict=True))))
    return rows


def _value_words(column: str, value: str, t: Texts) -> str:
    if not value:
        return t("split.not_stated")
    return t(f"split.sex_{value}") if column == "sex" else value
