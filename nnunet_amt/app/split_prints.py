"""Fig. 2 and Tables 1 and 2 of a study's split, or of a proposed one, as files: drawn when they are asked for."""

from __future__ import annotations

import threading
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import get_args
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nnunet_amt.app.case_table import CaseTable, read_case_table
from nnunet_amt.app.pages import opened_folder
from nnunet_amt.app.split_view import Proposal, SplitState, prints_of, proposed, split_state
from nnunet_amt.app.studies import study_of
from nnunet_amt.cohort.audit import SplitCounts
from nnunet_amt.dataset_conversion.flow_figure import FLOW_ENDINGS, FlowCounts, flow_figure, saved_flow_figure
from nnunet_amt.dataset_conversion.planned_cohort import PlannedCohort
from nnunet_amt.study.settings import StudySettings, manifest_path, read_settings
from nnunet_amt.study.stages import conversion_settings

PROPOSALS: tuple[Proposal, ...] = get_args(Proposal)
_MEDIA = {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf"}
# Shapes of an SVG have their colours as styles; alone in a tab it may do nothing else.
_OF_FIGURE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
_drawing = threading.Lock()  # matplotlib's settings are those of the process


def study_and_table(request: Request) -> tuple[Path, StudySettings, CaseTable]:
    """Give the study that an address names, its settings and its table."""
    study = study_of(request)
    settings = read_settings(study)
    return study, settings, read_case_table(manifest_path(study, settings))


def asked_proposal(request: Request) -> Proposal | None:
    """Tell which proposal an address asks for, ``?proposal=program``; None for the split of the table."""
    asked = request.query_params.get("proposal")
    return next((proposal for proposal in PROPOSALS if proposal == asked), None)


def proposed_state(
    state: SplitState, proposal: Proposal, table: CaseTable, study: Path, settings: StudySettings, opened: Path
) -> SplitState:
    """Draw a proposal by the settings and the seed of the study; raises as `proposed` does."""
    chosen = conversion_settings(study, settings)
    return proposed(state, proposal, manifest=table.path, chosen=chosen, opened=opened)


def _prints(request: Request) -> tuple[Path, PlannedCohort]:
    """Give the study and what would be printed of the split, or of a proposal; 404 where nothing would."""
    study, settings, table = study_and_table(request)
    opened, proposal = opened_folder(request), asked_proposal(request)
    prints = None
    if not table.broken and not table.header_problems:
        state = split_state(table, study, settings, opened=opened)
        shown = state if proposal is None else proposed_state(state, proposal, table, study, settings, opened)
        prints = prints_of(table, shown, settings)
    if prints is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"{study.name}: its split would be refused; mend it first")
    return study, prints


def _figure(request: Request) -> Response:
    """Draw Fig. 2; ``save`` gives it as a file to keep."""
    ending = request.path_params["ending"]
    if ending not in FLOW_ENDINGS:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    study, prints = _prints(request)
    flow = prints.flow
    excluded, shared = tuple(flow.excluded.items()), flow.shared_institutions
    with _drawing:
        content = _drawn(excluded, flow.included_cases, flow.included_institutions, flow.splits, shared, ending)
    saved = _saved_as(f"{study.name}_figure_2.{ending}") if "save" in request.query_params else {}
    return Response(content, media_type=_MEDIA[ending], headers={**_OF_FIGURE, **saved})


@lru_cache(maxsize=16)
def _drawn(
    excluded: tuple[tuple[str, int], ...],
    cases: int,
    institutions: int,
    splits: tuple[SplitCounts, ...],
    shared: int,
    ending: str,
) -> bytes:
    """Draw the figure of these counts once, as reloading a page asks for it again."""
    counts = FlowCounts(dict(excluded), cases, institutions, splits, shared_institutions=shared)
    return saved_flow_figure(flow_figure(counts), ending)


def _table(request: Request) -> Response:
    """Give Table 1 or 2 as the CSV that the conversion writes, with the mark by which spreadsheets know its letters."""
    number = request.path_params["number"]
    if number not in (1, 2):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    study, prints = _prints(request)
    content = b"\xef\xbb\xbf" + prints.tables[number - 1].as_csv().encode()
    headers = _saved_as(f"{study.name}_table_{number}.csv")
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


def _saved_as(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}


routes = [
    Route("/studies/{name}/split/figure_2.{ending}", _figure, methods=["GET"]),
    Route("/studies/{name}/split/table_{number:int}.csv", _table, methods=["GET"]),
]
