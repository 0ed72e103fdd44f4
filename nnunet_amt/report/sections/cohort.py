"""Sections 1 and 2: what was done, and on whom: the flow of the cases, Tables 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_amt import paper
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.report.page_parts import Missing, Picture, Section, read_picture
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.study.facts import ModelFacts
from nnunet_amt.study.model_facts import model_runs
from nnunet_amt.writing.numbers import counted, duration
from nnunet_amt.writing.table import Row, Table


@dataclass(frozen=True)
class Step:
    """A step of the study: its name and what was done, in sentences."""

    name: str
    text: str


@dataclass(frozen=True)
class Done:
    """What section 1 shows.

    Attributes
    ----------
    steps, terms
        What was done, in that order; and the words of the results, each with its meaning.
    """

    steps: tuple[Step, ...]
    terms: tuple[Step, ...]


@dataclass(frozen=True)
class Cohort:
    """What section 2 shows.

    Attributes
    ----------
    flow
        The flow figure; None without one.
    tables
        Tables 1 and 2.
    checks
        What was checked before the split was trusted.
    """

    flow: Picture | None
    tables: tuple[Table, ...]
    checks: tuple[str, ...]
    missing: tuple[Missing, ...]


def done_section(content: StudyContent) -> Section:
    """Tell the steps from the dataset and the run records; a step without a record says so."""
    steps = (
        Step("Cases", _cases(content)),
        Step("Model", _training(content.facts.model)),
        Step("Prediction", _prediction(content)),
        Step("Evaluation", _evaluation(content.summary.settings)),
    )
    terms = _terms(specificity=content.summary.overall.specificity is not None)
    return Section("done", "What was done", "done.html.j2", Done(steps, terms))


def cohort_section(content: StudyContent) -> Section:
    """Take what the conversion wrote beside the images."""
    dataset = content.study.dataset
    if dataset is None:
        why = "No converted dataset was found with this study, so the flow of cases and Tables 1 and 2 are missing."
        cohort = Cohort(None, (), (), (Missing(why, ("nnunet_amt convert MANIFEST.csv -d 711",)),))
    else:
        cohort = _cohort(content, dataset)
    return Section("cohort", "On whom", "cohort.html.j2", cohort)


def _cohort(content: StudyContent, dataset: Path) -> Cohort:
    flow = read_picture(
        dataset / "flow.png",
        alt=_flow_words(content.audit),
        caption="Flow of the cases from those identified to the three splits, in the form of the paper's Fig. 2.",
    )
    missing = ["The flow figure is missing from the dataset."] if flow is None else []
    if content.cohort_tables is None:
        missing.append("Tables 1 and 2 are missing from the dataset, or were written by an earlier version.")
    tables = []
    for table in map(content.as_it_may_stand, content.cohort_tables or ()):
        # variable and value, the first column of cells, name a row together
        rows = tuple(Row(": ".join(filter(None, (row.title, *row.cells[:1]))), row.cells[1:]) for row in table.rows)
        tables.append(Table(table.title, table.heading, table.columns[1:], rows, table.notes))
    again = content.command("convert", "MANIFEST.csv", "-d", dataset.name[7:10])
    return Cohort(
        flow=flow,
        tables=tuple(tables),
        checks=tuple(str(check.get("check", "")) for check in content.audit.get("checks", ()) if check.get("passed")),
        missing=tuple(Missing(what, (again,)) for what in missing),
    )


def _cases(content: StudyContent) -> str:
    sentences = [content.subjects_sentence] if content.subjects_sentence else []
    if content.study.dataset is not None and content.facts.subjects is None:
        sentences.append("Of what the CTs are, patients or phantoms, is not on record in the dataset.")
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
        dataset = content.facts.dataset
        if dataset is not None and (shared := dataset.shared_institutions):
            sentences.append(f"{counted(shared, 'institution')} gave cases to both training and tuning.")
        if content.facts.synthetic:
            sentences.append("Patients, diagnoses, scanners and reasons to exclude are made up, as the images are.")
        if without := sum(split.get("without_tumour", 0) for split in splits.values()):
            sentences.append(f"{counted(without, 'case')} of them {'has' if without == 1 else 'have'} no tumour.")
        if unreadable := content.audit.get("split_drawn_without_unreadable"):
            sentences.append(f"The split was drawn without {counted(unreadable, 'case')} that could not be converted.")
    else:
        sentences.append(
            "No audit of a dataset was found with this study, so nothing is told of how cases were chosen."
        )
    origin = content.description.get("label_origin")
    if origin:
        sentences.append(str(origin))
    elif not content.facts.synthetic:
        sentences.append("Who drew the reference outlines, and how, is not recorded in the dataset.")
    return " ".join(sentences)


def _training(model: ModelFacts | None) -> str:
    if model is None or not model.trainer:
        return "What the model is and how it was trained is not recorded in this study."
    sentences = [
        f"nnU-Net v2 with the trainer {model.trainer}{f' and the plans {model.plans}' if model.plans else ''}."
    ]
    if model.is_amt_recipe:
        other = ["the learning rate"] * model.rate_falls + ["the window of HU"] * model.window_chosen
        but = f" but for {' and '.join(other)}" if other else ""
        rate = "falls" if model.rate_falls else "is constant"
        sentences.append(
            f"The trainer keeps the paper's recipe{but}: 3D U-Net, Dice loss, Adam with a learning rate that {rate}."
        )
    if model.is_fast_recipe:
        sentences.append(
            "The trainer keeps the fast recipe: nnU-Net's plain U-Net, Dice and cross-entropy loss, Adam with a "
            "learning rate that falls."
        )
    if model.asks_part:
        sentences.append(
            "Prediction asks it where tumours lie between the lungs, and everywhere where these are not seen."
        )
    if not model.trained:
        sentences.append("Its training is not on record in this study.")
    if model.patch_size and model.spacing:
        sentences.append(
            f"It saw crops of {_times(model.patch_size)} voxels at {_times(model.spacing)} mm (z, y, x)"
            f"{f', {model.batch_size} a step' if model.batch_size else ''}."
        )
    if model.parameters:
        sentences.append(f"The network has {model.parameters / 1e6:.2f} million parameters.")
    if model.epochs:
        time = f", in {duration(model.training_seconds)}" if model.training_seconds else ""
        device = f" on {model.training_device}" if model.training_device else ""
        sentences.append(f"It was trained for {counted(model.epochs, 'epoch')}{time}{device}.")
    if model.checkpoint:
        shortened = f" (SHA-256 {model.checkpoint_sha256[:12]}…)" if model.checkpoint_sha256 else ""
        sentences.append(f"The checkpoint that predicted is {model.checkpoint}{shortened}.")
    return " ".join(sentences)


def _times(values: tuple[float, ...]) -> str:
    return " × ".join(f"{value:.3g}" for value in values)


def _prediction(content: StudyContent) -> str:
    run = model_runs(content.study).predicted
    if run is None:
        return "There is no record of the prediction in this study; the label maps were evaluated as they were found."
    predicted = (run.get("counts") or {}).get("cases_in_all")
    text = "Predicted" if predicted is None else f"{counted(int(predicted), 'case')} predicted"
    machine = run.get("machine") or {}
    device = machine.get("gpu") or machine.get("device")
    text += f" on {device}" if device else ""
    seconds = (run.get("cost") or {}).get("seconds_per_case_with_start")
    text += f", {duration(float(seconds))} a case with the start of the program" if seconds else ""
    return f"{text}."


def _evaluation(settings: EvaluationSettings) -> str:
    rule = {
        "unmatched": "a predicted lesion without a partner is a false positive",
        "no_overlap": "a predicted lesion that overlaps no reference lesion is a false positive",
    }[settings.false_positive_rule]
    drawn = f"{settings.bootstrap_resamples} resamples, seed {settings.seed}"
    how = f"a percentile bootstrap over {settings.cluster}s ({drawn})"
    if settings.cluster == "case":
        how += (
            "; those of sensitivities are Wilson's, those of false positives per scan exact, or wider, where these or "
            "the scans are few"
        )
    return (
        f"Voxels were counted in every case. Lesions are connected components ({settings.connectivity} neighbours); "
        f"predicted ones under {settings.minimum_predicted_voxels} voxels are not counted as lesions. Predicted and "
        f"reference lesions are matched one to one; {rule}. 95% intervals are {how}."
    )


def _terms(*, specificity: bool) -> tuple[Step, ...]:
    small, large = paper.SIZE_LIMITS_CM
    by_scan = Step("Specificity by scan", "share of the CTs without a tumour in which no false positive is marked.")
    return (
        Step("Tumour", "what the reference marks, whatever disease it is."),
        Step("Reference", "the outline of the tumour that the prediction is held against, drawn orange and dashed."),
        Step("Prediction", "the outline that the model drew, blue and solid."),
        Step(
            "Dice score",
            "twice the shared volume over the sum of both volumes: 1 for equal outlines, 0 for none shared.",
        ),
        Step("IoU", "the shared volume over the volume that either covers; always lower than Dice in between."),
        Step("Precision, recall", "share of the prediction that is tumour; share of the tumour that is predicted."),
        Step("Sensitivity", "share of the reference lesions that are matched, at the IoU given."),
        Step("False positives per scan", "predicted lesions that match no reference lesion, per CT."),
        *([by_scan] if specificity else []),
        Step("Tumour size", f"largest axial diameter: small under {small:g} cm, medium to {large:g} cm, large above."),
    )


def _flow_words(audit: Mapping[str, Any]) -> str:
    if not audit:
        return "Flow chart of the cases."
    reasons = "; ".join(f"{count} for {reason}" for reason, count in audit.get("excluded_by_reason", {}).items())
    excluded = f"{audit.get('excluded', 0)} excluded{f' ({reasons})' if reasons else ''}"
    included = audit.get("included", {})
    splits = "; ".join(
        f"{name}: {counted(split['cases'], 'case')} of {counted(split['institutions'], 'institution')}"
        + (f" ({split['without_tumour']} without a tumour)" if split.get("without_tumour") else "")
        for name, split in audit.get("splits", {}).items()
    )
    return (
        f"Flow chart: {counted(audit.get('identified', 0), 'case')} identified, {excluded}, "
        f"{included.get('cases', 0)} included from {counted(included.get('institutions', 0), 'institution')}. {splits}."
    )
