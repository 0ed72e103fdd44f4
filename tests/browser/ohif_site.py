"""OHIF on an Orthanc archive with DICOMweb, for a browser on this machine: neither answers another one."""

from __future__ import annotations

import json
import mimetypes
import secrets
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

_OHIF = Path(__file__).parents[2] / ".ohif" / "dist"
_DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_LOOPBACK = "127.0.0.1"
_ROOT = "/dicom-web"
_SETTINGS = {
    "name": "test",
    "routerBasename": "/",
    "extensions": [],
    "modes": [],
    "customizationService": {},
    "showStudyList": False,
    "maxNumberOfWebWorkers": 1,
    "showCPUFallbackMessage": False,
    "investigationalUseDialog": {"option": "never"},
    "disableConfirmationPrompts": True,
    "defaultDataSourceName": "orthanc",
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "orthanc",
            "configuration": {
                "friendlyName": "orthanc",
                "name": "orthanc",
                "qidoRoot": _ROOT,
                "wadoRoot": _ROOT,
                "wadoUriRoot": _ROOT,
                "imageRendering": "wadors",
                "thumbnailRendering": "wadors",
                "enableStudyLazyLoad": True,
                "omitQuotationForMultipartRequest": True,
                "bulkDataURI": {"enabled": True},
            },
        }
    ],
}


@dataclass(frozen=True)
class Answer:
    """What a server says: a status, a MIME type and the content."""

    status: int
    kind: str
    body: bytes


@dataclass(frozen=True)
class Archive:
    """A running Orthanc: it speaks HTTP only, to this machine only, and to who knows the password.

    Debian's 1.10.1 cannot be told to listen on one address; it refuses those who come from another.
    """

    port: int
    password: str

    def ask(self, path: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for a path, or send content to it."""
        known = b64encode(f"test:{self.password}".encode()).decode()
        request = urllib.request.Request(
            f"http://{_LOOPBACK}:{self.port}{path}", data=content,
            headers={**(headers or {}), "Authorization": f"Basic {known}"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers["Content-Type"], answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, "text/plain", error.read())

    def store(self, files: Iterable[Path]) -> None:
        """Put DICOM files into it."""
        for file in files:
            answer = self.ask("/instances", content=file.read_bytes())
            assert answer.status == 200, f"{file.name}: {answer.body!r}"


@contextmanager
def running_archive(folder: Path) -> Iterator[Archive]:
    """Run an empty Orthanc that keeps its files in a folder; skip where it is not installed."""
    program = shutil.which("Orthanc")
    if program is None or not _DICOMWEB.is_file():
        pytest.skip("Orthanc or its DICOMweb is not installed; make test-clinic installs them where it may")
    folder.mkdir(parents=True)
    archive = Archive(_free_port(), secrets.token_hex(16))
    settings = {
        "StorageDirectory": str(folder / "files"),
        "IndexDirectory": str(folder / "files"),
        "Plugins": [str(_DICOMWEB)],
        "HttpPort": archive.port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"test": archive.password},
        "DicomServerEnabled": False,
        "DicomWeb": {"Enable": True, "Root": f"{_ROOT}/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(archive, process)
        yield archive
    finally:
        process.terminate()
        process.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((_LOOPBACK, 0))
        return int(free.getsockname()[1])


def _wait_for(archive: Archive, process: subprocess.Popen[bytes]) -> None:
    for _ in range(150):
        assert process.poll() is None, "Orthanc ended"
        try:
            archive.ask("/system")
        except urllib.error.URLError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("Orthanc does not answer")


@contextmanager
def served_viewer(archive: Archive) -> Iterator[str]:
    """Serve OHIF and, under its address, the archive's DICOMweb; gives the address. Skip where OHIF was not fetched."""
    if not (_OHIF / "index.html").is_file():
        pytest.skip("OHIF was not fetched; use: make ohif")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked_for = {name: self.headers[name] for name in ("Accept", "Host") if name in self.headers}
            of_archive = self.path.startswith(f"{_ROOT}/")
            answer = archive.ask(self.path, headers=asked_for) if of_archive else _site_file(self.path)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((_LOOPBACK, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{_LOOPBACK}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _site_file(address: str) -> Answer:
    """Give a file of OHIF; an address that is none, such as /viewer, is a route of its single page."""
    name = address.partition("?")[0].lstrip("/")
    if name == "app-config.js":
        return Answer(200, "text/javascript", f"window.config = {json.dumps(_SETTINGS)};".encode())
    file = (_OHIF / name).resolve()
    if _OHIF not in file.parents or not file.is_file():
        file = _OHIF / "index.html"
    kind = "application/wasm" if file.suffix == ".wasm" else mimetypes.guess_type(file.name)[0]
    return Answer(200, kind or "application/octet-stream", file.read_bytes())
