"""The page of receivers: what each has received from an archive and what became of it, as their ledgers have it."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from nnunet_amt.app.language import Texts, language_of, texts
from nnunet_amt.app.pages import opened_folder, render
from nnunet_amt.clinic.pacs.ledger import Ledger
from nnunet_amt.clinic.pacs.receive_status import STATES, SeriesStatus, read_status, receivers_below
from nnunet_amt.errors import BadInputError

_MOST_ROWS = 200
# As the page's colours are called.
_COLOURS = {"returned": "done", "running": "running", "refused": "stopped", "set_aside": "failed"}


@dataclass(frozen=True)
class ReceiverView:
    """A receiver as the page shows it.

    Attributes
    ----------
    name
        Its folder, from the opened one; `place` is the same, ``.`` for the opened one itself.
    counts
        A sentence: how many series have which state.
    may_again
        Whether something was set aside that can be taken again.
    rows
        The newest series; `left_out` says how many older ones there are.
    """

    name: str
    place: str
    counts: str
    may_again: bool
    rows: tuple[SeriesStatus, ...]
    left_out: int


def receiver_view(folder: Path, opened: Path, t: Texts) -> ReceiverView:
    """Gather what is shown of a receiver."""
    place = str(folder.relative_to(opened))
    found = read_status(folder)
    states = Counter(one.state for one in found)
    counts = [f"{t('receivers.' + state)} {t.number(states[state])}" for state in STATES if states[state]]
    may_again = any(one.state == "set_aside" and not one.pixels_removed for one in found)
    return ReceiverView(opened.name if place == "." else place, place, " · ".join(counts), may_again,
                        tuple(found[:_MOST_ROWS]), max(0, len(found) - _MOST_ROWS))  # fmt: skip


def _receivers(request: Request) -> Response:
    opened, t = opened_folder(request), texts(language_of(request))
    views = [receiver_view(folder, opened, t) for folder in receivers_below(opened)]
    return render(request, "receivers.html.j2", receivers=views, colours=_COLOURS)


async def _again(request: Request) -> Response:
    form = await request.form(max_files=0, max_fields=1)
    return await run_in_threadpool(_taken_again, request, str(form.get("receiver", "")))


def _taken_again(request: Request, place: str) -> Response:
    """Take again all that a receiver has set aside; where another click has done so already, nothing."""
    opened = opened_folder(request)
    folder = next((one for one in receivers_below(opened) if str(one.relative_to(opened)) == place), None)
    if folder is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    with suppress(BadInputError):
        Ledger(folder).again_all()
    return RedirectResponse("/receivers", HTTPStatus.SEE_OTHER)


routes = [Route("/receivers", _receivers), Route("/receivers/again", _again, methods=["POST"])]
