"""Who may ask the server, and for what: host, origin, token, and what a page may load.

A page of another site must not read or start anything here, whatever it makes the browser send: a name that points to
this machine is refused (Host), a form from elsewhere too (Origin), the cookie stays with our own pages, and nobody
without the token of the first address comes in.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nnunet_amt.app.pages import error_page

FORM_BYTES = 32 * 1024**2
UPLOAD_BYTES = 8 * 1024**3
MASK_BYTES = 1024**3
_CT_UPLOADS = re.compile(r"/patients|/studies/[^/]+/cases/send")  # where CTs are sent to
_MASK_UPLOADS = re.compile(r"/studies/.+/edited-mask")
LOGIN = "/login"
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",  # no-referrer would make the Origin of our own forms "null"
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_READING = ("GET", "HEAD")
_OPEN = "/static/"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Gate:
    """What a request must show.

    Attributes
    ----------
    token
        The secret of the first address, and of the cookie after it.
    hosts
        What the Host header may say: our names with our port.
    scheme
        ``http`` or ``https``.
    cookie
        Name of the cookie: another one for each port, which browsers do not tell apart.
    password
        What is asked for in place of the token; None on the loopback.
    """

    token: str
    hosts: frozenset[str]
    scheme: str
    cookie: str
    password: str | None = None

    @classmethod
    def of(cls, *, token: str, host: str, port: int, password: str | None = None, tls: bool = False) -> Gate:
        """Make the gate of a server that listens at a host and port."""
        scheme = "https" if tls else "http"
        names = ("127.0.0.1", "localhost", "[::1]") if is_loopback(host) else (f"[{host}]" if ":" in host else host,)
        hosts = {f"{name.lower()}:{port}" for name in names}
        if port == _DEFAULT_PORTS[scheme]:
            hosts |= {name.lower() for name in names}
        return cls(token, frozenset(hosts), scheme, f"nnunet_amt_{port}", password)

    def let_in(self, response: Response) -> None:
        """Give the browser the cookie that later requests show."""
        response.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", secure=self.scheme == "https")

    def is_known(self, request: Request) -> bool:
        """Whether a request shows the cookie."""
        return _same(request.cookies.get(self.cookie, ""), self.token)

    def has_token(self, request: Request) -> bool:
        """Whether the address holds the token, as the first one does."""
        return self.password is None and _same(request.query_params.get("token", ""), self.token)

    def is_password(self, given: str) -> bool:
        """Whether it is the password of this server."""
        return self.password is not None and _same(given, self.password)

    def refusal(self, request: Request) -> int | None:
        """Tell with which status a request is refused for where it comes from; None if it is not."""
        host = request.headers.get("host", "").lower()
        if host not in self.hosts:
            return HTTPStatus.BAD_REQUEST
        if request.method in _READING:
            return None
        origin = request.headers.get("origin")
        if origin is not None:
            return None if origin.lower() == f"{self.scheme}://{host}" else HTTPStatus.FORBIDDEN
        site = request.headers.get("sec-fetch-site", "none")
        return None if site in ("same-origin", "none") else HTTPStatus.FORBIDDEN


class SecurityMiddleware:
    """Refuse what the `Gate` does not let in, limit what is sent, and put our headers on every answer."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app = app
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an HTTP request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # we have no web sockets
        request = Request(scope)
        answer = self._answer(request)
        if answer is not None:
            await answer(scope, receive, _with_headers(send))
            return
        await self.app(scope, _limited(receive, upload_limit(request.url.path)), _with_headers(send))

    def _answer(self, request: Request) -> Response | None:
        """Answer in place of a page; None where the page may answer itself."""
        status = self.gate.refusal(request)
        if status is not None:
            return error_page(request, status, navigation=())
        path = request.url.path
        if request.method in _READING and self.gate.has_token(request):
            entered = RedirectResponse(path, status_code=HTTPStatus.SEE_OTHER)
            self.gate.let_in(entered)
            return entered
        if not (self.gate.is_known(request) or path.startswith(_OPEN)):
            if self.gate.password is None:
                return error_page(request, HTTPStatus.UNAUTHORIZED, navigation=())
            if path != LOGIN:
                return RedirectResponse(LOGIN, status_code=HTTPStatus.SEE_OTHER)
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > upload_limit(path):
            return error_page(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return None


def inside(folder: Path, path: str | Path) -> Path:
    """Give a path that a user names, relative to a folder or whole, if it lies in it, links followed.

    Raises
    ------
    HTTPException
        With status 403 if it lies elsewhere, 400 if it is no path at all.
    """
    try:
        found = (folder / path).resolve()
    except (ValueError, OSError, RuntimeError):
        raise HTTPException(
            HTTPStatus.BAD_REQUEST, f"{str(path)!r}: is no path; give one below the opened folder"
        ) from None
    if not found.is_relative_to(folder.resolve()):
        raise HTTPException(
            HTTPStatus.FORBIDDEN,
            f"{path}: lies outside the opened folder; copy it there, or open a folder that holds it",
        )
    return found


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, for itself only."""
    return host in ("127.0.0.1", "localhost", "::1")


def upload_limit(path: str) -> int:
    """Tell how many bytes may be sent to an address."""
    if _MASK_UPLOADS.fullmatch(path):
        return MASK_BYTES
    return UPLOAD_BYTES if _CT_UPLOADS.fullmatch(path) else FORM_BYTES


def _limited(receive: Receive, most: int) -> Receive:
    """Count what comes in; a body without a length, or a wrong one, ends at the limit."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return message

    return counted


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def _same(given: str, secret: str) -> bool:
    return secrets.compare_digest(given.encode(), secret.encode())
