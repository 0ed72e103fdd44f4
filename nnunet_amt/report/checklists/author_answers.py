"""Answers that only the authors can give, each with what to write."""

from __future__ import annotations

from nnunet_amt import __version__, paper
from nnunet_amt.report.checklists.data_answers import PHANTOMS
from nnunet_amt.report.checklists.item import Answer, authors, not_applicable, partly
from nnunet_amt.report.checklists.partition_answers import EVALUATE
from nnunet_amt.report.checklists.result_answers import detection, segmentation
from nnunet_amt.report.checklists.wording import counted, joined
from nnunet_amt.study.facts.facts import StudyFacts

_SYNTHETIC = "Say that the data are synthetic phantoms."


def title(facts: StudyFacts) -> Answer:
    """CLAIM 1."""
    extra = f" {_SYNTHETIC}" if facts.synthetic else ""
    return authors(
        "name in title or abstract the technique (deep learning, a 3D U-Net or what it was), the task (segmentation "
        f"and detection of anterior mediastinal tumours) and CT.{extra}"
    )


def prediction_title(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 1."""
    extra = f" {_SYNTHETIC}" if facts.synthetic else ""
    return authors(
        "say in the title that a model is developed, evaluated or both, for whom (patients with a chest CT and a "
        "suspected or known anterior mediastinal tumour, or whoever it is) and for what: the outline of the "
        f"tumour.{extra}"
    )


def abstract(facts: StudyFacts) -> Answer:
    """CLAIM 2, TRIPOD+AI 2."""
    if facts.evaluation is None:
        return authors("sum up purpose, design, methods, results and conclusion in the abstract.", EVALUATE, "#done")
    extra = f" {_SYNTHETIC}" if facts.synthetic else ""
    return partly(
        f"Results for it: {segmentation(facts).text} {detection(facts).text}",
        f"purpose, design, methods and conclusion, in the journal's form.{extra}",
        "#done",
    )


def background(facts: StudyFacts) -> Answer:
    """CLAIM 3, TRIPOD+AI 3a."""
    return authors(
        "say which clinical question it is, where the model would stand (to detect, to outline, as first or second "
        f"reader), and what exists already, such as {paper.CITATION} (doi:{paper.DOI})."
    )


def population(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 3b."""
    return authors("say for which patients the model is meant, at which point of their care, and who would use it.")


def inequalities(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 3c."""
    return authors(
        "name known inequalities between groups of people in these diseases and in access to CT, or say none."
    )


def objectives(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 4."""
    if facts.evaluation is None:
        return authors("state the objectives, and whether a model is developed, evaluated or both.", EVALUATE, "#done")
    return partly(_goal(facts), "the objectives, and whether the model is developed, evaluated or both.", "#done")


def hypotheses(facts: StudyFacts) -> Answer:
    """CLAIM 4."""
    return authors("state aims and objectives, and hypotheses if there were any before the data were seen.")


def design(facts: StudyFacts) -> Answer:
    """CLAIM 5."""
    if facts.synthetic:
        return not_applicable(PHANTOMS)
    return authors("say whether cases were collected retrospectively or prospectively; the folder does not show it.")


def goal(facts: StudyFacts) -> Answer:
    """CLAIM 6."""
    add = "what kind of study it is (a new model, exploration, feasibility, non-inferiority) and what it should show."
    if facts.evaluation is None:
        return authors(f"say {add}", EVALUATE, "#done")
    return partly(_goal(facts), add, "#done")


def _goal(facts: StudyFacts) -> str:
    cases = 0 if facts.evaluation is None else facts.evaluation.summary.overall.cases
    evaluated = f"evaluated on {counted(cases, 'case')}"
    if facts.model is None:
        return f"Predictions were {evaluated}; the model behind them is not recorded."
    return f"A model that outlines anterior mediastinal tumours on CT was trained and {evaluated}."


def ethics(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 17."""
    if facts.synthetic:
        return not_applicable(f"{PHANTOMS} No ethics board has to be asked.")
    return authors(
        "name the ethics board, its decision and number, and whether patients consented or consent was waived; the "
        "folder shows nothing of it."
    )


def trial_registration(facts: StudyFacts) -> Answer:
    """CLAIM 34."""
    return authors("give register and number if this is a clinical trial; otherwise say that it is none.")


def registration(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 18d."""
    return authors("give register and number, or say that the study was not registered.")


def protocol(facts: StudyFacts) -> Answer:
    """CLAIM 42."""
    add = "where the study protocol can be read, or that there is none."
    if not facts.runs.stages:
        return authors(f"say {add}", "No run record is in the study folder; each command of this release leaves one.")
    return partly(
        "Technical details: the run manifest has commands, versions, seeds and hashes of "
        f"{joined(facts.runs.stages)}; the documentation of nnunet_amt defines every metric.",
        add,
        "#settings",
    )


def study_protocol(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 18c."""
    return authors("say where the study protocol can be read, or that none was written.")


def availability(facts: StudyFacts) -> Answer:
    """CLAIM 43."""
    digest = facts.model.checkpoint_sha256 if facts.model else None
    weights = f" The checkpoint that predicted has the SHA-256 {digest}." if digest else ""
    return partly(
        f"{_program(facts)}{weights}",
        "where the trained model and the data can be had and under which terms, or that and why they cannot.",
        "#cite",
    )


def code_sharing(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 18f."""
    return partly(
        _program(facts), "a link to the version that was used, and whether there is code of your own.", "#cite"
    )


def _program(facts: StudyFacts) -> str:
    evaluated = f" The results are those of version {facts.evaluation.version}." if facts.evaluation else ""
    return f"nnunet_amt is open software (Apache-2.0) on nnU-Net; version {__version__} made this report.{evaluated}"


def data_sharing(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 18e."""
    if facts.synthetic:
        return partly(
            "The phantoms can be drawn again by nnunet_amt from their seed.",
            "where this very set can be had, if anywhere.",
            "#cite",
        )
    return authors("say whether and how the CTs and masks can be had, under which terms, or why not.")


def funding(facts: StudyFacts) -> Answer:
    """CLAIM 44, TRIPOD+AI 18a."""
    return authors("name those who paid or supported otherwise, and their part in the study, or say that nobody did.")


def conflicts(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 18b."""
    return authors("declare the interests of every author, or say that there are none.")


def patient_involvement(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 19."""
    return authors("say in what patients or the public took part (design, conduct, reporting), or that they did not.")
