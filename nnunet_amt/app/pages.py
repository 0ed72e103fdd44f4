"""How a page is made: a template with the texts of the reader's language, the navigation, and where we are."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Match

from nnunet_amt import __version__
from nnunet_amt.app.language import LANGUAGE_COOKIE, LANGUAGES, language_of, texts
from nnunet_amt.app.problem_words import problem_words, said
from nnunet_amt.clinic.pacs.receive_status import receivers_below
from nnunet_amt.report.page_parts import page_environment

# Of a study, below /studies/NAME.
STUDY_PAGES = (
    ("", "nav.study_steps"),
    ("/cases", "nav.study_cases"),
    ("/reviews", "review.nav"),
    ("/split", "nav.study_split"),
    ("/training", "nav.study_training"),
    ("/results", "nav.study_results"),
)
NAVIGATION = (("/", "nav.studies"), ("/patients", "nav.patients"), ("/log", "nav.log"))
RECEIVERS = ("/receivers", "receivers.nav")  # shown where there is one
_ASKED_ONCE = frozenset({"lang", "token", "saved"})  # of the query of an address
_YEAR_SECONDS = 365 * 24 * 3600
# What a page that a stage made may do: show and run what stands in it. Its own policy, in its head, is narrower.
_MADE_PAGE = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src data: blob:; worker-src blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def render(request: Request, template: str, *, status_code: int = 200, **context: Any) -> HTMLResponse:
    """Lay a page out in the reader's language.

    Parameters
    ----------
    template
        Name below ``templates``; it extends ``base.html.j2``.
    context
        What it shows. Besides, each template has ``t`` (a `Texts`), ``lang``, ``path`` and the navigation.
    """
    language = language_of(request)
    page = (
        environment()
        .get_template(template)
        .render(
            {
                "t": texts(language),
                "lang": language,
                "languages": LANGUAGES,
                "path": request.scope["path"],
                "in_language": f"{_page_of(request)}?{_query_of(request)}lang=",
                "opened": opened_folder(request),
                "sent": request.method == "POST",
                "navigation": (*NAVIGATION, RECEIVERS) if receivers_below(opened_folder(request)) else NAVIGATION,
                "study_pages": STUDY_PAGES,
                "study_path": f"/studies/{request.path_params.get('name', '')}",
                "version": __version__,
                "signed_in_by_password": getattr(request.app.state, "by_password", False),
                **context,
            }
        )
    )
    response = HTMLResponse(page, status_code=status_code, headers={"Vary": "Accept-Language, Cookie"})
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR_SECONDS, httponly=True, samesite="strict")
    return response


def _page_of(request: Request) -> str:
    """Give the address of the page that is shown; of what a form was sent to, the next one above that can be opened."""
    path = request.url.path
    if request.method in ("GET", "HEAD"):
        return path
    while path and not _can_be_opened(request, path):
        path = path.rpartition("/")[0]
    return path or "/"


def _query_of(request: Request) -> str:
    """Give what the address asks of the page, to ask the same in another language; nothing of a form that was sent."""
    if request.method not in ("GET", "HEAD"):
        return ""
    asked = [(name, text) for name, text in request.query_params.multi_items() if name not in _ASKED_ONCE]
    return f"{urlencode(asked)}&" if asked else ""


def _can_be_opened(request: Request, path: str) -> bool:
    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


def error_page(request: Request, status: int, *, message: str = "", **context: Any) -> HTMLResponse:
    """Say why there is no page: a sentence for the status, and a line of our own words where there is one."""
    text = texts(language_of(request))
    known = status if f"errors.title_{status}" in text else HTTPStatus.INTERNAL_SERVER_ERROR
    words = {"title": text(f"errors.title_{known:d}"), "lead": text(f"errors.lead_{known:d}")}
    return render(request, "error.html.j2", status_code=status, message=message, **words, **context)


def told(request: Request, error: Exception) -> str:
    """Give the line of an error for the page, in the reader's language, with paths as they are in the opened folder."""
    line = error.detail if isinstance(error, HTTPException) else str(error)
    return problem_words(line.replace(f"{opened_folder(request)}/", ""), texts(language_of(request)))


def study_address(request: Request, study: str) -> str:
    """Give the address of the page of a study that a form came from, as its ``?to=/training`` says; else the first."""
    asked = request.query_params.get("to", "")
    return f"/studies/{quote(study)}{asked if asked in dict(STUDY_PAGES) else ''}"


def opened_folder(request: Request) -> Path:
    """Give the folder that the server was started with: nothing outside it is read or written for a page."""
    folder: Path = request.app.state.folder
    return folder


def made_page(path: Path, *, apart: bool = True) -> HTMLResponse:
    """Serve a page that a stage made, such as ``report.html``, with a policy of its own.

    Parameters
    ----------
    apart
        Whether it is kept apart from the server: its script can ask nothing of us, even if the file came from
        elsewhere. Links to files beside it work only if False.
    """
    policy = f"sandbox allow-scripts allow-downloads allow-modals allow-popups; {_MADE_PAGE}" if apart else _MADE_PAGE
    return HTMLResponse(path.read_bytes(), headers={"Content-Security-Policy": policy})


@cache
def environment() -> Environment:
    """Give what renders the templates, as the report's, whose macros they may use: see `page_environment`."""
    made = page_environment(Path(__file__).with_name("templates"))
    made.filters["said"] = said
    return made
