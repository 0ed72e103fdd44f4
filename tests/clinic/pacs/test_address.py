"""Addresses and certificates are refused before anybody is called, in a line that says what is wrong with them."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from nnunet_amt.clinic.pacs.address import DicomAddress, TlsFiles
from nnunet_amt.errors import BadInputError


@pytest.mark.parametrize(
    ("text", "title", "host", "port"),
    [
        ("ORTHANC@127.0.0.1:4242", "ORTHANC", "127.0.0.1", 4242),
        (" MY PACS @pacs.hospital:104", "MY PACS", "pacs.hospital", 104),
        ("A@B@[::1]:11112", "A@B", "::1", 11112),
    ],
)
def test_addresses(text: str, title: str, host: str, port: int) -> None:
    address = DicomAddress.parse(text)
    assert (address.ae_title, address.host, address.port) == (title, host, port)
    assert DicomAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "PACS", "PACS@host", "@host:104", "PACS@host:0", "PACS@host:65536", "PACS@host:-1", "PACS@:104"),
        *("PACS@ho st:104", "SEVENTEEN_LETTERS@host:104", "A\\B@host:104", "   @host:104", "Ä@host:104"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    """An AE title has 16 letters at most, no backslash and not only spaces; a port lies from 1 to 65535."""
    with pytest.raises(BadInputError, match=r"is no (address of a PACS|AE title)"):
        DicomAddress.parse(text)


@pytest.fixture
def pem(tmp_path: Path) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate of this test")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {cert} -days 1 -subj /CN=localhost".split(),
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def test_both_sides_must_show_a_certificate(pem: tuple[Path, Path]) -> None:
    """A client checks the server's name too; a server asks for the client's certificate. Nothing under TLS 1.2."""
    cert, key = pem
    client, server = TlsFiles(cert).for_client(), TlsFiles(cert, cert, key).for_server()
    assert client.verify_mode == server.verify_mode == ssl.CERT_REQUIRED
    assert client.check_hostname
    assert client.minimum_version == server.minimum_version == ssl.TLSVersion.TLSv1_2


def test_what_is_wrong_with_the_files_is_told(pem: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = pem
    locked = tmp_path / "locked.pem"
    subprocess.run(
        f"openssl rsa -aes128 -passout pass:secret -in {key} -out {locked}".split(), check=True, capture_output=True
    )
    for files, told in (
        (TlsFiles(tmp_path / "none.pem"), "--tls-ca: there is no file"),
        (TlsFiles(key), "--tls-ca key.pem: holds no certificate"),
        (TlsFiles(cert, cert), "only one of them is given"),
        (TlsFiles(cert, cert, locked), "without a password"),
        (TlsFiles(cert, key, cert), "are no certificate and its key"),
    ):
        with pytest.raises(BadInputError, match=told):
            files.for_client()
    with pytest.raises(BadInputError, match="a server needs a certificate"):
        TlsFiles(cert).for_server()
