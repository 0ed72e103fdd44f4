"""The stage: a study on disk becomes the paper's Figures 2, 4, 5 and 6, and their captions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt import __version__, paper
from nnunet_amt.base.files import write_text
from nnunet_amt.base.json_file import read_json
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput
from nnunet_amt.errors import UnmatchedCasesError
from nnunet_amt.evaluation.figures.figures import froc_figure
from nnunet_amt.evaluation.measure.label_maps import named_cases
from nnunet_amt.evaluation.results.read_results import EvaluatedCase, read_cases
from nnunet_amt.evaluation.results.result_folder import recorded_results, require_apart
from nnunet_amt.evaluation.results.summary_json import EvaluationSummary, read_summary
from nnunet_amt.evaluation.subjects import PATIENTS
from nnunet_amt.images.image_file import itk_warnings_off
from nnunet_amt.pictures import WINDOW
from nnunet_amt.report.case_story import failure_kind
from nnunet_amt.report.print_figures.case_figure import case_figure
from nnunet_amt.report.print_figures.panels import (
    Panel,
    failed_cases,
    failure_panels,
    success_panels,
    successful_cases,
)
from nnunet_amt.study import Study, find_study
from nnunet_amt.study.study_files import AUDIT, read_part
from nnunet_amt.writing.figure_style import save_figure
from nnunet_amt.writing.numbers import value_text
from nnunet_amt.writing.table_formats import escape_markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMES = ("figure_2", "figure_4", "figure_5", "figure_6")
_CAPTIONS = "figures.md"
_HOW_DRAWN = (
    "Prediction: blue area with a solid line; reference: dashed orange line. CT at level "
    f"{WINDOW[0]:g} HU, width {WINDOW[1]:g} HU; the patient's right is at the left, in sagittal views the front; bars "
    "are 2 cm. Below each panel: case, Dice, largest in-plane diameter and volume of the reference. Slices are counted "
    "from the feet, the front or the right."
)
_AUDIT = "audit.json"
FIGURE_FILES = (*(f"{name}.{ending}" for name in _NAMES for ending in ("png", "svg")), _CAPTIONS)


@dataclass(frozen=True)
class StudyFigures:
    """What was drawn.

    Attributes
    ----------
    files
        The written files.
    left_out
        Of each figure that could not be drawn, which, why, and what to run.
    """

    files: tuple[Path, ...]
    left_out: tuple[str, ...]


@dataclass
class _Drawing:
    """What is drawn from, the folder that is drawn to, and what is drawn so far: captions by figure."""

    study: Study
    summary: EvaluationSummary
    cases: Sequence[EvaluatedCase]
    asked: Sequence[str]
    folder: Path
    captions: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def add(self, name: str, figure: Figure, caption: str) -> None:
        save_figure(figure, self.folder, name)
        self.captions[name] = caption


def make_figures(
    folder: Path,
    output: Path,
    *,
    cases: Sequence[str] = (),
    evaluation: Path | None = None,
    progress: Progress = silent,
) -> StudyFigures:
    """Draw the flow of cases, the FROC, successful and failed cases of a study, for print.

    A figure whose parts are missing is left out. The results replace those of an earlier run in `output` all at once.

    Parameters
    ----------
    folder
        The study; see `nnunet_amt.study.find_study`.
    output
        Folder for `FIGURE_FILES`.
    cases
        Case ids for Figures 5 and 6; by default they are chosen, see `nnunet_amt.report.print_figures.panels`.
    evaluation
        The evaluation that is meant, where the study holds several.
    progress
        Told of every case that is read and every figure.

    Raises
    ------
    BadInputError
        If the study has no evaluation, a case is not in it, or its label maps are not those that were evaluated.
    """
    study = find_study(folder, evaluation=evaluation)
    for part in (study.evaluation.path, study.evaluation.predictions, study.evaluation.references, study.dataset):
        if part is not None:
            require_apart(output, part, "what the figures are made from")
    summary, rows = read_summary(study.evaluation.path), read_cases(study.evaluation.path)
    if unknown := sorted(set(cases) - {row.case_id for row in rows}):
        raise UnmatchedCasesError(
            f"--cases: {named_cases(unknown)} not in {study.evaluation.path / 'cases.csv'}; give case ids from there"
        )
    inputs = {"evaluation": RunInput(study.evaluation.path, names=("summary.json", "cases.csv"))}
    with (
        itk_warnings_off(),
        recorded_results(
            output, file_names=FIGURE_FILES, stage="figures", settings={"cases": list(cases)}, inputs=inputs
        ) as (staging, notes),
    ):
        drawing = _Drawing(study, summary, rows, cases, staging)
        for done, draw in enumerate((_draw_flow, _draw_froc, _draw_successes, _draw_failures), start=1):
            draw(drawing, progress)
            progress(done, len(_NAMES), "drawing figures")
        write_text(staging / _CAPTIONS, _captions_file(drawing.captions, drawing.left_out))
        notes.counts["figures"] = len(drawing.captions)
    files = tuple(output / name for name in FIGURE_FILES if (output / name).is_file())
    return StudyFigures(files, tuple(drawing.left_out))


def flow_figure_of(dataset: Path) -> Figure:
    """Draw the exclusions and the split that the conversion of a raw dataset has written into its ``audit.json``.

    Raises
    ------
    BadInputError
        If that file cannot be read, or is not what the conversion writes.
    """
    # the conversion's package brings pandas and pydantic along, which other figures do without
    from nnunet_amt.cohort import SplitCounts
    from nnunet_amt.dataset_conversion.flow_figure import FlowCounts, flow_figure

    path = dataset / _AUDIT
    drawn = ("excluded_by_reason", "included", "splits", "institutions_of_both_training_and_tuning")
    form = {name: AUDIT[f"{name}?"] for name in drawn}
    audit = read_json(path, form=form, advice="run nnunet_amt convert again")
    splits = tuple(
        SplitCounts(split, row["cases"], row["patients"], row["institutions"], row.get("without_tumour", 0))
        for split, row in audit["splits"].items()
    )
    counts = FlowCounts(
        excluded=audit["excluded_by_reason"],
        included_cases=audit["included"]["cases"],
        included_institutions=audit["included"]["institutions"],
        splits=splits,
        shared_institutions=audit["institutions_of_both_training_and_tuning"],
    )
    return flow_figure(counts)


def _draw_flow(drawing: _Drawing, _: Progress) -> None:
    dataset = drawing.study.dataset
    if dataset is None or not (dataset / _AUDIT).is_file():
        drawing.left_out.append(
            f"figure_2 (flow of cases): no dataset with {_AUDIT} in the study or $nnUNet_raw; "
            "make it: nnunet_amt convert MANIFEST.csv -d N"
        )
        return
    caption = f"Flow of cases of {escape_markdown(dataset.name)}: identified, excluded by reason, included, and divided"
    checks = read_part(dataset / _AUDIT, AUDIT, "convert").get("checks", [])
    if checks and all(check["passed"] for check in checks):
        caption += " so that no institution of the external test set gives a case to training or tuning"
    drawing.add("figure_2", flow_figure_of(dataset), f"{caption}.")


def _draw_froc(drawing: _Drawing, _: Progress) -> None:
    overall = drawing.summary.overall
    caption = (
        f"Lesion sensitivity against false positives per scan over {len(overall.lesion.threshold)} IoU thresholds; "
        f"{overall.cases} cases, {overall.lesion.references} lesions. The square is our operating point at an IoU "
        f"above {paper.OPERATING_POINT.iou_threshold:g}"
    )
    if published := drawing.summary.subjects == PATIENTS:
        caption += f", the triangle the published one, of {paper.TABLE_4[0].cases} other cases"
    drawing.add("figure_4", froc_figure(overall, published=published), f"{caption}.")


def _draw_successes(drawing: _Drawing, progress: Progress) -> None:
    limit = paper.SUCCESSFUL_DICE
    chosen = successful_cases(drawing.cases, asked=drawing.asked)
    if why_not := _why_no_pictures(drawing, any_case=bool(chosen), wanted=f"above {limit:g}"):
        drawing.left_out.append(f"figure_5 (successful cases): {why_not}")
        return
    successes = sum(case.dice is not None and case.dice > limit for case in drawing.cases)
    foreground = drawing.summary.settings.foreground
    panels = success_panels(drawing.study, chosen, foreground=foreground, progress=progress)
    drawing.add("figure_5", case_figure(panels), _caption_5(panels, successes=successes, asked=bool(drawing.asked)))


def _draw_failures(drawing: _Drawing, progress: Progress) -> None:
    limit = paper.SUCCESSFUL_DICE
    chosen = failed_cases(drawing.cases, asked=drawing.asked)
    if why_not := _why_no_pictures(drawing, any_case=bool(chosen.over or chosen.under), wanted=f"of {limit:g} or less"):
        drawing.left_out.append(f"figure_6 (failed cases): {why_not}")
        return
    failures = sum(case.dice is not None and case.dice <= limit for case in drawing.cases)
    foreground = drawing.summary.settings.foreground
    panels = failure_panels(drawing.study, chosen, foreground=foreground, progress=progress)
    drawing.add("figure_6", case_figure(panels), _caption_6(panels, failures=failures, asked=bool(drawing.asked)))


def _why_no_pictures(drawing: _Drawing, *, any_case: bool, wanted: str) -> str:
    """Say what is missing for pictures of cases, and what to do; empty where nothing is."""
    if not any_case:
        return f"no case {'among --cases' if drawing.asked else 'in the evaluation'} has a Dice {wanted}"
    study = drawing.study
    for name, part in (("predictions", study.evaluation.predictions), ("references", study.evaluation.references)):
        if part is None:
            return (
                f"the {name} of {study.evaluation.path.name} are not found; run nnunet_amt evaluate again with this "
                "release, which records where they are"
            )
    if study.images is None:
        return "no CTs found; they are expected in imagesTs beside the references, as nnunet_amt convert leaves them"
    return ""


def _captions_file(captions: Mapping[str, str], left_out: Iterable[str]) -> str:
    """Put captions, by the name of their figure, into one Markdown file, with what could not be drawn."""
    parts = ["# Figures"]
    for name, caption in captions.items():
        parts += [f"## {name.replace('_', ' ').capitalize()}", f"![]({name}.png)", caption]
    parts += [f"- {escape_markdown(reason)}" for reason in left_out]
    parts.append(f"Numbered as in {paper.CITATION} (doi:{paper.DOI}). nnunet_amt {__version__}. Research use only.")
    return "\n\n".join(parts) + "\n"


def _caption_5(panels: Sequence[Panel], *, successes: int, asked: bool) -> str:
    """Of the successful cases; `successes` of the evaluation have a Dice above 0.70."""
    groups = len({panel.case.case_id for panel in panels})
    chosen = _why_chosen(panels, successes, asked) or (
        f"The {successes} such cases were ranked by the volume of the reference and divided into {groups} groups of "
        "(nearly) equal number; each group gives the case of its middle Dice."
    )
    return "\n\n".join(
        [
            f"Successful cases, Dice above {paper.SUCCESSFUL_DICE:.2f}. {chosen} Axial: the slice with most of the "
            "reference; sagittal and coronal: through the same place.",
            _HOW_DRAWN,
            _table(panels, lambda panel: panel.view.plane),
        ]
    )


def _caption_6(panels: Sequence[Panel], *, failures: int, asked: bool) -> str:
    """Of the failed cases; `failures` of the evaluation have a Dice of at most 0.70."""
    chosen = _why_chosen(panels, failures, asked) or (
        f"Of the {failures} such cases these are the ones of lowest Dice, up to three with more voxels falsely "
        "positive than falsely negative and up to five others."
    )
    return "\n\n".join(
        [
            f"Failed cases, Dice of {paper.SUCCESSFUL_DICE:.2f} or less. {chosen} Shown is the axial slice with most "
            "of what is wrong, falsely positive or missing; the arrow points at the largest such area in it.",
            _HOW_DRAWN,
            _table(panels, _failure_words),
        ]
    )


def _why_chosen(panels: Sequence[Panel], such: int, asked: bool) -> str:
    """Say why these cases are shown; nothing where there was a choice, of which the figure itself must tell."""
    if asked:
        return "The user named them."
    if len({panel.case.case_id for panel in panels}) < such:
        return ""
    return "It is the only such case." if such == 1 else f"These are all {such} such cases."


def _failure_words(panel: Panel) -> str:
    words = failure_kind(panel.case)
    return words if panel.view.reference.any() else f"{words}; no tumour in this slice"


def _table(panels: Sequence[Panel], words: Callable[[Panel], str]) -> str:
    lines = [
        "| Panel | Case | Dice | Precision | Recall | Slice | |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for panel in panels:
        metrics = [value_text(getattr(panel.case, name), digits=2) for name in ("dice", "precision", "recall")]
        cells = [panel.letter, panel.case.case_id, *metrics, str(panel.slice_number), words(panel)]
        lines.append(f"| {' | '.join(map(escape_markdown, cells))} |")
    return "\n".join(lines)
