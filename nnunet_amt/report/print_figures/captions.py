"""figures.md: captions, in our words, that say which case is which panel and why it was chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from nnunet_amt import __version__, paper
from nnunet_amt.evaluation.summary.summary import GroupSummary
from nnunet_amt.pictures import WINDOW
from nnunet_amt.report.print_figures.panels import Panel, error_of
from nnunet_amt.writing.numbers import value_text

_MODES = {"over": "over-segmented", "under": "under-segmented", "balanced": "as much too much as too little"}


def captions_file(captions: Mapping[str, str], left_out: Iterable[str]) -> str:
    """Put captions, by the name of their figure, into one Markdown file, with what could not be drawn."""
    parts = ["# Figures"]
    for name, caption in captions.items():
        parts += [f"## {name.replace('_', ' ').capitalize()}", f"![]({name}.png)", caption]
    parts += [f"- {reason}" for reason in left_out]
    parts.append(f"Numbered as in {paper.CITATION} (doi:{paper.DOI}). nnunet_amt {__version__}. Research use only.")
    return "\n\n".join(parts) + "\n"


def caption_2(dataset: str) -> str:
    """Of the flow of cases."""
    return (
        f"Flow of cases of {dataset}: identified, excluded by reason, included, and divided so that no institution of "
        "the external test set gives a case to training or tuning."
    )


def caption_4(overall: GroupSummary) -> str:
    """Of the FROC."""
    threshold = paper.OPERATING_POINT.iou_threshold
    return (
        f"Lesion sensitivity against false positives per scan over {len(overall.lesion.threshold)} IoU thresholds; "
        f"{overall.cases} cases, {overall.lesion.references} lesions. The square is our operating point at an IoU "
        f"above {threshold:g}, the triangle the published one, of {paper.TABLE_4[0].cases} other cases."
    )


def caption_5(panels: Sequence[Panel], *, successes: int, asked: bool) -> str:
    """Of the successful cases; `successes` of the evaluation have a Dice above 0.70."""
    groups = _number_of_cases(panels)
    chosen = _why_chosen(panels, successes, asked) or (
        f"The {successes} such cases were ranked by the volume of the reference and divided into {groups} groups of "
        "(nearly) equal number; each group gives the case of its middle Dice."
    )
    return "\n\n".join(
        [
            f"Successful cases, Dice above {paper.SUCCESSFUL_DICE:.2f}. {chosen} Axial: the slice with most of the "
            "reference; sagittal and coronal: through the same place.",
            _how_drawn(),
            _table(panels, lambda panel: panel.view.plane),
        ]
    )


def caption_6(panels: Sequence[Panel], *, failures: int, asked: bool) -> str:
    """Of the failed cases; `failures` of the evaluation have a Dice of at most 0.70."""
    chosen = _why_chosen(panels, failures, asked) or (
        f"Of the {failures} such cases these are the ones of lowest Dice, up to three with more voxels falsely "
        "positive than falsely negative (over-segmented) and up to five others."
    )
    return "\n\n".join(
        [
            f"Failed cases, Dice of {paper.SUCCESSFUL_DICE:.2f} or less. {chosen} Shown is the axial slice with most "
            "of what is wrong, falsely positive or missing; the arrow points at the largest such area in it.",
            _how_drawn(),
            _table(panels, _failure_words),
        ]
    )


def _why_chosen(panels: Sequence[Panel], such: int, asked: bool) -> str:
    """Say why these cases are shown; nothing where there was a choice, of which the figure itself must tell."""
    if asked:
        return "The user named them."
    if _number_of_cases(panels) < such:
        return ""
    return "It is the only such case." if such == 1 else f"These are all {such} such cases."


def _number_of_cases(panels: Sequence[Panel]) -> int:
    return len({panel.case.case_id for panel in panels})


def _failure_words(panel: Panel) -> str:
    words = _MODES[error_of(panel.case) or "balanced"]
    if not panel.case.tp:
        words += ", nothing of the tumour found"
    return words if panel.view.reference.any() else f"{words}; no tumour in this slice"


def _how_drawn() -> str:
    level, width = WINDOW
    return (
        "Prediction: blue area with a solid line; reference: dashed orange line. CT at level "
        f"{level:g} HU, width {width:g} HU; the patient's right is at the left, in sagittal views the front; bars are "
        "2 cm. Below each panel: case, Dice, largest in-plane diameter and volume of the reference. Slices are counted "
        "from the feet, the front or the right."
    )


def _table(panels: Sequence[Panel], words: Callable[[Panel], str]) -> str:
    lines = [
        "| Panel | Case | Dice | Precision | Recall | Slice | |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for panel in panels:
        metrics = [value_text(getattr(panel.case, name), digits=2) for name in ("dice", "precision", "recall")]
        cells = [panel.letter, panel.case.case_id, *metrics, str(panel.slice_number), words(panel)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
