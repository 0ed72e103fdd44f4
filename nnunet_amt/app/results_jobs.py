"""Jobs that the page of results starts, each at most once at a time, and what pages show of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from nnunet_amt.app.jobs import JobStore, job_store
from nnunet_amt.app.jobs_pages import JobView, job_view, live_fields
from nnunet_amt.app.language import Texts
from nnunet_amt.app.pages import opened_folder, told
from nnunet_amt.errors import AMTError


@dataclass(frozen=True)
class Work:
    """The last job of a kind: None of both if there was none, `live` only while it runs or waits."""

    view: JobView | None = None
    live: dict[str, Any] | None = None


def work_of(store: JobStore, study: str, kind: str, t: Texts) -> Work:
    """Tell of the last job of a kind about a study."""
    job = next((job for job in reversed(store.jobs()) if job.kind == kind and job.study == study), None)
    if job is None:
        return Work()
    view = job_view(store, job, t)
    return Work(view, None if view.job.is_over else live_fields(store, view.job, view.progress, t))


def start_once(request: Request, kind: str, command: Sequence[str], study: str, *, takes_device: bool = False) -> str:
    """Start a job, unless one of its kind is at work on the study; give the problem why it cannot be, or nothing."""
    store = job_store(opened_folder(request))
    if any(job.kind == kind and job.study == study and not job.is_over for job in store.jobs()):
        return ""  # a second click, or another tab
    try:
        store.submit(kind, command, study=study, takes_device=takes_device)
    except AMTError as error:
        return told(request, error)
    return ""
