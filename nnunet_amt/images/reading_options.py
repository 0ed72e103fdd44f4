"""What the readers may do to the data beyond reading them; by default nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReadingOptions:
    """What may be resampled; what is not allowed here is refused.

    Attributes
    ----------
    resample_masks
        Bring label files and DICOM SEGs that lie on another grid than their CT to the CT's grid, by the nearest
        neighbour.
    resample_tilt
        Straighten CT series that were scanned with a tilted gantry: each slice is shifted in its own plane, by
        linear interpolation.
    """

    resample_masks: bool = False
    resample_tilt: bool = False
