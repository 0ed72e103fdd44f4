"""Section 1: what was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nnunet_amt import paper
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.report.failure_story import counted
from nnunet_amt.report.section import Section
from nnunet_amt.report.study_content import Run, StudyContent
from nnunet_amt.report.words import duration

__all__ = ["Done", "Step", "done_section"]


@dataclass(frozen=True)
class Step:
    """A step of the study: its name and what was done, in sentences."""

    name: str
    text: str


@dataclass(frozen=True)
class Done:
    """What the section shows.

    Attributes
    ----------
    steps
        In the order they were done.
    terms
        What the words of the results mean, each with its meaning.
    """

    steps: tuple[Step, ...]
    terms: tuple[Step, ...]


def done_section(content: StudyContent) -> Section:
    """Tell the steps from the dataset and the run records; a step without a record says so."""
    steps = (
        Step("Cases", _cases(content)),
        Step("Training", _training(content.newest_run("train"))),
        Step("Prediction", _prediction(content)),
        Step("Evaluation", _evaluation(content.summary.settings)),
    )
    return Section("done", "What was done", "done.html.j2", Done(steps, _terms()))


def _cases(content: StudyContent) -> str:
    sentences = []
    if content.audit:
        splits = content.audit.get("splits", {})
        parts = [
            f"{splits[name]['cases']} for {title}"
            for name, title in (("training", "training"), ("tuning", "tuning"), ("external", "the external test"))
            if name in splits
        ]
        included = content.audit.get("included", {})
        sentences.append(
            f"{counted(int(content.audit.get('identified', 0)), 'case')} identified, "
            f"{content.audit.get('excluded', 0)} excluded, {included.get('cases', 0)} included from "
            f"{counted(int(included.get('institutions', 0)), 'institution')}: {', '.join(parts)}."
        )
    else:
        sentences.append("No audit of a dataset was found with this study, so nothing is told of how cases were chosen.")
    origin = content.description.get("label_origin")
    sentences.append(
        str(origin) if origin else "Who drew the reference outlines, and how, is not recorded in the dataset."
    )
    return " ".join(sentences)


def _training(run: Run | None) -> str:
    if run is None:
        return "There is no record of the training in this study."
    settings: dict[str, Any] = run.get("settings") or {}
    cost = run.get("cost") or {}
    text = f"nnU-Net v2 {run.get('software', {}).get('nnunetv2', '')}".strip()
    details = [f"{name} {settings[name]}" for name in ("trainer", "plans", "configuration", "fold") if name in settings]
    text += f" with {', '.join(details)}." if details else "."
    if cost.get("parameters"):
        text += f" The network has {cost['parameters'] / 1e6:.2f} million parameters."
    seconds = cost.get("training_seconds") or run.get("seconds")
    if seconds:
        device = (run.get("machine") or {}).get("device") or "a device that is not recorded"
        text += f" It took {duration(float(seconds))} on {device}."
    return text


def _prediction(content: StudyContent) -> str:
    run = content.newest_run("predict")
    if run is None:
        return "There is no record of the prediction in this study; the label maps were evaluated as they were found."
    counts = run.get("counts") or {}
    text = f"{counted(int(counts['cases']), 'case')} predicted" if counts.get("cases") else "Cases were predicted"
    checkpoint = (run.get("inputs") or {}).get("checkpoint") or {}
    if checkpoint.get("path"):
        text += f" with {str(checkpoint['path']).rpartition('/')[2]}"
        text += f" (SHA-256 {checkpoint['sha256'][:12]}…)" if checkpoint.get("sha256") else ""
    return f"{text}, without a look at the references."


def _evaluation(settings: EvaluationSettings) -> str:
    rule = {
        "unmatched": "a predicted lesion without a partner is a false positive",
        "no_overlap": "a predicted lesion that overlaps no reference lesion is a false positive",
    }[settings.false_positive_rule]
    return (
        f"Voxels were counted in every case. Lesions are connected components ({settings.connectivity} neighbours); "
        f"predicted ones under {settings.minimum_predicted_voxels} voxels are not counted as lesions. Predicted and "
        f"reference lesions are matched one to one; {rule}. 95% intervals are a percentile bootstrap over "
        f"{'institutions' if settings.cluster == 'institution' else 'cases'} ({settings.bootstrap_resamples} resamples, "
        f"seed {settings.seed})."
    )


def _terms() -> tuple[Step, ...]:
    small, large = paper.SIZE_LIMITS_CM
    return (
        Step("Reference", "the outline of the tumour that the prediction is held against, drawn orange and dashed."),
        Step("Prediction", "the outline that the model drew, blue and solid."),
        Step("Dice score", "twice the shared volume over the sum of both volumes: 1 for equal outlines, 0 for none shared."),
        Step("IoU", "the shared volume over the volume that either covers; always lower than Dice in between."),
        Step("Precision, recall", "share of the predicted voxels that are tumour; share of the tumour that is predicted."),
        Step("Sensitivity", "share of the reference lesions that a predicted lesion overlaps by more than the IoU given."),
        Step("False positives per scan", "predicted lesions that match no reference lesion, per CT."),
        Step("Tumour size", f"largest axial diameter: small under {small:g} cm, medium to {large:g} cm, large above."),
    )
