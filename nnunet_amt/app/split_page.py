"""The page of the split: institutions as cards that are moved between the sets, the audit, and what will be printed."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from nnunet_amt.app.case_table import (
    ChangedSinceError,
    backup_of,
    change_splits,
    read_case_table,
    require_unchanged,
    undo,
)
from nnunet_amt.app.jobs import job_store
from nnunet_amt.app.language import Texts, language_of, texts
from nnunet_amt.app.pages import opened_folder, render, told
from nnunet_amt.app.security import inside
from nnunet_amt.app.split_board import PLACES, board_columns, institution_cards, moved_splits
from nnunet_amt.app.split_prints import asked_proposal, proposed_state, study_and_table
from nnunet_amt.app.split_view import (
    DRAWING_SETTINGS,
    FormerState,
    Proposal,
    SplitState,
    are_patients,
    former_state,
    prints_of,
    split_state,
)
from nnunet_amt.app.split_words import count_rows, finding_words, joined, published_flow, sets_of
from nnunet_amt.app.studies import study_of
from nnunet_amt.app.study_page import last_job
from nnunet_amt.cohort.case import SPLITS
from nnunet_amt.dataset_conversion.flow_figure import FLOW_ENDINGS
from nnunet_amt.errors import AMTError
from nnunet_amt.study.settings import manifest_path, read_settings, write_settings

_MOST_FIELDS = 10_000  # a box to mark for each institution


def _editable_path(request: Request) -> Path:
    """Give the path of the table; HTTPException if it must not be changed."""
    study = study_of(request)
    return inside(opened_folder(request), manifest_path(study, read_settings(study)))


def _page(request: Request, *, message: str = "", status_code: int = 200) -> Response:
    study, settings, table = study_and_table(request)
    t, opened = texts(language_of(request)), opened_folder(request)
    name = study.name
    context: dict[str, Any] = {
        "study": name,
        "address": f"/studies/{quote(name)}/split",
        "table": table,
        "editable": table.path.resolve().is_relative_to(opened),
        "can_undo": backup_of(table.path).is_file(),
        "message": message,
        "find": request.query_params.get("find", ""),
        "places": PLACES,
    }
    if table.broken or table.header_problems:
        return render(request, "split.html.j2", status_code=status_code, state=None, **context)
    state = split_state(table, study, settings, opened=opened)
    proposal, shown = asked_proposal(request), state
    if proposal is not None:
        try:
            shown = proposed_state(state, proposal, table, study, settings, opened)
        except AMTError as error:
            context |= {"message": told(request, error)}
            proposal, status_code = None, HTTPStatus.BAD_REQUEST
    former = former_state(table, shown, study, settings, opened)
    published = are_patients(table.path)
    job = last_job(job_store(opened), name)
    return render(
        request,
        "split.html.j2",
        status_code=status_code,
        state=state,
        shown=shown,
        proposal=proposal,
        columns=board_columns(state.cards, find=context["find"]),
        said=_said(request, state, t),
        findings=[(finding, finding_words(finding, t)) for finding in shown.findings],
        rows=count_rows(shown.counts, t, lesions=_lesions(shown, former, t), published=published),
        published=published,
        figure_published=published_flow(t),
        prints=prints_of(table, shown, settings),
        former=former,
        running=job is not None and not job.is_over,
        endings=FLOW_ENDINGS,
        joined=lambda parts: joined(parts, t),
        sets_of=lambda cases: sets_of(cases, t),
        query=urlencode({"proposal": proposal} if proposal else {}),
        **context,
    )


def _said(request: Request, state: SplitState, t: Texts) -> str:
    """Say what the last move has done, by the address that it led to."""
    query = request.query_params
    to, count, line = query.get("to", ""), query.get("moved", ""), query.get("line", "")
    if to in PLACES and count.isdecimal():
        named = next((card for card in state.cards if str(card.line) == line), None)
        if count == "1" and named is not None:
            name = named.name or t("cases.no_institution")
            return t(
                "split.moved_one", institution=name, place=t(f"split.place_{to}"), cases=t.number(len(named.lines))
            )
        return t("split.moved_many", count=count, place=t(f"split.place_{to}"))
    done = query.get("done", "")
    return t(f"split.done_{done}") if f"split.done_{done}" in t else ""


def _lesions(state: SplitState, former: FormerState, t: Texts) -> dict[str, str]:
    """Say how many lesions an evaluation has counted, and in how many cases of each set; empty where none has."""
    if not former.lesions:
        return {}
    words = {}
    for split in (*SPLITS, "all"):
        inside_set = [case for case in state.planned if split in (case.split, "all")]
        known = [former.lesions[case.case_id] for case in inside_set if case.case_id in former.lesions]
        if known:
            words[split] = t("split.lesions", lesions=t.number(sum(known)), cases=t.number(len(known)))
    return words


def _split(request: Request) -> Response:
    return _page(request)


def _posted(change: Callable[[Request, FormData], dict[str, str]]) -> Callable[[Request], Any]:
    """Make a route of what changes the table for a form and gives the query of the address that it leads to."""

    async def post(request: Request) -> Response:
        form = await request.form(max_fields=_MOST_FIELDS)
        return await run_in_threadpool(changed, request, form)

    def changed(request: Request, form: FormData) -> Response:
        try:
            query = change(request, form)
        except AMTError as error:
            status = HTTPStatus.CONFLICT if isinstance(error, ChangedSinceError) else HTTPStatus.BAD_REQUEST
            return _page(request, message=told(request, error), status_code=status)
        address = f"/studies/{quote(study_of(request).name)}/split"
        return RedirectResponse(f"{address}?{urlencode(query)}", HTTPStatus.SEE_OTHER)

    return post


def _move(request: Request, form: FormData) -> dict[str, str]:
    """Move one institution by its own button, or those that are marked to the set that is chosen."""
    path, digest = _editable_path(request), str(form.get("digest", ""))
    table = require_unchanged(path, digest=digest)
    study = study_of(request)
    settings = read_settings(study)
    place, _, line = str(form.get("move", "")).partition(" ")
    if not line:
        place = str(form.get("to", ""))
    asked = [line] if line else [str(one) for one in form.getlist("line")]
    lines = [int(one) for one in asked if one.isdecimal() and len(one) < 9]
    state = split_state(table, study, settings, opened=opened_folder(request))
    splits = moved_splits(state.cards, lines, place, cases=state.table_cases, seed=settings.convert.seed)
    change_splits(path, splits, digest=digest)
    names = [card.name for card in state.cards if card.line in lines]
    after = [card.line for card in institution_cards(read_case_table(path)) if card.name in names]
    line_now = {"line": str(after[0])} if len(after) == 1 else {}
    return {"moved": str(len(names)), "to": place, **line_now, **_kept(form)}


def _take(request: Request, form: FormData) -> dict[str, str]:
    """Write a proposed split into the table; it is drawn anew, of the same table by the same seed."""
    path, digest = _editable_path(request), str(form.get("digest", ""))
    table = require_unchanged(path, digest=digest)
    study = study_of(request)
    settings = read_settings(study)
    proposal: Proposal = "rest" if form.get("proposal") == "rest" else "program"
    opened = opened_folder(request)
    state = split_state(table, study, settings, opened=opened)
    drawn = proposed_state(state, proposal, table, study, settings, opened)
    splits = {case.line: str(case.split) for case in drawn.planned}
    change_splits(path, splits, digest=digest)
    return {"done": "taken"}


def _clear(request: Request, form: FormData) -> dict[str, str]:
    """Empty the split of every row that takes part: the program decides when it runs."""
    path = _editable_path(request)
    cards = institution_cards(read_case_table(path))
    splits = {line: "" for card in cards for line in card.lines}
    change_splits(path, splits, digest=str(form.get("digest", "")))
    return {"done": "cleared"}


def _undo(request: Request, form: FormData) -> dict[str, str]:
    undo(_editable_path(request), digest=str(form.get("digest", "")))
    return {"done": "undone"}


def _let_table_decide(request: Request, _: FormData) -> dict[str, str]:
    """Take settings out of ``study.toml`` that ask for a split to be drawn, which the table gives already."""
    study = study_of(request)
    changes: dict[str, dict[str, object]] = {"convert": dict.fromkeys(DRAWING_SETTINGS)}
    write_settings(study, read_settings(study).changed(changes))
    return {"done": "settings"}


def _kept(form: FormData) -> dict[str, str]:
    """Keep what was searched for."""
    find = str(form.get("find", ""))
    return {"find": find} if find else {}


_ADDRESS = "/studies/{name}/split"
routes = [
    Route(_ADDRESS, _split, methods=["GET"]),
    *(
        Route(f"{_ADDRESS}/{name}", _posted(change), methods=["POST"])
        for name, change in (
            ("move", _move),
            ("take", _take),
            ("clear", _clear),
            ("undo", _undo),
            ("settings", _let_table_decide),
        )
    ),
]
