"""How models are told apart in figures: by colour, line and marker at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nnunet_amt.writing.figure_style import BLUE

# Okabe and Ito's, without the vermilion that stands for the published results and the yellow that white swallows.
_COLOURS = (BLUE, "#009E73", "#CC79A7", "#E69F00", "#000000", "#56B4E9")
_LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class ModelStyle:
    """Of one model, the same in all figures."""

    colour: str
    line: Any
    marker: str


def model_style(place: int) -> ModelStyle:
    """Give the style of a model by its place, the first being 0; each of the first 84 differs from all others."""
    return ModelStyle(_COLOURS[place % len(_COLOURS)], _LINES[place % len(_LINES)], _MARKERS[place % len(_MARKERS)])
