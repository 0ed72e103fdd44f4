"""An enhanced (multi-frame) CT as the slices that it stands for, so that one gate is there for both.

Where each frame lies and how its values become HU stands in functional groups: in the frame's own, or in those that all
frames share. Frames that form no even stack, such as those of several phases, are refused as slices of files are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from nnunet_amt.images.dicom.headers import CT_IMAGE, FRAME_FIELDS, DicomHeader, taken
from nnunet_amt.images.dicom.stream import DicomFileError

ENHANCED_CT_IMAGES = frozenset({"1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"})
# The groups that hold what is needed of a frame, by the name of the field in `FRAME_FIELDS`.
_GROUPS = {
    "position": "PlanePositionSequence",
    "orientation": "PlaneOrientationSequence",
    "pixel_spacing": "PixelMeasuresSequence",
    "slice_thickness": "PixelMeasuresSequence",
    "slope": "PixelValueTransformationSequence",
    "intercept": "PixelValueTransformationSequence",
    "rescale_type": "PixelValueTransformationSequence",
}


def slices_of(dataset: Any, header: DicomHeader) -> Iterator[DicomHeader]:
    """Give the frames of an enhanced CT as if each was a file of its own, in their order.

    Parameters
    ----------
    dataset
        Its header, read with pydicom.
    header
        What the header says of all frames.

    Raises
    ------
    DicomFileError
        If the file does not tell of every frame.
    """
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    of_frames: Sequence[Any] = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    if len(of_frames) != header.frames:
        raise DicomFileError(
            f"has {header.frames} frames, and says of {len(of_frames)} where they lie; export it again"
        )
    for number, groups in enumerate(of_frames, start=1):
        unreadable: list[str] = [*header.unreadable]
        fields: dict[str, Any] = {}
        for name, (tag, convert) in FRAME_FIELDS.items():
            holders = (_first(groups, _GROUPS[name]), _first(shared, _GROUPS[name]), dataset)
            holder = next((one for one in holders if one is not None and tag in one), None)
            fields[name] = convert(None) if holder is None else taken(holder, tag, convert, unreadable)
        yield replace(
            header,
            sop_class=CT_IMAGE,
            shown=f"{header.shown}, frame {number},",
            frames=1,
            frame=number,
            image_type=_type_of(groups, shared) or header.image_type,
            unreadable=tuple(unreadable),
            **fields,
        )


def _first(dataset: Any, keyword: str) -> Any:
    """Give the item of a sequence that has one, None if it is not there or empty."""
    items = None if dataset is None else dataset.get(keyword)
    return items[0] if items else None


def _type_of(groups: Any, shared: Any) -> tuple[str, ...]:
    """Say whether a frame is a localiser or the like."""
    for holder in (groups, shared):
        if (item := _first(holder, "CTImageFrameTypeSequence")) is not None and item.get("FrameType"):
            return tuple(map(str, item.FrameType))
    return ()
