"""DICOM files in a folder or a zip, whatever their names: all their headers, and one of them that holds a mask."""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import re
import stat
import struct
import warnings
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import IO, Any, ClassVar

from nnunet_amt.base.files import files_below, why_unreadable
from nnunet_amt.errors import AMTError, ImageReadError, missing_extra
from nnunet_amt.images.dicom.enhanced import ENHANCED_CT_IMAGES, slices_of
from nnunet_amt.images.dicom.headers import HEADER_TAGS, DicomHeader, header_of, stated_syntax
from nnunet_amt.images.dicom.stream import DicomFileError, damaged, is_dicom, unpacked
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.mask_on_grid import MaskOnGrid

RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
SEGMENTATIONS = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
_READERS = ("pydicom", "highdicom")
_ZIP_MAGIC = b"PK\x03\x04"
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_TYPES_OF_FIRST_VALUES = (b"UL", b"OB", b"UI", b"CS", b"DA", b"TM", b"DT", b"SH", b"LO", b"SQ", b"AE")
_DICOM_ENDINGS = (".dcm", ".dicom", ".ima")
_PREAMBLE = 128
_PACKED_DICOM = re.compile(r"\.(dcm|dicom|ima)\.[a-z0-9]{1,8}$")
NO_DICOM = "holds no DICOM file"
_DIGITS = re.compile(r"\d+")
_UNDEFINED_LENGTH = 0xFFFFFFFF
_MISSING_ELEMENT = re.compile(r"has no attribute '([A-Z]\w+)'$")


