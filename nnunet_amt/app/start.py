"""How the server is started: where it listens, who may reach it, and its first address."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import uvicorn

from nnunet_amt.app.jobs import APP_FOLDER
from nnunet_amt.app.security import is_loopback
from nnunet_amt.app.server import create_app
from nnunet_amt.base.files import atomic_path, read_record, require_no_file
from nnunet_amt.errors import BadInputError
from nnunet_amt.study.settings import SETTINGS_FILE

_MEMORY = Path(APP_FOLDER, "server.json")
_SHORTEST_PASSWORD = 12
_MEANING = (
    "everybody who reaches this machine and knows the password sees what lies in {folder} and starts jobs as you; "
    "end the server when nobody needs it"
)


@dataclass(frozen=True)
class Listening:
    """Where a server listens, told when it does.

    Attributes
    ----------
    address
        The first address to open; on the loopback it holds the token.
    opened
        Whether a browser was asked to open it.
    others
        What it means that others reach this server; empty on the loopback.
    """

    address: str
    opened: bool
    others: str = ""


def serve(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    open_browser: bool = True,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    password_file: Path | None = None,
    page: str = "/",
    on_start: Callable[[Listening], None] | None = None,
) -> None:
    """Serve the pages of a folder until interrupted; jobs that were started go on after it.

    Parameters
    ----------
    folder
        What is opened, made where missing: studies lie in it, one a folder.
    host, port
        Where to listen. With port 0 it is the one of last time if that is free, so that open tabs go on.
    tls_cert, tls_key, password_file
        Needed for a host that others reach.
    page
        Path of the first address, such as ``/studies/NAME/results``.
    on_start
        Told once, when the server listens.

    Raises
    ------
    BadInputError
        If the folder is a study itself or cannot be one of studies, or the server would be open to strangers.
    """
    password = _password(host, tls_cert, tls_key, password_file)
    _require_place_for_studies(folder)
    memory = folder / _MEMORY
    known = read_record(memory)
    token = known["token"] if isinstance(known.get("token"), str) and known["token"] else secrets.token_urlsafe(32)
    listener = _listener(host, port, known.get("port"))
    with contextlib.closing(listener):
        port = listener.getsockname()[1]
        _remember(memory, token=token, port=port)
        tls = password is not None
        app = create_app(folder, token=token, host=host, port=port, password=password, tls=tls)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=1,
                lifespan="off",
                ssl_certfile=tls_cert,
                ssl_keyfile=tls_key,
            )
        )
        shown = f"[{host}]" if ":" in host else host
        address = f"https://{shown}:{port}{page}" if tls else f"http://{shown}:{port}{page}?token={token}"
        opened = open_browser and _has_screen()
        if on_start is not None:
            on_start(Listening(address, opened, "" if password is None else _MEANING.format(folder=folder)))
        if opened:  # the socket takes requests already
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        server.run(sockets=[listener])


def _require_place_for_studies(folder: Path) -> None:
    """Make the folder; refuse a study, whose page is that of the folder it lies in."""
    require_no_file(folder)
    if (folder / SETTINGS_FILE).exists():
        above = folder.resolve().parent
        raise BadInputError(f"{folder}: is a study itself; open the folder that it lies in: nnunet_amt app {above}")
    folder.mkdir(parents=True, exist_ok=True)


def _password(host: str, cert: Path | None, key: Path | None, file: Path | None) -> str | None:
    """Give the password of a server that others reach; None on the loopback, where the token is enough."""
    given = {"--tls-cert": cert, "--tls-key": key, "--password-file": file}
    if is_loopback(host):
        if extra := [name for name, value in given.items() if value is not None]:
            raise BadInputError(f"{extra[0]}: is for a --host that others reach; {host} is this machine only")
        return None
    if _is_every_address(host):
        raise BadInputError(f"--host {host}: name the one address or name that others are to reach this machine by")
    if lacking := [name for name, value in given.items() if value is None]:
        raise BadInputError(
            f"--host {host}: others on the network would reach the page, see its CTs and start jobs as you; "
            f"give {', '.join(lacking)} too, or leave --host out"
        )
    for name, path in given.items():
        if path is not None and not path.is_file():
            raise BadInputError(f"{name} {path}: no such file; give the file that holds it")
    assert file is not None
    return _read_password(file)


def _is_every_address(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return not host


def _read_password(file: Path) -> str:
    if os.name == "posix" and file.stat().st_mode & 0o077:
        raise BadInputError(f"--password-file {file}: others on this machine may read it; run: chmod 600 {file}")
    try:
        password = file.read_text(encoding="utf-8").strip("\r\n")
    except UnicodeDecodeError:
        raise BadInputError(
            f"--password-file {file}: is no UTF-8 text; write the password into it, in one line"
        ) from None
    if len(password) < _SHORTEST_PASSWORD or "\n" in password:
        raise BadInputError(
            f"--password-file {file}: must hold one line of at least {_SHORTEST_PASSWORD} letters; take some words"
        )
    return password


def _listener(host: str, port: int, last: object) -> socket.socket:
    """Listen at a host: at the port that is asked for, else at the last one if it is free, else at any."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port == 0 and isinstance(last, int):
        with contextlib.suppress(OSError, OverflowError):
            return socket.create_server((host, last), family=family)
    try:
        return socket.create_server((host, port), family=family)
    except OverflowError:
        raise BadInputError(f"--port {port}: must be 0 to 65535") from None
    except OSError as error:
        raise BadInputError(
            f"--host {host} --port {port}: cannot listen there ({error.strerror}); give another --port, or none"
        ) from error


def _remember(memory: Path, *, token: str, port: int) -> None:
    """Keep token and port for the next start, for nobody else to read."""
    memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with atomic_path(memory) as partial:
        partial.touch(mode=0o600)
        partial.write_text(json.dumps({"token": token, "port": port}) + "\n", encoding="utf-8")


def _has_screen() -> bool:
    """Whether a browser has a screen to open on; without one, Python would start a text browser in the terminal."""
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
