"""The page of a study's training: settings, what it will take, how it goes, and the training on another machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from nnunet_amt.app.job_progress import progress_after, time_words
from nnunet_amt.app.jobs import job_store
from nnunet_amt.app.language import Texts, language_of, texts
from nnunet_amt.app.pages import environment, opened_folder, render, told
from nnunet_amt.app.studies import study_of
from nnunet_amt.app.study_page import last_job, run_context, start_run
from nnunet_amt.app.study_settings import SettingsForm, form_of, save_form, trainer_choices
from nnunet_amt.app.training_chart import dice_chart, loss_chart
from nnunet_amt.app.training_pictures import picture_png, shown_pictures
from nnunet_amt.app.training_view import expected_times, training_view, trainings_below
from nnunet_amt.base.files import csv_text
from nnunet_amt.errors import AMTError
from nnunet_amt.nnunet.environment import DEVICES
from nnunet_amt.study.cluster_script import cluster_training
from nnunet_amt.study.run_study import set_training_aside
from nnunet_amt.study.settings import StudySettings, read_settings
from nnunet_amt.writing.numbers import duration

_FOLDS = ("0", "all")
_COLUMNS = ("epoch", "training_loss", "tuning_loss", "tuning_dice", "seconds")
_PICTURE_SECONDS = 3600


def _page(
    request: Request, folder: Path, *, form: SettingsForm | None = None, problem: str = "", not_anew: str = ""
) -> Response:
    """Show the training of a study; with a form that was sent and is wrong, or why it cannot be taken now."""
    t = texts(language_of(request))
    settings = read_settings(folder)
    run = run_context(request, folder, settings=settings)
    form = form or form_of(settings)
    chosen = training_view(folder, settings)
    there = {row.name for row in run["rows"] if row.state in ("done", "stands")}
    planned, trained = "plan" in there, "train" in there
    return render(
        request,
        "training.html.j2",
        status_code=HTTPStatus.BAD_REQUEST if problem or not_anew or form.problems else HTTPStatus.OK,
        **{**run, **_progress(request, folder, settings, t)},
        form=form,
        refused=problem,
        not_anew=not_anew,
        saved="saved" in request.query_params,
        trainers=trainer_choices(form.texts["trainer"], t),
        devices=DEVICES,
        folds=_FOLDS,
        expected=expected_times(opened_folder(request), folder, settings) if planned else None,
        planned=planned,
        other_asked=chosen.is_finished and not trained and run["live"] is None,
        kept=sorted(path.name for path in chosen.fold_folder.parent.glob(f"kept_*_{chosen.fold_folder.name}")),
        others=[other for other in trainings_below(folder) if other.folder != chosen.fold_folder],
        cluster=cluster_training(folder, settings),
    )


def _progress(request: Request, folder: Path, settings: StudySettings, t: Texts) -> dict[str, Any]:
    """Gather what changes while a study trains."""
    training = training_view(folder, settings)
    store = job_store(opened_folder(request))
    job = last_job(store, folder.name)
    ends = None
    if job is not None and not job.is_over:
        stage = progress_after(line.text for line in store.last_lines(job.id)).stage
        if stage == "train":  # before it nobody knows what the earlier stages take
            ends = training.ends(datetime.now(timezone.utc), begun=job.started)
    best_epoch = training.last.best_epoch if training.last else None
    return {
        "study": folder.name,
        "training": training,
        "is_running": job is not None and not job.is_over,
        "ends": ends,
        "dice": dice_chart(training.epochs, t) if training.epochs else None,
        "losses": loss_chart(training.epochs, t) if training.epochs else None,
        "pictures": shown_pictures(training.fold_folder, best_epoch=best_epoch),
        "place": str(training.fold_folder.relative_to(folder)),
        "time": _time_words(t),
    }


def _time_words(t: Texts) -> Callable[[timedelta | float], str]:
    """Give what writes a time in the reader's language: of a timedelta, or of seconds."""

    def words(time: timedelta | float) -> str:
        seconds = time.total_seconds() if isinstance(time, timedelta) else time
        return time_words(duration(seconds), t)

    return words


