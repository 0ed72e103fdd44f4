"""The curves of a training as the lines of an SVG picture: where each point lies, and the figures at the axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnunet_amt.app.language import Texts
from nnunet_amt.models.epoch_log import Epoch

WIDTH, HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 12, 36
_LEAST_EPOCHS = 5  # of the axis
_MOST_DOTS = 60  # more of them would hide the line

Points = Sequence[tuple[int, float | None]]  # epoch, value


@dataclass(frozen=True)
class Tick:
    """A figure at an axis, and how far from the left or the top it stands."""

    place: float
    label: str


@dataclass(frozen=True)
class Curve:
    """A line: its class of the style sheet, its pieces as the points of polylines, and its dots (x, y)."""

    kind: str
    pieces: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """A picture of curves over the epochs."""

    curves: tuple[Curve, ...]
    epochs: tuple[Tick, ...]
    values: tuple[Tick, ...]
    best: tuple[float, float] | None = None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def dice_chart(epochs: Sequence[Epoch], t: Texts) -> Chart:
    """Draw the Dice of the tuning cases, and the best."""
    points = [(epoch.epoch, epoch.tuning_dice) for epoch in epochs if epoch.evaluated]
    best = epochs[-1].best_epoch, epochs[-1].best_dice
    scale = _Scale.of(epochs, 0.0, 1.0)
    star = None if best[0] is None or best[1] is None else scale.place(best[0], best[1])
    return scale.chart([("tuning", points)], t, best=star)


def loss_chart(epochs: Sequence[Epoch], t: Texts) -> Chart:
    """Draw the losses of the crops that are learnt from, and of the tuning cases."""
    training = [(epoch.epoch, epoch.training_loss) for epoch in epochs]
    tuning = [(epoch.epoch, epoch.tuning_loss) for epoch in epochs if epoch.evaluated]
    return _Scale.of(epochs, -1.0, 0.0).chart([("training", training), ("tuning", tuning)], t)


@dataclass(frozen=True)
class _Scale:
    """What lies at the edges: epochs at the left and right, values at the bottom and top."""

    first: int
    last: int
    low: float
    high: float

    @classmethod
    def of(cls, epochs: Sequence[Epoch], low: float, high: float) -> _Scale:
        return cls(1, max(_LEAST_EPOCHS, epochs[-1].epoch), low, high)

    def place(self, epoch: float, value: float) -> tuple[float, float]:
        """Give x and y of a point, in units of the picture; values beyond the edges lie on them."""
        along = (epoch - self.first) / (self.last - self.first)
        up = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        x = _LEFT + along * (WIDTH - _LEFT - _RIGHT)
        y = HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM)
        return round(x, 1), round(y, 1)

    def chart(
        self, curves: Sequence[tuple[str, Points]], t: Texts, *, best: tuple[float, float] | None = None
    ) -> Chart:
        return Chart(
            curves=tuple(self._curve(kind, points) for kind, points in curves),
            epochs=tuple(Tick(self.place(epoch, self.low)[0], t.number(epoch)) for epoch in self._epochs()),
            values=tuple(
                Tick(self.place(1, value)[1], t.number(value, 2))
                for value in (self.low + quarter * (self.high - self.low) / 4 for quarter in range(5))
            ),
            best=best,
        )

    def _curve(self, kind: str, points: Points) -> Curve:
        """Break the line where a value is no number; single points show as dots alone."""
        pieces: list[list[tuple[float, float]]] = [[]]
        for epoch, value in points:
            if value is None:
                pieces.append([])
            else:
                pieces[-1].append(self.place(epoch, value))
        known = [point for piece in pieces for point in piece]
        few = len(known) <= _MOST_DOTS
        lines = tuple(" ".join(f"{x:g},{y:g}" for x, y in piece) for piece in pieces if len(piece) > 1)
        alone = [piece[0] for piece in pieces if len(piece) == 1]
        return Curve(kind, lines, tuple(known if few else alone))

    def _epochs(self) -> list[int]:
        """Choose about six epochs for the axis, the first and the last among them."""
        span = self.last - self.first
        return sorted({self.first + round(part * span / 5) for part in range(6)})
