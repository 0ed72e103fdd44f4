"""An Orthanc that answers this machine only: DICOM and DICOMweb, with passwords, AE titles and, if asked for, TLS."""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.clinic.pacs.address import DicomAddress, TlsFiles
from nnunet_amt.clinic.pacs.credentials import Credentials
from nnunet_amt.clinic.pacs.dicom_fetch import DicomArchive, MoveTo
from nnunet_amt.clinic.pacs.web import WebAddress
from nnunet_amt.clinic.pacs.web_fetch import WebArchive

LOOPBACK = "127.0.0.1"
US, RECEIVER = "US", "OUR_RECEIVER"
_DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_SHIM = Path(__file__).with_name("loopback.c")


@dataclass
class Orthanc:
    """An archive whose process can be killed and started again."""

    folder: Path
    tls: TlsFiles | None
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    dicom_port: int = 0
    http_port: int = 0
    https_port: int = 0
    receiver_port: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> DicomAddress:
        return DicomAddress("ORTHANC", LOOPBACK, self.dicom_port)

    @property
    def web(self) -> WebAddress:
        return self.web_as("test", self.password)

    def web_as(self, user: str, password: str) -> WebAddress:
        scheme, port = ("http", self.http_port) if self.tls is None else ("https", self.https_port)
        url = f"{scheme}://{LOOPBACK}:{port}/dicom-web"
        return WebAddress.checked(url, credentials=Credentials(user, password), tls=self.tls)

    def archives(self) -> dict[str, DicomArchive | WebArchive]:
        """Give it as every way of fetching sees it."""
        return {
            "get": DicomArchive(self.address, US, self.tls),
            "move": DicomArchive(self.address, US, self.tls, MoveTo(RECEIVER, self.receiver_port)),
            "web": WebArchive(self.web),
        }

    def start(self) -> None:
        program = shutil.which("Orthanc")
        assert program is not None
        environment = {**os.environ, "LD_PRELOAD": str(self.folder / "loopback.so")}
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [program, str(self.folder / "orthanc.json")], stdout=log, stderr=subprocess.STDOUT, env=environment
            )
        for _ in range(300):
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            try:
                self.ask("/system")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
            else:
                return
        raise AssertionError("Orthanc does not answer")

    def kill(self) -> None:
        """End it as a loss of power would, as far as a process can."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=30)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)

    def ask(self, path: str, *, method: str = "GET") -> Any:
        known = b64encode(f"test:{self.password}".encode()).decode()
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self.http_port}{path}", method=method, headers={"Authorization": f"Basic {known}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def instances(self) -> list[str]:
        """List what it has by SOPInstanceUID, sorted; one that is there twice stands there twice."""
        found = self.ask("/instances?expand")
        return sorted(one["MainDicomTags"]["SOPInstanceUID"] for one in found)

    def clear(self) -> None:
        for study in self.ask("/studies"):
            self.ask(f"/studies/{study}", method="DELETE")


@contextmanager
def running_orthanc(folder: Path, *, tls: bool = False) -> Iterator[Orthanc]:
    """Run an empty Orthanc; skip where it, or a C compiler for its loopback, is not installed."""
    compiler = shutil.which("cc")
    if shutil.which("Orthanc") is None or not _DICOMWEB.is_file() or compiler is None:
        pytest.skip("Orthanc, its DICOMweb or a C compiler is not installed; make test-pacs installs what it may")
    folder.mkdir(parents=True)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(folder / "loopback.so"), str(_SHIM), "-ldl"], check=True)
    orthanc = Orthanc(folder, _certificates(folder) if tls else None)
    orthanc.dicom_port, orthanc.http_port, orthanc.receiver_port = _free_ports(3)
    (folder / "orthanc.json").write_text(json.dumps(_settings(orthanc)))
    orthanc.start()
    _require_loopback(orthanc)
    try:
        with _tls_before(orthanc) if tls else nullcontext():
            yield orthanc
    finally:
        orthanc.stop()


@contextmanager
def _tls_before(orthanc: Orthanc) -> Iterator[None]:
    """Answer TLS in front of Orthanc's HTTP, as a hospital's proxy does: Debian's Orthanc 1.10.1 dies of its own."""
    assert orthanc.tls is not None and orthanc.tls.certificate is not None and orthanc.tls.key is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(orthanc.tls.certificate, orthanc.tls.key)

    class Proxy(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as near,
                socket.create_connection((LOOPBACK, orthanc.http_port)) as far,
            ):
                while True:
                    ready = [near] if near.pending() else select.select([near, far], [], [], 60)[0]
                    for source in ready:
                        if not (content := source.recv(1 << 16)):
                            return
                        (far if source is near else near).sendall(content)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server((LOOPBACK, 0), Proxy) as server:
        orthanc.https_port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def _settings(orthanc: Orthanc) -> dict[str, Any]:
    secured: dict[str, Any] = {}
    if orthanc.tls is not None:
        secured = {
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(orthanc.tls.certificate),
            "DicomTlsPrivateKey": str(orthanc.tls.key),
            "DicomTlsTrustedCertificates": str(orthanc.tls.ca),
        }
    use_tls = orthanc.tls is not None
    rights = {f"Allow{name}": True for name in ("Echo", "Find", "FindWorklist", "Get", "Move", "Store")}
    return {
        "StorageDirectory": str(orthanc.folder / "files"),
        "IndexDirectory": str(orthanc.folder / "files"),
        "Plugins": [str(_DICOMWEB)],
        "HttpPort": orthanc.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"test": orthanc.password},
        "DicomServerEnabled": True,
        "DicomAet": "ORTHANC",
        "DicomPort": orthanc.dicom_port,
        "DicomCheckCalledAet": True,
        "DicomCheckModalityHost": True,
        "DicomAlwaysAllowEcho": False,
        "DicomAlwaysAllowStore": False,
        "DicomModalities": {
            "us": {"AET": US, "Host": LOOPBACK, "Port": orthanc.receiver_port, "UseDicomTls": use_tls, **rights},
            "receiver": {
                "AET": RECEIVER, "Host": LOOPBACK, "Port": orthanc.receiver_port, "UseDicomTls": use_tls, **rights,
            },
        },
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        **secured,
    }  # fmt: skip


