"""Whether a series that was received is whole: after its quiet time, by its grid, and by the count of the archive.

The grid alone cannot tell: half of a series is a regular grid too. So the archive is asked how many images it has of
the series; where it cannot be asked that is stated, and quiet time and grid decide.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from nnunet_amt.clinic.pacs.address import DicomAddress, TlsFiles
from nnunet_amt.clinic.pacs.ledger import Ledger, SeriesToLookAt
from nnunet_amt.clinic.pacs.receive_status import COUNTED
from nnunet_amt.clinic.source_series import NoCtError, ct_series_in
from nnunet_amt.errors import AMTError, ImageReadError
from nnunet_amt.images.dicom.files import quiet_readers
from nnunet_amt.images.dicom.series import DicomSeries
from nnunet_amt.images.image_file import ReadingOptions

LOG = logging.getLogger(__name__)
_PENDING = (0xFF00, 0xFF01)
_LONGEST_LOOKING_SECONDS = 3600.0


@dataclass(frozen=True)
class Count:
    """What an archive says of a series.

    Attributes
    ----------
    images
        None if it could not be asked, or does not say.
    how
        What became of asking, in words.
    """

    images: int | None
    how: str


AskCount = Callable[[SeriesToLookAt], Count]


def ask_nobody(_: SeriesToLookAt) -> Count:
    """Stand in where there is no archive to ask."""
    return Count(None, "no archive was asked for the count")


def count_at(
    archive: DicomAddress, series: SeriesToLookAt, *, calling: str, tls: TlsFiles | None, timeout_seconds: float
) -> Count:
    """Ask an archive by C-FIND for NumberOfSeriesRelatedInstances; raises nothing."""
    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = timeout_seconds
    entity.connection_timeout = timeout_seconds
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    try:
        secured = (tls.for_client(), archive.host) if tls is not None else None
        association = entity.associate(archive.host, archive.port, ae_title=archive.ae_title, tls_args=secured)
    except (OSError, RuntimeError, AMTError) as error:
        return Count(None, f"the archive could not be asked for the count ({type(error).__name__})")
    if not association.is_established:
        return Count(None, "the archive could not be asked for the count (no association)")
    try:
        with quiet_readers():
            found = _counts(association, series)
    except Exception as error:
        LOG.debug("C-FIND failed", exc_info=True)
        return Count(None, f"the archive could not be asked for the count ({type(error).__name__})")
    finally:
        association.release()
    if found is None:
        return Count(None, "the archive did not answer when asked for the count")
    if len(found) != 1:
        return Count(None, "the archive does not know the series")
    return Count(found[0], f"{COUNTED} {found[0]} images") if found[0] else Count(
        None, "the archive tells no count of images"
    )  # fmt: skip


def _counts(association: object, series: SeriesToLookAt) -> list[int] | None:
    """Give the count of each series that answers to the query; None if it ended badly."""
    query = Dataset()
    query.QueryRetrieveLevel = "SERIES"
    query.StudyInstanceUID, query.SeriesInstanceUID = series.study_uid, series.series_uid
    query.NumberOfSeriesRelatedInstances = None
    found = []
    answers = association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind)  # type: ignore[attr-defined]
    for status, identifier in answers:
        if status and status.Status in _PENDING and identifier is not None:
            found.append(int(identifier.get("NumberOfSeriesRelatedInstances") or 0))
        elif not status or status.Status != 0x0000:
            return None
    return found


def look_at_series(
    ledger: Ledger, objects: Path, *, ask: AskCount, reading: ReadingOptions, quiet_seconds: float
) -> int:
    """Look at every series whose quiet time is over; gives how many became jobs.

    Parameters
    ----------
    objects
        The folder of the objects.
    ask
        Asks for the count, where there is an archive.
    reading
        What a CT may be.
    quiet_seconds
        A series that is not whole is looked at again after it, and then ever more rarely; at once if more comes.
    """
    made = 0
    for series in ledger.series_to_look_at():
        again = min(max(quiet_seconds, 1.0) * 2**series.looks, _LONGEST_LOOKING_SECONDS)
        try:
            why = why_not_whole(objects / series.mark, series, reading=reading)
            count = ask(series) if why is None else None
        except NoCtError as error:
            ledger.series_not_ready(series, reason=str(error), look_again_seconds=None)
            LOG.info("series %s is refused: %s", series.mark, error)
            continue
        except Exception as error:  # of whatever kind: no other series is to wait for it
            why, count = f"looking at it failed with {type(error).__name__}", None
            LOG.debug("looking at series %s failed", series.mark, exc_info=True)
        if count is not None and count.images is not None and count.images != series.objects:
            why = f"{count.how}, {series.objects} came"
        if why is not None or count is None:
            ledger.series_not_ready(series, reason=why or "", look_again_seconds=again)
            LOG.info("series %s is not whole yet: %s", series.mark, why)
        elif (revision := ledger.make_job(series, asked=count.how)) is not None:
            made += 1
            LOG.info("series %s is whole, %d images, revision %d; %s", series.mark, series.objects, revision, count.how)
    return made


def why_not_whole(folder: Path, series: SeriesToLookAt, *, reading: ReadingOptions) -> str | None:
    """Say why the slices of a series form no regular grid; None if they do.

    Raises
    ------
    NoCtError
        If it is no CT, and will not become one by waiting.
    """
    try:
        with quiet_readers():
            found = ct_series_in(folder, options=reading)
    except ImageReadError as error:
        reason = _without_name(error, folder)
        if reason.startswith("holds no CT series"):
            raise NoCtError(reason) from error
        return reason
    except (AMTError, OSError, MemoryError, RecursionError) as error:
        return _without_name(error, folder) if isinstance(error, AMTError) else type(error).__name__
    series_found = [one for one in found if isinstance(one, DicomSeries)]
    others = [one for one in found if not isinstance(one, DicomSeries)]
    if not series_found:
        return _without_name(others[0], folder)
    if series_found[0].is_enhanced:
        raise NoCtError("is an enhanced CT, all slices in one file, of which no objects are written")
    if len(series_found[0].slices) != series.objects and not others:
        return f"{series.objects} objects came, of which {len(series_found[0].slices)} are slices"
    return None


def _without_name(error: object, folder: Path) -> str:
    return str(error).removeprefix(f"{folder.name}: ")
