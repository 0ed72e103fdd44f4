"""The page of a study's results: figures, tables, subgroups, worst cases, comparisons, and what may be saved of them.

The report's interactive parts are not written anew: its script stands in its file, which our policy forbids in pages of
ours, so the report is opened as it is, kept apart. What needs no script is laid out here by the report's own functions.
"""

from __future__ import annotations

import shlex
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from nnunet_amt.app import results_compare, results_files, results_thresholds, results_triage
from nnunet_amt.app.jobs import job_store
from nnunet_amt.app.language import Texts, language_of, texts
from nnunet_amt.app.own_names import own_cases
from nnunet_amt.app.pages import made_page, opened_folder, render, told
from nnunet_amt.app.results_compare import (
    Asked,
    comparable_models,
    compare_command,
    comparisons_of,
    endpoint_words,
    other_trainers,
    problems_of,
)
from nnunet_amt.app.results_jobs import start_once, work_of
from nnunet_amt.app.results_view import (
    find_results,
    has_results,
    key_figures,
    linked_to_report,
    picker_of,
    read_results,
    risk_pages,
    stages_to_do,
    worst_of,
)
from nnunet_amt.app.studies import study_of
from nnunet_amt.app.study_page import KIND as STUDY_KIND
from nnunet_amt.app.study_page import last_job, study_command
from nnunet_amt.errors import AMTError
from nnunet_amt.evaluation.results.read_results import read_cases
from nnunet_amt.evaluation.results.summary_json import read_summary
from nnunet_amt.evaluation.settings import PRIMARY_ENDPOINTS
from nnunet_amt.pictures import case_panel
from nnunet_amt.report.other_thresholds import cases_with_probabilities
from nnunet_amt.report.sections.failing import failing_section
from nnunet_amt.report.sections.results import results_section
from nnunet_amt.report.sections.uses import uses
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.study import study_crop
from nnunet_amt.study.run_study import open_study
from nnunet_amt.study.settings import PAGE_NAME, StudySettings, read_settings, write_settings

OTHER_MODEL_KIND = "other_model"
_PANEL_PIXELS = 480
# What a button of the page switches on: section and name in study.toml.
_SWITCHES = {"probabilities": ("predict", "probabilities"), "baseline": ("baseline", "run")}


def _page(request: Request, folder: Path, *, asked: Asked | None = None, problem: str = "") -> Response:
    """Show the results of a study; with the form of a comparison that cannot be made, or another problem."""
    t, opened = texts(language_of(request)), opened_folder(request)
    settings = read_settings(folder)
    store = job_store(opened)
    job = last_job(store, folder.name)
    running = job is not None and not job.is_over
    status = HTTPStatus.BAD_REQUEST if problem or (asked and asked.problems) else HTTPStatus.OK
    context: dict[str, Any] = {
        "study": folder.name,
        "report": (folder / PAGE_NAME).is_file(),
        "running": job if running else None,
        "risk": tuple(risk_pages(folder)),
        "problem": problem,
        "broken": "",
        "shown": None,
    }
    try:
        content = read_results(folder, opened)
        parts = _parts(request, content, settings, asked or Asked(), t)
    except AMTError as error:
        if has_results(folder, settings):
            context["broken"] = told(request, error)
        return render(request, "results.html.j2", status_code=status, **context)
    names = () if running else stages_to_do(folder, settings)
    todo = ("、" if t.language == "ja" else ", ").join(t(f"stages.{name}") for name in names)
    return render(request, "results.html.j2", status_code=status, **{**context, "shown": parts, "todo": todo})


def _parts(request: Request, content: StudyContent, settings: StudySettings, asked: Asked, t: Texts) -> dict[str, Any]:
    """Gather what the template shows of results that are there, by the names that it calls them."""
    folder, store = content.study.folder, job_store(opened_folder(request))
    report = f"/studies/{quote(folder.name)}/report"
    failing: Any = failing_section(content, pictures={}, no_pictures="", viewer=(folder / PAGE_NAME).is_file()).content
    models = comparable_models(content, t)
    kinds = (
        results_thresholds.JOB_KIND,
        results_compare.JOB_KIND,
        results_files.JOB_KIND,
        OTHER_MODEL_KIND,
        results_triage.JOB_KIND,
    )
    return {
        "content": content,
        "figures": key_figures(content, t),
        "use": uses(content)[0],
        "results": results_section(content).content,
        "picker": picker_of(content, request.query_params.get("by", ""), t),
        "worst": worst_of(content, t),
        "own": own_cases(folder, opened_folder(request), settings),
        "all_cases": linked_to_report(failing.all_cases, report),
        "failing": failing,
        "probabilities": len(cases_with_probabilities(content.study, content.cases)),
        "probabilities_on": settings.predict.probabilities,
        "baseline_on": settings.baseline.run,
        "points": results_thresholds.chosen_points(folder, settings),
        "calibrate": shlex.join(results_thresholds.calibrate_command(folder)),
        "models": models,
        "trainers": other_trainers(folder, settings),
        "asked": asked,
        "endpoints": [(name, endpoint_words(name, t)) for name in PRIMARY_ENDPOINTS],
        "comparisons": comparisons_of(content, t),
        "findings": sum(len(case.false_positives) for case in content.cases),
        "commands": results_files.save_commands(content, folder),
        "drawn": results_files.drawn_figures(folder),
        "tables": results_files.TABLES,
        "work": {kind: work_of(store, folder.name, kind, t) for kind in kinds},
    }


