"""CT series as hospitals have them and the standard does not: what each writes into its headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydicom.dataset import Dataset

from nnunet_amt.images.dicom.files import quiet_readers
from tests.clinic.builders import as_hospitals_write

Change = Callable[[int, Dataset], None]

_LONG_UID = "1.2.826.0.1.3680043.8.498." + "7" * 50

# What the standard's CT image has of type 2 or 3, with a usual value.
# fmt: off
OPTIONAL_OF_A_CT: dict[str, object] = {
    "PatientName": "Planted^Name", "PatientID": "planted-id", "PatientBirthDate": "19600101", "PatientSex": "F",
    "OtherPatientIDs": "other", "EthnicGroup": "none", "PatientComments": "none", "PatientIdentityRemoved": "YES",
    "DeidentificationMethod": "by hand", "PatientAge": "066Y", "PatientSize": "1.60", "PatientWeight": "60.5",
    "Occupation": "none", "AdditionalPatientHistory": "none", "IssuerOfPatientID": "hospital",
    "StudyDate": "20260101", "StudyTime": "120000", "ReferringPhysicianName": "Some^One", "StudyID": "1",
    "AccessionNumber": "A1", "StudyDescription": "chest", "SeriesNumber": "3", "SeriesDate": "20260101",
    "SeriesTime": "120001", "SeriesDescription": "axial", "ProtocolName": "chest", "BodyPartExamined": "CHEST",
    "OperatorsName": "Some^One", "PerformingPhysicianName": "Some^One", "PatientPosition": "HFS",
    "PositionReferenceIndicator": "SN", "Manufacturer": "SIEMENS", "InstitutionName": "hospital",
    "StationName": "CT1", "ManufacturerModelName": "CT", "DeviceSerialNumber": "1", "SoftwareVersions": "1",
    "InstanceCreationDate": "20260101", "InstanceCreationTime": "120002", "AcquisitionDate": "20260101",
    "AcquisitionTime": "120003", "ContentDate": "20260101", "ContentTime": "120004", "AcquisitionNumber": "1",
    "InstanceNumber": "1", "ImageComments": "none", "PatientOrientation": ["L", "P"], "SliceThickness": "2.5",
    "SliceLocation": "1", "SpacingBetweenSlices": "2.5", "KVP": "120", "DataCollectionDiameter": "500",
    "ReconstructionDiameter": "400", "GantryDetectorTilt": "0", "TableHeight": "150", "RotationDirection": "CW",
    "ExposureTime": "500", "XRayTubeCurrent": "200", "Exposure": "100", "FilterType": "0", "FocalSpots": "1.2",
    "ConvolutionKernel": "B30f", "ContrastBolusAgent": "none", "WindowCenter": "40", "WindowWidth": "400",
    "RescaleType": "HU", "LossyImageCompression": "00", "SpecificCharacterSet": "ISO_IR 100",
}
# fmt: on


def stating(**elements: object) -> Change:
    """Write these values into each slice, also such as the standard does not allow; None for an empty one."""

    def change(z: int, dataset: Dataset) -> None:
        as_hospitals_write(z, dataset)
        with quiet_readers():
            for keyword, value in elements.items():
                setattr(dataset, keyword, value(z) if callable(value) else value)

    return change


def lacking(*keywords: str) -> Change:
    """Write all that a CT may have but these."""
    return _without(keywords, OPTIONAL_OF_A_CT)


def _without(keywords: tuple[str, ...], elements: Mapping[str, Any]) -> Change:
    def change(z: int, dataset: Dataset) -> None:
        stating(**{**elements, "InstanceNumber": z + 1})(z, dataset)
        for keyword in keywords:
            if keyword in dataset:
                del dataset[keyword]

    return change


# Of each, objects are written that hold the mask and what the CT may state of its patient.
ODD_SOURCES: dict[str, Change] = {
    "SliceThickness empty": stating(SliceThickness=None),
    "no SliceThickness": lacking("SliceThickness"),
    "SliceThickness of another CT": stating(SliceThickness="99"),
    "Japanese name": stating(
        SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう"
    ),
    "Japanese name in half width": stating(
        SpecificCharacterSet=["ISO 2022 IR 13", "ISO 2022 IR 87"], PatientName="ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"
    ),
    "Korean name": stating(SpecificCharacterSet=["", "ISO 2022 IR 149"], PatientName="Hong^Gildong=洪^吉洞=홍^길동"),
    "Chinese name": stating(SpecificCharacterSet="GB18030", PatientName="Wang^XiaoDong=王^小东"),
    "unknown character set": stating(SpecificCharacterSet="ISO_IR 999"),
    "positions of 20 digits": stating(
        ImagePositionPatient=lambda z: ["-123.12345678901234567", "0.12345678901234567890", f"{z * 2.5:.17f}"]
    ),
    "distances of 20 digits": stating(PixelSpacing=["0.70000000000000006661", "0.80000000000000004441"]),
    "directions of 20 digits": stating(
        ImageOrientationPatient=[
            "0.99999999999999999999",
            "0.00000000000000000001",
            "0",
            "0",
            "1.0000000000000000000",
            "0",
        ]
    ),
    "thickness of 20 digits": stating(SliceThickness="2.50000000000000000001"),
    "weight of 20 digits": stating(PatientWeight="70.50000000000000000001"),
    "InstanceNumber of 14 digits": stating(InstanceNumber="1" * 14),
    "no InstanceNumber": lacking("InstanceNumber"),
}
# Values that the standard does not allow, and that objects leave out.
LEFT_OUT: dict[str, dict[str, object]] = {
    "sex in words": {"PatientSex": "male"},
    "sex unknown to the standard": {"PatientSex": "X"},
    "age without unit": {"PatientAge": "70"},
    "birth date with dashes": {"PatientBirthDate": "1950-01-01"},
    "study date with points": {"StudyDate": "2026.01.01"},
    "study date of no month": {"StudyDate": "20261399"},
    "study time with colons": {"StudyTime": "12:00:00"},
    "study id of 40 letters": {"StudyID": "x" * 40},
    "accession number of 40 letters": {"AccessionNumber": "x" * 40},
    "description of 100 letters": {"StudyDescription": "x" * 100},
    "two descriptions": {"StudyDescription": ["a", "b"]},
}
# Of each, no object is written, and one line says why.
REFUSED_SOURCES: dict[str, tuple[Change, str]] = {
    "study UID of 76 characters": (stating(StudyInstanceUID=_LONG_UID), "a StudyInstanceUID of 76 characters"),
    "series UID of 76 characters": (stating(SeriesInstanceUID=_LONG_UID), "a SeriesInstanceUID of 76 characters"),
    "image UIDs of 77 characters": (
        stating(SOPInstanceUID=lambda z: f"{_LONG_UID}{z}"), "slice 1 has a SOPInstanceUID of 77 characters",
    ),
    "frame UID of 76 characters": (stating(FrameOfReferenceUID=_LONG_UID), "a FrameOfReferenceUID of 76 characters"),
    "study UID with zeros": (stating(StudyInstanceUID="1.2.003.4"), "a StudyInstanceUID that is not numbers"),
    "frame UID of letters": (stating(FrameOfReferenceUID="1.2.abc"), "a FrameOfReferenceUID that is not numbers"),
    "no study UID": (stating(StudyInstanceUID=None), "slice 1 has no StudyInstanceUID"),
    "two studies": (
        stating(StudyInstanceUID=lambda z: f"1.2.3.{z // 3 + 1}"), "slice 4 has another StudyInstanceUID than slice 1",
    ),
    "two patients of no number": (
        stating(PatientID=None, PatientName=lambda z: f"Planted^{z // 3}"), "slice 4 has another PatientName than",
    ),
    "PatientID of 100 characters": (stating(PatientID="x" * 100), "its PatientID is longer"),
    "PatientName of 100 characters": (stating(PatientName="x" * 100), "its PatientName is longer"),
    "two PatientNames": (stating(PatientName=["A^B", "C^D"]), "or two in one"),
}  # fmt: skip
