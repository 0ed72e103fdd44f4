"""Answers about how the model was evaluated: metrics, uncertainty, and what else was looked at."""

from __future__ import annotations

from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.report.checklists.item import Answer, answered, authors, not_applicable, partly
from nnunet_amt.report.checklists.partition_answers import EVALUATE
from nnunet_amt.report.checklists.wording import column_in_words, counted, joined
from nnunet_amt.study.facts.facts import EvaluationFacts, StudyFacts

_RULES = {
    "unmatched": "predicted lesions without a partner at that threshold",
    "no_overlap": "predicted lesions that share no voxel with a reference lesion",
}


def metrics(facts: StudyFacts) -> Answer:
    """Define the metrics (CLAIM 28, TRIPOD+AI 12e)."""
    if facts.evaluation is None:
        return authors("define the metrics of performance and say why these.", EVALUATE, "#results")
    settings = facts.evaluation.summary.settings
    compared = f" Compared on the same cases: {joined(facts.comparison)}." if facts.comparison else ""
    return partly(
        "Per case, over voxels: Dice, IoU, precision and recall, averaged over cases. Per lesion (connected "
        f"components, {settings.connectivity} neighbours; predicted ones under "
        f"{counted(settings.minimum_predicted_voxels, 'voxel')} dropped), matched one to one where IoU exceeds a "
        "threshold from 0.05 to 0.95: sensitivity over all reference lesions, and false positives per scan, which "
        f"are {_RULES[settings.false_positive_rule]}{_triage(facts.evaluation)}. Plots: FROC over the thresholds, "
        "Dice against tumour size, Bland-Altman of volumes. Calibration is not measured: what is evaluated is a "
        f"mask, not a probability.{compared}",
        "why these metrics answer the clinical question, and which is the primary one.",
        "#results",
    )


def _triage(evaluation: EvaluationFacts) -> str:
    if evaluation.accepted is None:
        return ""
    return (
        f"; a reader looked at {counted(evaluation.candidates or 0, 'candidate')} and took {evaluation.accepted:,} "
        "for lesions that the reference lacks, which are not counted"
    )


def statistics(facts: StudyFacts) -> Answer:
    """Say how uncertainty is measured and what is tested (CLAIM 29)."""
    if facts.evaluation is None:
        return authors("say how intervals and p-values were computed.", EVALUATE, "#results")
    settings = facts.evaluation.summary.settings
    unit = "cases" if settings.cluster == "case" else "whole institutions with all of their cases"
    withheld = (
        "They are given from two cases on, and are too narrow for few."
        if settings.ci_always
        else f"They are withheld under {FEWEST_CASES} cases, where they would be too narrow."
    )
    failures = (
        " The worst and the best tenth are compared by two-sided Mann-Whitney U tests, with Holm's correction over all "
        "features."
        if facts.failures
        else ""
    )
    compared = (
        " Models are compared in pairs on the same cases; the tests stand with the comparison."
        if facts.comparison
        else ""
    )
    return answered(
        f"95% percentile bootstrap intervals of {settings.bootstrap_resamples:,} resamples of {unit}, seed "
        f"{settings.seed}. {withheld} Where all or no lesions are found, Wilson's interval. Standard deviations: of "
        f"voxel metrics over cases, of lesion metrics over resamples.{failures}{compared}",
        "#results",
    )


def robustness(facts: StudyFacts) -> Answer:
    """Say over what the results were looked at again (CLAIM 30)."""
    add = "other analyses of this kind, such as repeated trainings, or that there were none."
    if facts.evaluation is None:
        return authors(f"say how robust the results are: {add}", EVALUATE, "#results")
    parts = [f"Results stand by {joined(subgroup_names(facts.evaluation))}."]
    if facts.evaluation.component_analysis:
        parts.append("Lesion metrics are repeated with other connectivities and smallest sizes of a component.")
    if facts.comparison:
        parts.append(f"Compared on the same cases: {joined(facts.comparison)}.")
    parts.append("One trained network was evaluated." if _one_network(facts) else "")
    return partly(" ".join(filter(None, parts)), add, "#results")


def _one_network(facts: StudyFacts) -> bool:
    return facts.model is not None and len(facts.model.folds) == 1


def explainability(facts: StudyFacts) -> Answer:
    """Say that no such method belongs to this software (CLAIM 31)."""
    return not_applicable(
        "This software applies no method of explanation. The model's answer is an outline, which a reader can hold "
        "against the CT.",
        "#cases",
    )


def clusters(facts: StudyFacts) -> Answer:
    """Say how differences between hospitals were handled (TRIPOD+AI 12d)."""
    if facts.evaluation is None:
        return authors("say how differences between hospitals were handled.", EVALUATE, "#results")
    overall, settings = facts.evaluation.summary.overall, facts.evaluation.summary.settings
    drawn = (
        f"Intervals are of resamples of {counted(overall.clusters or 0, 'institution')} with all of their cases."
        if settings.cluster == "institution"
        else "Intervals are of resamples of cases, which takes no account of cases of one hospital being alike "
        "(`nnunet_amt evaluate --cluster institution` does)."
    )
    return answered(f"{drawn} {institutions_shown(facts.evaluation)}", "#results")


def institutions_shown(evaluation: EvaluationFacts) -> str:
    """Say whether the Dice of each institution is drawn."""
    if not evaluation.institution_figure:
        return "Results by institution are not shown."
    return "A figure shows the Dice by institution with the single cases behind it."


def fairness(facts: StudyFacts) -> Answer:
    """Say what was looked at by sex and age (TRIPOD+AI 14)."""
    if facts.synthetic:
        return not_applicable(
            "The CTs are phantoms; fairness between groups of people cannot be studied on them.", "#results"
        )
    if facts.evaluation is None:
        return authors("say what was done to find and lessen differences between groups of patients.", EVALUATE)
    groups = {group for group, _, _ in facts.evaluation.summary.subgroups}
    shown = [name for name in ("sex", "age") if name in groups]
    seen = f"Results stand by {joined(shown)}." if shown else "Results are not shown by sex or age."
    return partly(
        f"{seen} The training treats all cases alike; nothing in it serves fairness.",
        "what differences between groups of patients are to be expected, and why this was done.",
        "#results",
    )


def no_update(facts: StudyFacts) -> Answer:
    """Say that no stage changes a model after its test (TRIPOD+AI 12f and 24)."""
    return not_applicable("No stage of this software changes or recalibrates a model after it was evaluated.")


def subgroup_names(evaluation: EvaluationFacts) -> list[str]:
    """Name what the subgroups are made by, each once."""
    return list(dict.fromkeys(column_in_words(group) for group, _, _ in evaluation.summary.subgroups))
