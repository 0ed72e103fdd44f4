"""How the figures of the evaluation look, and how they are saved: for print, in colours that everybody tells apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_amt.base.files import atomic_path
from nnunet_amt.base.progress import Progress, silent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# One and two columns of a journal on A4.
COLUMN_MM, PAGE_MM = 85.0, 170.0
FONT_SIZE, SMALL_FONT_SIZE = 8.0, 7.0  # pt; nothing is smaller
# Okabe and Ito's blue and vermilion, which the common forms of colour blindness tell apart; the markers differ too.
BLUE, ORANGE = "#0072B2", "#D55E00"
MIDDLE_BLUE, PALE_BLUE, GREY = "#7FB8DA", "#CCE3F0", "#595959"
_MM_PER_INCH, _CM_PER_INCH = 25.4, 2.54
_DPI = 300
_DECADES_OF_THREE_TICKS = 2.0  # with more of them the labels of 1, 2, 5, 10, 20 ... touch
# Text stays text in SVG; ids and dates do not change from run to run.
_RC: dict[Any, Any] = {  # matplotlib wants literal keys
    "font.size": FONT_SIZE,
    "font.family": "sans-serif",
    "axes.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "nnunet_amt",
}


@contextmanager
def new_figure(width_mm: float, height_mm: float) -> Iterator[Figure]:
    """Give an empty figure of that size, and its style until the block ends."""
    with _styled_figure(_RC, width_mm / _MM_PER_INCH, height_mm / _MM_PER_INCH) as figure:
        yield figure


@contextmanager
def plain_figure(width_cm: float, height_cm: float, *, font_size: float) -> Iterator[Figure]:
    """Give an empty figure of that size in matplotlib's own style, as those of the further analyses are."""
    with _styled_figure({"font.size": font_size}, width_cm / _CM_PER_INCH, height_cm / _CM_PER_INCH) as figure:
        yield figure


@contextmanager
def _styled_figure(style: dict[Any, Any], width_inches: float, height_inches: float) -> Iterator[Figure]:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(style):
        figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
        FigureCanvasAgg(figure)  # no display is needed
        yield figure


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Save a figure as PNG and SVG; equal figures give equal bytes.

    Parameters
    ----------
    figure
        Of `new_figure`.
    folder, name
        ``<folder>/<name>.png`` and ``.svg`` are written.
    """
    from matplotlib import rc_context

    with rc_context(_RC):
        figure.draw_without_rendering()  # lay it out once
        figure.set_layout_engine("none")
        with atomic_path(folder / f"{name}.png") as partial:
            figure.savefig(partial, dpi=_DPI)
        for picture in (picture for axes in figure.axes for picture in axes.images):
            picture.set_interpolation("none")  # as it is: SVG would make it coarser
        with atomic_path(folder / f"{name}.svg") as partial:
            figure.savefig(partial, metadata={"Date": None})


def save_figures(drawings: Mapping[str, Callable[[], Figure]], folder: Path, *, progress: Progress = silent) -> None:
    """Draw figures one after the other and save each by its name, see `save_figure`; `progress` is told of each."""
    for done, (name, draw) in enumerate(drawings.items(), start=1):
        save_figure(draw(), folder, name)
        progress(done, len(drawings), "drawing figures")


def save_plain_figure(figure: Figure, path: Path) -> None:
    """Save a figure of `plain_figure` to `path` with the endings .png and .svg; equal figures give equal bytes."""
    from matplotlib import rc_context

    for ending in (".png", ".svg"):
        with rc_context({"svg.hashsalt": "nnunet_amt"}), atomic_path(path.with_suffix(ending)) as partial:
            figure.savefig(partial, dpi=_DPI, metadata={"Date": None} if ending == ".svg" else None)


def plain_axes(axes: Axes) -> None:
    """Take away the frame where there is no axis, and fix the size of the ticks' labels."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=FONT_SIZE, width=0.6)


def log_ticks(axis: Axis) -> None:
    """Give a logarithmic axis, whose limits are set, ticks written out: 1, 2, 5, 10 ...; over much, powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    few = high <= low * 10**_DECADES_OF_THREE_TICKS
    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=20 if few else 7))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def plain_text(text: str) -> str:
    """Let a $ in a name be a $, not the beginning of a formula."""
    return text.replace("$", r"\$")
