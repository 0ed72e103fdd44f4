"""Refuse grids that no chest CT has."""

from __future__ import annotations

from collections.abc import Sequence

from nnunet_amt.errors import ImageReadError

# Wide enough for micro-CT of specimens and for surveys of thick slices; what is outside is in another unit than mm.
SMALLEST_SPACING_MM = 0.05
LARGEST_SPACING_MM = 50.0


def require_plausible_spacing(spacing: Sequence[float], name: str) -> None:
    """Check that a spacing can be one in mm.

    Parameters
    ----------
    spacing
        (x, y, z) in mm.
    name
        Of the file or folder, for the message.

    Raises
    ------
    ImageReadError
        Giving the spacing and the limits.
    """
    if not all(SMALLEST_SPACING_MM <= one <= LARGEST_SPACING_MM for one in spacing):
        shown = " x ".join(f"{one:.4g}" for one in spacing)
        raise ImageReadError(
            f"{name}: has a spacing of {shown} mm, must be {SMALLEST_SPACING_MM:g} to {LARGEST_SPACING_MM:g} mm in a "
            "CT; export it again"
        )
