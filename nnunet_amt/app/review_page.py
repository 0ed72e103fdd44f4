"""The page of one case: its CT with its mask by slices, what readers say of it, and the mask out to be mended."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from nnunet_amt.app.case_table import change_row, read_case_table, undo
from nnunet_amt.app.language import Texts, language_of, texts
from nnunet_amt.app.pages import render, told
from nnunet_amt.app.seen_cases import CT, MASK, SECOND, SeenCase, StudyCases, case_address, shown_name
from nnunet_amt.base.files import require_free_space
from nnunet_amt.cohort.case import CohortCase
from nnunet_amt.cohort.reviews import (
    LONGEST_NOTE,
    REVIEWS_FILE,
    ROLES,
    MaskChange,
    Review,
    ReviewRefusedError,
    Status,
    add_review,
    checked_initials,
    known_to,
    new_review,
    read_reviews,
    state_known_to,
)
from nnunet_amt.cohort.spelling import closed_up
from nnunet_amt.dataset_conversion.case_voxels import seen_digest
from nnunet_amt.dataset_conversion.mask_editing import keep_mask, write_edit_zip
from nnunet_amt.errors import AMTError
from nnunet_amt.evaluation.measure.mask_difference import mask_difference
from nnunet_amt.images.sent_mask import SENT_MASK_ENDINGS, read_sent_mask, sent_mask_ending
from nnunet_amt.pictures import slice_png, slice_size
from nnunet_amt.report.viewer.part import NIIVUE_FILE, WINDOWS, niivue_script

MASKS = "masks"  # of a study: the masks that were edited
# The look of each status, a class of the style sheet
CLASSES: Mapping[Status, str] = {
    "not_looked_at": "",
    "annotated": "queued",
    "being_reviewed": "queued",
    "reviewed_once": "queued",
    "agreed": "done",
    "wrong": "failed",
    "disagreement": "failed",
    "out_of_date": "stopped",
}
_READER = "nnunet_amt_reader"  # the cookie with role and initials
_YEAR_SECONDS = 365 * 24 * 3600
_PIXELS = 768  # of a slice's longer edge
_SHORTEST_ID = 4
# NiiVue packs and draws with WebAssembly and workers of its own
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self' data: blob:; worker-src blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Reader:
    """Who looks: kept in a cookie from case to case."""

    role: str = "reviewer"
    initials: str = ""

    @classmethod
    def of(cls, request: Request) -> Reader:
        """Read the cookie; nobody where there is none, or a broken one."""
        role, _, initials = unquote(request.cookies.get(_READER, "")).partition(":")
        try:
            return cls(role if role in ROLES else "reviewer", checked_initials(initials))
        except ReviewRefusedError:
            return cls()

    def keep(self, response: Response) -> None:
        """Write the cookie."""
        value = quote(f"{self.role}:{self.initials}")
        response.set_cookie(_READER, value, max_age=_YEAR_SECONDS, httponly=True, samesite="strict")

    @staticmethod
    def forget(response: Response) -> None:
        """Take the cookie back."""
        response.delete_cookie(_READER, httponly=True, samesite="strict")


def case_words(case: CohortCase, t: Texts) -> str:
    """Name a case on a page: by its id, or by its line in the table where the id tells the patient's."""
    return shown_name(case) or t("review.case_in_line", line=case.line)


def reviews_path(cases: StudyCases) -> Path:
    """Name the record of a study."""
    return cases.study / REVIEWS_FILE


def reviews_of(reviews: tuple[Review, ...], case: CohortCase) -> list[Review]:
    """Give what was said of a case."""
    return [review for review in reviews if review.case_id == case.case_id]


def refusal(error: AMTError, request: Request, t: Texts) -> str:
    """Say in the reader's language why something does not go into the record, where there is a sentence for it."""
    if isinstance(error, ReviewRefusedError):
        return t(f"review.refused_{error.reason}", **error.values)
    return told(request, error)


def _page(
    request: Request, *, message: str = "", typed: dict[str, str] | None = None, mask_problem: str = ""
) -> Response:
    cases = StudyCases.of(request)
    case = cases.case(request.path_params["code"])
    t, reader = texts(language_of(request)), Reader.of(request)
    seen, broken = None, ""
    try:
        seen = cases.seen(case)
    except AMTError as error:
        broken = told(request, error)
    own, mask = reviews_of(read_reviews(reviews_path(cases)), case), None if seen is None else seen.mask
    known = known_to(own, mask, reader.initials)
    ids = list(cases.cases)
    place = ids.index(case.case_id)
    response = render(
        request,
        "review.html.j2",
        status_code=HTTPStatus.BAD_REQUEST if message or mask_problem else HTTPStatus.OK,
        study=cases.study.name,
        name=case_words(case, t),
        line=case.line,
        address=case_address(cases, case.case_id),
        listed=f"/studies/{quote(cases.study.name)}/reviews",
        previous=case_address(cases, ids[place - 1]) if place else None,
        following=case_address(cases, ids[place + 1]) if place + 1 < len(ids) else None,
        place=place + 1,
        count=len(ids),
        seen=seen,
        shown=None if seen is None else _shown(request, seen),
        picture_size=None if seen is None else _picture_size(seen),
        broken=broken,
        state=state_known_to(own, mask, reader.initials),
        history=known[::-1],
        is_blind=len(known) < len(own),
        reader=Reader(reader.role, (typed or {}).get("initials", reader.initials)),
        typed=typed or {},
        message=message,
        mask_problem=mask_problem,
        saved=request.query_params.get("saved"),
        can_edit=cases.is_editable and seen is not None and not seen.has_ignored,
        endings=",".join(SENT_MASK_ENDINGS),
        longest_note=LONGEST_NOTE,
        windows=WINDOWS,
        classes=CLASSES,
        has_viewer=NIIVUE_FILE.is_file(),
    )
    response.headers["Content-Security-Policy"] = _POLICY
    if seen is not None and place + 1 < len(ids):
        response.background = BackgroundTask(cases.read_ahead, cases.cases[ids[place + 1]])
    return response