def _results(request: Request) -> Response:
    return _page(request, study_of(request))


async def _compare(request: Request) -> Response:
    """Compare two models as a job."""
    form = await request.form(max_fields=10)
    first, other, primary = (str(form.get(name, "")) for name in ("first", "other", "primary"))
    asked = Asked(first, other, primary)

    def compared() -> Response:
        folder, t = study_of(request), texts(language_of(request))
        content = read_results(folder, opened_folder(request))
        models = comparable_models(content, t)
        if problems := problems_of(asked, models, folder, t):
            return _page(request, folder, asked=Asked(first, other, primary, problems))
        return _started(
            request, folder, results_compare.JOB_KIND, compare_command(asked, models, content, folder), "#comparison"
        )

    return await run_in_threadpool(compared)


def _draw_figures(request: Request) -> Response:
    """Draw the paper's figures as a job."""
    folder = study_of(request)
    return _started(request, folder, results_files.JOB_KIND, results_files.figures_command(folder), "#save")


def _calibrate(request: Request) -> Response:
    """Choose operating points on the tuning cases as a job."""
    folder = study_of(request)
    command = results_thresholds.calibrate_command(folder)
    return _started(request, folder, results_thresholds.JOB_KIND, command, "#threshold", takes_device=True)


async def _other_model(request: Request) -> Response:
    """Outline and measure the test cases by another trained model of the study, as a job."""
    form = await request.form(max_fields=5)
    trainer = str(form.get("trainer", ""))

    def begun() -> Response:
        folder = study_of(request)
        if trainer not in other_trainers(folder, read_settings(folder)):
            return _page(request, folder, problem=texts(language_of(request))("results.choose_model"))
        command = (*study_command(folder), "--other-model", trainer)
        return _started(request, folder, OTHER_MODEL_KIND, command, "#comparison", takes_device=True)

    return await run_in_threadpool(begun)


def _switch_on(request: Request) -> Response:
    """Switch a setting on that these results lack, and run what depends on it."""
    folder, t = study_of(request), texts(language_of(request))
    switch = _SWITCHES.get(request.path_params["switch"])
    if switch is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    job = last_job(job_store(opened_folder(request)), folder.name)
    if job is not None and not job.is_over:
        return _page(request, folder, problem=t("settings.not_while_running"))
    section, name = switch
    write_settings(folder, open_study(folder, changes={section: {name: True}}))
    problem = start_once(request, STUDY_KIND, study_command(folder), folder.name, takes_device=True)
    if problem:
        return _page(request, folder, problem=problem)
    return RedirectResponse(f"/studies/{quote(folder.name)}", HTTPStatus.SEE_OTHER)


def _started(
    request: Request, folder: Path, kind: str, command: tuple[str, ...], place: str, *, takes_device: bool = False
) -> Response:
    """Start a job, and lead back to its place on the page."""
    problem = start_once(request, kind, command, folder.name, takes_device=takes_device)
    if problem:
        return _page(request, folder, problem=problem)
    return RedirectResponse(f"/studies/{quote(folder.name)}/results{place}", HTTPStatus.SEE_OTHER)


def _picture(request: Request) -> Response:
    """Draw a case through its tumour with both outlines."""
    folder, opened, case_id = study_of(request), opened_folder(request), request.path_params["case"]
    stamp = (find_results(folder, opened).evaluation.path / "cases.csv").stat().st_mtime_ns
    try:
        picture = _drawn(folder, opened, case_id, stamp)
    except AMTError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, told(request, error)) from error
    return Response(picture, media_type="image/png")


@lru_cache(maxsize=32)
def _drawn(folder: Path, opened: Path, case_id: str, _stamp: int) -> bytes:
    """Draw a case; HTTPException if the evaluation does not have it."""
    study = find_results(folder, opened)
    case = next((case for case in read_cases(study.evaluation.path) if case.case_id == case_id), None)
    if case is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    foreground = read_summary(study.evaluation.path).settings.foreground
    return case_panel(study_crop(study, case, foreground=foreground), size=_PANEL_PIXELS)


def _risk(request: Request) -> Response:
    """Show the page of a study of risk in the same folder, kept apart."""
    page = risk_pages(study_of(request)).get(request.path_params["task"])
    if page is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return made_page(page)


routes = [
    Route("/studies/{name}/results", _results),
    Route("/studies/{name}/results/compare", _compare, methods=["POST"]),
    Route("/studies/{name}/results/draw", _draw_figures, methods=["POST"]),
    Route("/studies/{name}/results/calibrate", _calibrate, methods=["POST"]),
    Route("/studies/{name}/results/other-model", _other_model, methods=["POST"]),
    Route("/studies/{name}/results/switch/{switch}", _switch_on, methods=["POST"]),
    Route("/studies/{name}/results/cases/{case}/picture.png", _picture),
    Route("/studies/{name}/results/risk/{task}", _risk),
]
