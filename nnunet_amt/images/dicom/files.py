"""DICOM files in a folder or a zip, whatever their names: all their headers, and one of them that holds a mask."""

from __future__ import annotations

import logging
import os
import warnings
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import AMTError, ImageReadError, MissingExtraError
from nnunet_amt.images.dicom.headers import HEADER_TAGS, DicomHeader, header_of
from nnunet_amt.images.geometry import Geometry

ENHANCED_CT_IMAGES = frozenset({"1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"})
RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
SEGMENTATIONS = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
_READERS = ("pydicom", "highdicom")
_ZIP_MAGIC = b"PK\x03\x04"
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_TYPES_OF_FIRST_VALUES = (b"UL", b"OB", b"UI", b"CS", b"DA", b"TM", b"DT", b"SH", b"LO", b"SQ", b"AE")


@dataclass(frozen=True)
class DicomFolder:
    """A folder (with its subfolders), a zip, or a single file, that holds DICOM files among others."""

    path: Path

    def headers(self) -> list[DicomHeader]:
        """Read the header of every DICOM file; other files are passed over.

        That there is no DICOM file, or one that cannot be read, is an ImageReadError.
        """
        headers = []
        with self._opened() as archive:
            members = self._members(archive)
            for number, member in enumerate(members, start=1):
                with self._file(archive, member) as file:
                    if not _is_dicom(file):
                        continue
                    pydicom = pydicom_module()
                    size = archive.getinfo(member).file_size if archive else self._path_of(member).stat().st_size
                    shown = self._shown(number, len(members))
                    with refusing_damage(self, member):
                        dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=HEADER_TAGS, force=True)
                        at = file.tell()
                        header = header_of(dataset, member=member, shown=shown, pixels_at=at, bytes_left=size - at)
                if header.sop_class != _MEDIA_DIRECTORY:
                    headers.append(header)
        if not headers:
            raise ImageReadError(f"{self.path.name}: holds no DICOM file")
        return headers

    def dataset(self, member: str) -> Any:
        """Read one file whole, as a pydicom dataset."""
        pydicom = pydicom_module()
        with self._opened() as archive, self._file(archive, member) as file, refusing_damage(self, member):
            return pydicom.dcmread(file, force=True)

    def shown(self, member: str) -> str:
        """Give what messages call a file: its place in the order of the names, which may hold UIDs or the patient's.

        A file that the manifest names itself is called by its name.
        """
        with self._opened() as archive:
            members = self._members(archive)
        return self._shown(members.index(member) + 1, len(members))

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
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
            locked = isinstance(error, RuntimeError) and "password" in str(error)
            reason = "needs a password; unpack it into a folder" if locked else "is damaged; copy or export it again"
            raise ImageReadError(f"{self.path.name}: the zip {reason}") from error

    def _members(self, archive: zipfile.ZipFile | None) -> list[str]:
        if archive:
            return sorted(info.filename for info in archive.infolist() if not info.is_dir())
        if self.path.is_file():
            return [self.path.name]

        def fail(error: OSError) -> None:
            raise error  # a folder that must not be listed is an error, not empty

        below = [Path(parent, name) for parent, _, names in os.walk(self.path, onerror=fail) for name in names]
        return sorted(str(path.relative_to(self.path)) for path in below if path.is_file())

    def _shown(self, number: int, count: int) -> str:
        is_the_file_itself = self.path.is_file() and not self.path.name.lower().endswith(".zip")
        return self.path.name if is_the_file_itself else f"file {number} of {count} (by name)"

    def _path_of(self, member: str) -> Path:
        return self.path if self.path.is_file() else self.path / member

    def _file(self, archive: zipfile.ZipFile | None, member: str) -> IO[bytes]:
        return archive.open(member) if archive else self._path_of(member).open("rb")


@dataclass(frozen=True)
class DicomMask(ABC):
    """A file that holds a mask, and the structures in it that make up the tumour."""

    # Where the file is
    folder: DicomFolder
    member: str
    # Of the chosen structures (ROIs or segments), in the same order
    numbers: tuple[int, ...]
    names: tuple[str, ...]
    # CT series and slices that the file says it was drawn on, for comparison only
    series_uids: frozenset[str]
    sop_uids: frozenset[str]

    # What messages call the file and its structures.
    kind: ClassVar[str]
    structure: ClassVar[str]
    sop_classes: ClassVar[frozenset[str]]
    has_ignore_label: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def of(cls, folder: DicomFolder, member: str) -> DicomMask:
        """Open a file with all its structures; ImageReadError if it is damaged."""

    @abstractmethod
    def require_fit(self, geometry: Geometry) -> None:
        """Refuse, before any pixel is read, what cannot be laid on the CT's grid."""

    @abstractmethod
    def read(self, geometry: Geometry) -> NDArray[np.uint8]:
        """Merge the structures on the CT's grid to (z, y, x) of 0 and 1."""


def is_dicom_path(path: Path) -> bool:
    """Tell whether a path is a folder, a zip, or a file that begins like DICOM."""
    if path.is_dir():
        return True
    with path.open("rb") as file:
        if _is_dicom(file):
            return True
    return zipfile.is_zipfile(path)


def is_cut_zip(path: Path) -> bool:
    """Tell whether a file begins like a zip, and has not the table of contents that stands at a zip's end."""
    with path.open("rb") as file:
        return file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC and not zipfile.is_zipfile(path)


def pydicom_module() -> ModuleType:
    """Import pydicom, or say with a MissingExtraError which extra brings it."""
    try:
        import pydicom
    except ImportError as error:
        raise MissingExtraError("reading DICOM needs the extra: pip install 'nnunet_amt[dicom]'") from error
    module: ModuleType = pydicom
    return module


@contextmanager
def quiet_readers() -> Iterator[None]:
    """Silence pydicom and highdicom in the block.

    A UID or character set that is none is a warning to them, with the value, which may be a patient's name. What
    matters of it is an error of ours, which names the case.
    """
    loggers = [logging.getLogger(name) for name in _READERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def refusing_damage(folder: DicomFolder, member: str) -> Iterator[None]:
    """Raise ImageReadError for whatever pydicom raises on a damaged file, while reading it or later on access.

    Its warnings are not shown: see `quiet_readers`.
    """
    try:
        with quiet_readers():
            yield
    except (AMTError, MemoryError):
        raise
    except Exception as error:
        raise ImageReadError(f"{folder.shown(member)} is damaged ({type(error).__name__}); export it again") from error


def _is_dicom(file: IO[bytes]) -> bool:
    """Look for the mark after the preamble; old exports without one begin with an element of group 0002 or 0008."""
    head = file.read(132)
    file.seek(0, os.SEEK_SET)
    has_first_tag = head[:2] in (b"\x02\x00", b"\x08\x00") and head[3:4] == b"\x00"
    length = int.from_bytes(head[4:8], "little")  # where the type of the value is not in front of it
    has_length = head[4:6] in _TYPES_OF_FIRST_VALUES or (length % 2 == 0 and length < 1 << 16)
    return head[128:132] == b"DICM" or (len(head) > 8 and has_first_tag and has_length)
