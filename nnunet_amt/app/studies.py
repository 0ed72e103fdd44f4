"""The studies below the opened folder: the list of them with what each has reached, and new ones."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from nnunet_amt.app.jobs import job_store
from nnunet_amt.app.pages import opened_folder, render, told
from nnunet_amt.app.security import inside
from nnunet_amt.base.files import csv_text, numbered_cells, require_folder, write_text
from nnunet_amt.base.spreadsheet_text import decoded_table
from nnunet_amt.cohort.manifest import FILE_COLUMNS, REQUIRED_COLUMNS
from nnunet_amt.errors import AMTError, ManifestError
from nnunet_amt.study.run_study import open_study, study_status
from nnunet_amt.study.settings import SETTINGS_FILE, read_settings

MANIFEST_NAME = "manifest.csv"
_USUAL_COLUMNS = (
    *REQUIRED_COLUMNS,
    *("roi", "split", "age", "sex", "histology", "manufacturer", "slice_thickness_mm", "no_tumour", "exclusion_reason"),
)
_LONGEST_NAME = 60
_MOST_TABLES = 50  # that are offered
_TABLE_DEPTHS = ("*.csv", "*/*.csv", "*/*/*.csv")


@dataclass(frozen=True)
class StudyEntry:
    """A study in the list: how far it is.

    Attributes
    ----------
    name
        Of its folder.
    done, stages
        Number of stages that are done, and of all.
    next
        Name of the stage that comes next; None when all are done.
    is_running
        Whether a job of it runs or waits for its turn.
    problem
        Why it cannot be told, in a line.
    """

    name: str
    done: int = 0
    stages: int = 0
    next: str | None = None
    is_running: bool = False
    problem: str | None = None


@dataclass(frozen=True)
class NewStudy:
    """What the form of a new study holds, and what is wrong with it: field to message, shown at the field."""

    name: str = ""
    table: str = ""
    base: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)


def study_of(request: Request) -> Path:
    """Give the folder of the study that an address ``/studies/{name}`` names.

    Raises
    ------
    HTTPException
        With status 404 if there is none, 403 if it lies outside the opened folder.
    """
    name = request.path_params["name"]
    folder = inside(opened_folder(request), name)
    if folder.parent != opened_folder(request) or not (folder / SETTINGS_FILE).is_file():
        raise HTTPException(HTTPStatus.NOT_FOUND, f"{name}: no such study; choose one of the list")
    return folder


def studies_below(folder: Path) -> list[Path]:
    """List the studies of a folder by name."""
    return sorted(path.parent for path in folder.glob(f"*/{SETTINGS_FILE}") if not path.parent.name.startswith("."))


def manifests_below(folder: Path) -> list[str]:
    """List the tables in a folder that have a manifest's columns, as paths below it."""
    found: list[str] = []
    for depth in _TABLE_DEPTHS:
        for path in sorted(folder.glob(depth)):
            if len(found) < _MOST_TABLES and not path.name.startswith(".") and _is_manifest(path):
                found.append(str(path.relative_to(folder)))
    return found


