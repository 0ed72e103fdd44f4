"""The figure's words are in its SVG as text: what a reader would read is what is compared here."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from benchmarks.phantoms.counts_cohort import EXCLUSIONS
from nnunet_amt import paper
from nnunet_amt.cohort import SplitCounts, audit_splits
from nnunet_amt.dataset_conversion.flow_figure import FlowCounts, flow_figure, write_flow_figure
from tests.cohort.test_audit import CLEAN

PAPER = FlowCounts(
    EXCLUSIONS,
    paper.INCLUDED_CASES,
    paper.INSTITUTIONS,
    (
        SplitCounts("training", paper.TRAINING_CASES, paper.TRAINING_CASES, paper.TRAINING_INSTITUTIONS),
        SplitCounts("tuning", paper.TUNING_CASES, paper.TUNING_CASES, paper.TUNING_INSTITUTIONS),
        SplitCounts("external", paper.EXTERNAL_CASES, paper.EXTERNAL_CASES, paper.EXTERNAL_INSTITUTIONS),
    ),
    shared_institutions=2,
)
LONG = {f"reason {number} " + "that goes on and on " * 6: 40 - number for number in range(12)}


def words(svg: Path) -> list[str]:
    texts = ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(text.itertext()).strip() for text in texts]


def test_counts_come_from_the_audit() -> None:
    """Five cases, North in training and tuning: three institutions, one of them shared; two excluded."""
    counts = FlowCounts.of(audit_splits(CLEAN), {"no CT": 2})
    assert (counts.identified_cases, counts.excluded_cases, counts.included_cases) == (7, 2, 5)
    assert (counts.included_institutions, counts.shared_institutions) == (3, 1)


def test_it_says_what_the_papers_figure_says(tmp_path: Path) -> None:
    _, svg = write_flow_figure(tmp_path, PAPER)
    assert words(svg) == [
        *("Training", "485 cases", "from 13 institutions"),
        *("Tuning", "62 cases", "from 4 institutions"),
        *("External test", "164 cases", "from 121 institutions"),
        *("Included", "711 cases", "from 136 institutions"),
        *("Identified", "858 cases"),
        *("Excluded", "147 cases"),
        *("63", "poor CT image quality", "51", "incomplete CT", "33", "missing clinical data"),
        "2 institutions give cases to both training and tuning; the external test set shares none.",
    ]


def test_the_png_is_17_cm_wide_at_300_dpi(tmp_path: Path) -> None:
    png, _ = write_flow_figure(tmp_path, PAPER)
    pixels = imread(png)
    assert abs(pixels.shape[1] - 17 / 2.54 * 300) <= 1
    assert np.ptp(pixels) > 0.9  # black on white


def test_equal_counts_give_equal_bytes(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in write_flow_figure(tmp_path / "a", PAPER)]
    assert [path.read_bytes() for path in write_flow_figure(tmp_path / "b", PAPER)] == first


def test_one_is_singular_and_nothing_excluded_is_said(tmp_path: Path) -> None:
    _, svg = write_flow_figure(tmp_path, FlowCounts.of(audit_splits(CLEAN), {}))
    texts = words(svg)
    assert {"1 case", "from 1 institution", "0 cases"} <= set(texts)
    assert texts[-1].startswith("1 institution gives cases")
    assert not any(re.match("1 (cases|institutions)", text) for text in texts)


HEALTHY = replace(PAPER, splits=tuple(replace(split, without_tumour=20) for split in PAPER.splits))


def test_cases_without_a_tumour_stand_in_every_box(tmp_path: Path) -> None:
    """20 in each set are 60 of the 711; a set without any says 0."""
    _, svg = write_flow_figure(tmp_path / "a", HEALTHY)
    texts = words(svg)
    assert texts[:4] == ["Training", "485 cases", "from 13 institutions", "20 without a tumour"]
    assert [text for text in texts if "without" in text] == ["20 without a tumour"] * 3 + ["60 without a tumour"]
    one = replace(PAPER, splits=(replace(PAPER.splits[0], without_tumour=1), *PAPER.splits[1:]))
    _, svg = write_flow_figure(tmp_path / "b", one)
    assert [text[0] for text in words(svg) if "without a tumour" in text] == ["1", "0", "0", "1"]


def test_many_reasons_are_summed_up(tmp_path: Path) -> None:
    """Of twelve, seven are shown; the last five are 33 + 32 + 31 + 30 + 29 = 155."""
    _, svg = write_flow_figure(tmp_path, FlowCounts(LONG, 5, 3, PAPER.splits))
    texts = words(svg)
    assert texts[-2:] == ["155", "5 other reasons"]
    assert sum(text.startswith("reason ") for text in texts) == 7


@pytest.mark.parametrize(
    "excluded",
    [dict(EXCLUSIONS), LONG, {"POOR IMAGE QUALITY OF THE MEDIASTINAL WINDOW " * 3: 5}, {"$a_1$ \\frac": 99_999}],
)
@pytest.mark.parametrize("splits", [PAPER.splits, HEALTHY.splits], ids=["tumours", "healthy ones too"])
def test_no_text_leaves_its_box(excluded: dict[str, int], splits: tuple[SplitCounts, ...]) -> None:
    figure = flow_figure(FlowCounts(excluded, 711, 136, splits, 2))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    [axes] = figure.axes
    boxes = [patch.get_window_extent() for patch in axes.patches if isinstance(patch, Rectangle)]
    renderer = canvas.get_renderer()
    extents = [text.get_window_extent(renderer) for text in axes.texts if text.get_text()]
    outside = [
        extent
        for extent in extents
        if not any(box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y0 <= box.y1 for box in boxes)
    ]
    assert len(outside) == 1  # the note below
    assert outside[0].x0 >= 0
    assert outside[0].x1 <= figure.bbox.width
