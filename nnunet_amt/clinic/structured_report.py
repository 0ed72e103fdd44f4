"""Write what was measured of the lesions as a DICOM structured report (TID 1500), on request only.

Why it is not written by default is told in docs/clinic.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_amt import __version__
from nnunet_amt.clinic.dicom_object import (
    MANUFACTURER,
    RESEARCH_ONLY,
    Maker,
    derived_uid,
    series_number,
    set_moments,
    write_object,
)
from nnunet_amt.clinic.lesions import Lesion
from nnunet_amt.clinic.segmentation import headers_for_highdicom, highdicom_module
from nnunet_amt.clinic.source_series import SourceSeries
from nnunet_amt.images.dicom.files import pydicom_module, quiet_readers

_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


def write_structured_report(
    path: Path, source: SourceSeries, segmentation: Path, lesions: Sequence[Lesion], *, maker: Maker
) -> None:
    """Write the measurements of lesions as a Comprehensive 3D SR that names their segments and the CT.

    Parameters
    ----------
    path
        Where to.
    source
        The CT series.
    segmentation
        The SEG of the lesions: its segments are the lesions in their order, see `write_segmentation`.
    lesions
        At least one.
    maker
        Of the masks.
    """
    highdicom = highdicom_module()
    with quiet_readers():
        seg = pydicom_module().dcmread(segmentation, stop_before_pixels=True)
        images = headers_for_highdicom(source)
        dataset = highdicom.sr.Comprehensive3DSR(
            evidence=[*images, seg],
            content=_report(source, seg, lesions, maker),
            series_instance_uid=derived_uid(source, maker, str(seg.SOPInstanceUID), "SR series"),
            series_number=series_number(source) + 3,
            sop_instance_uid=derived_uid(source, maker, str(seg.SOPInstanceUID), "SR"),
            instance_number=1,
            is_complete=True,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=maker.shown,
            software_versions=__version__,
            device_serial_number=maker.model_hash[:16] or "unknown",
            series_description=maker.series_description("measurements"),
        )
    source.take_over(dataset)
    for keyword in ("FrameOfReferenceUID", "PositionReferenceIndicator"):
        dataset.pop(keyword, None)  # a report lies nowhere in the patient
    set_moments(dataset, source)
    write_object(path, dataset, syntax=_EXPLICIT_VR_LITTLE_ENDIAN)


def _report(source: SourceSeries, seg: Any, lesions: Sequence[Lesion], maker: Maker) -> Any:
    highdicom = highdicom_module()
    from pydicom.sr.codedict import codes

    sr = highdicom.sr
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=derived_uid(source, maker, "", "device"), name=MANUFACTURER, manufacturer_name=MANUFACTURER,
        model_name=maker.shown,
    )  # fmt: skip
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_device_context=sr.ObserverContext(
                observer_type=codes.DCM.Device, observer_identifying_attributes=device
            )
        ),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[
            _measured(source, seg, segment, lesion, maker)
            for segment, lesion in zip(seg.SegmentSequence, lesions, strict=True)
        ],
    )
    report[0].ContentSequence.append(
        sr.TextContentItem(
            name=codes.DCM.Comment, value=RESEARCH_ONLY, relationship_type=sr.RelationshipTypeValues.CONTAINS
        )
    )
    return report


def _measured(source: SourceSeries, seg: Any, segment: Any, lesion: Lesion, maker: Maker) -> Any:
    """Give the group of one lesion: which segment it is, and its measures.

    The segment is named by its number alone: with numbers of frames beside it the reference is an error.
    """
    highdicom = highdicom_module()
    from pydicom.sr.codedict import codes

    sr = highdicom.sr
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=segment.TrackingUID, identifier=segment.TrackingID),
        referenced_segment=sr.ReferencedSegment(
            sop_class_uid=seg.SOPClassUID,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=int(segment.SegmentNumber),
            source_series=sr.SourceSeriesForSegmentation(str(source.first.SeriesInstanceUID)),
        ),
        finding_type=codes.SCT.Neoplasm,
        finding_sites=[sr.FindingSite(anatomic_location=codes.SCT.Mediastinum)],
        algorithm_id=sr.AlgorithmIdentification(name=maker.shown, version=__version__),
        measurements=_measurements(lesion),
    )


def _measurements(lesion: Lesion) -> list[Any]:
    """Give what ``lesions.csv`` has, by the same rounding."""
    measurement = highdicom_module().sr.Measurement
    from pydicom.sr.codedict import codes

    voxels = {"method": codes.DCM.SumOfSegmentedVoxelMethodForVolume}
    measured: list[tuple[Any, float | None, Any, dict[str, Any]]] = [
        (codes.SCT.Volume, lesion.volume_cm3, codes.UCUM.CubicCentimeter, voxels),
        (codes.SCT.LongAxis, lesion.axial_diameter_mm, codes.UCUM.Millimeter, {}),
        (codes.IBSI.Maximum3DDiameterOfAMesh, lesion.maximum_diameter_mm, codes.UCUM.Millimeter, {}),
        (codes.DCM.AttenuationCoefficient, lesion.mean_hu, codes.UCUM.HounsfieldUnit, {"derivation": codes.SCT.Mean}),
    ]
    return [measurement(name, round(value, 3), unit, **how) for name, value, unit, how in measured if value is not None]