def _is_manifest(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return set(REQUIRED_COLUMNS) <= set(next(csv.reader(file), []))
    except (OSError, ValueError, csv.Error):
        return False


def study_entry(folder: Path, *, is_running: bool = False) -> StudyEntry:
    """Tell how far a study is, as ``nnunet_amt study FOLDER --status`` does."""
    try:
        states = study_status(folder, read_settings(folder))
    except (AMTError, OSError) as error:
        return StudyEntry(folder.name, problem=str(error).replace(f"{folder.parent}/", ""))
    waiting = [state.stage.name for state in states if not state.done]
    return StudyEntry(
        folder.name,
        done=sum(state.done or state.stands for state in states),
        stages=len(states),
        next=waiting[0] if waiting else None,
        is_running=is_running,
    )


def rebased_table(data: bytes, *, name: str, before: PurePosixPath) -> str:
    """Write a manifest anew whose relative paths count from another folder: `before` is put before each.

    Raises
    ------
    ManifestError
        If it is no table of text, or lacks the columns of a manifest.
    """
    try:
        lines = [cells for _, cells in numbered_cells(decoded_table(data, name=name), name)]
    except UnicodeDecodeError:
        raise ManifestError(f"{name}: is no UTF-8 text; save it as CSV UTF-8") from None
    header = [cell.strip().lower() for cell in lines[0]] if lines else []
    if missing := [column for column in REQUIRED_COLUMNS if column not in header]:
        raise ManifestError(
            f"{name} line 1: has no column {missing[0]!r}; a manifest has {', '.join(REQUIRED_COLUMNS)}"
        )
    places = [header.index(column) for column in FILE_COLUMNS if column in header]
    for cells in lines[1:]:
        for place in places:
            if place < len(cells) and cells[place].strip() and not PurePosixPath(cells[place]).is_absolute():
                cells[place] = str(before / cells[place])
    return csv_text(header, [*lines[1:]])


def _list(request: Request) -> Response:
    folder = opened_folder(request)
    running = {job.study for job in job_store(folder).jobs() if not job.is_over}
    entries = [study_entry(found, is_running=found.name in running) for found in studies_below(folder)]
    return render(request, "studies.html.j2", studies=entries)


def _form(request: Request, asked: NewStudy | None = None) -> Response:
    asked = asked or NewStudy()
    return render(
        request,
        "new_study.html.j2",
        status_code=HTTPStatus.BAD_REQUEST if asked.problems else HTTPStatus.OK,
        asked=asked,
        tables=manifests_below(opened_folder(request)),
    )


async def _create(request: Request) -> Response:
    """Begin a study of what the form says, or show the form with what is wrong with it."""
    form = await request.form(max_files=1, max_fields=20)
    name, table, base = (str(form.get(field, "")).strip() for field in ("name", "table", "base"))
    upload = form.get("upload")
    sent = (upload.filename, await upload.read()) if isinstance(upload, UploadFile) and upload.filename else None
    return await run_in_threadpool(_created, request, NewStudy(name, table, base), sent)


def _created(request: Request, asked: NewStudy, sent: tuple[str, bytes] | None) -> Response:
    opened = opened_folder(request)
    if (key := _name_problem(opened, asked.name)) is not None:
        return _form(request, _with_problem(asked, "name", key))
    if sent is not None and asked.table:
        return _form(request, _with_problem(asked, "table", "studies.two_tables"))
    folder = opened / asked.name
    try:
        if asked.table:
            open_study(folder, manifest=inside(opened, asked.table))
        else:
            _begin_with_table(opened, folder, asked.base, sent)
    except AMTError as error:
        return _form(request, _with_problem(asked, "upload" if sent else "table", told(request, error)))
    return RedirectResponse(f"/studies/{quote(asked.name)}/cases", status_code=HTTPStatus.SEE_OTHER)


def _begin_with_table(opened: Path, folder: Path, base: str, sent: tuple[str, bytes] | None) -> None:
    """Begin a study with a table of its own: the one that was sent, or an empty one."""
    text = csv_text(_USUAL_COLUMNS, [])
    if sent is not None:
        start = inside(opened, base)
        require_folder(start, "name a folder in the opened one, or leave the field empty")
        before = PurePosixPath("..") / start.relative_to(opened)
        text = rebased_table(sent[1], name=sent[0], before=before)
    try:
        write_text(folder / MANIFEST_NAME, text)
        open_study(folder, manifest=folder / MANIFEST_NAME)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # which was not there before
        raise


def _with_problem(asked: NewStudy, place: str, message: str) -> NewStudy:
    return NewStudy(asked.name, asked.table, asked.base, {place: message})


def _name_problem(opened: Path, name: str) -> str | None:
    """Tell the key of what is wrong with the name of a new study; None if nothing is."""
    if not name:
        return "studies.name_missing"
    usable = name[0].isalnum() and all(letter.isalnum() or letter in "_-" for letter in name)
    if not usable or len(name) > _LONGEST_NAME:
        return "studies.name_unusable"
    return "studies.name_taken" if (opened / name).exists() else None


routes = [
    Route("/", _list),
    Route("/studies", lambda request: RedirectResponse("/")),
    Route("/new-study", _form, methods=["GET"]),
    Route("/new-study", _create, methods=["POST"]),
]
