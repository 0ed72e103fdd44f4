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
from nnunet_amt.cohort.reviews import STATUSES, CaseState, Review, case_state, read_reviews, reviews_text


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


def _rows(cases: StudyCases, t: Texts) -> list[ReviewRow]:
    states, by_case = case_states(cases), _by_case(cases)
    rows = []
    for case_id, case in cases.cases.items():
        said = by_case.get(case_id, [])
        name, address = case_words(case, t), case_address(cases, case_id)
        rows.append(ReviewRow(name, address, case.line, states[case_id], said[-1] if said else None))
    return rows


def _list(request: Request) -> Response:
    cases = StudyCases.of(request)
    rows = _rows(cases, texts(language_of(request)))
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
        reader=Reader.of(request),
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
    """Give the record as CSV UTF-8 with the mark by which spreadsheets know it."""
    cases = StudyCases.of(request)
    content = "\ufeff" + reviews_text(read_reviews(reviews_path(cases)))
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(cases.study.name)}-reviews.csv"}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


routes = [
    Route("/studies/{name}/reviews", _list, methods=["GET"]),
    Route("/studies/{name}/reviews/next", _next, methods=["GET"]),
    Route("/studies/{name}/reviews/export", _export, methods=["GET"]),
]
