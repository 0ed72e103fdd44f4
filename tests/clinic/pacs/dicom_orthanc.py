"""An Orthanc that speaks DICOM with this machine's receiver: the archive of a hospital, as far as we can have one."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.clinic.pacs.address import DicomAddress
from tests.browser.ohif_site import Archive

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class DicomArchive:
    """A running Orthanc: REST for the test, DICOM for who calls itself AMT and comes from this machine."""

    rest: Archive
    address: DicomAddress

    def instances(self) -> list[dict[str, Any]]:
        """Give the tags of everything that is in it, by their names."""
        ids = json.loads(self.rest.ask("/instances").body)
        return [json.loads(self.rest.ask(f"/instances/{one}/simplified-tags").body) for one in ids]

    def store(self, files: Iterable[Path]) -> None:
        """Put DICOM files into it."""
        self.rest.store(files)


@contextmanager
def dicom_archive(folder: Path) -> Iterator[DicomArchive]:
    """Run an empty Orthanc; skip where it is not installed.

    Debian's 1.10.1 cannot be told to listen on one address: it knows one peer, by title and address, and nobody else.
    """
    program = shutil.which("Orthanc")
    if program is None:
        pytest.skip("Orthanc is not installed; make test-clinic installs it where it may")
    folder.mkdir(parents=True)
    with socket.socket() as first, socket.socket() as second:
        first.bind((LOOPBACK, 0))
        second.bind((LOOPBACK, 0))
        http, dicom = first.getsockname()[1], second.getsockname()[1]
    archive = DicomArchive(Archive(http, secrets.token_hex(16)), DicomAddress("ORTHANC", LOOPBACK, dicom))
    settings = {
        "StorageDirectory": str(folder / "files"),
        "IndexDirectory": str(folder / "files"),
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"test": archive.rest.password},
        "DicomServerEnabled": True,
        "DicomAet": "ORTHANC",
        "DicomPort": dicom,
        "DicomCheckCalledAet": True,
        "DicomCheckModalityHost": True,
        "DicomAlwaysAllowEcho": False,
        "DicomAlwaysAllowStore": False,
        "DicomModalities": {"amt": ["AMT", LOOPBACK, 11112]},
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


def _wait_for(archive: DicomArchive, process: subprocess.Popen[bytes]) -> None:
    for _ in range(150):
        assert process.poll() is None, "Orthanc ended"
        try:
            archive.rest.ask("/system")
        except urllib.error.URLError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("Orthanc does not answer")