@dataclass(frozen=True)
class DicomFolder:
    """A folder (with its subfolders), a zip, or a single file, that holds DICOM files among others."""

    path: Path

    def headers(self) -> list[DicomHeader]:
        """Read the header of every DICOM file, of an enhanced CT that of every frame; other files are passed over.

        That there is no DICOM file, or one that cannot be read, is an ImageReadError.
        """
        headers, others = [], []
        with self._opened() as archive:
            members = self._members(archive)
            for number, member in enumerate(members, start=1):
                with refusing_damage(self, member):
                    found = self._headers(archive, member, self._shown(number, len(members)))
                if found is None:
                    others.append(member)
                else:
                    headers += [header for header in found if header.sop_class != _MEDIA_DIRECTORY]
            if not headers:
                raise ImageReadError(f"{self.path.name}: {NO_DICOM}")
            names = {_DIGITS.sub("#", header.member) for header in headers}
            self._require_no_lost_slice(archive, [name for name in others if _DIGITS.sub("#", name) in names])
        return headers

    def _require_no_lost_slice(self, archive: zipfile.ZipFile | None, members: list[str]) -> None:
        """Refuse empty files that are called as slices are: without one at its end, a stack is as regular as before."""
        for member in members:
            with refusing_damage(self, member), self._file(archive, member) as file:
                begin = file.read(_PREAMBLE)
                if not any(begin):
                    raise damaged("it holds nothing but zeros" if begin else "it is empty")

    def dataset(self, member: str) -> Any:
        """Read one file whole, as a pydicom dataset that states how it is encoded."""
        pydicom = pydicom_module()
        with self._opened() as archive, refusing_damage(self, member), self._file(archive, member) as file:
            dataset = pydicom.dcmread(file, force=True)
            _require_whole_last_element(dataset)
            dataset.file_meta.TransferSyntaxUID = stated_syntax(dataset)
            return dataset

    def datasets(self, members: Sequence[str]) -> list[Any]:
        """Read files up to their pixels, as pydicom datasets that state how they are encoded; a zip is opened once."""
        pydicom = pydicom_module()
        found = []
        with self._opened() as archive:
            for member in members:
                with refusing_damage(self, member), self._file(archive, member) as file:
                    dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True)
                    _require_whole_last_element(dataset)
                    dataset.file_meta.TransferSyntaxUID = stated_syntax(dataset)
                    found.append(dataset)
        return found

    def content_digest(self, member: str) -> str:
        """Digest the bytes of one file, to tell copies."""
        with self._opened() as archive, refusing_damage(self, member), self._file(archive, member) as file:
            return hashlib.sha256(file.read()).hexdigest()

    def shown(self, member: str) -> str:
        """Give what messages call a file: its place in the order of the names, which may hold UIDs or the patient's.

        A file that the manifest names itself is called by its name.
        """
        with self._opened() as archive:
            members = self._members(archive)
        if member not in members:
            return "a file that is gone meanwhile"
        return self._shown(members.index(member) + 1, len(members))

    def files_on_disk(self, members: list[str], scratch: Path) -> list[Path]:
        """Give paths of members in the given order, unpacked into `scratch` if they are in a zip or deflated."""
        paths = []
        with self._opened() as archive:
            for number, member in enumerate(members):
                with refusing_damage(self, member), self._file(archive, member) as file:
                    if archive is None and not isinstance(file, io.BytesIO):
                        paths.append(self._path_of(member))
                        continue
                    # never by the member's own name, which may lead outside
                    paths.append(scratch / f"{number:05d}.dcm")
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
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise ImageReadError(f"{self.path.name}: the zip is damaged; copy or export it again") from error

    def _members(self, archive: zipfile.ZipFile | None) -> list[str]:
        """List files, and what cannot be followed: to pass over a link to nothing would leave a slice out."""
        if archive:
            return sorted(info.filename for info in archive.infolist() if not info.is_dir())
        if not self.path.is_dir():
            return [self.path.name]
        try:
            return sorted(str(path.relative_to(self.path)) for path in files_below(self.path))
        except OSError as error:
            raise ImageReadError(
                f"{self.path.name}: a folder in it cannot be read ({error.strerror}); check its permissions"
            ) from error

    def _headers(self, archive: zipfile.ZipFile | None, member: str, shown: str) -> list[DicomHeader] | None:
        """Read the header of a file, or those of its slices; None if it is no DICOM."""
        if archive is None and (reason := why_unreadable(self._path_of(member))):
            if Path(member).name.startswith("."):  # locks of editors and the like
                return None
            raise DicomFileError(reason)
        if archive and stat.S_ISLNK(archive.getinfo(member).external_attr >> 16):
            raise DicomFileError("is a link, and leads nowhere from within a zip; pack the files themselves")
        with self._file(archive, member) as file:
            if not is_dicom(file):
                name, begin = Path(member).name.lower(), file.read(_PREAMBLE)
                if name.startswith("."):
                    return None
                if name.endswith(_DICOM_ENDINGS):
                    raise damaged("it is called DICOM, and does not begin like it" if begin else "it is empty")
                if _PACKED_DICOM.search(name):
                    raise DicomFileError("is packed or half copied by its name; unpack or copy it again, or remove it")
                return None
            pydicom = pydicom_module()
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=HEADER_TAGS, force=True)
            size = self._size_of(archive, member, file)
            header = header_of(dataset, member=member, shown=shown, pixels_at=file.tell(), size=size)
            return [*slices_of(dataset, header)] if header.sop_class in ENHANCED_CT_IMAGES else [header]

    def _shown(self, number: int, count: int) -> str:
        is_the_file_itself = not self.path.is_dir() and not self.path.name.lower().endswith(".zip")
        return self.path.name if is_the_file_itself else f"file {number} of {count} (by name)"

    def _path_of(self, member: str) -> Path:
        return self.path / member if self.path.is_dir() else self.path

    @contextmanager
    def _file(self, archive: zipfile.ZipFile | None, member: str) -> Iterator[IO[bytes]]:
        try:
            opened = archive.open(member) if archive else self._path_of(member).open("rb")
        except (NotImplementedError, RuntimeError) as error:  # zipfile's, of methods and locks that it does not know
            reason = "needs a password" if "password" in str(error) else "is packed in a way that is not read"
            raise ImageReadError(f"{self.path.name}: the zip {reason}; unpack it into a folder") from error
        with opened as file:
            yield unpacked(file)

    def _size_of(self, archive: zipfile.ZipFile | None, member: str, file: IO[bytes]) -> int:
        if isinstance(file, io.BytesIO):
            return len(file.getbuffer())
        return archive.getinfo(member).file_size if archive else self._path_of(member).stat().st_size


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
    # Whom and what it says it lies in, for comparison with the CT only: see `DicomHeader`; several frames of reference
    # where structures have their own
    patient_digest: str
    frames_of_reference: frozenset[str]
    # Images that it was drawn on, by SeriesInstanceUID ("" where it names none), and the frames of reference of single
    # structures, by their numbers
    images: Mapping[str, frozenset[str]] = field(default_factory=dict, kw_only=True)
    own_frames: Mapping[int, str] = field(default_factory=dict, kw_only=True)

    # What messages call the file and its structures.
    kind: ClassVar[str]
    structure: ClassVar[str]
    sop_classes: ClassVar[frozenset[str]]
    has_ignore_label: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def of(cls, folder: DicomFolder, member: str) -> DicomMask:
        """Open a file with all its structures; ImageReadError if it is damaged."""

    def missing_images(self, series_uid: str, sop_uids: Collection[str]) -> tuple[int, int]:
        """Count the images of a series that the file names and that are not there, and all that it names."""
        named = self.images.get(series_uid) or self.images.get("", frozenset())
        return len(named.difference(sop_uids)), len(named)

    def lies_in(self, frame: str) -> bool:
        """Whether the chosen structures lie in a frame of reference: by what they say themselves, or the file."""
        own = {self.own_frames.get(number, "") for number in self.numbers} - {""}
        return own == {frame} if own else frame in self.frames_of_reference

    @abstractmethod
    def require_fit(self, geometry: Geometry) -> None:
        """Refuse, before any pixel is read, what cannot be laid on the CT's grid."""

    @abstractmethod
    def read(self, geometry: Geometry) -> MaskOnGrid:
        """Merge the structures on the CT's grid."""


