"""Answers about the discussion: what the folder shows of limits and use, and what the authors must make of it."""

from __future__ import annotations

from nnunet_amt import paper
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.report.checklists.item import Answer, authors, partly
from nnunet_amt.report.checklists.wording import counted
from nnunet_amt.study.facts.facts import StudyFacts


def interpretation(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 25."""
    published = paper.TABLE_3[0].dice.mean
    fact = (
        f"The published row stands beside these results (Dice {published:.2f} of {paper.CITATION}); its patients are "
        "others."
        if facts.evaluation
        else ""
    )
    return authors(
        "interpret the results against aims, earlier models and differences between groups of patients.",
        fact,
        "#results",
    )


def limitations(facts: StudyFacts) -> Answer:
    """CLAIM 40, TRIPOD+AI 26."""
    found = _limits(facts)
    add = (
        "selection of patients and hospitals, the reference standard, what was not measured (readers, change of "
        "care), and what each does to the results."
    )
    if not found:
        return authors(f"discuss {add}")
    return partly(" ".join(found), add, "#results")


def _limits(facts: StudyFacts) -> list[str]:
    limits = []
    if facts.synthetic:
        limits.append("The data are phantoms, so the results do not carry over to patients.")
    if facts.evaluation is None:
        return limits
    overall = facts.evaluation.summary.overall
    if overall.cases < FEWEST_CASES:
        limits.append(f"Only {counted(overall.cases, 'case')} were evaluated.")
    if small := _small_subgroups(facts):
        limits.append(f"Under {FEWEST_CASES} cases: {counted(small, 'subgroup')}, institutions not counted.")
    if facts.evaluation.without_tumour == 0:
        limits.append(
            "Every evaluated case holds a tumour: what the model does on CTs without one is not known from these."
        )
    if any(facts.evaluation.cases_by_set.get(name) for name in ("training", "tuning")):
        limits.append("Some of the evaluated cases belong to the sets that the model was made with.")
    if facts.model is not None and len(facts.model.folds) == 1:
        limits.append("One training was evaluated, so the spread between trainings is not known.")
    return limits


def _small_subgroups(facts: StudyFacts) -> int:
    if facts.evaluation is None:
        return 0
    subgroups = facts.evaluation.summary.subgroups
    return sum(summary.cases < FEWEST_CASES for group, _, summary in subgroups if group != "institution")


def implications(facts: StudyFacts) -> Answer:
    """CLAIM 41."""
    return authors(
        "say what the model could be used for and what must be shown before.",
        "This software is for research only and no medical device.",
        "#done",
    )


def input_quality(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 27a."""
    clipped = (
        " Values outside of the range of the training and tuning images are clipped to it."
        if facts.model is not None and facts.model.intensities is not None
        else ""
    )
    return partly(
        "`nnunet_amt convert` refuses CTs with missing or uneven slices, rescaled values or unknown "
        f"units, and says why; `nnunet_amt predict` by itself only refuses damaged files.{clipped} Nothing warns of "
        "noise, motion or a region that is not the chest.",
        "who checks a CT before it is given to the model, and what is done with a poor one.",
    )


def user_interaction(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 27b."""
    return partly(
        "`nnunet_amt predict` needs the CT and nothing else of its user. The viewer of this report serves to look at "
        "the cases of this study.",
        "who would check an outline and correct it, what this person must know, and who answers for the result.",
    )


def next_steps(facts: StudyFacts) -> Answer:
    """TRIPOD+AI 27c."""
    return authors("name the next studies, above all what is needed to use the model elsewhere.")
