"""Objects that arrive: only what was asked for is kept, each whole under its final name or not at all."""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt.base.files import atomic_path
from nnunet_amt.errors import DiskFullError
from nnunet_amt.images.dicom.files import pydicom_module, quiet_readers

if TYPE_CHECKING:
    from nnunet_amt.clinic.pacs.found_series import FoundSeries

STORED, NOT_ASKED_FOR, NO_ROOM, NOT_UNDERSTOOD = 0x0000, 0x0124, 0xA700, 0xC000
_NAME = 32  # letters of a digest
_TAGS = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
_LOGGER = logging.getLogger(__name__)


@dataclass
class Arrivals:
    """The folder that objects are fetched to, a folder a series.

    Attributes
    ----------
    output
        The folder.
    not_asked_for
        How many objects came that were of no series that is waited for.
    trouble
        What kept an object from being written.
    """

    output: Path
    not_asked_for: int = 0
    trouble: OSError | DiskFullError | None = None
    _waited_for: dict[str, FoundSeries] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_for(self, series: FoundSeries) -> None:
        """Take objects of this series from now on, and of no other."""
        self._waited_for = {series.series_uid: series}

    def file_of(self, series: FoundSeries, sop_uid: str) -> Path:
        """Give where an object lies; a UID may be anything, so its digest is the name."""
        return self.output / series.name / f"{hashlib.sha256(sop_uid.encode()).hexdigest()[:_NAME]}.dcm"

    def count(self, series: FoundSeries) -> int:
        """Count what is there of a series."""
        return sum(1 for path in (self.output / series.name).glob("*.dcm") if not path.name.startswith("."))

    def missing(self, series: FoundSeries) -> list[str]:
        """List the objects of a series that are not there, by the archive's own list."""
        return [uid for uid in series.instances if not self.file_of(series, uid).exists()]

    def is_complete(self, series: FoundSeries) -> bool:
        """Tell whether all objects are there that the archive says it has; False where it does not say."""
        expected = series.expected
        return expected is not None and not self.missing(series) and self.count(series) >= expected

    def take(self, content: bytes) -> int:
        """Write an object, a DICOM file; give a status of C-STORE."""
        try:
            with quiet_readers():
                header = pydicom_module().dcmread(BytesIO(content), stop_before_pixels=True, specific_tags=_TAGS)
                study, series_uid, sop_uid = (str(header.get(tag, "") or "") for tag in _TAGS)
        except Exception as error:  # pydicom raises whatever the bytes make it raise
            _LOGGER.info("an object that cannot be read: %s", error)
            return NOT_UNDERSTOOD
        series = self._waited_for.get(series_uid)
        if series is None or series.study_uid != study or not sop_uid:
            with self._lock:
                self.not_asked_for += 1
            return NOT_ASKED_FOR
        _LOGGER.info("received: SOPInstanceUID %s", sop_uid)
        path = self.file_of(series, sop_uid)
        try:
            with self._lock:
                if not path.exists():
                    with atomic_path(path) as partial:
                        partial.write_bytes(content)
        except (OSError, DiskFullError) as error:
            self.trouble = error
            return NO_ROOM
        return STORED
