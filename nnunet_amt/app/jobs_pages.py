"""The pages of jobs: one job with what it says, live; and the log of all that ran, with the commands to copy."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from nnunet_amt.app.job_progress import (
    JobProgress,
    progress_after,
    stage_sentence,
    stage_state,
    step_sentence,
    time_words,
)
from nnunet_amt.app.jobs import Job, JobStore, Line, job_store
from nnunet_amt.app.language import Texts, language_of, texts
from nnunet_amt.app.pages import opened_folder, render, study_address
from nnunet_amt.app.problem_words import problem_words
from nnunet_amt.errors import BadInputError
from nnunet_amt.writing.numbers import duration

_POLL_SECONDS = 0.5
_ERROR = "error: "  # begins the line in which a command says why it ended
_QUIET_SECONDS = 10.0  # without an event a server does not see that the reader has gone


@dataclass(frozen=True)
class JobView:
    """A job as pages show it.

    Attributes
    ----------
    name, state, took
        In the reader's language.
    outcome
        How it ended, or why it does not run yet; empty while it runs.
    error
        What the command said was wrong, in the reader's language where that is known; empty without it.
    position
        Where the `lines` end: events go on from there.
    """

    job: Job
    name: str
    state: str
    took: str
    outcome: str
    error: str
    stopping: bool
    progress: JobProgress
    lines: tuple[Line, ...]
    position: int

    @property
    def address(self) -> str:
        """Give the address of what it tells while it runs."""
        return f"/jobs/{self.job.id}/events?after={self.position}"


def job_view(store: JobStore, job: Job, t: Texts) -> JobView:
    """Gather what is shown of a job."""
    lines = store.last_lines(job.id)
    return JobView(
        job=job,
        name=job_name(job, t),
        state=t(f"jobs.{job.state}"),
        took=took(job, t),
        outcome=_outcome(store, job, t),
        error=_said_at_the_end(store, lines, t) if job.state == "failed" else "",
        stopping=not job.is_over and store.is_stopping(job.id),
        progress=progress_after(line.text for line in lines),
        lines=lines,
        position=lines[-1].position if lines else 0,
    )


def _said_at_the_end(store: JobStore, lines: Sequence[Line], t: Texts) -> str:
    """Find the line in which a command says why it ended, in the reader's language; empty if there is none."""
    error = next((line.text for line in reversed(lines) if line.text.startswith(_ERROR)), "")
    return problem_words(error.removeprefix(_ERROR).replace(f"{store.opened}/", ""), t)


def job_name(job: Job, t: Texts) -> str:
    """Name a job by what it does, and the study."""
    key = f"jobs.kind_{job.kind}"
    kind = t(key) if key in t else job.kind
    return t("jobs.of_study", kind=kind, study=job.study) if job.study else kind


def took(job: Job, t: Texts) -> str:
    """Say how long a job has run; empty before it began, and where nobody knows when it ended."""
    if job.started is None or (job.is_over and job.ended is None):
        return ""
    seconds = ((job.ended or datetime.now(timezone.utc)) - job.started).total_seconds()
    return time_words(duration(float(round(seconds)) if seconds >= 1 else seconds), t)


def live_fields(store: JobStore, job: Job, progress: JobProgress, t: Texts) -> dict[str, Any]:
    """Give what a page shows of a running job and changes while it is open, by the names of its fields."""
    stopping = not job.is_over and store.is_stopping(job.id)
    return {
        "state": t("jobs.stopping") if stopping else t(f"jobs.{job.state}"),
        "took": took(job, t),
        "stage": stage_sentence(progress, t),
        "step": step_sentence(progress, t),
        "progress": 0.0 if job.state == "queued" else progress.fraction,  # None moves to and fro
        "waits": _outcome(store, job, t) if job.state == "queued" else "",
        **{f"stage_{number}": _badge(stage_state(number, progress), t) for number in range(1, progress.stages + 1)},
        "ended": job.is_over,
    }


def _badge(state: str, t: Texts) -> dict[str, str]:
    return {"text": t(f"jobs.stage_{state}"), "state": state}


def _outcome(store: JobStore, job: Job, t: Texts) -> str:
    if job.state == "queued":
        ahead = store.ahead_of(job.id)
        return t("jobs.waits", id=ahead[0].id, name=job_name(ahead[0], t)) if ahead else t("jobs.begins")
    if job.is_gone:
        return t("jobs.gone")
    if job.state == "failed":
        return t("jobs.failed_with", code=job.exit_code)
    return {"done": t("jobs.done_well"), "stopped": t("jobs.stopped_by_you")}.get(job.state, "")


def _asked_for(request: Request) -> tuple[JobStore, Job]:
    store = job_store(opened_folder(request))
    try:
        return store, store.job(request.path_params["id"])
    except BadInputError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error


def _job(request: Request) -> Response:
    store, job = _asked_for(request)
    t = texts(language_of(request))
    view = job_view(store, job, t)
    return render(request, "job.html.j2", view=view, live=live_fields(store, job, view.progress, t))


def _stop(request: Request) -> Response:
    """End a job; back to the page of its study, or its own."""
    store, job = _asked_for(request)
    store.stop(job.id)
    back = study_address(request, job.study) if job.study and job.kind == "study" else f"/jobs/{job.id}"
    return RedirectResponse(back, HTTPStatus.SEE_OTHER)


def _log(request: Request) -> Response:
    store = job_store(opened_folder(request))
    t = texts(language_of(request))
    rows = [(job, job_name(job, t), took(job, t)) for job in reversed(store.jobs())]
    return render(request, "log.html.j2", rows=rows)


async def _events(request: Request) -> Response:
    """Tell a page what happens from where it stands; a browser whose line broke says itself how far it came."""
    store, job = await run_in_threadpool(_asked_for, request)
    given = request.headers.get("last-event-id") or request.query_params.get("after", "")
    position = int(given) if given.isascii() and given.isdigit() else 0
    untold = partial(store.lines, job.id, after=position)
    if job.is_over and "last-event-id" in request.headers and not await run_in_threadpool(untold):
        return Response(status_code=HTTPStatus.NO_CONTENT)  # the browser asks no further then
    told = job_events(store, job.id, texts(language_of(request)), position=position)
    return StreamingResponse(told, media_type="text/event-stream")


async def job_events(store: JobStore, id_: str, t: Texts, *, position: int) -> AsyncIterator[str]:
    """Give what happens to a job as server-sent events, until it is over: lines, and the state when it changes."""
    progress = progress_after(line.text for line in await run_in_threadpool(store.last_lines, id_))
    shown: dict[str, Any] = {}
    told = time.monotonic()
    while True:
        job = await run_in_threadpool(store.job, id_)  # before its lines: of one that is over they are all there
        lines = await run_in_threadpool(partial(store.lines, id_, after=position))
        for line in lines:
            position = line.position
            yield f"id: {line.position}\nevent: line\ndata: {line.text}\n\n"
        progress = progress_after((line.text for line in lines), progress)
        fields = await run_in_threadpool(live_fields, store, job, progress, t)
        if fields != shown or time.monotonic() - told > _QUIET_SECONDS:
            shown, told = fields, time.monotonic()
            yield f"event: state\ndata: {json.dumps(fields)}\n\n"
        if job.is_over:
            return
        await asyncio.sleep(_POLL_SECONDS)


routes = [
    Route("/jobs/{id}", _job),
    Route("/jobs/{id}/events", _events),
    Route("/jobs/{id}/stop", _stop, methods=["POST"]),
    Route("/log", _log),
]
