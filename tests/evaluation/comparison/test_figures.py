"""comparison_froc and comparison_dice."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.evaluation.comparison.comparison import Comparison, compare_models
from nnunet_amt.evaluation.comparison.costs import ModelCost
from nnunet_amt.evaluation.comparison.figures import FIGURES, model_style, write_figures
from nnunet_amt.evaluation.results.read_results import read_evaluated_model
from nnunet_amt.evaluation.settings import ComparisonSettings
from tests.evaluation.comparison.evaluations import FIRST, OTHER, random_evaluation, write_evaluation

# A figure whose parts do not fit is warned of by matplotlib, and would be drawn askew.
pytestmark = pytest.mark.filterwarnings("error:constrained_layout not applied")


MODELS = (("a", 0.9, 2), ("b", 0.3, 3))


def compared(folders: dict[str, Path], settings: ComparisonSettings) -> Comparison:
    models = [read_evaluated_model(folder, name=name) for name, folder in folders.items()]
    costs = [ModelCost() for _ in models]
    return compare_models(models, costs, groups=(), clusters=None, settings=settings)


def test_both_are_written_as_png_and_svg_and_the_same_again(tmp_path: Path) -> None:
    """Three models, the third a copy of the first, with the published point; SVGs are those of the same figures."""
    first = write_evaluation(tmp_path / "first", FIRST)
    folders = {"first": first, "other": write_evaluation(tmp_path / "other", OTHER), "copy": first}
    comparison = compared(folders, ComparisonSettings(bootstrap_resamples=100, published=True))
    for folder in (tmp_path / "once", tmp_path / "twice"):
        pictures = write_figures(folder, comparison)
        assert [picture.file.name for picture in pictures] == [f"{name}.png" for name in FIGURES]
        assert [picture.wide for picture in pictures] == [False, True]
        assert all(picture.file.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    for name in FIGURES:
        once, twice = ((tmp_path / folder / f"{name}.svg").read_text() for folder in ("once", "twice"))
        assert "<svg" in once
        assert once == twice
    froc, dice = ((tmp_path / "once" / f"{name}.svg").read_text() for name in FIGURES)
    assert "published at IoU 0.5 (164 other cases)" in froc
    assert "1 without Dice" in dice


def test_intervals_and_two_models_fit(tmp_path: Path) -> None:
    folders = {name: random_evaluation(tmp_path / name, 24, skill, seed) for name, skill, seed in MODELS}
    write_figures(tmp_path / "figures", compared(folders, ComparisonSettings(bootstrap_resamples=100)))
    assert "large: IoU 0.5 (95% CI)" in (tmp_path / "figures" / "comparison_froc.svg").read_text()


def test_styles_of_models_differ_in_more_than_colour() -> None:
    styles = [model_style(place) for place in range(84)]
    assert len({(style.colour, str(style.line), style.marker) for style in styles}) == 84
    first = styles[:6]
    assert len({style.colour for style in first}) == len({style.marker for style in first}) == 6
