"""Series from an archive by QIDO-RS and WADO-RS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

from nnunet_amt.clinic.pacs.arrivals import NO_ROOM, STORED, Arrivals
from nnunet_amt.clinic.pacs.found_series import FoundSeries, collected
from nnunet_amt.clinic.pacs.wanted import Query, is_harmless_uid
from nnunet_amt.clinic.pacs.web import RefusedError, WebAddress, open_client, told_refusals
from nnunet_amt.errors import WorkFailedError
from nnunet_amt.images.dicom.files import pydicom_module, quiet_readers

if TYPE_CHECKING:
    from dicomweb_client import DICOMwebClient

_AS_STORED = (("application/dicom", "*"),)
_PAGE = 500
_OURS = -1  # in place of a status of HTTP


@dataclass
class WebArchive:
    """An archive that speaks DICOMweb."""

    address: WebAddress
    _client: DICOMwebClient | None = field(default=None, repr=False)

    @property
    def client(self) -> DICOMwebClient:
        """The client, made once."""
        if self._client is None:
            self._client = open_client(self.address)
        return self._client

    def find(self, query: Query, modalities: Iterable[str], *, most_studies: int) -> list[FoundSeries]:
        """Find the series that a query means; RefusedError if the archive cannot be asked."""
        return collected(query, modalities, most_studies=most_studies, ask=self._ask)

    def fetch(self, series: FoundSeries, arrivals: Arrivals) -> str:
        """Bring what is missing of a series, object by object; say what went wrong."""
        arrivals.wait_for(series)
        if not series.instances:
            return "the archive does not list its objects"
        trouble = ""
        for sop_uid in arrivals.missing(series):
            try:
                status = arrivals.take(self._object(series, sop_uid))
            except RefusedError as error:
                if error.status in (0, 401, 403):
                    return str(error)
                lost = f"an object that the archive lists does not come (HTTP {error.status})"
                trouble = str(error) if error.status == _OURS else lost
            else:
                if status == NO_ROOM:
                    return ""  # told by the one who asked
                trouble = trouble if status == STORED else "the archive gave another object than was asked for"
        return trouble

    def _ask(self, level: str, keys: Mapping[str, str]) -> list[Any]:
        """Ask by QIDO-RS, page by page."""
        from pydicom.dataset import Dataset

        path = {"STUDY": (), "SERIES": ("StudyInstanceUID",), "IMAGE": ("StudyInstanceUID", "SeriesInstanceUID")}[level]
        above = [keys[key] for key in path]
        if not all(is_harmless_uid(uid) for uid in above):
            raise WorkFailedError("the archive has given a study or series a UID that is none; it cannot be asked for")
        filters = {key: value for key, value in keys.items() if value and key not in path}
        fields = [key for key in keys if key not in path and key not in filters]
        own = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}[level]
        search = {
            "STUDY": self.client.search_for_studies,
            "SERIES": self.client.search_for_series,
            "IMAGE": self.client.search_for_instances,
        }[level]
        found: dict[str, Any] = {}
        while True:
            with told_refusals(self.address), quiet_readers():
                page: list[Any] = search(*above, search_filters=filters, fields=fields, limit=_PAGE, offset=len(found))  # type: ignore[operator]
                answers = [Dataset.from_json(one) for one in page]
            fresh = {str(one.get(own, "")): one for one in answers if str(one.get(own, "")) not in found}
            found |= fresh
            if not fresh or len(page) < _PAGE:  # one that knows no offset gives the same again
                return list(found.values())

    def _object(self, series: FoundSeries, sop_uid: str) -> bytes:
        """Get an object by WADO-RS, as the archive has stored it."""
        uids = (series.study_uid, series.series_uid, sop_uid)
        if not all(map(is_harmless_uid, uids)):
            raise RefusedError("an object has a UID that is none; it cannot be asked for", status=_OURS)
        with told_refusals(self.address), quiet_readers():
            try:
                dataset = self.client.retrieve_instance(*uids, media_types=_AS_STORED)
                content = BytesIO()
                pydicom_module().dcmwrite(content, dataset, enforce_file_format=True)
            except (ValueError, KeyError, IndexError, TypeError, AttributeError):
                raise RefusedError("what comes is no DICOM object", status=_OURS) from None
        return content.getvalue()
