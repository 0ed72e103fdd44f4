"""A DICOMweb archive for tests that is asked for series, on loopback: QIDO-RS and WADO-RS, as faulty as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pydicom
from pydicom.dataset import Dataset

LOOPBACK = "127.0.0.1"
_LEVELS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass
class WebQueryPeer:
    """What the archive holds; it knows no pages: whatever the offset, it answers from the beginning.

    Attributes
    ----------
    statuses
        Of HTTP, in place of an answer, by the number of the request, from 1 on.
    instead
        The object that it gives in place of each one.
    lost
        SOPInstanceUIDs that it lists and does not have.
    """

    url: str
    objects: list[Dataset]
    statuses: dict[int, int] = field(default_factory=dict)
    instead: Dataset | None = None
    lost: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)

    def search(self, parts: Sequence[str], query: str) -> list[dict[str, object]]:
        """Answer by the level that an address ends with: studies, series or instances."""
        above = dict(zip(_LEVELS, parts[1::2], strict=False))
        filters = {key: value[0] for key, value in parse_qs(query).items() if key in (*_LEVELS, "AccessionNumber")}
        own = _LEVELS[len(above)]
        found: dict[str, Dataset] = {}
        for one in self.objects:
            if all(one.get(key) == value for key, value in {**above, **filters}.items()):
                answer = Dataset()
                for key in (*_LEVELS, "SOPClassUID", "Modality", "PatientID", "AccessionNumber"):
                    setattr(answer, key, one.get(key, ""))
                found[str(one[own].value)] = answer
        return [one.to_json_dict() for one in found.values()]

    def retrieve(self, sop_uid: str) -> bytes | None:
        found = [one for one in self.objects if one.SOPInstanceUID == sop_uid and sop_uid not in self.lost]
        if not found:
            return None
        content = BytesIO()
        pydicom.dcmwrite(content, self.instead or found[0], enforce_file_format=True)
        return content.getvalue()


@contextmanager
def web_query_peer(files: Sequence[Path]) -> Iterator[WebQueryPeer]:
    """Run an archive that holds these files."""
    peer = WebQueryPeer("", [pydicom.dcmread(file) for file in files])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            peer.requests.append(address.path)
            parts = address.path.strip("/").split("/")[1:]
            status = peer.statuses.get(len(peer.requests))
            if status is not None:
                self._answer(status, "text/plain", b"")
            elif len(parts) < 6:
                self._answer(200, "application/dicom+json", json.dumps(peer.search(parts, address.query)).encode())
            elif (content := peer.retrieve(parts[5])) is None:
                self._answer(404, "text/plain", b"")
            else:
                body = b"\r\n--edge\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--edge--"
                self._answer(200, 'multipart/related; type="application/dicom"; boundary=edge', body)

        def _answer(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Location", "http://192.0.2.1/")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        peer.url = f"http://{LOOPBACK}:{server.server_address[1]}/dicom-web"
        try:
            yield peer
        finally:
            server.shutdown()
            thread.join()
