"""The page of a study's cohort: its table, each problem in the row where it is, to edit, import, export and extend."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from nnunet_amt.app.aside import Aside
from nnunet_amt.app.case_rows import FilesLookedAt, RowView, look_at_masks, table_view
from nnunet_amt.app.case_search import NewRows, Search, new_rows
from nnunet_amt.app.case_table import (
    CaseTable,
    ChangedSinceError,
    add_rows,
    backup_of,
    change_row,
    last_change,
    read_case_table,
    remove_row,
    replace_table,
    require_unchanged,
    undo,
)
from nnunet_amt.app.language import Texts, language_of, texts
from nnunet_amt.app.pages import environment, opened_folder, render, told
from nnunet_amt.app.security import inside
from nnunet_amt.app.seen_cases import StudyCases, look_addresses
from nnunet_amt.app.sent_files import keep_folders
from nnunet_amt.app.studies import rebased_table, study_of
from nnunet_amt.base.files import csv_text, require_free_space
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.cohort.manifest import FILE_COLUMNS
from nnunet_amt.dataset_conversion.pairing import find_pairs
from nnunet_amt.errors import AMTError
from nnunet_amt.study.settings import manifest_path, read_settings

SENT_FOLDER = "sent"  # beside the table: what was sent, a folder each time
_CELL = "cell-"
_MOST_FILES = 10_000
_PATIENCE_SECONDS = 2.0  # with a search, before a page tells how far it is
_searches: dict[Path, Search] = {}  # by study: one at a time
_LONGEST_TOLD = 60  # letters of a cell
_LOOKING_SECONDS = 20.0  # at masks, each time
_KEPT = ("show", "ids")  # of the address, from page to page


def _table_of(request: Request) -> tuple[CaseTable, bool]:
    """Read the table of the study, and tell whether it lies in the opened folder: elsewhere it is only looked at."""
    study = study_of(request)
    path = manifest_path(study, read_settings(study))
    return read_case_table(path), path.resolve().is_relative_to(opened_folder(request))


def _editable_path(request: Request) -> Path:
    """Give the path of the table; HTTPException if it must not be changed."""
    study = study_of(request)
    return inside(opened_folder(request), manifest_path(study, read_settings(study)))


def _page(
    request: Request,
    *,
    message: str = "",
    status_code: int = 200,
    editing: int | None = None,
    typed: dict[str, str] | None = None,
    found: NewRows | None = None,
    searched: Mapping[str, str] | None = None,
    search: Search | None = None,
) -> Response:
    """Show the table; with what a search that is over has found."""
    if search is not None and search.work.is_over():
        searched = search.asked
        try:
            found = search.work.outcome()
        except AMTError as error:
            message, status_code = told(request, error), _status(error)
    table, editable = _table_of(request)
    opened = opened_folder(request)
    files = FilesLookedAt(table.path.parent, opened)
    asked = _asked(request)
    return render(
        request,
        "cases.html.j2",
        status_code=status_code,
        study=study_of(request).name,
        view=table_view(
            table, files=files, show=asked["show"], with_ids=asked["with_ids"], editing=editing, typed=typed
        ),
        editable=editable,
        message=message,
        **_undo_view(request, table, editable=editable),
        found=found,
        search=None if search is None or search.work.is_over() else search,
        searched=searched or {"path": "", "institution": ""},
        shown_path=lambda path: str(path.resolve()).replace(f"{opened}/", ""),
        **asked,
    )


def _undo_view(request: Request, table: CaseTable, *, editable: bool) -> dict[str, Any]:
    """Say what would be taken back; nothing of names unless they are shown in the table too."""
    if not editable or not backup_of(table.path).is_file():
        return {"can_undo": False}
    t, change = texts(language_of(request)), last_change(table)
    parts = []
    if change is not None:
        counts = {"changes": len(change.cells), "added": change.added, "removed": change.removed}
        parts = [t(f"cases.last_{name}", count=t.number(count)) for name, count in counts.items() if count]
    if change is not None and len(change.cells) == 1:
        [(line, column, old, new)] = change.cells
        named = request.query_params.get("ids") == "1" or column not in ("patient_id", *FILE_COLUMNS)
        name = t(f"columns.{column}") if f"columns.{column}" in t else column
        said = {"case": table.cell(line, "case_id"), "line": line, "column": name}
        shown = {"old": _shortened(old, t), "new": _shortened(new, t)}
        parts = [t("cases.last_cell", **said, **shown) if named else t("cases.last_hidden", **said)]
    return {"can_undo": True, "last_change": " ".join(parts)}


def _shortened(text: str, t: Texts) -> str:
    short = text if len(text) <= _LONGEST_TOLD else f"{text[:_LONGEST_TOLD]}…"
    return t("cases.last_text", text=short) if text else t("cases.last_nothing")


def _asked(request: Request) -> dict[str, Any]:
    """Give what all rows of a page are laid out with."""
    language, looks = language_of(request), look_addresses(StudyCases.of(request))
    return {
        "address": f"/studies/{quote(study_of(request).name)}/cases",
        "show": request.query_params.get("show", "all"),
        "with_ids": request.query_params.get("ids") == "1",
        "kept": _kept(request),
        "row_of": lambda row, broad, edit: row_html(row, broad, edit, looks.get(row.line, ""), language),
    }


@lru_cache(maxsize=4096)
def row_html(row: RowView, broad: frozenset[str], edit: str, look: str, language: str) -> Markup:
    """Lay a row out; most rows of a table are as they were when they were last asked for.

    Parameters
    ----------
    broad
        Columns that have room for what is wrong in a cell.
    edit, look
        Addresses of the row's form, but for its line, and of the page of its case; empty where there is none.
    """
    template = environment().get_template("case_row.html.j2")
    return Markup(template.render(row=row, broad=broad, edit=edit, look=look, t=texts(language)))


def _cases(request: Request) -> Response:
    """Show the table; ``?edit=LINE`` opens the form of a row."""
    line = request.query_params.get("edit", "")
    study = study_of(request)
    search = _searches.get(study)
    if search is not None and search.work.is_over():
        _searches.pop(study, None)
    page = _page(request, editing=int(line) if line.isdecimal() and len(line) < 9 else None, search=search)
    page.background = BackgroundTask(_look_at_masks, request)
    return page


def _look_at_masks(request: Request, *, seconds: float = _LOOKING_SECONDS, after: int = 0) -> None:
    """Look at the masks of the rows after a line, as far as that comes; the page that is loaded next tells of them."""
    table, _ = _table_of(request)
    lines = {line for line in table.rows if line > after}
    look_at_masks(table, FilesLookedAt(table.path.parent, opened_folder(request)), lines=lines, seconds=seconds)


def _export(request: Request) -> Response:
    """Give the table as CSV UTF-8 with the mark by which spreadsheets know it; what is no table goes as it is."""
    table, _ = _table_of(request)
    if table.broken and not table.digest:
        raise HTTPException(HTTPStatus.NOT_FOUND, table.broken)
    if table.broken:
        content = table.path.read_bytes()
    else:
        content = b"\xef\xbb\xbf" + csv_text(table.header, table.rows.values()).encode()
    name = f"{study_of(request).name}-{table.path.name}"
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


async def _row(request: Request) -> Response:
    """Save or remove a row."""
    form = await request.form(max_fields=200)
    return await run_in_threadpool(_changed_row, request, form)


def _changed_row(request: Request, form: FormData) -> Response:
    path, digest = _editable_path(request), str(form.get("digest", ""))
    line = str(form.get("line", ""))
    number = int(line) if line.isdecimal() and len(line) < 9 else 0
    typed = {name.removeprefix(_CELL): str(text) for name, text in form.items() if name.startswith(_CELL)}
    before = read_case_table(path)
    try:
        if form.get("action") == "remove":
            remove_row(path, number, digest=digest)
            return _back(request)
        change_row(path, number, typed, digest=digest, opened=opened_folder(request))
    except AMTError as error:
        return _page(request, message=told(request, error), status_code=_status(error), editing=number, typed=typed)
    if form.get("answer") == "rows" and (rows := _changed_rows(request, before, number)):
        return rows
    page = _back(request, anchor=f"line-{_line_now(path, number, before)}")
    if form.get("answer") == "rows":
        return Response(status_code=HTTPStatus.RESET_CONTENT, headers={"Location": page.headers["Location"]})
    return page


def _changed_rows(request: Request, before: CaseTable, line: int) -> Response | None:
    """Answer a change with the rows that are no longer as they were; None where the page must be loaded anew."""
    table, _ = _table_of(request)
    asked, files = _asked(request), FilesLookedAt(table.path.parent, opened_folder(request))
    view = table_view(table, files=files, with_ids=asked["with_ids"])
    changed = view.rows_unlike(table_view(before, files=files, with_ids=asked["with_ids"]))
    if changed is None:
        return None
    undo_view = _undo_view(request, table, editable=True)
    return render(request, "case_changed.html.j2", view=view, changed=changed, line=line, **undo_view, **asked)


def _line_now(path: Path, number: int, before: CaseTable) -> int:
    """Say where a row stands after it was saved: blank lines before it have gone."""
    after = read_case_table(path)
    return number if after.digest == before.digest else list(after.rows)[list(before.rows).index(number)]


async def _import(request: Request) -> Response:
    """Put an uploaded table in place of this one."""
    form = await request.form(max_files=1, max_fields=10)
    upload = form.get("table")
    content = await upload.read() if isinstance(upload, UploadFile) else b""

    def imported() -> Response:
        path, opened, base = _editable_path(request), opened_folder(request), str(form.get("base", "")).strip()
        try:
            table = content
            if base:
                before = os.path.relpath(inside(opened, base), path.parent.resolve())
                table = rebased_table(content, name=path.name, before=PurePosixPath(before)).encode()
            replace_table(path, table, digest=str(form.get("digest", "")), opened=opened)
        except HTTPException as error:
            return _page(request, message=told(request, error), status_code=error.status_code)
        except AMTError as error:
            return _page(request, message=told(request, error), status_code=_status(error))
        return _back(request)

    return await run_in_threadpool(imported)


async def _undo(request: Request) -> Response:
    form = await request.form(max_fields=10)

    def undone() -> Response:
        try:
            undo(_editable_path(request), digest=str(form.get("digest", "")))
        except AMTError as error:
            return _page(request, message=told(request, error), status_code=_status(error))
        return _back(request)

    return await run_in_threadpool(undone)


async def _search(request: Request) -> Response:
    """Look for CTs and masks below a folder, and add them as rows."""
    form = await request.form(max_fields=10)
    return await run_in_threadpool(_searched, request, form)


def _searched(request: Request, form: FormData) -> Response:
    """Begin a search, and answer with what it found; if that takes longer, with the page that tells how far it is."""
    asked = {name: str(form.get(name, "")).strip() for name in ("path", "institution")}
    study, path = study_of(request), _editable_path(request)
    try:
        root = inside(opened_folder(request), asked["path"])
        require_unchanged(path, digest=str(form.get("digest", "")))
        if study not in _searches:
            work = Aside(lambda progress: _add_found(request, root, asked, progress=progress))
            _searches[study] = Search(asked, work)
    except HTTPException as error:
        return _page(request, message=told(request, error), status_code=error.status_code, searched=asked)
    except AMTError as error:
        return _page(request, message=told(request, error), status_code=_status(error), searched=asked)
    if _searches[study].work.is_over(seconds=_PATIENCE_SECONDS):
        return _page(request, search=_searches.pop(study))
    return _back(request, anchor="search-state")


def _search_state(request: Request) -> Response:
    """Tell how far a search is; a page that asks again and again loads itself anew at its end."""
    search = _searches.get(study_of(request))
    return render(request, "case_search.html.j2", search=search, is_over=search is None or search.work.is_over())


async def _send(request: Request) -> Response:
    """Keep CTs and masks that were sent in a folder of the study, and add what they hold as rows."""
    form = await request.form(max_files=_MOST_FILES, max_fields=10)
    return await run_in_threadpool(_sent, request, form)


def _sent(request: Request, form: FormData) -> Response:
    files = [one for one in form.getlist("files") if isinstance(one, UploadFile) and (one.filename or one.size)]
    folder = _editable_path(request).parent / SENT_FOLDER / f"{datetime.now().astimezone():%Y%m%d-%H%M%S-%f}"
    t = texts(language_of(request))
    if not files:
        return _page(request, message=t("cases.send_none"), status_code=HTTPStatus.BAD_REQUEST)
    try:
        require_free_space(folder, sum(one.size or 0 for one in files), "what was sent")
        keep_folders(folder, [(one.filename or "file", one.file) for one in files])
        asked = {name: str(form.get(name, "")).strip() for name in ("digest", "institution")}
        require_unchanged(_editable_path(request), digest=asked["digest"])
        rows = _add_found(request, folder, asked)
    except (AMTError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, AMTError):
            return _page(request, message=told(request, error), status_code=_status(error))
        message = t("patients.not_kept", reason=error.strerror or type(error).__name__)
        return _page(request, message=message, status_code=HTTPStatus.BAD_REQUEST)
    return _page(request, found=rows)


def _add_found(request: Request, root: Path, asked: Mapping[str, str], *, progress: Progress = silent) -> NewRows:
    """Add the CTs below a folder to the table as it is when they are found."""
    path, found = _editable_path(request), find_pairs(root, progress=progress)
    table = read_case_table(path)
    rows = new_rows(found, table, opened=opened_folder(request), institution=asked["institution"])
    add_rows(path, rows.rows, digest=table.digest)
    _look_at_masks(request, after=max(table.rows, default=0))
    return rows


def _status(error: AMTError) -> int:
    return HTTPStatus.CONFLICT if isinstance(error, ChangedSinceError) else HTTPStatus.BAD_REQUEST


def _kept(request: Request, **more: Any) -> str:
    """Write the part of an address that stays the same from page to page."""
    kept = {name: request.query_params[name] for name in _KEPT if name in request.query_params}
    query = urlencode({**kept, **more})
    return f"?{query}" if query else ""


def _back(request: Request, *, anchor: str = "") -> Response:
    name = quote(study_of(request).name)
    address = f"/studies/{name}/cases{_kept(request)}" + (f"#{anchor}" if anchor else "")
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)


routes = [
    Route("/studies/{name}/cases", _cases, methods=["GET"]),
    Route("/studies/{name}/cases/export", _export, methods=["GET"]),
    Route("/studies/{name}/cases/row", _row, methods=["POST"]),
    Route("/studies/{name}/cases/import", _import, methods=["POST"]),
    Route("/studies/{name}/cases/undo", _undo, methods=["POST"]),
    Route("/studies/{name}/cases/search", _search, methods=["POST"]),
    Route("/studies/{name}/cases/search-state", _search_state, methods=["GET"]),
    Route("/studies/{name}/cases/send", _send, methods=["POST"]),
]
