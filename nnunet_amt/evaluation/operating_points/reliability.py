"""Whether tumour probabilities are what they say: reliability curve, calibration error, temperature, voxels stuck.

All of it is computed from a histogram a case: how many voxels have each level of probability, and how many of these are
tumour. Levels under 0.01 are written as 0, so the curve is of the voxels of 0.01 and more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.probability_file import HIGHEST_LEVEL, LOWEST_LEVEL
from nnunet_amt.statistics.calibration import BINS, bin_sums, calibration_error
from nnunet_amt.writing.figure_style import BLUE, COLUMN_MM, GREY, ORANGE, SMALL_FONT_SIZE, new_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEVELS = HIGHEST_LEVEL + 1
RELIABILITY_FIGURE = "reliability"  # its name without an ending
_FIGURE_HEIGHT_MM = 90.0
_SMALLEST_MARKER, _MARKER_SPAN = 6.0, 90.0  # points squared: of a bin without voxels, and what all of them add
_LOWEST_TEMPERATURE, _HIGHEST_TEMPERATURE = 0.05, 20.0
# The logit of a level; the highest stands for all from 254.5 of 255 up, whose logits 8 bits do not tell apart.
_PROBABILITIES = np.clip(np.arange(_LEVELS), 0.5, HIGHEST_LEVEL - 0.5) / HIGHEST_LEVEL
_LOGITS = np.log(_PROBABILITIES / (1 - _PROBABILITIES))


def level_histogram(levels: NDArray[np.uint8], reference: Foreground) -> NDArray[np.int64]:
    """Count the voxels of each level, and those of them that are tumour: (2, 256).

    Parameters
    ----------
    levels
        Tumour probability times 255, (z, y, x).
    reference
        The reference mask on the same voxels.
    """
    counts = np.zeros((2, _LEVELS), np.int64)
    counts[0] = np.bincount(levels.ravel(), minlength=_LEVELS)
    for box in reference.boxes:
        counts[1] += np.bincount(levels[box.slices][box.mask], minlength=_LEVELS)
    return counts


def stuck_voxels(histogram: NDArray[np.int64]) -> dict[str, float | None]:
    """Say how many voxels no threshold moves; `histogram` is that of all cases together, (2, 256).

    Returns
    -------
    dict
        ``at_0``: share of all voxels that are under 0.01. ``at_1``: of the others, the share at 1, within 1/510.
        ``tumour_at_0``: share of the tumour voxels that are under 0.01, which no threshold finds.
    """
    voxels, tumour = histogram
    above = int(voxels[LOWEST_LEVEL:].sum())
    return {
        "at_0": 1 - above / int(voxels.sum()),
        "at_1": int(voxels[HIGHEST_LEVEL]) / above if above else None,
        "tumour_at_0": int(tumour[:LOWEST_LEVEL].sum()) / int(tumour.sum()) if tumour.any() else None,
    }


def reliability(histograms: NDArray[np.int64], patients: Sequence[str]) -> dict[str, Any]:
    """Compare probabilities with the share of tumour among their voxels, before and after temperature scaling.

    Parameters
    ----------
    histograms
        (cases, 2, 256), see `level_histogram`.
    patients
        Of each case. The figures "after" are cross-validated: each patient's probabilities are scaled by a temperature
        that was fitted on all others; they are None where there is but one patient.

    Returns
    -------
    dict
        ``temperature`` fitted on all, ``before`` and ``after``, each with ``ece`` and a ``curve`` of bins.
    """
    above = histograms.copy()
    above[:, :, :LOWEST_LEVEL] = 0
    names = sorted(set(patients))
    of_patient = np.array([above[[name == each for each in patients]].sum(axis=0) for name in names])
    everything = of_patient.sum(axis=0)
    after, how = None, "not measured: too few patients"
    if len(names) > 1:
        held_out = [fit_temperature(everything - one) for one in of_patient]
        after, how = _curve(of_patient, held_out), f"each of {len(names)} patients held out once"
    return {
        "voxels": int(everything[0].sum()),
        "temperature": fit_temperature(everything),
        "cross_validation": how,
        "before": _curve(everything[None], [1.0]),
        "after": after,
    }


def reliability_figure(told: Mapping[str, Any]) -> Figure:
    """Draw the curve before and after scaling; `told` is what `reliability` gives.

    On the diagonal probabilities are what they say. A marker is as large as the share of the voxels in its bin.
    """
    with new_figure(COLUMN_MM, _FIGURE_HEIGHT_MM) as figure:
        axes = figure.add_subplot()
        axes.plot((0, 1), (0, 1), color=GREY, linewidth=0.8, linestyle=":", label="what is said is so")
        for when, colour, marker, line in (("before", BLUE, "o", "-"), ("after", ORANGE, "s", "--")):
            if told[when] is None:
                continue
            bins = told[when]["curve"]
            x, y = ([one[key] for one in bins] for key in ("mean_probability", "share_of_tumour"))
            words = "as the network says it" if when == "before" else "scaled by a temperature"
            axes.plot(x, y, color=colour, linewidth=1.0, linestyle=line, label=f"{words}: ECE {told[when]['ece']:.3f}")
            sizes = [_SMALLEST_MARKER + _MARKER_SPAN * one["voxels"] / told["voxels"] for one in bins]
            axes.scatter(x, y, s=sizes, marker=marker, facecolor="none", edgecolor=colour, linewidth=1.0)
        axes.set(xlabel="Mean probability of the bin's voxels", ylabel="Share of tumour among them")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        plain_axes(axes)
        figure.legend(loc="outside upper left", frameon=False, fontsize=SMALL_FONT_SIZE)
    return figure


def fit_temperature(histogram: NDArray[np.int64]) -> float | None:
    """Find the temperature that makes the labels most likely; None where voxels are all tumour, or none is.

    Logits are divided by it: above 1 the probabilities were too sure. It is looked for between 0.05 and 20.
    """
    from scipy.optimize import minimize_scalar  # slow to import

    voxels, tumour = histogram.astype(float)
    if not 0 < tumour.sum() < voxels.sum():
        return None

    def surprise(inverse: float) -> float:
        scaled = _LOGITS * inverse
        loss = tumour * np.logaddexp(0, -scaled) + (voxels - tumour) * np.logaddexp(0, scaled)
        return float(loss.sum() / voxels.sum())

    # convex in the inverse, so that there is one minimum
    found = minimize_scalar(
        surprise, bounds=(1 / _HIGHEST_TEMPERATURE, 1 / _LOWEST_TEMPERATURE), method="bounded",
        options={"xatol": 1e-6},
    )  # fmt: skip
    return float(1 / found.x)


def _curve(histograms: NDArray[np.int64], temperatures: Sequence[float | None]) -> dict[str, Any] | None:
    """Put voxels into ten bins of equal width by their scaled probability; `histograms` are (groups, 2, 256)."""
    if None in temperatures or not histograms[:, 0].any():
        return None
    sums = np.zeros((3, BINS))  # voxels, their probabilities, tumour voxels
    for (voxels, tumour), temperature in zip(histograms, temperatures, strict=True):
        sums += bin_sums(1 / (1 + np.exp(-_LOGITS / temperature)), cases=voxels, high=tumour)
    filled = sums[:, sums[0] > 0]
    means, shares = filled[1] / filled[0], filled[2] / filled[0]
    return {
        "ece": calibration_error(sums),
        "curve": [
            {"voxels": int(count), "mean_probability": float(mean), "share_of_tumour": float(share)}
            for count, mean, share in zip(filled[0], means, shares, strict=True)
        ],
    }