@dataclass(frozen=True)
class _Shown:
    """What the still picture shows: a slice, from 1 at the feet, in a window, with the masks or without."""

    slice: int
    window: str
    masks: bool


def _shown(request: Request, seen: SeenCase) -> _Shown:
    asked = request.query_params.get("slice", "")
    number = int(asked) if asked.isdecimal() and len(asked) < 6 else seen.largest_slice + 1
    window = request.query_params.get("window", "")
    known = [name for name, _, _ in WINDOWS]
    masks = request.query_params.get("masks") != "0"
    return _Shown(min(max(number, 1), seen.slices), window if window in known else known[0], masks)


def _picture_size(seen: SeenCase) -> tuple[int, int]:
    """Tell width and height of the still picture, so that nothing on the page moves when it comes."""
    (columns, rows, _), (x, y, _) = seen.geometry.size, seen.geometry.spacing
    return slice_size((rows * y, columns * x), size=_PIXELS)


def _look(request: Request) -> Response:
    return _page(request)


def _picture(request: Request) -> Response:
    """Draw an axial slice with the masks on it."""
    cases = StudyCases.of(request)
    seen = cases.seen(cases.case(request.path_params["code"]))
    shown = _shown(request, seen)
    level, width = next((level, width) for name, level, width in WINDOWS if name == shown.window)
    view = seen.axial(shown.slice - 1, with_masks=shown.masks)
    return Response(slice_png(view, size=_PIXELS, window=(level, width)), media_type="image/png")


def _volume(request: Request) -> Response:
    """Give the CT or a mask to the viewer, as a NIfTI file without a word of whose it is."""
    cases = StudyCases.of(request)
    seen = cases.seen(cases.case(request.path_params["code"]))
    if (
        request.path_params["file"] not in (CT, MASK, SECOND)
        or not (seen.folder / request.path_params["file"]).is_file()
    ):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return FileResponse(seen.folder / request.path_params["file"], media_type="application/octet-stream")


def _niivue(request: Request) -> Response:
    """Give the library that draws three planes."""
    script = niivue_script()
    return Response(script or "", HTTPStatus.OK if script else HTTPStatus.NOT_FOUND, media_type="text/javascript")


async def _verdict(request: Request) -> Response:
    form = await request.form(max_fields=20)
    return await run_in_threadpool(_judged, request, form)


def _judged(request: Request, form: FormData) -> Response:
    """Add to the record what a reader says of the mask that was on the page."""
    cases = StudyCases.of(request)
    case = cases.case(request.path_params["code"])
    t = texts(language_of(request))
    typed = {name: str(form.get(name, "")) for name in ("role", "initials", "verdict", "note", "mask")}
    try:
        _require_current(cases, case, typed["mask"])
        _require_nobody(typed["note"], case)
        review = new_review(
            case.case_id,
            role=typed["role"],
            initials=typed["initials"],
            verdict=typed["verdict"],
            note=typed["note"],
            mask=typed["mask"],
        )
        add_review(reviews_path(cases), review)
    except AMTError as error:
        return _page(request, message=refusal(error, request, t), typed=typed)
    listed = f"/studies/{quote(cases.study.name)}/reviews"
    here = f"{case_address(cases, case.case_id)}?saved=verdict"
    target = f"{listed}/next?after={cases.code(case.case_id)}" if form.get("then") == "next" else here
    response = RedirectResponse(target, HTTPStatus.SEE_OTHER)
    Reader(review.role, review.initials).keep(response)
    return response


def _require_current(cases: StudyCases, case: CohortCase, mask: str) -> SeenCase:
    """Refuse words on a mask that is another by now."""
    seen = cases.seen(case)
    if seen.mask != mask:
        raise ReviewRefusedError("changed", "the mask or the CT has changed since this page was loaded; look again")
    return seen


def _require_nobody(note: str, case: CohortCase) -> None:
    """Refuse a note that names the patient by the id of the table."""
    patient = closed_up(case.patient_id)
    if len(patient) >= _SHORTEST_ID and patient in closed_up(note):
        raise ReviewRefusedError("patient", "note: holds the patient's id; take it out")


