"""Write a mask as a DICOM SEG: binary, exact, one segment a lesion."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from nnunet_amt import __version__
from nnunet_amt.clinic.dicom_object import (
    MANUFACTURER,
    RESEARCH_ONLY,
    Maker,
    Structures,
    derived_uid,
    series_number,
    set_moments,
    write_object,
)
from nnunet_amt.clinic.source_series import SourceSeries
from nnunet_amt.errors import missing_extra
from nnunet_amt.images.dicom.files import quiet_readers

_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_HOW_REMOVED = ("DeidentificationMethod", "DeidentificationMethodCodeSequence")


def write_segmentation(path: Path, source: SourceSeries, structures: Structures, *, maker: Maker) -> None:
    """Write structures of a CT series, at least one, as a DICOM SEG; see `write_rtstruct`."""
    highdicom = highdicom_module()
    content = structures.digest
    with quiet_readers():
        dataset = highdicom.seg.Segmentation(
            source_images=headers_for_highdicom(source),
            pixel_array=structures.labels,
            segmentation_type="BINARY",
            segment_descriptions=[
                _segment(source, maker, number, name, content) for number, name in enumerate(structures.names, start=1)
            ],
            series_instance_uid=derived_uid(source, maker, content, "SEG series", *structures.names),
            series_number=series_number(source) + 1,
            sop_instance_uid=derived_uid(source, maker, content, "SEG", *structures.names),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=maker.shown,
            software_versions=__version__,
            device_serial_number=maker.model_hash[:16] or "unknown",
            content_label="AMT_RESEARCH",
            content_description=RESEARCH_ONLY,
            series_description=maker.series_description("segments"),
            transfer_syntax_uid=_EXPLICIT_VR_LITTLE_ENDIAN,
        )
    source.take_over(dataset)
    set_moments(dataset, source)
    dimensions = derived_uid(source, maker, content, "SEG dimensions")
    dataset.DimensionOrganizationSequence[0].DimensionOrganizationUID = dimensions
    for index in dataset.DimensionIndexSequence:
        index.DimensionOrganizationUID = dimensions
    write_object(path, dataset, syntax=_EXPLICIT_VR_LITTLE_ENDIAN)


def headers_for_highdicom(source: SourceSeries) -> list[Any]:
    """Copy the headers as highdicom wants them; what it takes over of the patient is set right afterwards.

    It stops at character sets that it does not know, and at elements that a CT may leave out. The distances are the
    grid's: SliceThickness may be empty in the CT, or another than the slices' distance, and highdicom takes those of
    the headers even where it is given others.
    """
    x, y, z = (round(edge, 6) for edge in source.geometry.spacing)
    copies = [deepcopy(dataset) for dataset in source.slices]
    for dataset in copies:
        source.take_over(dataset)
        dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", ""
        if dataset.get("PatientIdentityRemoved") == "YES" and not any(map(dataset.get, _HOW_REMOVED)):
            dataset.DeidentificationMethod = "not stated in the CT"  # what highdicom takes over must say how
        dataset.PixelSpacing, dataset.SliceThickness, dataset.SpacingBetweenSlices = [y, x], z, z
    return copies


def _segment(source: SourceSeries, maker: Maker, number: int, name: str, content: str) -> Any:
    highdicom = highdicom_module()
    from pydicom.sr.codedict import codes

    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type="AUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=maker.shown, version=__version__, family=codes.DCM.ArtificialIntelligence
        ),
        anatomic_regions=[codes.SCT.Mediastinum],
        tracking_id=name,
        tracking_uid=derived_uid(source, maker, content, "segment", name),
    )


def highdicom_module() -> Any:
    """Import highdicom; MissingExtraError if it is not installed."""
    try:
        import highdicom
    except ImportError as error:
        raise missing_extra("writing a DICOM SEG or SR", "dicom") from error
    return highdicom
