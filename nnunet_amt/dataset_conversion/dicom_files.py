"""Read the headers of all DICOM files in a folder or a zip, whatever their names."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from nnunet_amt.errors import AMTError, ImageReadError, MissingExtraError

__all__ = [
    "CT_IMAGE",
    "ENHANCED_CT_IMAGES",
    "RT_STRUCTURE_SET",
    "SEGMENTATIONS",
    "DicomFolder",
    "DicomHeader",
    "is_dicom_path",
    "pydicom_module",
    "refusing_damage",
]

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT_IMAGES = frozenset({"1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"})
RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
SEGMENTATIONS = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"

_TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "ImageType",
    "Manufacturer",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "NumberOfFrames",
    "BitsAllocated",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
]


@dataclass(frozen=True)
class DicomHeader:
    """What the conversion needs of a DICOM file's header; nothing in it tells who the patient is.

    Attributes
    ----------
    member
        File name relative to the folder or inside the zip.
    sop_class, sop_uid, series_uid, modality, image_type, manufacturer
        As in the header; empty where it is silent.
    position, orientation, pixel_spacing
        ImagePositionPatient (x, y, z) in mm, ImageOrientationPatient (row, then column cosines), PixelSpacing
        (between rows, between columns) in mm; None where the header is silent.
    slice_thickness
        In mm; None where the header is silent.
    rows, columns
        Size of the slice.
    samples, frames
        Values a pixel, and slices in the file: 1 and 1 in a CT slice.
    slope, intercept
        Of the rescaling to HU; None where the header is silent.
    rescale_type
        Unit after the rescaling; empty where the header is silent, which means HU in CT.
    syntax
        Transfer syntax: how the pixels are compressed.
    missing_bytes
        By how much the file is too short for its pixels; 0 for compressed ones, whose length is not known.
    """

    member: str
    sop_class: str
    sop_uid: str
    series_uid: str
    modality: str
    image_type: tuple[str, ...]
    manufacturer: str
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, ...] | None
    slice_thickness: float | None
    rows: int
    columns: int
    samples: int
    frames: int
    slope: float | None
    intercept: float | None
    rescale_type: str
    syntax: str
    missing_bytes: int


@dataclass(frozen=True)
class DicomFolder:
    """A folder (with its subfolders), a zip, or a single file, that holds DICOM files among others.

    Attributes
    ----------
    path
        The folder, the zip or the file.
    """

    path: Path

    def headers(self) -> list[DicomHeader]:
        """Read the header of every DICOM file; other files are passed over.

        Raises
        ------
        ImageReadError
            If there is no DICOM file, or one of them cannot be read.
        MissingExtraError
            If pydicom is not installed.
        """
        headers = []
        with self._opened() as archive:
            for member in self._members(archive):
                with self._file(archive, member) as file:
                    if _is_dicom(file):
                        headers.append(_read_header(file, member, self._size(archive, member)))
        headers = [header for header in headers if header.sop_class != _MEDIA_DIRECTORY]
        if not headers:
            raise ImageReadError(f"{self.path.name}: holds no DICOM file")
        return headers

    def dataset(self, member: str) -> Any:
        """Read one file whole, as a pydicom dataset."""
        pydicom = pydicom_module()
        with self._opened() as archive, self._file(archive, member) as file, refusing_damage(member):
            return pydicom.dcmread(file, force=True)

    def files_on_disk(self, members: list[str], scratch: Path) -> list[Path]:
        """Give paths of members in the given order, unpacked into `scratch` if they are in a zip."""
        if not zipfile.is_zipfile(self.path):
            return [self._path_of(member) for member in members]
        paths = []
        with self._opened() as archive:
            for number, member in enumerate(members):
                paths.append(scratch / f"{number:05d}.dcm")  # never by the member's own name, which may lead outside
                with self._file(archive, member) as file:
                    paths[-1].write_bytes(file.read())
        return paths

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile | None]:
        try:
            if self.path.is_file() and zipfile.is_zipfile(self.path):
                with zipfile.ZipFile(self.path) as archive:
                    yield archive
            else:
                yield None
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            # RuntimeError: a password is needed
            raise ImageReadError(f"{self.path.name}: the zip cannot be read ({error})") from error

    def _members(self, archive: zipfile.ZipFile | None) -> list[str]:
        if archive:
            return sorted(info.filename for info in archive.infolist() if not info.is_dir())
        if self.path.is_file():
            return [self.path.name]
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file())

    def _path_of(self, member: str) -> Path:
        return self.path if self.path.is_file() else self.path / member

    def _file(self, archive: zipfile.ZipFile | None, member: str) -> IO[bytes]:
        return archive.open(member) if archive else self._path_of(member).open("rb")

    def _size(self, archive: zipfile.ZipFile | None, member: str) -> int:
        return archive.getinfo(member).file_size if archive else self._path_of(member).stat().st_size


def is_dicom_path(path: Path) -> bool:
    """Tell whether a path is a folder, a zip, or a file that begins like DICOM."""
    if path.is_dir():
        return True
    with path.open("rb") as file:
        if _is_dicom(file):
            return True
    return zipfile.is_zipfile(path)


def pydicom_module() -> ModuleType:
    """Import pydicom, or say which extra brings it.

    Raises
    ------
    MissingExtraError
        If pydicom is not installed.
    """
    try:
        import pydicom
    except ImportError as error:
        raise MissingExtraError("reading DICOM needs the extra: pip install 'nnunet_amt[dicom]'") from error
    module: ModuleType = pydicom
    return module


@contextmanager
def refusing_damage(member: str) -> Iterator[None]:
    """Raise ImageReadError for whatever pydicom raises on a damaged file, while reading it or later on access."""
    try:
        yield
    except (AMTError, MemoryError):
        raise
    except Exception as error:
        raise ImageReadError(f"{member} is damaged ({type(error).__name__}); export it again") from error


def _is_dicom(file: IO[bytes]) -> bool:
    """Look for the mark after the preamble; old exports without one begin with group 0002 or 0008."""
    head = file.read(132)
    file.seek(0, os.SEEK_SET)
    old_style = head[:2] in (b"\x02\x00", b"\x08\x00") and head[2:4] in (b"\x00\x00", b"\x05\x00", b"\x08\x00")
    return head[128:132] == b"DICM" or old_style


def _read_header(file: IO[bytes], member: str, size: int) -> DicomHeader:
    pydicom = pydicom_module()
    with refusing_damage(member):
        dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS, force=True)
        return _header_of(dataset, member, size - file.tell())


def _header_of(dataset: Any, member: str, bytes_left: int) -> DicomHeader:
    def numbers(tag: str) -> tuple[float, ...] | None:
        value = dataset.get(tag)
        if value is None or value == "":
            return None
        several = value if hasattr(value, "__iter__") else (value,)
        return tuple(float(one) for one in several)

    def words(tag: str) -> tuple[str, ...]:
        value = dataset.get(tag) or ()
        return (value,) if isinstance(value, str) else tuple(str(word) for word in value)

    def number(tag: str) -> float | None:
        value = dataset.get(tag)
        return None if value in (None, "") else float(value)

    sop_class = str(dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID") or "")
    series_uid = str(dataset.get("SeriesInstanceUID") or "")
    if not sop_class or (sop_class == CT_IMAGE and not series_uid):
        raise EOFError  # it ends within the header
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    return DicomHeader(
        member=member,
        sop_class=sop_class,
        sop_uid=str(dataset.get("SOPInstanceUID") or ""),
        series_uid=series_uid,
        modality=str(dataset.get("Modality") or ""),
        image_type=words("ImageType"),
        manufacturer=str(dataset.get("Manufacturer") or ""),
        position=numbers("ImagePositionPatient"),
        orientation=numbers("ImageOrientationPatient"),
        pixel_spacing=numbers("PixelSpacing"),
        slice_thickness=number("SliceThickness"),
        rows=rows,
        columns=columns,
        samples=int(dataset.get("SamplesPerPixel") or 1),
        frames=int(dataset.get("NumberOfFrames") or 1),
        slope=number("RescaleSlope"),
        intercept=number("RescaleIntercept"),
        rescale_type=str(dataset.get("RescaleType") or ""),
        syntax=str(dataset.file_meta.get("TransferSyntaxUID") or ""),
        missing_bytes=_missing_bytes(dataset, bytes_left),
    )


def _missing_bytes(dataset: Any, bytes_left: int) -> int:
    """How many bytes of uncompressed pixels are not in the file, if `bytes_left` follow its header."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is not None and syntax.is_compressed:
        return 0
    element_header = 8 if syntax is None or syntax.is_implicit_VR else 12
    sizes = [int(dataset.get(tag) or 0) for tag in ("Rows", "Columns", "BitsAllocated")]
    bits = prod(sizes) * int(dataset.get("NumberOfFrames") or 1)
    return max(0, bits // 8 - max(0, bytes_left - element_header))
