"""The page of new patients: send CTs or point to them, have a study's model outline them, look, and save results."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, BinaryIO
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from nnunet_amt.app.archive import last_asked
from nnunet_amt.app.jobs import job_store
from nnunet_amt.app.jobs_pages import job_view, live_fields
from nnunet_amt.app.language import Texts, language_of, texts
from nnunet_amt.app.pages import made_page, opened_folder, render, told
from nnunet_amt.app.patient_runs import (
    JOB_KIND,
    KINDS,
    PatientRun,
    new_run,
    run_of,
    runs_in,
    segment_command,
    usable_studies,
)
from nnunet_amt.app.results_view import figures_of_model
from nnunet_amt.app.security import inside
from nnunet_amt.app.sent_files import keep_files
from nnunet_amt.app.studies import studies_below
from nnunet_amt.base.files import require_free_space
from nnunet_amt.clinic.case_results import volume_of
from nnunet_amt.clinic.lesions import LESION_COLUMNS
from nnunet_amt.errors import AMTError, BadInputError

_MOST_FILES = 10_000
_NOT_LETTERS = re.compile(r"[^a-z]+")
_SHOWN = ("lesion", "volume_cm3", "axial_diameter_mm", "maximum_diameter_mm", "mean_hu", "score", "slice")
_DIGITS = {"volume_cm3": 1, "axial_diameter_mm": 0, "maximum_diameter_mm": 0, "mean_hu": 0, "score": 2}


@dataclass(frozen=True)
class Asked:
    """What the form holds, and what is wrong with it: field to message, shown at the field."""

    path: str = ""
    study: str = ""
    kinds: tuple[str, ...] = ("seg",)
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CaseView:
    """A segmented CT: its name, its volume in cm³, its lesions as texts, a note, and the files to save."""

    case_id: str
    volume: str
    lesions: tuple[tuple[str, ...], ...]
    note: str
    files: tuple[str, ...]


def _patients(request: Request, asked: Asked | None = None, *, status_code: int = 200) -> Response:
    """Show the form, and what was asked for before."""
    opened = opened_folder(request)
    t = texts(language_of(request))
    models = usable_studies(studies_below(opened))
    runs = [(run, _state(run, t, request)) for run in runs_in(opened)]
    context = {"models": models, "asked": asked or Asked(), "runs": runs, "kinds": KINDS}
    return render(request, "patients.html.j2", status_code=status_code, **context)


def _state(run: PatientRun, t: Texts, request: Request) -> tuple[str, str]:
    """Tell the state of a run: its name for the style sheet, and in words."""
    job = run.job(job_store(opened_folder(request)))
    if job is None:
        return ("failed", t("patients.no_job"))
    return (job.state, t(f"jobs.{job.state}"))


async def _send(request: Request) -> Response:
    """Take what was sent or pointed to, and start the job."""
    form = await request.form(max_files=_MOST_FILES, max_fields=50)
    return await run_in_threadpool(_started, request, form)


def _started(request: Request, form: FormData) -> Response:
    opened = opened_folder(request)
    asked = Asked(
        str(form.get("path", "")).strip(),
        str(form.get("study", "")),
        tuple(kind for kind in KINDS if kind in form.getlist("kind")),
    )
    sent = [one for one in form.getlist("files") if isinstance(one, UploadFile) and (one.filename or one.size)]
    files = [(one.filename or "file", one.file) for one in sent]
    problems = _problems(request, asked, files)
    if problems:
        return _patients(request, _with(asked, problems), status_code=HTTPStatus.BAD_REQUEST)
    run: PatientRun | None = None
    try:
        needed = 2 * sum(one.size or 0 for one in sent)
        require_free_space(opened, needed, "what was sent")
        given = [name for name, _ in files] if files else [asked.path]
        run = new_run(opened, given=given, study=asked.study)
        if files:
            keep_files(run.sent, files)
        inputs = [run.sent] if len(files) > 1 else [*run.sent.iterdir()] if files else [inside(opened, asked.path)]
        command = segment_command(run, inputs, opened=opened, kinds=asked.kinds)
        job_store(opened).submit(JOB_KIND, command, study=asked.study, takes_device=True)
    except (AMTError, OSError) as error:
        if run is not None:
            shutil.rmtree(run.folder, ignore_errors=True)
        problems = {"files": _words(request, error)}
        return _patients(request, _with(asked, problems), status_code=HTTPStatus.BAD_REQUEST)
    return RedirectResponse(f"/patients/{run.id}", HTTPStatus.SEE_OTHER)


def _words(request: Request, error: AMTError | OSError) -> str:
    if isinstance(error, AMTError):
        return told(request, error)
    return texts(language_of(request))("patients.not_kept", reason=error.strerror or type(error).__name__)


def _problems(request: Request, asked: Asked, files: Sequence[tuple[str, BinaryIO]]) -> dict[str, str]:
    """Find what is wrong with what was asked for, by field."""
    t = texts(language_of(request))
    opened = opened_folder(request)
    problems: dict[str, str] = {}
    if asked.study not in usable_studies(studies_below(opened)):
        problems["study"] = t("patients.choose_study")
    if bool(asked.path) == bool(files):
        problems["files"] = t("patients.give_one") if files else t("patients.give_something")
    elif asked.path:
        try:
            path = inside(opened, asked.path)
            if not path.exists():
                problems["path"] = t("patients.no_path", path=asked.path)
            elif path == opened:
                problems["path"] = t("patients.not_all")
        except HTTPException as error:
            problems["path"] = told(request, error)
    return problems


def _with(asked: Asked, problems: Mapping[str, str]) -> Asked:
    return Asked(asked.path, asked.study, asked.kinds, problems)


def _run_of(request: Request) -> PatientRun:
    try:
        return run_of(opened_folder(request), request.path_params["id"])
    except BadInputError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error


def _patient(request: Request) -> Response:
    """Show how far a run is, and what came of it."""
    run, t = _run_of(request), texts(language_of(request))
    store = job_store(opened_folder(request))
    job = run.job(store)
    view = job_view(store, job, t) if job else None
    files = [str(path.relative_to(run.results)) for path in run.files()]
    cases = sorted(run.cases().items())
    opened = opened_folder(request)
    return render(
        request,
        "patient.html.j2",
        run=run,
        view=view,
        live=live_fields(store, job, view.progress, t) if job and view and not job.is_over else None,
        about=lambda name: _about_file(name, t),
        cases=[_case_view(case_id, result, files) for case_id, result in cases],
        tested=figures_of_model(opened / run.study, opened, t) if cases else (),
        tables=[name for name in files if "/" not in name],
        columns=_SHOWN,
        where=f"{run.folder.parent.name}/{run.id}",
        archive=last_asked(opened) if any(name.endswith(".dcm") for name in files) else None,
    )


def _about_file(name: str, t: Texts) -> str:
    """Say in a sentence what a file of the results is for; nothing of one that we do not know."""
    key = f"patients.file_{_NOT_LETTERS.sub('_', name)}"
    return t(key) if key in t else ""


def _case_view(case_id: str, result: Mapping[str, Any], files: Sequence[str]) -> CaseView:
    index = {name: LESION_COLUMNS.index(name) for name in _SHOWN}
    lesions = tuple(tuple(_cell(name, row[index[name]]) for name in _SHOWN) for row in result["lesions"])
    mine = tuple(name.removeprefix(f"{case_id}/") for name in files if name.startswith(f"{case_id}/"))
    return CaseView(case_id, f"{volume_of(result):.1f}", lesions, str(result["note"]), mine)


def _cell(name: str, value: object) -> str:
    text = "" if value is None else str(value)
    return f"{float(text):.{_DIGITS[name]}f}" if text and name in _DIGITS else text


def _again(request: Request) -> Response:
    """Run the command of a run once more: what is done is kept."""
    run = _run_of(request)
    store = job_store(opened_folder(request))
    job = run.job(store)
    if job is not None and job.is_over:
        store.submit(JOB_KIND, job.command, study=run.study, takes_device=True)
    return RedirectResponse(f"/patients/{run.id}", HTTPStatus.SEE_OTHER)


def _result_page(request: Request) -> Response:
    """Show the page that the segmentation wrote, kept apart from ours."""
    page = _run_of(request).page
    if page is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return made_page(page)


def _file(request: Request) -> Response:
    """Give a file of the results to save; others than those named in the results are not given."""
    run = _run_of(request)
    named = {str(path.relative_to(run.results)): path for path in run.files()}
    path = named.get(request.path_params["file"])
    if path is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    case = "" if path.parent == run.results else f"{path.parent.name}-"
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(case + path.name)}"}
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


routes = [
    Route("/patients", _patients, methods=["GET"]),
    Route("/patients", _send, methods=["POST"]),
    Route("/patients/{id}", _patient, methods=["GET"]),
    Route("/patients/{id}/again", _again, methods=["POST"]),
    Route("/patients/{id}/page", _result_page, methods=["GET"]),
    Route("/patients/{id}/files/{file:path}", _file, methods=["GET"]),
]
