"""A DICOMweb archive for tests, on loopback: it answers as it is told to, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import pydicom

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class WebAnswer:
    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class WebPeer:
    """What the archive has seen: of each request the UIDs of its objects, and the headers."""

    url: str
    requests: list[list[str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


Plan = Callable[[int, list[str]], WebAnswer]


def stored(*uids: str, failed: Mapping[str, int] | None = None, warned: Mapping[str, int] | None = None) -> Any:
    """Lay out the answer of STOW-RS, PS3.18 table 10.5.3-1."""
    warned = warned or {}
    answer: dict[str, Any] = {}
    if uids:
        answer["00081199"] = {
            "vr": "SQ",
            "Value": [
                {
                    "00081155": {"vr": "UI", "Value": [uid]},
                    **({"00081196": {"vr": "US", "Value": [warned[uid]]}} if uid in warned else {}),
                }
                for uid in uids
            ],
        }
    if failed:
        answer["00081198"] = {
            "vr": "SQ",
            "Value": [
                {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [reason]}}
                for uid, reason in failed.items()
            ],
        }
    return answer


@contextmanager
def web_peer(plan: Plan) -> Iterator[WebPeer]:
    """Run an archive that answers the request of a number, from 1 on, with what `plan` says of its objects."""
    peer = WebPeer("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            parts = BytesParser().parsebytes(head + body).get_payload()
            assert isinstance(parts, list)
            datasets = [pydicom.dcmread(BytesIO(part.get_payload(decode=True))) for part in parts]  # type: ignore
            peer.requests.append([str(one.SOPInstanceUID) for one in datasets])
            peer.headers.append(dict(self.headers))
            answer = plan(len(peer.requests), peer.requests[-1])
            content = b"" if answer.content is None else json.dumps(answer.content).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/dicom+json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers["Content-Length"]))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

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
