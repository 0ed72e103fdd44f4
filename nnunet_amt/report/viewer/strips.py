"""Three planes of a case as one still picture, for a page without scripts or a browser without WebGL."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass

from nnunet_amt.pictures import CaseCrop, Voxel, case_panel

_SIZES = (320, 256, 208, 168, 136, 112, 96, 80, 64)  # pixels of the longest edge; less shows nothing
_HOPE = 1.15  # a smaller picture takes more room a pixel than its share, but a guess too large is only drawn in vain


@dataclass(frozen=True)
class Strip:
    """A picture as a ``data:`` address; width and height in pixels."""

    address: str
    width: int
    height: int


def encode_strip(crop: CaseCrop, budget: int, at: Voxel | None = None) -> Strip | None:
    """Draw the planes through a voxel as large as they fit into `budget` characters; None if they do not at all."""
    size: int | None = _SIZES[0]
    while size is not None:
        picture = case_panel(crop, size=size, at=at)
        address = f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"
        if len(address) <= budget:
            width, height = struct.unpack(">II", picture[16:24])
            return Strip(address, width, height)
        guess = size * (budget / len(address)) ** 0.5 * _HOPE
        size = next((smaller for smaller in _SIZES if smaller < size and smaller <= max(guess, _SIZES[-1])), None)
    return None
