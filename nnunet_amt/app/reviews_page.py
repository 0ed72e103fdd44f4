"""The page of a study's reviews: how far the reading of its masks is, what readers differ on, and the record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from nnunet_amt.app.language import Texts, language_of, texts
from nnunet_amt.app.pages import render
from nnunet_amt.app.review_page import CLASSES, Reader, case_words, reviews_path
from nnunet_amt.app.seen_cases import StudyCases, case_address
from nnunet_amt.app.studies import study_of
from nnunet_amt.cohort.reviews import (
    STATUSES,
    CaseState,
    Review,
    case_state,
    known_to,
    read_reviews,
    reviews_text,
    state_known_to,
)


@dataclass(frozen=True)
class ReviewRow:
    """A case in the table: its name and page, its line in the manifest, and what was said of its mask."""

    name: str
    address: str
    line: int
    state: CaseState
    last: Review | None


def case_states(cases: StudyCases) -> dict[str, CaseState]:
    """Tell the status of every case of a study; of those of which nothing was said no file is looked at."""
    by_case = _by_case(cases)
    return {
        case_id: case_state(said, cases.seen_mask(case) if said else None)
        for case_id, case in cases.cases.items()
        for said in [by_case.get(case_id, [])]
    }


def _by_case(cases: StudyCases) -> dict[str, list[Review]]:
    by_case: dict[str, list[Review]] = {}
    for review in read_reviews(reviews_path(cases)):
        by_case.setdefault(review.case_id, []).append(review)
    return by_case


def _rows(cases: StudyCases, t: Texts, reader: Reader) -> list[ReviewRow]:
    """Lay out what a reader may know of each case."""
    by_case = _by_case(cases)
    rows = []
    for case_id, case in cases.cases.items():
        said = by_case.get(case_id, [])
        mask = cases.seen_mask(case) if said else None
        state, known = state_known_to(said, mask, reader.initials), known_to(said, mask, reader.initials)
        name, address = case_words(case, t), case_address(cases, case_id)
        rows.append(ReviewRow(name, address, case.line, state, known[-1] if known else None))
    return rows


def _list(request: Request) -> Response:
    cases, reader = StudyCases.of(request), Reader.of(request)
    rows = _rows(cases, texts(language_of(request)), reader)
    show = request.query_params.get("show", "all")
    return render(
        request,
        "reviews.html.j2",
        study=cases.study.name,
        address=f"/studies/{quote(cases.study.name)}/reviews",
        rows=[row for row in rows if show in ("all", row.state.status)],
        disagreements=[row for row in rows if row.state.status == "disagreement"],
        counts=Counter(row.state.status for row in rows),
        statuses=STATUSES,
        classes=CLASSES,
        total=len(rows),
        left_out=len(cases.table.rows) - len(rows),
        show=show if show in STATUSES else "all",
        has_record=reviews_path(cases).is_file(),
        reader=reader,
        finished="done" in request.query_params,
    )


def _next(request: Request) -> Response:
    """Go to the next case, after one of them and round, that still needs this reader; to the list if none does."""
    cases, reader = StudyCases.of(request), Reader.of(request)
    states = case_states(cases)
    ids = list(cases.cases)
    after = request.query_params.get("after", "")
    start = next((place + 1 for place, case_id in enumerate(ids) if cases.code(case_id) == after), 0)
    for case_id in ids[start:] + ids[:start]:
        if cases.code(case_id) != after and states[case_id].needs(reader.initials, reader.role):
            return RedirectResponse(case_address(cases, case_id), HTTPStatus.SEE_OTHER)
    return RedirectResponse(f"/studies/{quote(cases.study.name)}/reviews?done", HTTPStatus.SEE_OTHER)


def _export(request: Request) -> Response:
    """Give what the reader may know of the record as CSV UTF-8 with the mark by which spreadsheets know it."""
    cases, initials = StudyCases.of(request), Reader.of(request).initials
    reviews = read_reviews(reviews_path(cases))
    by_case = _by_case(cases)
    masks = {case_id: cases.seen_mask(case) for case_id, case in cases.cases.items() if case_id in by_case}
    known = {review for one, said in by_case.items() for review in known_to(said, masks.get(one), initials)}
    content = "\ufeff" + reviews_text([review for review in reviews if review in known])
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(cases.study.name)}-reviews.csv"}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


def _somebody_else(request: Request) -> Response:
    """Forget who reads in this browser: the next reader must not see what this one may."""
    response = RedirectResponse(f"/studies/{quote(study_of(request).name)}/reviews", HTTPStatus.SEE_OTHER)
    Reader.forget(response)
    return response


routes = [
    Route("/studies/{name}/reviews", _list, methods=["GET"]),
    Route("/studies/{name}/reviews/next", _next, methods=["GET"]),
    Route("/studies/{name}/reviews/somebody-else", _somebody_else, methods=["POST"]),
    Route("/studies/{name}/reviews/export", _export, methods=["GET"]),
]