def _training(request: Request) -> Response:
    return _page(request, study_of(request))


def _live(request: Request) -> Response:
    """Give the part of the page that changes while the study trains."""
    folder, t = study_of(request), texts(language_of(request))
    fields = {"t": t, **_progress(request, folder, read_settings(folder), t)}
    return HTMLResponse(environment().get_template("training_progress.html.j2").render(fields))


def _picture(request: Request) -> Response:
    """Draw what was outlined after an epoch."""
    folder = study_of(request)
    view = training_view(folder, read_settings(folder))
    drawn = picture_png(view.fold_folder, request.path_params["epoch"])
    if drawn is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"{folder.name}: no picture of this epoch was kept")
    kept = {"Cache-Control": f"private, max-age={_PICTURE_SECONDS}"}  # its address says when it was made
    return Response(drawn, media_type="image/png", headers=kept)


def _epochs(request: Request) -> Response:
    """Give all epochs as a table to save."""
    folder = study_of(request)
    epochs = training_view(folder, read_settings(folder)).epochs
    text = csv_text(_COLUMNS, ([getattr(epoch, name) for name in _COLUMNS] for epoch in epochs))
    return _saved_as(text, f"{folder.name}_epochs.csv", "text/csv")


def _script(request: Request) -> Response:
    """Give the script for another machine to save."""
    folder = study_of(request)
    cluster = cluster_training(folder, read_settings(folder))
    return _saved_as(cluster.script, cluster.script_name, "text/x-shellscript")


def _saved_as(text: str, name: str, media_type: str) -> Response:
    disposition = f"attachment; filename*=utf-8''{quote(name)}"
    return PlainTextResponse(text, media_type=media_type, headers={"Content-Disposition": disposition})


async def _save_settings(request: Request) -> Response:
    folder = await run_in_threadpool(study_of, request)
    given = await request.form()
    return await run_in_threadpool(_saved, request, folder, given)


def _saved(request: Request, folder: Path, given: Mapping[str, Any]) -> Response:
    t = texts(language_of(request))
    job = last_job(job_store(opened_folder(request)), folder.name)
    if job is not None and not job.is_over:
        return _page(request, folder, problem=t("settings.not_while_running"))
    form = save_form(folder, given, t)
    if form.problems:
        return _page(request, folder, form=form)
    return RedirectResponse(f"/studies/{quote(folder.name)}/training?saved#settings", HTTPStatus.SEE_OTHER)


async def _begin_anew(request: Request) -> Response:
    folder = await run_in_threadpool(study_of, request)
    given = await request.form(max_fields=10)
    return await run_in_threadpool(_begun_anew, request, folder, given)


def _begun_anew(request: Request, folder: Path, given: Mapping[str, Any]) -> Response:
    """Set the model aside and train another by the settings as they are now, if the reader is sure."""
    t = texts(language_of(request))
    job = last_job(job_store(opened_folder(request)), folder.name)
    if job is None or job.is_over:  # else it is another click that came first
        if given.get("sure") != "yes":
            return _page(request, folder, not_anew=t("training.anew_sure_first"))
        try:
            set_training_aside(folder, read_settings(folder))
        except (AMTError, OSError) as error:
            return _page(request, folder, not_anew=told(request, error))
        if problem := start_run(request, folder):
            return _page(request, folder, not_anew=problem)
    return RedirectResponse(f"/studies/{quote(folder.name)}/training", HTTPStatus.SEE_OTHER)


routes = [
    Route("/studies/{name}/training", _training),
    Route("/studies/{name}/training/settings", _save_settings, methods=["POST"]),
    Route("/studies/{name}/training/anew", _begin_anew, methods=["POST"]),
    Route("/studies/{name}/training/live", _live),
    Route("/studies/{name}/training/pictures/{epoch:int}.png", _picture),
    Route("/studies/{name}/training/epochs.csv", _epochs),
    Route("/studies/{name}/training/script", _script),
]
