"""Counts of patients: whether they add up, percentages are theirs, and p-values those of a test of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from nnunet_amt.statistics.consistency.printed import Finding, Printed
from nnunet_amt.statistics.consistency.usual_tests import usual_p_values

Pair = tuple[str, str]


@dataclass(frozen=True)
class Variable:
    """A variable of a table of characteristics: how many patients of each group have each of its levels.

    Attributes
    ----------
    table, name
        Where it stands.
    counts
        By level: one of each group, in the order of `groups`. A patient has one level.
    groups
        Size of each group, by name; None where it is not printed.
    percentages
        By level, as `counts`; may be empty, or hold None.
    p_values
        By the names of the groups compared.
    """

    table: str
    name: str
    counts: Mapping[str, tuple[int, ...]]
    groups: Mapping[str, int | None]
    percentages: Mapping[str, tuple[Printed | None, ...]] = field(default_factory=dict)
    p_values: Mapping[tuple[str, ...], Printed] = field(default_factory=dict)


@dataclass(frozen=True)
class Total:
    """A whole number that is printed beside its parts.

    Attributes
    ----------
    table, name
        Where it stands.
    whole
        As printed.
    parts
        What must add up to it, by name; empty where only the percentage is looked at.
    percentage, of
        Its percentage of how many, where that is printed.
    """

    table: str
    name: str
    whole: int
    parts: Mapping[str, int] = field(default_factory=dict)
    percentage: Printed | None = None
    of: int | None = None


def check_variable(variable: Variable) -> Iterator[Finding]:
    """Find sums, percentages and p-values that the counts of a variable do not give."""
    yield from _sums(variable)
    yield from _percentages(variable)
    yield from _p_values(variable)


def check_total(total: Total) -> Iterator[Finding]:
    """Find a whole that is not the sum of its parts, or not the percentage that is printed."""
    together = sum(total.parts.values())
    if total.parts and together != total.whole:
        parts = " + ".join(str(number) for number in total.parts.values())
        if len(total.parts) > 4:
            parts = f"its {len(total.parts)} parts"
        reason = f"{parts} is {together}" if len(total.parts) <= 4 else f"{parts} add up to {together}"
        yield Finding("cannot be", total.table, total.name, "number", str(total.whole), reason)
    if total.percentage and total.of and not total.percentage.fits(total.whole, total.of):
        reason = f"{total.whole} of {total.of} is {100 * total.whole / total.of:.2f}%"
        yield Finding("cannot be", total.table, total.name, "percentage", total.percentage.text, reason)


def _sums(variable: Variable) -> Iterator[Finding]:
    for number, (group, size) in enumerate(variable.groups.items()):
        together = sum(counts[number] for counts in variable.counts.values())
        if size is None or together == size:
            continue
        more = together > size
        reason = (
            f"its levels have {together} patients, the group has {size}"
            + ("" if more else ": are values missing?")
        )  # fmt: skip
        yield Finding("cannot be" if more else "doubtful", variable.table, variable.name, group, str(together), reason)


def _percentages(variable: Variable) -> Iterator[Finding]:
    """Compare each percentage with its count of the group, of those with a value, and of the level in all groups."""
    for level, percentages in variable.percentages.items():
        for number, (group, size) in enumerate(variable.groups.items()):
            percentage, count = percentages[number], variable.counts[level][number]
            if percentage is None:
                continue
            known = sum(counts[number] for counts in variable.counts.values())
            denominators = {size or known, known, sum(variable.counts[level])} - {0}
            if not denominators or any(percentage.fits(count, n) for n in denominators):
                continue
            of = size or known
            reason = f"{count} of {of} is {100 * count / of:.1f}%"
            row = f"{variable.name}: {level}"
            yield Finding("cannot be", variable.table, row, f"percentage, {group}", percentage.text, reason)


def _p_values(variable: Variable) -> Iterator[Finding]:
    names = list(variable.groups)
    for compared, p in variable.p_values.items():
        columns = [names.index(group) for group in compared]
        table = [[counts[number] for number in columns] for counts in variable.counts.values()]
        usual = usual_p_values(table)
        if usual is None or usual.include(p):
            continue
        reason = f"no usual test of these counts gives it: {usual.words()}"
        yield Finding("cannot be", variable.table, variable.name, f"p, {' against '.join(compared)}", p.text, reason)