def _save_zip(request: Request) -> Response:
    """Give CT and mask for 3D Slicer or ITK-SNAP."""
    cases = StudyCases.of(request)
    case = cases.case(request.path_params["code"])
    seen, t = cases.seen(case), texts(language_of(request))
    name = _file_name(cases, case)
    path = seen.folder / f"edit_{t.language}.zip"
    if not path.is_file():
        values, labels = seen.voxels(CT), seen.voxels(MASK)
        how_to = t("review.how_to", name=name)
        write_edit_zip(path, values, labels, geometry=seen.geometry, name=name, how_to=how_to)
    return FileResponse(path, filename=f"{name}.zip", media_type="application/zip")


def _file_name(cases: StudyCases, case: CohortCase) -> str:
    return shown_name(case) or f"case_{cases.code(case.case_id)}"


async def _mask(request: Request) -> Response:
    form = await request.form(max_files=1, max_fields=20)
    return await run_in_threadpool(_replaced, request, form)


def _replaced(request: Request, form: FormData) -> Response:
    """Put an edited mask in place of the one that was on the page."""
    cases = StudyCases.of(request)
    case = cases.case(request.path_params["code"])
    t = texts(language_of(request))
    typed = {name: str(form.get(name, "")) for name in ("initials", "note", "mask")}
    upload = form.get("file")
    try:
        if not isinstance(upload, UploadFile) or not upload.filename:
            raise ReviewRefusedError("no_file", "no file was chosen; choose the edited mask")
        who = checked_initials(typed["initials"])
        _require_nobody(typed["note"], case)
        seen = _require_current(cases, case, typed["mask"])
        with tempfile.TemporaryDirectory() as scratch:
            sent = Path(scratch) / f"sent{sent_mask_ending(upload.filename)}"
            require_free_space(sent.parent, 2 * (upload.size or 0), "the mask that was sent")
            with sent.open("wb") as file:
                shutil.copyfileobj(upload.file, file)
            labels = read_sent_mask(sent, grid=seen.geometry)
        _replace_mask(cases, case, seen, labels, who=who, note=typed["note"])
    except AMTError as error:
        return _page(request, mask_problem=refusal(error, request, t), typed=typed)
    response = RedirectResponse(f"{case_address(cases, case.case_id)}?saved=mask", HTTPStatus.SEE_OTHER)
    Reader("annotator", who).keep(response)
    return response


def _replace_mask(cases: StudyCases, case: CohortCase, seen: SeenCase, labels: Any, *, who: str, note: str) -> None:
    """Keep a new mask, name it in the table, and put what changed into the record; all of it, or nothing."""
    if not cases.is_editable:
        raise ReviewRefusedError("elsewhere", "the table lies outside the opened folder; it is not changed here")
    if seen.has_ignored:
        raise ReviewRefusedError("ignored", "the mask marks voxels to be left out, which an edited one cannot keep")
    if case.no_tumour and labels.any():
        raise ReviewRefusedError("no_tumour", "the mask holds a tumour, though no_tumour is yes; empty that cell first")
    if not case.no_tumour and not labels.any():
        raise ReviewRefusedError("empty", "the mask is empty, though the row says that there is a tumour")
    before = seen.voxels(MASK)
    if (before == labels).all():
        raise ReviewRefusedError("same", "the mask is the same as before; nothing was changed")
    x, y, z = seen.geometry.spacing
    difference = mask_difference(before, labels, (x, y, z))
    digest = seen_digest(seen.voxels(CT), labels, seen.geometry)
    new = keep_mask(cases.study / MASKS, labels, geometry=seen.geometry, name=_file_name(cases, case))
    path = cases.table.path
    named = Path(os.path.relpath(new.resolve(), path.parent.resolve())).as_posix()
    try:
        if cases.read(replace(case, mask=new)).seen_digest() != digest:
            raise ReviewRefusedError("read_back", "the edited mask is not read as it was sent; export it again")
        change = MaskChange(named, difference)
        review = new_review(
            case.case_id, role="annotator", initials=who, verdict="right", note=note, mask=digest, change=change
        )
        change_row(path, case.line, {"mask": named}, digest=cases.table.digest, opened=cases.opened)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    try:
        add_review(reviews_path(cases), review)
    except BaseException:
        undo(path, digest=read_case_table(path).digest)
        new.unlink(missing_ok=True)
        raise


_ONE = "/studies/{name}/reviews/{code}"
routes = [
    Route("/reviews/niivue.js", _niivue, methods=["GET"]),
    Route(_ONE, _look, methods=["GET"]),
    Route(f"{_ONE}/slice.png", _picture, methods=["GET"]),
    Route(f"{_ONE}/edit.zip", _save_zip, methods=["GET"]),
    Route(f"{_ONE}/verdict", _verdict, methods=["POST"]),
    Route(f"{_ONE}/edited-mask", _mask, methods=["POST"]),
    Route(f"{_ONE}/{{file}}", _volume, methods=["GET"]),
]
