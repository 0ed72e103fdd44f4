"""The page of a study: its stages, its run and how far that is, and the report."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from nnunet_amt.app.job_progress import JobProgress, stage_state
from nnunet_amt.app.jobs import Job, JobStore, job_store
from nnunet_amt.app.jobs_pages import job_view, live_fields
from nnunet_amt.app.language import Texts, language_of, texts
from nnunet_amt.app.pages import made_page, opened_folder, render, study_address, told
from nnunet_amt.app.studies import study_of
from nnunet_amt.errors import AMTError
from nnunet_amt.study.run_study import study_status
from nnunet_amt.study.settings import PAGE_NAME, StudySettings, read_settings
from nnunet_amt.study.stage import StageState
from nnunet_amt.study.stages import study_stages

KIND = "study"
# What `nnunet_amt.study.stage` says of a stage that is to be run, in its words.
_WHY = {
    "why_not_run": re.compile(r"not run yet"),
    "why_after": re.compile(r"after (?P<stage>\w+)"),
    "why_needed": re.compile(r"needed before (?P<stage>\w+)"),
    "why_settings": re.compile(r"its settings changed: (?P<names>.+)"),
    "why_input": re.compile(r"its (?P<name>.+) changed"),
    "why_result": re.compile(r"(?P<name>.+) changed"),
}


@dataclass(frozen=True)
class StageRow:
    """A stage in the table: its name on the command line, its state as a class of the style sheet, and why."""

    name: str
    state: str
    why: str


def study_command(folder: Path) -> tuple[str, ...]:
    """Give the command that runs or goes on with a study."""
    return ("nnunet_amt", "study", str(folder))


def last_job(store: JobStore, study: str) -> Job | None:
    """Give the job that ran or runs a study, the last of them; None if there was none."""
    return next((job for job in reversed(store.jobs()) if job.kind == KIND and job.study == study), None)


def stage_rows(states: Sequence[StageState], t: Texts) -> list[StageRow]:
    """Lay out the stages of a study that does not run, as ``--status`` has them."""
    return [_stage_row(state, t) for state in states]


def _stage_row(state: StageState, t: Texts) -> StageRow:
    words = why_words(state.why or "", t)
    if state.stands:
        return StageRow(state.stage.name, "stands", t("study.why_stands", why=words))
    return StageRow(state.stage.name, "done" if state.done else "waiting", words)


def stage_rows_of_run(names: Sequence[str], progress: JobProgress) -> list[StageRow]:
    """Lay out the stages of a study that runs: those before the one that it is at are done."""
    return [StageRow(name, stage_state(number, progress), "") for number, name in enumerate(names, start=1)]


def why_words(why: str, t: Texts) -> str:
    """Say in the reader's language why a stage is to be run."""
    for key, pattern in _WHY.items():
        if found := pattern.fullmatch(why):
            words = found.groupdict()
            if "stage" in words:
                words["stage"] = t(f"stages.{words['stage']}")
            return t(f"study.{key}", **words)
    return why


def run_context(request: Request, folder: Path, *, settings: StudySettings, problem: str = "") -> dict[str, Any]:
    """Gather what the part of a page shows that runs a study: its job, its stages, why it could not be run."""
    t = texts(language_of(request))
    store = job_store(opened_folder(request))
    job = last_job(store, folder.name)
    view = None if job is None else job_view(store, job, t)
    live: dict[str, Any] | None = None
    if view is None or view.job.is_over:
        rows = stage_rows(study_status(folder, settings), t)
    else:
        live = live_fields(store, view.job, view.progress, t)
        stages = study_stages(folder, settings, device="cpu", jobs=1)  # not looked at: they change while they run
        rows = stage_rows_of_run([stage.name for stage in stages], view.progress)
    return {
        "study": folder.name,
        "view": view,
        "live": live,
        "rows": rows,
        "begun": any(row.state in ("done", "stands") for row in rows),
        "complete": all(row.state == "done" for row in rows),
        "problem": problem,
    }


def _page(request: Request, folder: Path, *, problem: str = "") -> Response:
    """Show a study; with the problem why it could not be run."""
    return render(
        request,
        "study.html.j2",
        status_code=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
        report=(folder / PAGE_NAME).is_file(),
        command=shlex.join(study_command(folder)),
        **run_context(request, folder, settings=read_settings(folder), problem=problem),
    )


def _study(request: Request) -> Response:
    return _page(request, study_of(request))


def _run(request: Request) -> Response:
    """Run what is not done, unless that runs already; back to the page of the study that was clicked on."""
    folder = study_of(request)
    if problem := start_run(request, folder):
        return _page(request, folder, problem=problem)
    return RedirectResponse(study_address(request, folder.name), HTTPStatus.SEE_OTHER)


def start_run(request: Request, folder: Path) -> str:
    """Run a study as a job, unless that runs already; give the problem why it cannot be run, or nothing."""
    store = job_store(opened_folder(request))
    running = last_job(store, folder.name)
    if running is None or running.is_over:
        try:
            store.submit(KIND, study_command(folder), study=folder.name, takes_device=True)
        except AMTError as error:
            again = last_job(store, folder.name)
            if again is None or again.is_over:  # not another click that came first
                return told(request, error)
    return ""


def _report(request: Request) -> Response:
    """Show the report, kept apart from the server; or give it to save."""
    folder = study_of(request)
    page = folder / PAGE_NAME
    if not page.is_file():
        raise HTTPException(HTTPStatus.NOT_FOUND, f"{folder.name}: has no report yet; run the study")
    if "save" in request.query_params:
        return FileResponse(page, filename=f"{folder.name}_report.html", media_type="text/html")
    return made_page(page)


routes = [
    Route("/studies/{name}", _study),
    Route("/studies/{name}/run", _run, methods=["POST"]),
    Route("/studies/{name}/report", _report),
]
