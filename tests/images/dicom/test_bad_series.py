"""Kinds of bad CT series, each with the message it must give: what is wrong, the numbers, what to do."""
# ruff: noqa: E501 (a message stands on one line, to be searched for)

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless

from tests.dataset_conversion.bad_inputs import (
    AREA,
    Bad,
    assert_refused,
    every,
    heights,
    read_all,
    series,
    then,
    third,
)
from tests.images.dicom.dicom_fixtures import (
    make_volume,
    write_ct_series,
    write_rtstruct,
)


def two_series(folder: Path) -> None:
    write_ct_series(folder / "scan", series="native", change=every(SliceThickness=3))
    write_ct_series(folder / "scan", make_volume(4), series="contrast")


def unreferenced(folder: Path) -> None:
    two_series(folder)
    write_rtstruct(folder / "rs", {"GTV": AREA}, series=None)


def wrongly_referenced(folder: Path) -> None:
    two_series(folder)
    write_rtstruct(folder / "rs", {"GTV": AREA}, series="another")


def encrypted(folder: Path) -> None:
    series()(folder)
    shutil.make_archive(str(folder / "packed"), "zip", folder / "scan")
    content = bytearray((folder / "packed.zip").read_bytes())
    with zipfile.ZipFile(folder / "packed.zip") as archive:
        starts = [info.header_offset for info in archive.infolist()]
    directory = content.index(b"PK\x01\x02")
    for start in starts:
        content[start + 6] |= 1  # the flag of a password, in the file's own header ...
    while directory >= 0:
        content[directory + 8] |= 1  # ... and in the table of contents
        directory = content.find(b"PK\x01\x02", directory + 4)
    (folder / "packed.zip").write_bytes(content)


def damaged_compression(folder: Path) -> None:
    paths = write_ct_series(folder / "scan", make_volume(4, 64, 64), syntax=JPEG2000Lossless)
    write_rtstruct(folder / "rs", {"GTV": AREA})
    content = paths[1].read_bytes()
    start = content.index(b"\xff\x4f\xff\x51")  # the code stream's first words
    paths[1].write_bytes(content[:start] + bytes(4) + content[start + 4 :])


def table() -> Dataset:
    """Give a table of stored values and what they stand for."""
    item = Dataset()
    item.LUTDescriptor, item.LUTExplanation, item.ModalityLUTType, item.LUTData = [2, 0, 16], "", "HU", bytes(4)
    return item