def _certificates(folder: Path) -> TlsFiles:
    """Make an authority, and of it a certificate of this machine, which both sides show."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates of this test")
    ca, ca_key, cert, key, request, names = (
        folder / name for name in ("ca.pem", "ca_key.pem", "cert.pem", "key.pem", "request.pem", "names")
    )
    names.write_text(f"subjectAltName=IP:{LOOPBACK}\n")
    for words in (
        f"req -x509 -newkey rsa:2048 -nodes -keyout {ca_key} -out {ca} -days 1 -subj /CN=test",
        f"req -newkey rsa:2048 -nodes -keyout {key} -out {request} -subj /CN=localhost",
        f"x509 -req -in {request} -CA {ca} -CAkey {ca_key} -CAcreateserial -out {cert} -days 1 -extfile {names}",
    ):
        subprocess.run(["openssl", *words.split()], check=True, capture_output=True)
    return TlsFiles(ca, cert, key)


def _free_ports(count: int) -> list[int]:
    with_ports = [socket.socket() for _ in range(count)]
    try:
        for one in with_ports:
            one.bind((LOOPBACK, 0))
        return [int(one.getsockname()[1]) for one in with_ports]
    finally:
        for one in with_ports:
            one.close()


def _require_loopback(orthanc: Orthanc) -> None:
    """Hold what Linux says of listening sockets: none of ours takes anything but the loopback."""
    ports = {f"{port:04X}" for port in (orthanc.dicom_port, orthanc.http_port)}
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, port = local.partition(":")
            if state == "0A" and port in ports:
                assert address in ("0100007F", "00000000000000000000000001000000"), f"listens on {address}"
