"""Pictures of single cases: a crop of CT and masks, and overlays of it in three planes."""

from nnunet_amt.pictures.case_crop import (
    EDGES,
    PLANES,
    CaseCrop,
    Plane,
    PlaneView,
    Voxel,
    focused,
    plane_view,
    read_case_crop,
    shown_voxel,
)
from nnunet_amt.pictures.overlay import (
    FILL_OPACITY,
    WINDOW,
    case_panel,
    dashes,
    outlines,
    overlay_png,
    slice_png,
    slice_size,
    windowed,
)

__all__ = [
    "EDGES",
    "FILL_OPACITY",
    "PLANES",
    "WINDOW",
    "CaseCrop",
    "Plane",
    "PlaneView",
    "Voxel",
    "case_panel",
    "dashes",
    "focused",
    "outlines",
    "overlay_png",
    "plane_view",
    "read_case_crop",
    "shown_voxel",
    "slice_png",
    "slice_size",
    "windowed",
]
