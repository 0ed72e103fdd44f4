"""Pictures of the lesions as DICOM Secondary Capture, which every PACS shows: most show no SEG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.clinic.dicom_object import (
    RESEARCH_ONLY,
    Maker,
    date_and_time,
    derived_uid,
    hash_of_mask,
    new_object,
    series_number,
    write_object,
)
from nnunet_amt.clinic.lesions import Lesion
from nnunet_amt.clinic.overview import lesion_crop
from nnunet_amt.clinic.source_series import SourceSeries
from nnunet_amt.pictures.overlay import case_panel, text_page

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_PANEL_SIZE = 480  # pixels of the longest edge of a plane


def write_pages(folder: Path, source: SourceSeries, pages: Sequence[NDArray[np.uint8]], *, maker: Maker) -> list[Path]:
    """Write pages, each (rows, columns, 3) of RGB, as images of one series; gives the files, ``sc_01.dcm`` first."""
    content = "".join(hash_of_mask(page) for page in pages)
    series_uid = derived_uid(source, maker, content, "SC series")
    files = []
    for number, page in enumerate(pages, start=1):
        dataset = new_object(
            source,
            maker,
            sop_class=_SECONDARY_CAPTURE,
            instance_uid=derived_uid(source, maker, content, "SC", str(number)),
            series_uid=series_uid,
        )
        _describe(dataset, source, maker, number)
        _set_pixels(dataset, page)
        files.append(folder / f"sc_{number:02d}.dcm")
        write_object(files[-1], dataset, syntax=_EXPLICIT_VR_LITTLE_ENDIAN)
    return files


def lesion_page(image: NDArray, mask: NDArray[np.bool_], lesion: Lesion, *, count: int, spacing: Sequence[float],
                lines: Sequence[str]) -> NDArray[np.uint8]:  # fmt: skip
    """Draw three planes through a lesion with its outline, and write beneath what was measured.

    Parameters
    ----------
    image, mask
        The CT in HU and the whole mask, both (z, y, x) with LPS axes.
    lesion
        Of the mask.
    count
        Lesions in all.
    spacing
        Voxel edge lengths (x, y, z) in mm.
    lines
        What stands under the measurements, such as the model.
    """
    crop = lesion_crop(image, mask, lesion, spacing=spacing)
    measured = (
        f"Lesion {lesion.number} of {count}: {lesion.volume_cm3:.1f} cm³, {lesion.axial_diameter_mm:.0f} mm across in "
        f"axial plane, {lesion.maximum_diameter_mm:.0f} mm in space"
        + (f", mean {lesion.mean_hu:.0f} HU" if lesion.mean_hu is not None else "")
    )
    return text_page([measured, *lines, RESEARCH_ONLY], picture=case_panel(crop, size=_PANEL_SIZE))


def empty_page(lines: Sequence[str]) -> NDArray[np.uint8]:
    """Write that nothing was found; that nothing was found does not mean that nothing is there."""
    return text_page(["No lesion was segmented. This does not rule a tumour out.", *lines, RESEARCH_ONLY], picture=None)


def _describe(dataset: Any, source: SourceSeries, maker: Maker, number: int) -> None:
    dataset.Modality = "OT"
    dataset.ConversionType = "WSD"
    dataset.SeriesNumber = series_number(source) + 2
    dataset.SeriesDescription = maker.series_description("overview")
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ImageComments = RESEARCH_ONLY
    dataset.DerivationDescription = f"{RESEARCH_ONLY}: {maker.shown}"[:1024]
    dataset.InstanceNumber = number
    dataset.PatientOrientation = None
    dataset.Laterality = None
    dataset.BurnedInAnnotation = "NO"  # nothing in it tells who the patient is
    dataset.ContentDate, dataset.ContentTime = date_and_time(source)
    del dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator


def _set_pixels(dataset: Any, page: NDArray[np.uint8]) -> None:
    dataset.Rows, dataset.Columns = page.shape[:2]
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = "RGB"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    pixels = page.tobytes()
    dataset.PixelData = pixels + bytes(len(pixels) % 2)
