"""Answers about the data: where they come from, what was left out, and what was done to them."""

from __future__ import annotations

from nnunet_amt.report.checklists.item import Answer, answered, authors, not_applicable, partly
from nnunet_amt.report.checklists.wording import column_in_words, counted, counts_in_words, joined
from nnunet_amt.study.facts.facts import DatasetFacts, StudyFacts

CONVERT = "The study folder holds no dataset of `nnunet_amt convert`, which counts this."
PHANTOMS = "Phantoms drawn by a program; no patient took part."
_DESCRIBING = ("age", "sex", "histology", "manufacturer", "slice_thickness_mm")


def sources(facts: StudyFacts) -> Answer:
    """Say how much came from where (CLAIM 7, TRIPOD+AI 5a)."""
    data = facts.dataset
    if facts.synthetic:
        return answered(
            f"{PHANTOMS} {_phantoms(data)}They show whether the methods work, and say nothing of patients.", "#cohort"
        )
    add = (
        "where the CTs come from (hospitals, registries, public collections with their links), how they were found, "
        "why these, and how well they stand for the patients the model is meant for; for training and for testing."
    )
    if data is None or data.total is None:
        return authors(f"say {add}", CONVERT, "#cohort")
    named = f"The dataset names as its source: {_sentence(data.reference)}" if data.reference else ""
    return partly(f"{_amount(data)}{named}".strip(), add, "#cohort")


def setting(facts: StudyFacts) -> Answer:
    """Say how many centres there are (TRIPOD+AI 6a)."""
    data = facts.dataset
    if facts.synthetic:
        return not_applicable(f"{PHANTOMS} Their institutions are labels that the program gave.", "#cohort")
    add = "what kind of hospitals these are, where they are, and how patients came to them."
    if data is None or data.total is None:
        return authors(f"say how many centres gave cases, {add}", CONVERT, "#cohort")
    centres = ", ".join(f"{name} {counted(part.institutions, 'institution')}" for name, part in data.sets.items())
    shared = (
        f" Training and tuning share {counted(data.shared_institutions, 'institution')}."
        if data.shared_institutions
        else ""
    )
    return partly(f"{counted(data.total.institutions, 'institution')} in all: {centres}.{shared}", add, "#cohort")


def dates(facts: StudyFacts) -> Answer:
    """Leave the dates to the authors: no file of a study holds one (TRIPOD+AI 5b)."""
    if facts.synthetic:
        return not_applicable(PHANTOMS)
    fact = "The conversion writes no date into a dataset." if facts.dataset and facts.dataset.converted_by else ""
    return authors("give the first and the last date of the included CTs, by set.", fact)


def eligibility(facts: StudyFacts) -> Answer:
    """Count what was left out, by reason (CLAIM 8, TRIPOD+AI 6b)."""
    data = facts.dataset
    if facts.synthetic:
        return not_applicable(f"{PHANTOMS} {excluded_in_words(data)}".strip(), "#cohort")
    add = (
        "who could be included (diagnosis and how it was made, age, kind of CT, period), who decided it, and how many "
        "were left out before the table of cases was written, which the counts here do not know."
    )
    if data is None or data.identified is None:
        return authors(f"say {add}", CONVERT, "#cohort")
    return partly(excluded_in_words(data), add, "#cohort")


def excluded_in_words(data: DatasetFacts | None) -> str:
    """Say how many cases of the table were left out and why."""
    if data is None or data.identified is None:
        return ""
    if not data.excluded:
        return f"The table of cases has {counted(data.identified, 'line')}; none was left out."
    reasons = counts_in_words(data.excluded_by_reason)
    return f"The table of cases has {counted(data.identified, 'line')}; left out: {data.excluded:,}, for {reasons}."


def treatments(facts: StudyFacts) -> Answer:
    """Leave treatments to the authors (TRIPOD+AI 6c)."""
    if facts.synthetic:
        return not_applicable(PHANTOMS)
    return authors("say whether any CT was made after surgery, radiation or drugs, and what was done with those cases.")


