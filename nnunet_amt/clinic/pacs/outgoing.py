"""What is to be sent: the DICOM files among those given, each looked at before anybody is called."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import files_below
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.errors import BadInputError, ImageReadError
from nnunet_amt.images.dicom.files import NO_DICOM, DicomFolder
from nnunet_amt.images.dicom.stream import IMPLICIT_VR

_MARK = 8  # letters of a digest
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class OutgoingObject:
    """A DICOM file that is whole and says what it is.

    Attributes
    ----------
    path
        The file.
    sop_class, sop_uid, series_uid
        As in its header.
    syntax
        Transfer syntax; of a deflated file that of what it unpacks to.
    sha256
        Of the file's bytes.
    """

    path: Path
    sop_class: str
    sop_uid: str
    series_uid: str
    syntax: str
    sha256: str


@dataclass(frozen=True)
class Outgoing:
    """What was found among the paths given.

    Attributes
    ----------
    objects
        To send, in the order of the paths, those of a folder by name.
    refused
        Files that cannot be sent, each with the reason.
    passed_over
        How many files in folders are no DICOM.
    """

    objects: tuple[OutgoingObject, ...]
    refused: tuple[tuple[Path, str], ...]
    passed_over: int


def find_outgoing(paths: Sequence[Path], *, progress: Progress = silent) -> Outgoing:
    """Look through files and folders for DICOM; a file that is given twice counts once.

    Raises
    ------
    BadInputError
        If a path does not exist, or a folder cannot be listed.
    """
    objects: list[OutgoingObject] = []
    refused: list[tuple[Path, str]] = []
    passed_over = 0
    files = dict(_files(paths))
    for done, (path, is_given) in enumerate(files.items(), start=1):
        progress(done, len(files), "looking at files")
        try:
            found = _object_of(path)
        except ImageReadError as error:
            reason = str(error).removeprefix(path.name).lstrip(": ")
            if reason == NO_DICOM and not is_given:
                passed_over += 1
            else:
                refused.append((path, reason))
            continue
        if found is not None:
            objects.append(found)
    return Outgoing(tuple(objects), tuple(refused), passed_over)


def short_mark(uid: str) -> str:
    """Name a study or a series in messages, where its UID would tell of a patient."""
    return hashlib.sha256(uid.encode()).hexdigest()[:_MARK]


def shown_files(paths: Iterable[Path], given: Sequence[Path]) -> dict[Path, str]:
    """Say what messages call files: by the name if it was given, else by the place in the folder given.

    Names of files in folders often hold UIDs or the patient's name.
    """
    shown: dict[Path, str] = {path: path.name for path in given}
    for folder in (path for path in given if path.is_dir()):
        files = [path for path in files_below(folder) if not path.name.startswith(".")]
        for number, path in enumerate(files, start=1):
            shown.setdefault(path, f"{folder.name or folder.resolve().name}: file {number} of {len(files)} (by name)")
    return {path: shown.get(path, path.name) for path in paths}


def _files(paths: Sequence[Path]) -> Iterable[tuple[Path, bool]]:
    """List files, each with whether it was given itself."""
    for given in paths:
        if not given.exists():
            raise BadInputError(f"{given}: does not exist; give DICOM files or folders of them")
        if not given.is_dir():
            yield given, True
            continue
        try:
            inside = files_below(given)
        except OSError as error:
            raise BadInputError(f"{given}: a folder in it cannot be read ({error.strerror})") from error
        yield from ((path, False) for path in inside if not path.name.startswith("."))


def _object_of(path: Path) -> OutgoingObject | None:
    """Read what is needed of a file; None of the directory of a medium, which describes files and is none to send."""
    if path.is_file() and zipfile.is_zipfile(path):
        raise ImageReadError(f"{path.name}: {NO_DICOM}; a zip must be unpacked")
    folder = DicomFolder(path)
    headers = folder.headers()
    header = headers[0]
    if header.missing_bytes:
        raise ImageReadError(f"{path.name} is damaged (it lacks {header.missing_bytes} bytes of its pixels)")
    if not header.rows:  # contours, reports: all of it is header
        folder.datasets([header.member])
    for name, uid in (("SOPClassUID", header.sop_class), ("SOPInstanceUID", header.sop_uid)):
        if not uid:
            raise ImageReadError(f"{path.name} lacks {name}; export it again")
    _LOGGER.info("to send: %s (SOPInstanceUID %s)", path, header.sop_uid)
    return OutgoingObject(
        path, header.sop_class, header.sop_uid, header.series_uid, header.syntax or IMPLICIT_VR, file_sha256(path) or ""
    )
