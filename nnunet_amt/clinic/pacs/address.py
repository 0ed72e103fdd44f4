"""Who is spoken to, and how it is secured: AE titles, hosts and ports, the files of TLS."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.errors import BadInputError

# PS3.5, AE: up to 16 letters of the default repertoire, no backslash, not only spaces.
_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
_ADDRESS = re.compile(r"(?P<aet>.+)@(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^@:\s]+):(?P<port>\d{1,5})")


@dataclass(frozen=True)
class DicomAddress:
    """An application entity that listens: its title, and where.

    Attributes
    ----------
    ae_title
        Without spaces around it; at most 16 letters.
    host
        A name or an IP address, IPv6 without brackets.
    port
        From 1 to 65535.
    """

    ae_title: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> DicomAddress:
        """Read ``AET@HOST:PORT``, as ``ORTHANC@127.0.0.1:4242`` or ``PACS@[::1]:104``.

        Raises
        ------
        BadInputError
            If it is none.
        """
        found = _ADDRESS.fullmatch(text.strip())
        if found is None or not 1 <= int(found["port"]) <= 65535:
            raise BadInputError(f"{text!r}: is no address of a PACS; give AET@HOST:PORT, such as PACS@10.0.0.5:104")
        return cls(ae_title(found["aet"]), found["host"].strip("[]"), int(found["port"]))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.ae_title}@{host}:{self.port}"


def ae_title(text: str) -> str:
    """Take an AE title without the spaces around it.

    Raises
    ------
    BadInputError
        If DICOM allows no such title.
    """
    title = text.strip(" ")
    if not title or not _AE_TITLE.fullmatch(title):
        raise BadInputError(
            f"{text!r}: is no AE title; it has 1 to 16 plain letters, digits and signs, but no backslash"
        )
    return title


@dataclass(frozen=True)
class TlsFiles:
    """The files of TLS, in PEM.

    Attributes
    ----------
    ca
        Certificates that the other side's must be signed by.
    certificate, key
        Ours; a client has them only where the other side asks for them.
    """

    ca: Path
    certificate: Path | None = None
    key: Path | None = None

    def for_client(self) -> ssl.SSLContext:
        """Give what a connection to a server is made with: its certificate and name are checked.

        Raises
        ------
        BadInputError
            If a file is missing, is no such file, or the key is not that of the certificate.
        """
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
        return self._with_files(context)

    def for_server(self) -> ssl.SSLContext:
        """Give what a server listens with: clients must show a certificate that `ca` signed.

        Raises
        ------
        BadInputError
            As `for_client`; and if there is no certificate of ours.
        """
        if self.certificate is None:
            raise BadInputError("--tls-cert: is missing; a server needs a certificate and its key, --tls-key")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.verify_mode = ssl.CERT_REQUIRED
        return self._with_files(context)

    def _with_files(self, context: ssl.SSLContext) -> ssl.SSLContext:
        if (self.certificate is None) != (self.key is None):
            raise BadInputError("--tls-cert and --tls-key: only one of them is given; give both, or neither")
        named = {"--tls-ca": self.ca, "--tls-cert": self.certificate, "--tls-key": self.key}
        for option, path in named.items():
            if path is not None and not path.is_file():
                raise BadInputError(f"{option}: there is no file {path}; give a PEM file")
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(self.ca)
        except (ssl.SSLError, OSError):
            raise BadInputError(f"--tls-ca {self.ca.name}: holds no certificate in PEM") from None
        if self.certificate is not None and self.key is not None:
            try:
                context.load_cert_chain(self.certificate, self.key, password=_no_password)
            except (ssl.SSLError, OSError, BadInputError):
                raise BadInputError(
                    f"--tls-cert {self.certificate.name}, --tls-key {self.key.name}: are no certificate and its key "
                    f"in PEM without a password"
                ) from None
        return context


def _no_password() -> str:
    """Answer OpenSSL, which would ask at the terminal for the password of a locked key."""
    raise BadInputError("locked")
