"""Three planes of a case as one still picture, for a page without scripts or a browser without WebGL."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass

from nnunet_amt.overlays import CaseCrop, Voxel, case_panel

__all__ = ["Strip", "encode_strip"]

_SIZES = (320, 256, 208, 168, 136, 96, 64, 32, 16)  # pixels of the longest edge


@dataclass(frozen=True)
class Strip:
    """A picture as a ``data:`` address; width and height in pixels."""

    address: str
    width: int
    height: int


def encode_strip(crop: CaseCrop, budget: int, at: Voxel | None = None) -> Strip | None:
    """Draw the planes through a voxel as large as they fit into `budget` characters; None if they do not at all."""
    for size in _SIZES:
        picture = case_panel(crop, size, at)
        address = f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"
        if len(address) <= budget:
            width, height = struct.unpack(">II", picture[16:24])
            return Strip(address, width, height)
    return None
