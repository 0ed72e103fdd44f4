"""The server of the no-code page: its pages joined, and how it is started."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from nnunet_amt.app import (
    archive,
    cases,
    jobs_pages,
    new_patient,
    receivers,
    results_files,
    results_page,
    results_thresholds,
    results_triage,
    review_page,
    reviews_page,
    split_page,
    split_prints,
    studies,
    study_page,
    training_page,
)
from nnunet_amt.app.pages import error_page, render, told
from nnunet_amt.app.security import HEADERS, LOGIN, Gate, SecurityMiddleware
from nnunet_amt.errors import AMTError

_WRONG_PASSWORD_SECONDS = 1.0


def create_app(
    folder: Path, *, token: str, host: str, port: int, password: str | None = None, tls: bool = False
) -> Starlette:
    """Join the pages of a folder with its studies.

    Parameters
    ----------
    folder
        What is opened: all that is read and written lies in it.
    token
        The secret of the first address.
    host, port
        Where the server listens; a request that names another host is refused.
    password
        Asked for in place of the token, where others reach the server.
    tls
        Whether the server is reached by https.
    """
    gate = Gate.of(token=token, host=host, port=port, password=password, tls=tls)
    app = Starlette(
        routes=_routes(),
        middleware=[Middleware(SecurityMiddleware, gate=gate)],
        exception_handlers={HTTPException: _refused, AMTError: _unusable, Exception: _failed},
    )
    app.state.folder = folder.resolve()
    app.state.gate = gate
    app.state.by_password = password is not None
    app.state.guessing = asyncio.Lock()
    return app


def _routes() -> Sequence[BaseRoute]:
    static = StaticFiles(directory=Path(__file__).with_name("static"))
    return [
        Route(LOGIN, _login, methods=["GET", "POST"]),
        Route("/logout", _logout, methods=["POST"]),
        Mount("/static", static, name="static"),
        *studies.routes,
        *study_page.routes,
        *cases.routes,
        *split_page.routes,
        *split_prints.routes,
        *training_page.routes,
        *results_page.routes,
        *results_files.routes,
        *results_thresholds.routes,
        *results_triage.routes,
        *new_patient.routes,
        *jobs_pages.routes,
        *reviews_page.routes,
        *review_page.routes,
        *archive.routes,
        *receivers.routes,
    ]


async def _login(request: Request) -> Response:
    """Ask for the password, one guess a second whoever asks."""
    gate: Gate = request.app.state.gate
    if gate.password is None:
        return RedirectResponse("/", status_code=HTTPStatus.SEE_OTHER)
    if request.method != "POST":
        return render(request, "login.html.j2", wrong=False, navigation=())
    form = await request.form()
    async with request.app.state.guessing:
        if gate.is_password(str(form.get("password", ""))):
            entered = RedirectResponse("/", status_code=HTTPStatus.SEE_OTHER)
            gate.let_in(entered)
            return entered
        await asyncio.sleep(_WRONG_PASSWORD_SECONDS)
    return render(request, "login.html.j2", status_code=HTTPStatus.UNAUTHORIZED, wrong=True, navigation=())


async def _logout(request: Request) -> Response:
    gate: Gate = request.app.state.gate
    left = RedirectResponse(LOGIN, status_code=HTTPStatus.SEE_OTHER)
    left.delete_cookie(gate.cookie)
    return left


async def _refused(request: Request, error: Exception) -> Response:
    """Say what HTTP has a number for; a text that Starlette put there is not one of ours."""
    assert isinstance(error, HTTPException)
    usual = HTTPStatus(error.status_code).phrase
    message = "" if error.detail == usual else told(request, error)
    return await run_in_threadpool(error_page, request, error.status_code, message=message)


async def _unusable(request: Request, error: Exception) -> Response:
    """Say what a user's input lacks, in the line that the command line would print."""
    return error_page(request, HTTPStatus.BAD_REQUEST, message=told(request, error))


async def _failed(request: Request, error: Exception) -> Response:
    """Say that the fault is ours; the server's terminal has the rest. Our headers are added by hand this far out."""
    page = error_page(request, HTTPStatus.INTERNAL_SERVER_ERROR)
    page.headers.update(HEADERS)
    return page
