"""What each result of the page may be used for and what not, and on whom it was trained and tested: of the records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nnunet_amt.evaluation.subjects import PATIENTS, PHANTOMS
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.study.facts import StudyFacts
from nnunet_amt.study.risk_results import RiskFacts, RiskSet
from nnunet_amt.writing.numbers import counted, joined

_NOT_RECORDED = "Not on record in this study."


@dataclass(frozen=True)
class Use:
    """What is said of a result.

    Attributes
    ----------
    name, anchor
        What is told, and the section that shows it.
    may, may_not
        What it may and may not be used for.
    trained, tested
        On which cases.
    untested
        On what there is no test of it in this study; may be empty.
    """

    name: str
    anchor: str
    may: str
    may_not: str
    trained: str
    tested: str
    untested: str


# Name, what it may be used for, and what not, by the task of a study of risk.
_OF_TASKS = {
    "risk": (
        "Low or high risk of a thymic tumour",
        "Research: what CT tells of the risk group that histology finds.",
        "To decide on biopsy, surgery or treatment. Of a tumour that is not thymic it gives a score too, which means "
        "nothing.",
    ),
    "binary": (
        "Benign or malignant, from CT and CTC",
        "Research: what the level of circulating tumour cells adds to CT.",
        "To tell that a lesion is benign or malignant, or to leave out a biopsy.",
    ),
    "multiclass": (
        "Class of the lesion, from CT and CTC",
        "Research: which kinds of lesions CT and the level of circulating tumour cells tell apart.",
        "As a diagnosis. It names one of its {classes} for every lesion, also for one of another kind.",
    ),
}


def uses(content: StudyContent) -> tuple[Use, ...]:
    """Tell it of the segmentation, and of each task of the study of risk that was evaluated."""
    of_tasks = (_of_task(name, result.facts) for name, result in content.risk.items() if result.evaluation is not None)
    return (_of_segmentation(content), *of_tasks)


def _of_segmentation(content: StudyContent) -> Use:
    facts, overall = content.facts, content.summary.overall
    tested = RiskSet(overall.cases, institutions=content.institutions)
    return Use(
        name="Outline of the tumour",
        anchor="results",
        may="Research on where a model outlines a tumour on CT, how large it draws it, and where it fails.",
        may_not="To find or measure a tumour in a patient's care, or to plan surgery or irradiation by its outline.",
        trained=_segmentation_training(facts),
        tested=f"{_cases(tested, facts.subjects)}{content.whose}.",
        untested=_sentence(_untested_of_segmentation(facts)),
    )


def _segmentation_training(facts: StudyFacts) -> str:
    same = None if facts.model is None else facts.model.same_split
    learned = None if facts.dataset is None else facts.dataset.sets.get("training")
    if same is False:
        return "Cases by another split than the dataset's, which this study does not hold."
    if not same or learned is None:
        return _NOT_RECORDED
    return f"{_cases(RiskSet(learned.cases, learned.patients, learned.institutions), facts.subjects)}."


def _untested_of_segmentation(facts: StudyFacts) -> Iterator[str]:
    yield from _not_of_patients(facts.subjects)
    if facts.evaluation is not None and facts.evaluation.without_tumour == 0:
        yield "CTs without a tumour"


def _of_task(name: str, facts: RiskFacts) -> Use:
    title, may, may_not = _OF_TASKS[name]
    learned, tuned = facts.sets.get("training"), facts.sets.get("tuning")
    trained = _NOT_RECORDED if learned is None else f"{_cases(learned, facts.subjects)}."
    if tuned is not None and tuned.cases:
        trained += f" When to stop was chosen on {tuned.cases} more."
    tested = facts.sets.get("external") if "external" in facts.scored else None
    return Use(
        name=title,
        anchor=name,
        may=may,
        may_not=may_not.format(classes=counted(len(facts.classes), "class", "classes") if facts.classes else "classes"),
        trained=trained,
        tested=_NOT_RECORDED if not facts.sets else _tested(tested, facts),
        untested=_sentence(_untested_of_task(tested, facts)),
    )


def _tested(tested: RiskSet | None, facts: RiskFacts) -> str:
    if tested is not None:
        return f"{_cases(tested, facts.subjects)}, none of which it was trained on."
    return "No other cases than those that it was made with."


def _untested_of_task(tested: RiskSet | None, facts: RiskFacts) -> Iterator[str]:
    yield from _not_of_patients(facts.subjects)
    if facts.sets and tested is None:
        yield "external cases"
    if facts.predicted_outlines is False:
        yield "outlines that a model drew: it looked at the reference outlines"
    if tested is not None and tested.without_level == 0:
        yield "patients without a CTC level"
    if facts.ctc_unit is not None:
        yield f"CTC levels in another unit than {facts.ctc_unit}"


def _not_of_patients(subjects: str | None) -> Iterator[str]:
    """Name patients where the record does not say that all cases are such."""
    if subjects == PHANTOMS:
        yield "patients: every case is a phantom"
    elif subjects is None:
        yield "patients, as far as is on record"
    elif subjects != PATIENTS:
        yield "patients alone"


def _cases(of: RiskSet, subjects: str | None) -> str:
    """Say how many CTs of whom, as `60 CTs of 58 patients from 5 institutions`."""
    words, unknown = counted(of.cases, "CT"), []
    if subjects is None:
        unknown.append("whether of patients")
    else:
        words += f" of {subjects if subjects != PATIENTS or of.patients is None else counted(of.patients, 'patient')}"
    if of.institutions is None:
        unknown.append("from how many institutions")
    else:
        words += f" from {counted(of.institutions, 'made-up institution' if subjects == PHANTOMS else 'institution')}"
    return f"{words} ({joined(unknown)} is not on record)" if unknown else words


def _sentence(parts: Iterable[str]) -> str:
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""
