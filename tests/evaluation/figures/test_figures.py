"""All figures: what they show, and whether it can be read in print."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.text import Text

from nnunet_amt.evaluation.figures.case_figures import agreement, case_volumes_cm3, size_figure, volume_figure
from nnunet_amt.evaluation.figures.figures import (
    FIGURE_FILES,
    forest_rows,
    froc_figure,
    institution_figure,
    write_figures,
)
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import summarise
from nnunet_amt.writing.figure_style import save_figure
from tests.evaluation.builders import evaluated, row_mask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTINGS = EvaluationSettings(bootstrap_resamples=50)


def case(prediction_stop: int, reference_stop: int, case_id: str = "a") -> CaseEvaluation:
    """Masks of so many voxels of 1 x 2 x 5 mm in a row, which all overlap."""
    return evaluated(row_mask(200, (0, prediction_stop)), row_mask(200, (0, reference_stop)), case_id=case_id)


def forest(cases: list[CaseEvaluation]) -> Figure:
    institutions = {case.case_id: "Hospital $1$" for case in cases}
    return institution_figure(forest_rows(cases, institutions, summarise(cases, settings=SETTINGS), settings=SETTINGS))


FIGURES: dict[str, tuple[Callable[[list[CaseEvaluation]], Figure], float]] = {
    "froc": (lambda cases: froc_figure(summarise(cases, settings=SETTINGS)), 85.0),
    "dice_by_size": (size_figure, 85.0),
    "volumes": (volume_figure, 170.0),
    "institutions": (forest, 85.0),
}
COHORTS = {
    "one case": [case(20, 30)],
    "one without tumour": [case(0, 0)],
    "few": [case(20, 30, "a"), case(0, 90, "b"), case(5, 0, "c"), case(0, 0, "d")],
    "equal": [case(20, 20, "a"), case(20, 20, "b")],
    "many": [case(20 + i, 30, f"c{i}") for i in range(25)],
}


@pytest.mark.parametrize("cohort", COHORTS)
@pytest.mark.parametrize("name", FIGURES)
def test_every_cohort_can_be_drawn_at_print_size_in_legible_letters(name: str, cohort: str) -> None:
    draw, width_mm = FIGURES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(COHORTS[cohort])
        figure.draw_without_rendering()
    assert figure.get_size_inches()[0] == pytest.approx(width_mm / 25.4)
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text().strip()]
    assert min(float(text.get_fontsize()) for text in texts) >= 7
    # nothing is cut off at the edge of the page, to half a millimetre
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    outside = max(-drawn.x0, -drawn.y0, drawn.x1 - width, drawn.y1 - height)
    assert outside * 25.4 < 0.5


def lines(figure: Figure, start: str, axes: int = 0) -> np.ndarray:
    found = [line for line in figure.axes[axes].get_lines() if str(line.get_label()).startswith(start)]
    return np.asarray(found[0].get_xydata())


def test_dice_stands_over_the_diameter_in_cm() -> None:
    figure = size_figure([case(20, 30), case(0, 90, "b"), case(0, 0, "c")])
    # 30 voxels of 1 mm are 3 cm, Dice 2 * 20 / 50; the case without a tumour has no size.
    assert lines(figure, "case") == pytest.approx(np.array([[3.0, 0.8]]))
    assert lines(figure, "1 case without any overlap") == pytest.approx(np.array([[9.0, 0.0]]))
    assert [text.get_text() for text in figure.axes[0].texts] == ["small\nn = 1", "medium\nn = 0", "large\nn = 1"]
    assert "1 case without a tumour not shown" in [text.get_text() for text in figure.findobj(Text)]


def test_agreement_on_paper() -> None:
    """Of 1 and 3 the mean is 2 and the SD sqrt(2)."""
    found = agreement(np.array([1.0, 3.0]))
    assert (found.n, found.bias) == (2, 2.0)
    assert (found.low, found.high) == pytest.approx((2 - 1.96 * 2**0.5, 2 + 1.96 * 2**0.5))
    assert agreement(np.array([5.0])).low is None


def test_volumes_are_in_cm3() -> None:
    """A voxel of 10 mm3: 20 of them are 0.2 cm3, 100 are 1 cm3."""
    predicted, reference = case_volumes_cm3([case(20, 100)])
    assert (predicted.tolist(), reference.tolist()) == ([0.2], [1.0])


def test_the_panels_show_difference_and_ratio_against_the_mean() -> None:
    figure = volume_figure([case(50, 100), case(200, 100, "b"), case(0, 100, "c"), case(0, 0, "d")])
    assert lines(figure, "case") == pytest.approx(np.array([[0.75, -0.5], [1.5, 1.0]]))
    assert lines(figure, "case with one volume of 0") == pytest.approx(np.array([[0.5, -1.0]]))
    ratios = figure.axes[1]
    assert np.asarray(ratios.get_lines()[0].get_xydata()) == pytest.approx(np.array([[0.75, 0.5], [1.5, 2.0]]))
    written = [text.get_text() for text in ratios.texts]
    # halved and doubled: the geometric mean is 1; logs are -0.69 and 0.69 with SD 0.98, and exp(1.96 * 0.98) = 6.83
    assert written == ["1.00", "0.15", "6.83"]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "3 of 4 cases, which have any volume: limits uncertain",
        "2 of 4 cases, which have both volumes: limits uncertain",
    ]


def test_the_forest_shows_the_largest_institutions_and_pools_the_rest() -> None:
    cases = [case(20, 30, f"{i:02d}") for i in range(30)] + [case(30, 30, "second of 29")]
    institutions = {c.case_id: f"H{c.case_id[-2:]}" for c in cases}
    rows = forest_rows(cases, institutions, summarise(cases, settings=SETTINGS), settings=SETTINGS)
    assert [row.name for row in rows[:2]] == ["H29", "H00"]
    assert rows[0].values == pytest.approx((0.8, 1.0))
    assert rows[0].dice.mean == pytest.approx(0.9)
    assert [(row.name, row.dice.n) for row in rows[-2:]] == [("5 other institutions", 5), ("All cases", 31)]
    assert len(rows) == 25 + 2
    assert sum(row.dice.n for row in rows[:-1]) == 31


def test_a_single_institution_too_many_is_not_pooled_alone() -> None:
    cases = [case(20, 30, f"{i:02d}") for i in range(26)]
    rows = forest_rows(
        cases, {c.case_id: c.case_id for c in cases}, summarise(cases, settings=SETTINGS), settings=SETTINGS
    )
    assert len(rows) == 26 + 1


@pytest.mark.slow
def test_the_head_of_short_institution_names_is_not_cut_off() -> None:
    """It is wider than such names, to which alone the left margin was fitted once."""
    figure = forest([case(12, 20, "a"), case(20, 20, "b")])
    figure.draw_without_rendering()
    (head,) = [text for text in figure.findobj(Text) if text.get_text() == "institution  cases"]
    assert head.get_window_extent().x0 >= 0


@pytest.mark.parametrize("name", FIGURES)
def test_files_are_equal_from_run_to_run_and_svg_holds_text(tmp_path: Path, name: str) -> None:
    draw, _ = FIGURES[name]
    for run in ("one", "two"):
        save_figure(draw(COHORTS["few"]), tmp_path / run, name)
    for file in (f"{name}.png", f"{name}.svg"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert (">Lesion sensitivity<" in (tmp_path / "one" / f"{name}.svg").read_text(encoding="utf-8")) == (
        name == "froc"
    )


@pytest.mark.usefixtures("undrawn")
def test_every_file_is_written(tmp_path: Path) -> None:
    cases = COHORTS["few"]
    institutions = {case.case_id: "H" for case in cases}
    overall = summarise(cases, settings=SETTINGS)
    write_figures(tmp_path, cases, overall, settings=SETTINGS, institutions=institutions)
    assert {path.name for path in tmp_path.iterdir()} == set(FIGURE_FILES)
