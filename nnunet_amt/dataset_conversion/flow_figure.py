"""The flow of cases from identified to split, as the paper's Fig. 2."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt.base.files import atomic_path
from nnunet_amt.cohort import SplitAudit, SplitCounts
from nnunet_amt.writing.numbers import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FLOW_ENDINGS = ("svg", "png", "pdf")
_CM_PER_INCH = 2.54
_WIDTH_CM, _DPI = 17.0, 300  # two columns of a journal
_FONT_SIZE = 9.0
_LINE_CM, _PADDING_CM, _GAP_CM = 0.44, 0.3, 0.9
_MOST_REASONS = 8  # more would make the box taller than the figure is wide
_REASON_CHARACTERS, _REASON_CAPITALS = 34, 26  # in a line
_NUMBER_CM = 0.75  # column of the reasons' counts
# Tints of Okabe and Ito's blue, yellow, vermilion; the titles tell the boxes apart too.
_GREY, _WHITE = "#F2F2F2", "#FFFFFF"
_SPLIT_COLOURS = {"training": "#CCE3F0", "tuning": "#FBF3C6", "external": "#F7DFCC"}
_SPLIT_TITLES = {"training": "Training", "tuning": "Tuning", "external": "External test"}


@dataclass(frozen=True)
class FlowCounts:
    """What the figure tells."""

    excluded: Mapping[str, int]  # cases by reason
    # Of all splits
    included_cases: int
    included_institutions: int
    splits: tuple[SplitCounts, ...]  # training, tuning, external, those that have cases
    shared_institutions: int = 0  # institutions of both training and tuning

    @property
    def without_tumour(self) -> int:
        """Included cases that show no tumour."""
        return sum(split.without_tumour for split in self.splits)

    @classmethod
    def of(cls, audit: SplitAudit, excluded: Mapping[str, int]) -> FlowCounts:
        """Take the counts from an audit and the excluded cases by reason."""
        cases, _, institutions = audit.total
        splits = tuple(split for split in audit.splits if split.cases)  # a test set alone has one
        return cls(excluded, cases, institutions, splits, audit.shared_institutions)

    @property
    def excluded_cases(self) -> int:
        """Cases excluded for any reason."""
        return sum(self.excluded.values())

    @property
    def identified_cases(self) -> int:
        """Included and excluded cases."""
        return self.included_cases + self.excluded_cases


@dataclass(frozen=True)
class _Box:
    """A box by its middle and size, in cm; y grows upwards."""

    title: str
    lines: tuple[str, ...]
    x: float
    y: float
    width: float
    colour: str
    numbers: tuple[str, ...] = ()  # beside the lines, which then read from the left

    @property
    def height(self) -> float:
        return _height(len(self.lines))

    @property
    def top(self) -> float:
        return self.y + self.height / 2

    @property
    def bottom(self) -> float:
        return self.y - self.height / 2


def write_flow_figure(folder: Path, counts: FlowCounts) -> tuple[Path, Path]:
    """Draw `flow_figure` to ``flow.png`` and ``flow.svg``, 17 cm wide, for print.

    Equal counts give equal bytes.
    """
    png, svg = folder / "flow.png", folder / "flow.svg"
    figure = flow_figure(counts)
    for path in (png, svg):
        with atomic_path(path) as partial:
            partial.write_bytes(saved_flow_figure(figure, path.suffix.removeprefix(".")))
    return png, svg


def saved_flow_figure(figure: Figure, ending: str) -> bytes:
    """Give the bytes of the file that `flow_figure` becomes; `ending` is one of `FLOW_ENDINGS`."""
    from matplotlib import rc_context

    # Text stays text, ids and dates do not change from run to run.
    dates: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    content = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "flow", "pdf.fonttype": 42}):
        figure.savefig(content, format=ending, dpi=_DPI, metadata=dates.get(ending))
    return content.getvalue()


def flow_figure(counts: FlowCounts) -> Figure:
    """Draw identified, excluded, included and the three splits with arrows between them."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    boxes, height = _layout(counts)
    with rc_context({"font.size": _FONT_SIZE, "font.family": "sans-serif"}):
        figure = Figure(figsize=(_WIDTH_CM / _CM_PER_INCH, height / _CM_PER_INCH))
        FigureCanvasAgg(figure)  # no display is needed
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, _WIDTH_CM)
        axes.set_ylim(0, height)
        axes.set_axis_off()
        for box in boxes.values():
            _draw_box(axes, box)
        _draw_arrows(axes, boxes)
    return figure


