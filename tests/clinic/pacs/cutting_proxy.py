"""A wire that is cut: it carries bytes between two ports of this machine until it has carried enough."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass
class Wire:
    """The port that takes connections, and after how many bytes they are cut; None for never."""

    port: int
    cut_after: int | None


@contextmanager
def cutting_proxy(target: int, *, cut_after: int | None) -> Iterator[Wire]:
    """Carry to a port of the loopback what comes to another, each connection up to so many bytes."""
    wire = Wire(0, cut_after)

    class Proxy(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            near, carried, most = self.request, 0, wire.cut_after
            with suppress(OSError), socket.create_connection(("127.0.0.1", target)) as far:
                while most is None or carried < most:
                    for source in select.select([near, far], [], [], 60)[0]:
                        if not (content := source.recv(4096)):
                            return
                        carried += len(content)
                        (far if source is near else near).sendall(content)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Proxy) as server:
        wire.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield wire
        finally:
            server.shutdown()