def _require_whole_last_element(dataset: Any) -> None:
    """Refuse a file that was cut off: pydicom gives as much of its last element as there is."""
    last = dataset.get_item(max(dataset.keys())) if len(dataset) else None
    value, length = getattr(last, "value", None), getattr(last, "length", 0)
    if last is None:
        raise damaged("it has no elements")
    is_pixels = last.tag.group >= 0x7FE0  # whether these are whole, their reader sees
    if isinstance(value, bytes) and length != _UNDEFINED_LENGTH and len(value) < length and not is_pixels:
        name = pydicom_module().datadict.keyword_for_tag(last.tag) or f"element {last.tag}"
        raise damaged(f"it ends after {len(value)} of {length} bytes of its {name}")


def is_dicom_path(path: Path) -> bool:
    """Tell whether a path is a folder, a zip, or a file that begins like DICOM."""
    if path.is_dir():
        return True
    with path.open("rb") as file:
        if is_dicom(file):
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
        raise missing_extra("reading DICOM", "dicom") from error
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
    """Raise ImageReadError for whatever is wrong with a file, while pydicom reads it or later on access.

    Its warnings are not shown: see `quiet_readers`. Nor are its words, which quote the header. That a file is damaged
    is said only if it cannot be decoded.
    """
    try:
        with quiet_readers():
            yield
    except (AMTError, MemoryError):
        raise
    except zipfile.BadZipFile:
        raise  # of the zip, not of the file in it
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ImageReadError(f"{folder.shown(member)} {_trouble(error)}") from error


def _trouble(error: Exception) -> str:
    """Say what an exception of pydicom's means, in words that hold nothing of the header."""
    if isinstance(error, DicomFileError):
        return str(error)
    if isinstance(error, OSError) and error.errno:
        return f"cannot be read ({error.strerror}); check its permissions"
    if missing := _MISSING_ELEMENT.search(str(error)) if isinstance(error, AttributeError) else None:
        return f"lacks {missing.group(1)}; export it again"
    if isinstance(error, zlib.error):
        return str(damaged("its packed bytes cannot be unpacked"))
    if isinstance(error, (OSError, EOFError, struct.error)):
        return str(damaged("it ends within an element"))
    if isinstance(error, NotImplementedError):
        return str(damaged("an element has a type that DICOM does not know"))
    return str(damaged("an element's value is not what its type says"))