def _layout(counts: FlowCounts) -> tuple[dict[str, _Box], float]:
    """Place the boxes from the bottom upwards; give them and the figure's height in cm."""
    numbers, reasons = _reason_lines(counts)
    margin, wide, narrow = 0.2, 0.46 * _WIDTH_CM, 0.305 * _WIDTH_CM
    left, right = margin + wide / 2, _WIDTH_CM - margin - wide / 2
    step = (_WIDTH_CM - 2 * margin - narrow) / 2
    note = _shared_note(counts)
    split_lines = {
        row.split: _case_lines(counts, row.cases, row.without_tumour, row.institutions) for row in counts.splits
    }
    bottom = margin + (_LINE_CM + _PADDING_CM if note else 0)
    boxes: dict[str, _Box] = {}
    for number, (split, lines) in enumerate(split_lines.items()):
        x = _WIDTH_CM / 2 + (number - 1) * step if len(split_lines) > 1 else left
        y = bottom + _height(len(lines)) / 2
        boxes[split] = _Box(_SPLIT_TITLES[split], lines, x, y, narrow, _SPLIT_COLOURS[split])
    included_lines = _case_lines(counts, counts.included_cases, counts.without_tumour, counts.included_institutions)
    y = max(box.top for box in boxes.values()) + 1.5 * _GAP_CM + _height(len(included_lines)) / 2
    boxes["included"] = _Box("Included", included_lines, left, y, wide, _WHITE)
    between = max(2 * _GAP_CM, _height(len(reasons)) + _GAP_CM)
    y = boxes["included"].top + between + _height(1) / 2
    identified_lines = (counted(counts.identified_cases, "case"),)
    boxes["identified"] = _Box("Identified", identified_lines, left, y, wide, _WHITE)
    y = (boxes["included"].top + boxes["identified"].bottom) / 2
    boxes["excluded"] = _Box("Excluded", reasons, right, y, wide, _GREY, numbers)
    if note:
        boxes["note"] = _Box("", (note,), _WIDTH_CM / 2, margin + _LINE_CM / 2, _WIDTH_CM, "none")
    return boxes, boxes["identified"].top + margin


def _case_lines(counts: FlowCounts, cases: int, without_tumour: int, institutions: int) -> tuple[str, ...]:
    """Say how many cases a box holds; where there are any without a tumour, how many of them in every box."""
    without = (f"{without_tumour} without a tumour",) if counts.without_tumour else ()
    return counted(cases, "case"), f"from {counted(institutions, 'institution')}", *without


def _reason_lines(counts: FlowCounts) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the counts and the reasons, line by line; the first line is their sum."""
    reasons = list(counts.excluded.items())
    if len(reasons) > _MOST_REASONS:
        rest = reasons[_MOST_REASONS - 1 :]
        reasons = [*reasons[: _MOST_REASONS - 1], (f"{len(rest)} other reasons", sum(n for _, n in rest))]
    rows = [("", counted(counts.excluded_cases, "case"))]
    for reason, number in reasons:
        characters = _REASON_CAPITALS if reason.isupper() else _REASON_CHARACTERS
        lines = textwrap.wrap(" ".join(reason.split()), characters, max_lines=2, placeholder=" …")
        rows += zip([str(number), ""], lines, strict=False)
    numbers, texts = zip(*rows, strict=True)
    return numbers, texts


def _shared_note(counts: FlowCounts) -> str:
    if not counts.shared_institutions:
        return ""
    shared = counted(counts.shared_institutions, "institution")
    verb = "gives" if counts.shared_institutions == 1 else "give"
    return f"{shared} {verb} cases to both training and tuning; the external test set shares none."


def _height(lines: int) -> float:
    """Give the height in cm of a box with a title and so many lines."""
    return (lines + 1) * _LINE_CM + 2 * _PADDING_CM


def _draw_box(axes: Axes, box: _Box) -> None:
    from matplotlib.patches import Rectangle

    if not box.title:
        axes.text(box.x, box.y, box.lines[0], ha="center", va="center", fontsize=_FONT_SIZE - 1, style="italic")
        return
    left = box.x - box.width / 2
    corner = (left, box.bottom)
    axes.add_patch(Rectangle(corner, box.width, box.height, facecolor=box.colour, edgecolor="black", linewidth=0.8))
    for row, line in enumerate((box.title, *box.lines)):
        y = box.top - _PADDING_CM - (row + 0.5) * _LINE_CM
        weight = "normal" if row else "bold"
        if not box.numbers:
            _write(axes, box.x, y, line, "center", weight)
        elif row < 2:
            _write(axes, left + _PADDING_CM, y, line, "left", weight)
        else:
            _write(axes, left + _PADDING_CM + _NUMBER_CM, y, box.numbers[row - 1], "right")
            _write(axes, left + _PADDING_CM + _NUMBER_CM + 0.2, y, line, "left")


def _write(axes: Axes, x: float, y: float, line: str, align: str, weight: str = "normal") -> None:
    text = axes.text(x, y, line, ha=align, va="center", weight=weight)
    text.set_parse_math(False)  # a $ in a reason is a $


def _draw_arrows(axes: Axes, boxes: dict[str, _Box]) -> None:
    identified, excluded, included = boxes["identified"], boxes["excluded"], boxes["included"]
    _arrow(axes, (identified.x, identified.bottom), (included.x, included.top))
    _arrow(axes, (identified.x, excluded.y), (excluded.x - excluded.width / 2, excluded.y))
    splits = [boxes[name] for name in _SPLIT_TITLES if name in boxes]
    rail = (included.bottom + splits[0].top) / 2
    axes.plot([included.x, included.x], [included.bottom, rail], color="black", linewidth=0.8)
    axes.plot([min(b.x for b in splits), max(b.x for b in splits)], [rail, rail], color="black", linewidth=0.8)
    for box in splits:
        _arrow(axes, (box.x, rail), (box.x, box.top))


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>", "color": "black", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)
