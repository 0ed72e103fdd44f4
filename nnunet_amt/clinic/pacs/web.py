"""A DICOMweb archive: how it is reached, and in one line what its refusals mean."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nnunet_amt.clinic.pacs.address import TlsFiles
from nnunet_amt.clinic.pacs.credentials import Credentials
from nnunet_amt.errors import BadInputError, WorkFailedError, missing_extra

if TYPE_CHECKING:
    import requests
    from dicomweb_client import DICOMwebClient

_CONNECTION_SECONDS = 15.0
_ANSWER_SECONDS = 120.0
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_LOGGERS = ("dicomweb_client", "urllib3", "retrying")
_SHOWN = 500
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class WebAddress:
    """Where a DICOMweb service is, and how it is spoken to.

    Attributes
    ----------
    url
        Of the service, to which ``/studies`` is added.
    credentials
        None where nobody asks for them.
    tls
        Certificates of the other side, and ours, if not those that the system trusts.
    """

    url: str
    credentials: Credentials | None = None
    tls: TlsFiles | None = None

    @classmethod
    def checked(
        cls, url: str, *, credentials: Credentials | None, tls: TlsFiles | None, allow_plain: bool = False
    ) -> WebAddress:
        """Refuse an address that is none, holds a password itself, or would show one to the network.

        Parameters
        ----------
        allow_plain
            Send credentials without TLS to another machine.

        Raises
        ------
        BadInputError
            Of the first such fault; the address is not repeated if a password is in it.
        """
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise BadInputError("--dicomweb: the address holds a user or password; give them with --credentials FILE")
        try:
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            is_address = False
        if not is_address or parts.query or parts.fragment:
            raise BadInputError(f"--dicomweb {url}: is no address; give https://HOST/PATH, such as .../dicom-web")
        is_plain = parts.scheme == "http" and not is_this_machine(parts.hostname or "")
        if is_plain and credentials is not None and not allow_plain:
            raise BadInputError(
                f"--dicomweb {url}: everybody on the way could read the password; take https, or insist with "
                "--allow-plain-http"
            )
        if tls is not None:
            tls.for_client()  # looks at the files
        return cls(url.rstrip("/"), credentials, tls)

    def __str__(self) -> str:
        return self.url


class RefusedError(WorkFailedError):
    """An answer of HTTP that is no success.

    Attributes
    ----------
    status
        Of HTTP; 0 if there was no answer.
    body, kind
        What came with it, and its media type.
    """

    def __init__(self, message: str, *, status: int = 0, body: bytes = b"", kind: str = "") -> None:
        super().__init__(message)
        self.status, self.body, self.kind = status, body, kind

    @property
    def may_change(self) -> bool:
        """Whether trying again may help."""
        return self.status == 0 or self.status in _BUSY

    @property
    def is_of_everything(self) -> bool:
        """Whether it would be the same for every object."""
        return self.status in (401, 403, 404, 405) or 300 <= self.status < 400


def is_this_machine(host: str) -> bool:
    """Tell whether a host is the loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_client(address: WebAddress) -> DICOMwebClient:
    """Make a client; nobody is called yet.

    It does not try again by itself, as it would send an empty body then; it follows no redirection, and takes neither
    proxies, certificates nor passwords from the environment or a ``.netrc``.

    Raises
    ------
    MissingExtraError
        Without dicomweb-client.
    """
    try:
        from dicomweb_client import DICOMwebClient
    except ImportError as error:
        raise missing_extra("sending and fetching", "pacs") from error
    for name in _LOGGERS:  # they write addresses, and these hold UIDs
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    client = DICOMwebClient(
        address.url, session=_session(address), timeout=(_CONNECTION_SECONDS, _ANSWER_SECONDS), permissive_uid=True
    )
    client.set_http_retry_params(retry=False)
    return client


def _session(address: WebAddress) -> requests.Session:
    import requests
    from requests.auth import HTTPBasicAuth

    class Session(requests.Session):
        """Leaves it to HTTP to say which host is called: the client would leave out the port.

        ``*`` and ``?`` of a query stand as they are, which addresses allow: Orthanc's DICOMweb 1.7 decodes none.
        """

        def request(self, method: Any, url: Any, *words: Any, **options: Any) -> requests.Response:
            options["headers"] = {k: v for k, v in (options.get("headers") or {}).items() if k != "Host"}
            options["allow_redirects"] = False
            answer = super().request(method, url.replace("%2A", "*").replace("%3F", "?"), *words, **options)
            if 300 <= answer.status_code < 400:  # to the client a success with nothing in it
                raise requests.HTTPError(response=answer)
            return answer

    session = Session()
    session.trust_env = False
    if address.tls is not None:
        session.verify = str(address.tls.ca)
        if address.tls.certificate is not None:
            session.cert = (str(address.tls.certificate), str(address.tls.key))
    if (known := address.credentials) is not None:
        if known.token:
            session.headers["Authorization"] = f"Bearer {known.token}"
        else:
            session.auth = HTTPBasicAuth(known.user.encode(), known.password.encode())
    return session


@contextmanager
def told_refusals(address: WebAddress) -> Iterator[None]:
    """Turn what goes wrong with requests in the block into a RefusedError of one line, without UIDs."""
    import requests

    try:
        yield
    except requests.HTTPError as error:
        if error.response is None:
            raise RefusedError(f"{address}: gives no answer") from None
        raise refusal(address, error.response) from None
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise BadInputError(f"{address}: its certificate is not accepted; see --tls-ca") from None
        raise RefusedError(f"{address}: no TLS can be agreed on, or it was cut off") from None
    except requests.Timeout:
        raise RefusedError(f"{address}: gives no answer in time") from None
    except requests.RequestException as error:
        _LOGGER.info("%s: %s", address, error)
        raise RefusedError(f"{address}: cannot be reached, or ended the connection") from None


def refusal(address: WebAddress, answer: requests.Response) -> RefusedError:
    """Say what a status of HTTP means; what came with it goes to the log of ``--verbose``."""
    status = answer.status_code
    body = answer.content or b""
    _LOGGER.info("%s: HTTP %d: %s", address, status, body[:_SHOWN].decode(errors="replace"))
    meaning = {
        401: "does not know us; see --credentials",
        403: "does not allow us this",
        404: "has no DICOMweb there; is the path right?",
        405: "does not offer this",
        413: "takes no request as large",
    }.get(status, "refers to another address, which is not followed" if 300 <= status < 400 else "refuses")
    return RefusedError(
        f"{address}: the archive {meaning} (HTTP {status})",
        status=status, body=body, kind=answer.headers.get("Content-Type", ""),
    )  # fmt: skip