SERIES = {
    "missing": Bad(
        series(positions=heights(0, 2.5, 7.5, 10, 12.5, 15)),
        "image",
        "slices are missing (1), the first between 2.50 and 7.50 mm, where slices are 2.5 mm apart; export the series again",
    ),
    "twice": Bad(
        series(positions=heights(0, 2.5, 2.5, 5, 7.5, 10)),
        "image",
        "slices are there twice (1), the first at 2.50 mm; remove the copies",
    ),
    "two phases": Bad(
        series(positions=heights(0, 0, 2.5, 2.5, 5, 5)),
        "image",
        "6 images lie at 3 places, 2 at each: several phases or copies in one series; export one of them",
    ),
    "uneven": Bad(
        series(positions=heights(0, 2, 4, 6, 11, 16)),
        "image",
        "slices are unevenly spaced, 2.000 to 5.000 mm (usually 2.000); take a series with one slice distance",
    ),
    "tilt": Bad(
        series(positions=[(0, 0.5314 * z, 2.5 * z) for z in range(6)]),
        "image",
        "the gantry was tilted by 12.0 degrees, slices drift by 2.7 mm; take an upright reconstruction, or have it straightened (--resample-tilt)",
    ),
    "shifted": Bad(
        series(positions=[(8.0 * (z == 3), 0, 2.5 * z) for z in range(6)]),
        "image",
        "slices are shifted sideways by up to 8.0 mm; take a series of one field of view",
    ),
    "orientations": Bad(
        series(third(ImageOrientationPatient=[0, 1, 0, -1, 0, 0])),
        "image",
        "the CT series mixes orientations: (1.0, 0.0, 0.0, 0.0, 1.0, 0.0) and, in 1 of 6 images, [(0.0, 1.0, 0.0, -1.0, 0.0, 0.0)]",
    ),
    "sizes": Bad(
        series(third(Rows=5, Columns=24)),
        "image",
        "the CT series mixes sizes: (12, 10) and, in 1 of 6 images, [(24, 5)]",
    ),
    "pixel spacings": Bad(
        series(third(PixelSpacing=[0.7, 0.9])),
        "image",
        "the CT series mixes pixel spacings: (0.7, 0.8) and, in 1 of 6 images, [(0.7, 0.9)]",
    ),
    "localiser among them": Bad(
        series(third(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])),
        "image",
        "1 of 6 images of the CT series are localisers",
    ),
    "localisers only": Bad(
        series(every(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])),
        "image",
        "the folder holds no CT series; the 6 CT images in it are localisers",
    ),
    "one slice": Bad(
        series(volume=make_volume(1)),
        "image",
        "the CT series has one image; give the folder that holds all of its images",
    ),
    "MR": Bad(
        series(every(SOPClassUID="1.2.840.10008.5.1.4.1.1.4", Modality="MR")),
        "image",
        "the folder holds no CT series; it has 6 of MR",
    ),
    "screenshots": Bad(
        series(every(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")),
        "image",
        "the folder holds no CT series; it has 6 of CT, but no CT images: those of CT are screenshots or other objects",
    ),
    "multi-frame": Bad(
        series(every(SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1")),
        "image",
        "has 1 frames, and says of 0 where they lie; export it again",
    ),
    "modality": Bad(series(third(Modality="PT")), "image", "has Modality 'PT', must be CT"),
    "frames": Bad(series(third(NumberOfFrames=3)), "image", "holds 3 frames, a CT slice has one"),
    "colour": Bad(series(third(SamplesPerPixel=3)), "image", "has 3 values a pixel (colours), must have one"),
    "no position": Bad(
        series(third(ImagePositionPatient=None)),
        "image",
        "does not say where it lies (ImagePositionPatient, ImageOrientationPatient, PixelSpacing)",
    ),
    "no orientation": Bad(series(third(ImageOrientationPatient=None)), "image", "does not say where it lies"),
    "no pixel spacing": Bad(series(third(PixelSpacing=None)), "image", "does not say where it lies"),
    "half a position": Bad(
        series(third(ImagePositionPatient=[0, 0])),
        "image",
        "has a position, orientation or pixel spacing that is not 3, 6 and 2 numbers",
    ),
    "one spacing": Bad(
        series(every(PixelSpacing=0.7)),
        "image",
        "has a position, orientation or pixel spacing that is not 3, 6 and 2 numbers",
    ),
    "no size of pixels": Bad(
        series(every(PixelSpacing=[0, 0])), "image", "has PixelSpacing (0, 0), must be above 0 mm"
    ),
    "orientation of no length": Bad(
        series(orientation=(0, 0, 0, 0, 0, 0)),
        "image",
        "has an ImageOrientationPatient of lengths (0, 0), must be unit vectors",
    ),
    "slanted rows": Bad(
        series(orientation=(1, 0, 0, 0.6, 0.8, 0)),
        "image",
        "rows and columns of the slices are not at right angles",
    ),
    "no intercept": Bad(series(third(RescaleIntercept=None)), "image", "has no RescaleIntercept: HU are unknown"),
    "slope 0": Bad(series(third(RescaleSlope=0)), "image", "has RescaleSlope 0: HU are unknown"),
    "spectral": Bad(
        series(third(RescaleType="Z_EFF")),
        "image",
        "has RescaleType 'Z_EFF': its values are not HU; take the series in HU",
    ),
    "values in the high bits": Bad(
        series(third(BitsStored=12, HighBit=15)),
        "image",
        "has BitsStored 12 and HighBit 15, must be one less than the bits stored: its values are not in the low bits; export it again",
    ),
    "a table to HU": Bad(
        series(third(ModalityLUTSequence=[table()])),
        "image",
        "has a ModalityLUTSequence, which is not read: HU are unknown; take the series in HU",
    ),
    "truncated": Bad(series(third(PixelData=bytes(100))), "image", "is truncated, 140 bytes are missing"),
    "damaged compression": Bad(damaged_compression, "image", "the pixels of the CT series cannot be read"),
    "two series, no reference": Bad(
        unreferenced,
        "image",
        "the folder holds 2 CT series (6 slices of 12 x 10, 3 mm thick; 4 slices of 12 x 10); keep one series in the folder",
    ),
    "two series, another reference": Bad(
        wrongly_referenced,
        "image",
        "the folder holds 2 CT series (6 slices of 12 x 10, 3 mm thick; 4 slices of 12 x 10), the mask refers to none of them; keep one series in the folder",
    ),
    "password": Bad(encrypted, "image", "the zip needs a password; unpack it", image="packed.zip"),
    "empty folder": Bad(
        then(series(), lambda folder: (folder / "empty").mkdir()),
        "image",
        "the folder holds no DICOM file",
        image="empty",
    ),
    "no such file": Bad(
        series(), "image", "the file does not exist; paths are relative to the manifest's folder", image="elsewhere"
    ),
}


@pytest.mark.parametrize("bad", SERIES.values(), ids=SERIES.keys())
def test_each_bad_series_is_refused_with_its_message(tmp_path: Path, bad: Bad) -> None:
    assert_refused(bad, tmp_path / "Planted^Name", tmp_path / "scratch")


def test_the_sound_series_is_read(tmp_path: Path) -> None:
    """Otherwise the table above could be full of refusals for another reason."""
    series()(tmp_path)
    read_all(tmp_path / "scan", tmp_path / "rs", "GTV", tmp_path)
