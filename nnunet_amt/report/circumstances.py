"""What is unusual in a case against the others and against the training cases: circumstances, not causes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nnunet_amt.evaluation.results.read_results import EvaluatedCase, FailedCase
from nnunet_amt.report.failure_story import size_text

_FEWEST_CASES = 10  # fewer have no outer tenth
_RARE_SHARE = 0.05  # of the training cases
CohortRows = Mapping[str, Mapping[str, str]]

# Features of failure_cases.csv that say something each of their own; (name, what, unit, digits).
_FEATURES = (
    ("mean_hu", "mean density", "HU", 0),
    ("sd_hu", "spread of density (SD)", "HU", 0),
    ("sphericity", "sphericity (1 is a ball)", "", 2),
)


@dataclass(frozen=True)
class Background:
    """What a case is held against.

    Attributes
    ----------
    cases
        All evaluated cases.
    failed
        The failure analysis by case; empty without one.
    cohort
        Rows of the evaluated cases in cohort.csv, by case; empty without one.
    training
        Rows of the training cases in the dataset's cohort.csv.
    """

    cases: Sequence[EvaluatedCase]
    failed: Mapping[str, FailedCase] = field(default_factory=dict)
    cohort: CohortRows = field(default_factory=dict)
    training: Sequence[Mapping[str, str]] = ()


def circumstances(case: EvaluatedCase, background: Background) -> tuple[str, ...]:
    """Say what stands out in a case.

    The size, density and shape of its tumour where they are in the outer tenth of all cases (of ten cases or more);
    its diagnosis, scanner and slice thickness where the training cases had few or none like it and most of the other
    cases did not share that. What was looked at and is not unusual is not told.
    """
    return (
        *_size(case, background.cases),
        *_features(case.case_id, background.failed),
        *_training(background.cohort.get(case.case_id, {}), background),
    )


def _size(case: EvaluatedCase, cases: Sequence[EvaluatedCase]) -> Iterator[str]:
    if case.size_mm is None:
        return
    rank = _outer_rank(case.size_mm, [other.size_mm for other in cases if other.size_mm is not None])
    if rank:
        rank = rank.replace("lowest", "smallest").replace("highest", "largest")
        yield f"It is {rank} tumours ({size_text(case.size_mm)})."


def _features(case_id: str, failed: Mapping[str, FailedCase]) -> Iterator[str]:
    if case_id not in failed:
        return
    for name, what, unit, digits in _FEATURES:
        value = failed[case_id].features.get(name)
        if value is None:
            continue
        rank = _outer_rank(value, [other.features[name] for other in failed.values() if name in other.features])
        if rank:
            shown = f"{value:.{digits}f}{' ' if unit else ''}{unit}".replace("-", "−")
            yield f"The tumour's {what}, {shown}, is {rank}."


def _outer_rank(value: float, values: Sequence[float]) -> str:
    """Give ``"the 2nd lowest of 24"`` if the value is in the lowest or highest tenth, rounded up; else nothing."""
    total = len(values)
    tenth = -(-total // 10)
    below, above = sum(other < value for other in values), sum(other > value for other in values)
    equal = total - below - above
    if total < _FEWEST_CASES or equal > tenth:
        return ""
    for rank, end in ((below, "lowest"), (above, "highest")):
        if rank < tenth:
            return f"the {_ordinal(rank + 1)}{end} of {total}"
    return ""


def _ordinal(rank: int) -> str:
    if rank == 1:
        return ""
    ending = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{ending} "


def _training(row: Mapping[str, str], background: Background) -> Iterator[str]:
    """Say in what the case is unlike the training cases, unless more than half of the evaluated cases are too."""
    tested = background.cohort.values()
    for unlike in (_rare_diagnosis, _rare_manufacturer, _other_thickness):
        text = unlike(row, background.training)
        if text:
            alike = sum(bool(unlike(other, background.training)) for other in tested)
            if alike <= len(tested) / 2:
                yield f"{text}; so it is in {alike} of the {len(tested)} cases tested."


def _rare_diagnosis(row: Mapping[str, str], training: Sequence[Mapping[str, str]]) -> str:
    return _rare(row, training, "histology", "diagnosis")


def _rare_manufacturer(row: Mapping[str, str], training: Sequence[Mapping[str, str]]) -> str:
    return _rare(row, training, "manufacturer", "scanner's manufacturer")


def _rare(row: Mapping[str, str], training: Sequence[Mapping[str, str]], column: str, what: str) -> str:
    value = row.get(column, "")
    stated = [other[column] for other in training if other.get(column)]
    same = stated.count(value)
    if not value or not stated or same > _RARE_SHARE * len(stated):
        return ""
    return f"Few training cases have its {what} ({value}): {same} of {len(stated)}"


def _other_thickness(row: Mapping[str, str], training: Sequence[Mapping[str, str]]) -> str:
    try:
        thickness = float(row.get("slice_thickness_mm", ""))
        known = [float(other["slice_thickness_mm"]) for other in training if other.get("slice_thickness_mm")]
    except ValueError:
        return ""
    if not known or min(known) <= thickness <= max(known):
        return ""
    span = f"{min(known):g} to {max(known):g} mm" if min(known) < max(known) else f"{min(known):g} mm"
    return f"Its slices are {thickness:g} mm thick, beyond those of the training cases ({span})"