def deidentification(facts: StudyFacts) -> Answer:
    """Say what leads back to a patient and what does not (CLAIM 11)."""
    data = facts.dataset
    if facts.synthetic:
        return not_applicable(f"{PHANTOMS} There is nobody to identify.")
    write = "say how and by whom the data were freed of identifiers, by which rule, and who can trace a case back."
    if data is None or data.converted_by is None:
        return authors(write, "The study folder holds no dataset of `nnunet_amt convert`, which gives codes to cases.")
    told = joined(column_in_words(column) for column in _DESCRIBING if data.known.get(column))
    remains = f" Of each case it tells, where known: {told}." if told else ""
    if not data.coded:
        return authors(
            f"{write} Say what kind of names these are.",
            f"The dataset keeps the case ids of the table of cases (`convert --keep-case-ids`).{remains}",
            "#cohort",
        )
    return partly(
        "Cases and institutions have codes in the dataset; names, dates, identifiers and DICOM headers are not "
        f"written to it, and the key is a file of its own outside of it.{remains}",
        "how the data were freed of identifiers before they came here, and who holds the key.",
        "#cohort",
    )


def missing_data(facts: StudyFacts) -> Answer:
    """Say what is unknown of how many cases (CLAIM 12, TRIPOD+AI 11)."""
    data = facts.dataset
    add = "what was missing before the table of cases was written, and why it was."
    if data is None or not data.cases:
        return authors(f"say how missing data were handled, and {add}", CONVERT, "#cohort")
    text = f"Every case of the dataset has a CT and a mask. {_unknown(data)}{_predictions_missing(facts)}"
    return answered(text, "#cohort") if facts.synthetic else partly(text, add, "#cohort")


def _unknown(data: DatasetFacts) -> str:
    """Say which columns of the cohort file are empty in how many cases."""
    empty = {column: data.cases - data.known.get(column, 0) for column in _DESCRIBING}
    if not any(empty.values()):
        return (
            f"{joined(map(column_in_words, _DESCRIBING)).capitalize()} are known of all {counted(data.cases, 'case')}."
        )
    lacking = joined(f"{column_in_words(column)} of {number:,}" for column, number in empty.items() if number)
    return (
        f"Not known, of {counted(data.cases, 'case')}: {lacking}. Nothing is filled in; among the subgroups these "
        "cases stand apart as not stated."
    )


def _predictions_missing(facts: StudyFacts) -> str:
    if facts.evaluation is None or facts.evaluation.missing_as_empty is None:
        return ""
    if facts.evaluation.missing_as_empty:
        return " A case without a prediction was counted as one in which nothing was found."
    return " Every evaluated case had a prediction."


def acquisition(facts: StudyFacts) -> Answer:
    """Say what is known of scanners and slices (CLAIM 13)."""
    data = facts.dataset
    if facts.synthetic:
        return not_applicable(
            f"{PHANTOMS} Their manufacturers and slice thicknesses are settings that the program imitates.", "#cohort"
        )
    add = (
        "detector rows, tube voltage, contrast medium and phase, reconstruction kernel and field of view, by set as "
        "far as they differ."
    )
    parts = []
    if data and data.manufacturers:
        parts.append(f"Scanners by manufacturer: {counts_in_words(data.manufacturers)}.")
    if data and data.slice_thickness_mm:
        low, high = data.slice_thickness_mm
        parts.append(f"Slice thickness {low:g} mm." if low == high else f"Slice thickness {low:g} to {high:g} mm.")
    if not parts:
        return authors(f"give manufacturer and slice thickness, {add}", CONVERT, "#cohort")
    return partly(" ".join(parts), add, "#cohort")


def _amount(data: DatasetFacts | None) -> str:
    if data is None or data.total is None:
        return ""
    cases, patients = counted(data.total.cases, "CT"), counted(data.total.patients, "patient")
    return f"{cases} of {patients} from {counted(data.total.institutions, 'institution')}. "


def _phantoms(data: DatasetFacts | None) -> str:
    if data is None or data.total is None:
        return ""
    return (
        f"{counted(data.total.cases, 'phantom')} under the names of {counted(data.total.institutions, 'institution')}. "
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
