"""Answers about what came out: how good the model is, on whom, and where it fails."""

from __future__ import annotations

from nnunet_amt.evaluation.measure.lesions import threshold_index
from nnunet_amt.evaluation.summary.summary import GroupSummary
from nnunet_amt.report.checklists.evaluation_answers import institutions_shown, subgroup_names
from nnunet_amt.report.checklists.item import Answer, answered, authors, not_applicable, partly
from nnunet_amt.report.checklists.partition_answers import EVALUATE
from nnunet_amt.report.checklists.wording import counted, joined, metric_in_words, sets_in_words
from nnunet_amt.study.facts.facts import StudyFacts

_NAMES = {"dice": "Dice", "iou": "IoU", "precision": "precision", "recall": "recall"}
_TABLE_THRESHOLDS = (0.1, 0.5)


def internal_test(facts: StudyFacts) -> Answer:
    """Say what internal data showed (CLAIM 32)."""
    data = facts.dataset
    if data is None or "tuning" not in data.sets:
        return authors(
            "say how the model did on internal data, or that none were held out for testing.", EVALUATE, "#done"
        )
    if _inside(facts):
        return answered(
            f"{counted(_inside(facts), 'evaluated case')} are of the sets that the model was made with (see the next "
            "item).",
            "#results",
        )
    tuning = counted(data.sets["tuning"].cases, "case")
    why = "."
    if facts.model is not None and facts.model.is_amt_recipe and facts.model.checkpoint == "checkpoint_best.pth":
        why = ", because the choice of the checkpoint rests on it and its Dice is no unbiased estimate."
    return not_applicable(
        f"The dataset has no internal test set. The tuning set ({tuning}) is internal; no result on it is given "
        f"here{why}",
        "#done",
    )


def external_test(facts: StudyFacts) -> Answer:
    """Say what the model was tested on that it had never seen (CLAIM 33)."""
    evaluation = facts.evaluation
    if evaluation is None:
        return authors("say whether the model was tested on data from elsewhere.", EVALUATE, "#results")
    if facts.dataset is None or not facts.dataset.sets or not evaluation.cases_by_set:
        return authors(
            "say whether these cases are from institutions that gave none to training or tuning.",
            f"{counted(evaluation.summary.overall.cases, 'case')} were evaluated; whether they are external the "
            "folder does not show.",
            "#results",
        )
    foreign = evaluation.cases_by_set.get("", 0)
    if _inside(facts) or foreign:
        return partly(
            f"The evaluated cases are {sets_in_words(evaluation.cases_by_set)}: not all are external, so these "
            "results are not those of an external test.",
            "a test on external cases only, or why it is missing.",
            "#results",
        )
    places = "" if evaluation.institutions is None else f" from {counted(evaluation.institutions, 'institution')}"
    held = facts.dataset.sets["external"].cases - evaluation.cases_by_set["external"]
    left_out = f" {counted(held, 'case')} of the external test set were not evaluated." if held else ""
    labels = " The institutions are labels of phantoms." if facts.synthetic else ""
    return answered(
        f"{counted(evaluation.cases_by_set['external'], 'case')}{places} that gave no case to training or "
        f"tuning.{left_out}{labels}",
        "#results",
    )


def performance(facts: StudyFacts) -> Answer:
    """Give all results in figures (TRIPOD+AI 23a)."""
    if facts.evaluation is None:
        return authors("give the results with their intervals, overall and by subgroup.", EVALUATE, "#results")
    return answered(
        f"{segmentation(facts).text} {detection(facts).text} By subgroup: {joined(subgroup_names(facts.evaluation))}.",
        "#results",
    )


def segmentation(facts: StudyFacts) -> Answer:
    """Give the voxel metrics (CLAIM 37)."""
    if facts.evaluation is None:
        return authors("give the metrics of performance with their uncertainty.", EVALUATE, "#results")
    overall = facts.evaluation.summary.overall
    values = "; ".join(f"{name} {_case_mean(overall, key)}" for key, name in _NAMES.items())
    return answered(f"{counted(overall.cases, 'case')}, mean over cases: {values}.", "#results")


def _case_mean(overall: GroupSummary, metric: str) -> str:
    """Give a voxel metric, and of how many cases where it is not defined in all."""
    summary = overall.voxel[metric]
    some = "" if summary.n == overall.cases else f", of {counted(summary.n, 'case')} in which it is defined"
    return f"{metric_in_words(summary)}{some}"


def detection(facts: StudyFacts) -> Answer:
    """Give the lesion metrics (CLAIM 38)."""
    if facts.evaluation is None:
        return authors("give sensitivity and false positives with their intervals.", EVALUATE, "#results")
    lesion = facts.evaluation.summary.overall.lesion
    values = "; ".join(
        f"at IoU > {t:g} sensitivity {metric_in_words(lesion.sensitivity[threshold_index(t)])}, false positives per "
        f"scan {metric_in_words(lesion.fp_per_scan[threshold_index(t)])}"
        for t in _TABLE_THRESHOLDS
    )
    specificity = (
        " Every evaluated case holds a tumour, so there is no specificity."
        if facts.evaluation.without_tumour == 0
        else ""
    )
    return answered(f"{counted(lesion.references, 'reference lesion')}; {values}.{specificity}", "#results")


def failure_analysis(facts: StudyFacts) -> Answer:
    """Say what the worst cases have in common (CLAIM 39)."""
    found = facts.failures
    if found is None:
        return authors(
            "describe the cases in which the model failed, and why.",
            "No failure analysis is in the study folder; `nnunet_amt failures` makes it.",
            "#failures",
        )
    features = (
        f"Between them differ, with p < 0.05 after Holm's correction: {joined(found.differing_features)}."
        if found.differing_features
        else "No feature differs between them with p < 0.05 after Holm's correction."
    )
    missed = f"In {counted(found.missed, 'case')} nothing of the tumour was found." if found.missed else ""
    return partly(
        f"The {counted(found.group_size, 'case')} of lowest Dice were compared with as many of the highest. {features} "
        f"More voxels are falsely positive than falsely negative in {counted(found.over, 'case')}, fewer in "
        f"{counted(found.under, 'case')}, as many in {counted(found.balanced, 'case')}. {missed}".strip(),
        "what a radiologist sees in the worst cases.",
        "#failures",
    )


def heterogeneity(facts: StudyFacts) -> Answer:
    """Say how far hospitals differ in the results (TRIPOD+AI 23b)."""
    evaluation = facts.evaluation
    if evaluation is None or not evaluation.institution_figure:
        return authors(
            "say how the results differ between hospitals, or that it was not examined.",
            "`nnunet_amt evaluate --cohort cohort.csv` draws them.",
            "#results",
        )
    return answered(
        f"{institutions_shown(evaluation)} No measure of heterogeneity such as a variance is computed.", "#results"
    )


def _inside(facts: StudyFacts) -> int:
    """Count the evaluated cases of the training and tuning set."""
    counts = facts.evaluation.cases_by_set if facts.evaluation else {}
    return counts.get("training", 0) + counts.get("tuning", 0)
