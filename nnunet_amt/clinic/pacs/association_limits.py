"""What an association may cost, whoever is at its other end: connections, bytes of a message, and time.

pynetdicom takes a message of any length into memory, and lets one who does not finish his TLS handshake keep all others
waiting. Its server is made with these classes instead.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from nnunet_amt.clinic.pacs.peers import Peers

LOG = logging.getLogger(__name__)
MAXIMUM_PDU = 128 * 1024  # that we ask others to keep to
_LONGEST_PDU = 1024 * 1024  # an association request may be longer than what follows it
_COMMAND_BYTES = 4096  # of a message, beside its object
_WAITING_CONNECTIONS = 8  # beside the associations that may be open
_TELL_AGAIN_SECONDS = 60.0  # of one address: who tries without end fills no log


class LimitedServer(ThreadedAssociationServer):
    """A server that hangs up on addresses that it does not know, and on more connections than it can bear."""

    daemon_threads = True

    def __init__(self, *words: Any, peers: Peers, **options: Any) -> None:
        self._peers = peers
        self.failed_handshakes = FailedHandshakes()
        super().__init__(*words, **{**options, "request_handler": LimitedHandler})

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection; its handshake is done by its own thread, within the time of the network."""
        assert self.socket is not None
        client, address = self.socket.accept()
        client.settimeout(self.ae.network_timeout)
        if self.ssl_context is not None:
            client = self.ssl_context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        return client, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether somebody may speak at all."""
        if not self._peers.is_known_address(client_address[0]):
            LOG.warning("refused a connection from %s: the address is no peer's", client_address[0])
            return False
        if len(self.active_associations) >= self._peers.limits.associations + _WAITING_CONNECTIONS:
            LOG.warning("refused a connection from %s: too many are open", client_address[0])
            return False
        return True


class LimitedHandler(RequestHandler):
    """Gives each association a socket that reads no endless PDU, and counts what waits in memory."""

    def _create_association(self) -> Association:
        association = super()._create_association()
        association.dul.socket.__class__ = _LimitedSocket  # a second socket object would announce the connection twice
        association.bytes_waiting = BytesWaiting(self.server._peers.limits.object_bytes)  # type: ignore[attr-defined]
        association.failed_handshakes = self.server.failed_handshakes  # type: ignore[attr-defined]
        association.bind(evt.EVT_PDU_RECV, _count)
        return association


class _LimitedSocket(AssociationSocket):
    def recv(self, nr_bytes: int) -> bytearray:
        """Read so many bytes, which the head of a PDU has announced."""
        if nr_bytes > _LONGEST_PDU:
            raise OSError("a PDU is announced as longer than any")
        try:
            return super().recv(nr_bytes)
        except (ssl.SSLError, TimeoutError, ConnectionError) as error:
            if isinstance(self.socket, ssl.SSLSocket) and self.socket.version() is None:  # the first bytes are its own
                self.assoc.failed_handshakes.tell(self.assoc.requestor.address, error)  # type: ignore[attr-defined]
            raise


@dataclass
class FailedHandshakes:
    """Tells of connections that came to no TLS, of each address at most once a minute."""

    _told: dict[str, float] = field(default_factory=dict)
    _untold: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, address: str, error: OSError) -> None:
        """Log why, and how many of this address were not told of."""
        now = time.monotonic()
        with self._lock:
            if now - self._told.get(address, -_TELL_AGAIN_SECONDS) < _TELL_AGAIN_SECONDS:
                self._untold[address] = self._untold.get(address, 0) + 1
                return
            self._told = {one: when for one, when in self._told.items() if now - when < _TELL_AGAIN_SECONDS}
            self._told[address] = now
            untold = self._untold.pop(address, 0)
        more = f"; {untold} more since it was last told" if untold else ""
        LOG.warning("no TLS with %s: %s%s", address, _why_no_tls(error), more)


def _why_no_tls(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it ended the connection").replace("_", " ").lower()
    return "it did not go on" if isinstance(error, TimeoutError) else "it ended the connection"


class BytesWaiting:
    """Counts the bytes of messages that have come and are not dealt with, as of the one that is coming."""

    def __init__(self, most: int) -> None:
        self._most = most + _COMMAND_BYTES
        self._count = 0
        self._lock = threading.Lock()

    def came(self, count: int) -> bool:
        """Add what came; False if that is too much."""
        with self._lock:
            self._count += count
            return self._count <= self._most

    def done(self, count: int) -> None:
        """Take off what was dealt with."""
        with self._lock:
            self._count = max(0, self._count - count - _COMMAND_BYTES)


def _count(event: evt.Event) -> None:
    values = getattr(event.pdu, "presentation_data_value_items", None)
    if not values:
        return
    count = sum(len(one.presentation_data_value or b"") for one in values)
    if not event.assoc.bytes_waiting.came(count):  # type: ignore[attr-defined]
        LOG.warning("ended an association with %s: its object is larger than allowed", event.assoc.requestor.ae_title)
        event.assoc.abort(block=False)
